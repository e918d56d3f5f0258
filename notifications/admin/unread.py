"""Inboxes by how many notifications their users have not read."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from notifications.health import classes


class UnreadFilter(admin.SimpleListFilter):
    """By the classes of the delivery health page."""

    title = _("unread")
    parameter_name = "unread"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(name, classes.in_words(name)) for name in classes.NAMES]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if self.value() not in classes.NAMES:
            return queryset
        least, next_least = classes.bounds(str(self.value()))
        above = queryset.filter(unread_count__gte=least)
        return above if next_least is None else above.filter(unread_count__lt=next_least)
