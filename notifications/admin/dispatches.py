"""What became of each insight: who got it, who did not, and by which rule."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.core.paginator import Page
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, path
from django.utils.translation import gettext_lazy as _

from notifications import dispatching
from notifications.admin.audience import audience_view
from notifications.models import InsightChange, InsightDispatch, InsightNotification, SuppressedInsight
from notifications.preferences import Reason, Verdict
from signals.admin_search import by_strategy, by_symbol
from zenithedge.admin.counting import BoundedPaginator
from zenithedge.admin.filters import ChosenFilter, DaysFilter, ValueFilter
from zenithedge.admin.read_only import ReadOnlyAdmin
from zenithedge.admin.searching import by_id, by_user

RECIPIENTS_PER_PAGE = 50
SIGNALS_SHOWN = 10


@admin.register(InsightDispatch)
class InsightDispatchAdmin(ReadOnlyAdmin):
    list_display = ("opened_at", "signal", "revision", "state", "sent", "held", "suppressed", "finished_at")
    list_display_links = ("signal",)
    sortable_by = ("opened_at",)
    list_filter = (
        ("opened_at", DaysFilter),
        "state",
        ("signal__user", ChosenFilter),
        ("signal__user", admin.EmptyFieldListFilter),
        ("signal__symbol", ValueFilter),
        ("signal__strategy", ValueFilter),
    )
    also_narrowed_by = ("counts",)  # the delivery health page's bars lead to the dispatches with a reason
    list_select_related = ("signal",)
    finders = (by_id("signal"), by_symbol("signal__symbol"), by_strategy("signal__strategy"), by_user("signal__user"))
    search_help_text = _("Symbol, strategy, id of the signal, or how its owner's name begins.")
    fields = ("signal", "revision", "state", "fingerprint", "opened_at", "finished_at", "cursor", "last_error")
    change_form_template = "admin/notifications/insightdispatch/change_form.html"

    def get_urls(self) -> list[URLPattern]:
        """With the page that tells who would get an insight."""
        who = path("audience/", self.admin_site.admin_view(audience_view), name="notifications_audience")
        return [who, *super().get_urls()]

    @admin.display(description=_("sent"))
    def sent(self, dispatch: InsightDispatch) -> int:
        return verdict_count(dispatch, Verdict.SEND)

    @admin.display(description=_("held"))
    def held(self, dispatch: InsightDispatch) -> int:
        return verdict_count(dispatch, Verdict.HOLD)

    @admin.display(description=_("suppressed"))
    def suppressed(self, dispatch: InsightDispatch) -> int:
        return verdict_count(dispatch, Verdict.SUPPRESS)

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        dispatch = self.get_object(request, object_id)
        story = what_became_of(dispatch, request.GET.get("recipients", "1")) if dispatch else {}
        return super().change_view(request, object_id, form_url, (extra_context or {}) | story)


@admin.register(SuppressedInsight)
class SuppressedInsightAdmin(ReadOnlyAdmin):
    list_display = ("created_at", "user", "signal", "revision", "channel", "reason")
    sortable_by = ("created_at",)
    list_filter = (("created_at", DaysFilter), ("user", ChosenFilter), ("signal", ChosenFilter), "reason", "channel")
    list_select_related = ("user", "signal")
    finders = (by_id("signal"), by_symbol("signal__symbol"), by_strategy("signal__strategy"), by_user("user"))
    search_help_text = _("How the user name begins, symbol, strategy or id of the signal.")


@admin.register(InsightChange)
class InsightChangeAdmin(ReadOnlyAdmin):
    """What became of insights, on its way to everybody who holds them."""

    list_display = ("opened_at", "kind", "signals", "finished_at", "cursor")
    sortable_by = ()
    list_filter = (("finished_at", DaysFilter), ("finished_at", admin.EmptyFieldListFilter), "kind")
    ordering = ("-id",)  # the order in which they were opened; the time itself has no index
    finders = (by_id("pk"),)
    search_help_text = _("The id of the change.")
    fields = ("kind", "signal_ids", "opened_at", "finished_at", "cursor")

    @admin.display(description=_("insights"))
    def signals(self, change: InsightChange) -> str:
        shown = ", ".join(map(str, change.signal_ids[:SIGNALS_SHOWN]))
        return shown if len(change.signal_ids) <= SIGNALS_SHOWN else f"{shown}, … ({len(change.signal_ids)})"


def verdict_count(dispatch: InsightDispatch, verdict: Verdict) -> int:
    return int(dispatch.counts.get("verdicts", {}).get(verdict, 0))


def what_became_of(dispatch: InsightDispatch, page: str) -> dict[str, Any]:
    """Who got the insight (paged), who did not and why, and the counts by rule."""
    return {
        "still_open": not dispatch.finished,
        "progress": None if dispatch.finished else dispatching.progress(dispatch, dispatch.signal),
        "verdicts": [(verdict.label, verdict_count(dispatch, verdict)) for verdict in Verdict],
        "reasons": [
            (reason_label(reason), count)
            for reason, count in sorted(dispatch.counts.get("reasons", {}).items(), key=lambda row: -row[1])
        ],
        "recipients": _recipients(dispatch, page),
        "suppressions": SuppressedInsight.objects.filter(
            signal=dispatch.signal_id, revision=dispatch.revision
        ).select_related("user"),
    }


def reason_label(reason: str) -> str:
    """A reason that this version no longer knows is shown as it was stored."""
    return str(Reason(reason).label) if reason in Reason.values else reason


def _recipients(dispatch: InsightDispatch, page: str) -> Page[InsightNotification]:
    rows = InsightNotification.objects.filter(signal=dispatch.signal_id, revision=dispatch.revision)
    rows = rows.select_related("user").prefetch_related("delivery_logs").order_by("user_id")
    return BoundedPaginator(rows, RECIPIENTS_PER_PAGE).get_page(page)
