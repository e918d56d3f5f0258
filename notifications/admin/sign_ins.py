"""Wrong passwords, by name and address, until their lock is over. Deleting a row lifts the lock."""

from __future__ import annotations

import ipaddress
from typing import Any

from axes.models import AccessAttempt, AccessFailureLog, AccessLog
from django.contrib import admin
from django.db.models import Q
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from zenithedge.admin.filters import ValueFilter
from zenithedge.admin.lists import ListAdmin
from zenithedge.admin.searching import by_value

# The two logs are never written here (`AXES_DISABLE_ACCESS_LOG`), and the library's lists count and search every row.
for model in (AccessAttempt, AccessLog, AccessFailureLog):
    if admin.site.is_registered(model):
        admin.site.unregister(model)


def by_address(word: str) -> Q | None:
    try:
        return Q(ip_address=str(ipaddress.ip_address(word)))
    except ValueError:
        return None


@admin.register(AccessAttempt)
class AccessAttemptAdmin(ListAdmin):
    list_display = ("attempt_time", "username", "ip_address", "failures_since_start", "path_info")
    sortable_by = ()
    list_filter = (("username", ValueFilter),)
    ordering = ("-id",)
    finders = (by_value("username"), by_address)
    search_help_text = _("The user name or the address.")
    fields = readonly_fields = (*list_display, "user_agent")

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False
