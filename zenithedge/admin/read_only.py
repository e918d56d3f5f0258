"""What the admin shows and never writes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.http import HttpRequest

from zenithedge.admin.lists import ListAdmin

if TYPE_CHECKING:
    TabularInline = admin.TabularInline[Any, Any]
else:
    TabularInline = admin.TabularInline  # generic in the stubs only


class NeverWritten:
    """No adding, no changing, no deleting, by nobody: rows go with the account, signal or webhook that they belong to.

    On its own a deleted notification would leave browsers with a badge that is wrong, and a deleted dispatch would
    be dispatched again. What is old goes by `cleanup_notifications`.
    """

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class ReadOnlyAdmin(NeverWritten, ListAdmin):
    """A list of records, with a page for each."""


class ReadOnlyInline(NeverWritten, TabularInline):
    extra = 0
    can_delete = False
