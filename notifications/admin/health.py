"""The delivery health page: at a glance whether all is well, and the list behind each number."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from notifications.admin.health_charts import charts, tile_links
from notifications.health import judging, report, standing
from notifications.health.judging import State, Tile
from notifications.health.periods import Range
from notifications.models import HealthFigures
from zenithedge.admin.read_only import NeverWritten

if TYPE_CHECKING:
    ModelAdmin = admin.ModelAdmin[HealthFigures]
else:
    ModelAdmin = admin.ModelAdmin  # generic in the stubs only

REFRESH_S = 30

RANGES = {
    Range.HOUR: _("1 hour"),
    Range.DAY: _("24 hours"),
    Range.WEEK: _("7 days"),
    Range.MONTH: _("30 days"),
}
SUMMARIES = {
    State.GOOD: _("All is well"),
    State.WARN: _("Worth a look"),
    State.BAD: _("Something is broken"),
    State.NONE: _("Nothing to judge yet"),
}


class LinkedTile(NamedTuple):
    tile: Tile
    url: str


@admin.register(HealthFigures)
class HealthFiguresAdmin(NeverWritten, ModelAdmin):
    """One page in the place of a list: figures are looked at together."""

    def get_urls(self) -> list[URLPattern]:
        name = f"{self.opts.app_label}_{self.opts.model_name}_changelist"
        return [path("", self.admin_site.admin_view(self.changelist_view), name=name)]

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self.has_view_permission(request)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.has_perm("notifications.view_health")

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Of a range that nobody knows, the default one."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        asked = request.GET.get("range", Range.DAY.value)
        if asked not in set(Range):
            return HttpResponseRedirect(request.path)
        context = {**self.admin_site.each_context(request), **_figures(Range(asked)), **(extra_context or {})}
        return TemplateResponse(request, "admin/notifications/health.html", context)


def _figures(range_: Range) -> dict[str, Any]:
    found = report.read(range_, timezone.now())
    tiles = judging.tiles(found, sockets=standing.open_sockets())
    links = tile_links(found)
    linked = [LinkedTile(tile, links.get(tile.key, "")) for tile in tiles]
    worst = judging.worst(tiles)
    return {
        "title": _("Delivery health"),
        "report": found,
        "ranges": [(value, words, value is range_) for value, words in RANGES.items()],
        "refresh_s": REFRESH_S,
        "judged": [one for one in linked if one.tile.key in judging.JUDGED],
        "informing": [one for one in linked if one.tile.key not in judging.JUDGED],
        "worst": worst,
        "summary": SUMMARIES[worst],
        "wrong": [one for one in linked if one.tile.state in (State.BAD, State.WARN)],
        "charts": charts(found),
    }
