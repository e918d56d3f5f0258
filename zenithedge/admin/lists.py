"""The base of every page of the admin: lists that cost the same however long they are."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, ClassVar, cast

from django.contrib import admin, messages
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.widgets import AutocompleteSelect
from django.contrib.contenttypes.models import ContentType
from django.core.exceptions import BadRequest, PermissionDenied
from django.db.models import Model, QuerySet
from django.db.models.constants import LOOKUP_SEP
from django.forms import Media
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from zenithedge import csv_files
from zenithedge.admin import csv_export, deleting, searching
from zenithedge.admin.counting import BoundedPaginator
from zenithedge.admin.filters import ChosenFilter

if TYPE_CHECKING:
    from django.contrib.auth.models import User
    from django_stubs_ext import StrOrPromise

    ModelAdmin = admin.ModelAdmin[Any]
else:
    ModelAdmin = admin.ModelAdmin  # generic in the stubs only

logger = logging.getLogger(__name__)

EXPORT = "notifications.export_lists"


class ListAdmin(ModelAdmin):
    """`finders` are what its search box looks for; without any Django's own search goes over `search_fields`.

    `too_many` says what to do instead of deleting a row with too many others behind it. `also_narrowed_by` are columns
    that the address of the list may name though the list neither shows them nor filters by them.
    """

    paginator = BoundedPaginator
    show_full_result_count = False  # a COUNT of the whole table on every search
    show_facets = admin.ShowFacets.NEVER  # the same for every choice of every filter
    list_per_page = 50
    list_max_show_all = 200
    change_list_template = "admin/bounded_change_list.html"
    actions: Any = ("export_chosen",)
    finders: tuple[searching.Finder, ...] = ()
    search_fields: ClassVar[Any] = ("pk",)  # where there are finders it only says that there is a search
    too_many: StrOrPromise = ""
    also_narrowed_by: tuple[str, ...] = ()

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        if not self.finders:
            return super().get_search_results(request, queryset, search_term)
        found = searching.condition(search_term, self.finders)
        return (queryset.none() if found is None else queryset.filter(found)), False

    @property
    def media(self) -> Media:
        """With what the filters need that look rows up."""
        own = super().media
        if any(isinstance(entry, tuple) and entry[1] is ChosenFilter for entry in self.list_filter):
            return own + AutocompleteSelect(LogEntry._meta.get_field("user"), self.admin_site).media
        return own

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        """Not by a column of its own that the list neither shows nor filters by.

        Django allows each, and so a secret that no page shows could be asked for letter by letter
        (`?secret__startswith=`) by whoever may look at the list.
        """
        column = lookup.partition(LOOKUP_SEP)[0]
        known = column not in {field.name for field in self.opts.get_fields()} or column in self._narrowed_by()
        return known and super().lookup_allowed(lookup, value, request)

    def _narrowed_by(self) -> set[str]:
        """By the first word of each lookup."""
        filters = (entry[0] if isinstance(entry, tuple) else entry for entry in self.list_filter)
        named = {entry.partition(LOOKUP_SEP)[0] for entry in filters if isinstance(entry, str)}
        return {self.opts.pk.name, *map(str, self.list_display), *named, *self.also_narrowed_by}

    # Export

    def get_urls(self) -> list[URLPattern]:
        name = f"{self.opts.app_label}_{self.opts.model_name}_export"
        return [path("export/", self.admin_site.admin_view(self.export_view), name=name), *super().get_urls()]

    def has_export_permission(self, request: HttpRequest) -> bool:
        return self.has_view_permission(request) and request.user.has_perm(EXPORT)

    def export_view(self, request: HttpRequest) -> HttpResponse | StreamingHttpResponse:
        """Of all that the address of the list narrows it to, whatever page was looked at."""
        if not self.has_export_permission(request):
            raise PermissionDenied
        try:
            changelist = self.get_changelist_instance(request)
        except IncorrectLookupParameters as error:
            raise BadRequest("The list can't be made with these parameters.") from error
        return self._export(request, changelist.queryset, request.GET.urlencode())

    @admin.action(description=_("Export as CSV"), permissions=["export"])
    def export_chosen(self, request: HttpRequest, queryset: QuerySet[Any]) -> StreamingHttpResponse:
        return self._export(request, queryset, gettext("chosen rows"))

    def _export(self, request: HttpRequest, rows: QuerySet[Any], which: str) -> StreamingHttpResponse:
        """Kept in the admin's own log: such a file is a copy that nobody here can delete."""
        logger.info("User %s exports %s", request.user.pk, self.opts.label)
        LogEntry.objects.create(
            user=cast("User", request.user),  # the admin lets nobody in who is not signed in
            content_type=ContentType.objects.get_for_model(self.model),
            object_repr=str(self.opts.verbose_name_plural)[:200],
            action_flag=CHANGE,
            change_message=gettext("Exported as CSV: %(which)s.") % {"which": which or gettext("all rows")},
        )
        columns = [str(name) for name in self.get_list_display(request)]
        name = f"zenithedge-{self.opts.model_name}-{timezone.now():%Y-%m-%d}"
        return csv_files.download(csv_export.csv_lines(rows, columns, self), name)

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        exported = {"export_query": request.GET.urlencode()} if self.has_export_permission(request) else {}
        return super().changelist_view(request, (extra_context or {}) | {"exported": exported})

    # Deletion

    def get_deleted_objects(
        self, objs: Any, request: HttpRequest
    ) -> tuple[list[str], dict[str, int], set[str], list[str]]:
        """Who may delete a row may delete what belongs to it; what that is, is said in numbers."""
        chosen: list[Model] = list(objs[: deleting.MOST_CHOSEN + 1])
        if len(chosen) > deleting.MOST_CHOSEN:
            words = gettext("Choose at most %(count)s at a time.") % {"count": deleting.MOST_CHOSEN}
            return [], {}, set(), [words]
        counted = deleting.counts(chosen) if chosen else {}
        objection = deleting.objection(counted, str(self.too_many))
        return [str(row) for row in chosen], counted, set(), [objection] if objection else []

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        deleting.delete_dependents([obj])
        super().delete_model(request, obj)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        deleting.delete_dependents(list(queryset))
        super().delete_queryset(request, queryset)

    # Actions

    def few_enough(self, request: HttpRequest, queryset: QuerySet[Any], most: int) -> bool:
        """Whether an action that takes row by row may go on; says so if not."""
        if queryset[: most + 1].count() <= most:
            return True
        words = gettext("Nothing was done: choose at most %(count)s at a time.") % {"count": most}
        self.message_user(request, words, messages.ERROR)
        return False
