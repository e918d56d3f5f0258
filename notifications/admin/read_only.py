"""Admin pages that show and never write."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin

from zenithedge.never_written import NeverWritten

if TYPE_CHECKING:
    ModelAdmin = admin.ModelAdmin[Any]
    TabularInline = admin.TabularInline[Any, Any]
else:
    ModelAdmin, TabularInline = admin.ModelAdmin, admin.TabularInline


class ReadOnlyAdmin(NeverWritten, ModelAdmin):
    show_full_result_count = False  # a COUNT of the whole table on every search
    list_per_page = 50


class ReadOnlyInline(NeverWritten, TabularInline):
    extra = 0
    can_delete = False
