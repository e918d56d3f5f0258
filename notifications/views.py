"""The pages: complete without JavaScript and without a socket. GET changes nothing."""

from __future__ import annotations

import datetime as dt
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.contrib.auth.models import User
from django.core.exceptions import BadRequest
from django.db.models import Exists, OuterRef
from django.http import (
    Http404,
    HttpRequest,
    HttpResponse,
    JsonResponse,
    StreamingHttpResponse,
)
from django.shortcuts import get_object_or_404, render
from django.utils import timezone
from django.utils.translation import ngettext
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from notifications import export, figures, insight_page, listing, stream
from notifications.api import MAX_MARKED
from notifications.filters import Ending, Filters, choices
from notifications.http import ApiRequest
from notifications.listing import Listing
from notifications.models import (
    InsightNotification,
    NotificationDeliveryLog,
    NotificationPreference,
    default_time_zone,
)
from notifications.priority import Priority
from notifications.quiet import zone_or_utc
from notifications.reasons import why_not_notified
from signals import track_record
from signals.models import Side, Signal, TradeValidation
from zenithedge.csv_files import download
from zenithedge.forms import posted_from, redirect_back

MAX_BIGINT = 2**63 - 1


@require_safe
@never_cache
@login_required
def dashboard(request: ApiRequest) -> HttpResponse:
    filters = Filters.from_query(request.GET)
    zone = _own_zone(request.user)
    context = {
        **_listing_context(request.user, filters, listing.read(request.user.pk, filters.wanted(zone, as_entries=True))),
        "figures": figures.read(request.user.pk, zone, timezone.now()),
    }
    return _render(request, "notifications/dashboard.html", context, zone)


@require_safe
@never_cache
@login_required
def history(request: ApiRequest) -> HttpResponse:
    filters = Filters.from_query(request.GET)
    zone = _own_zone(request.user)
    before = _positive_int("before", request.GET.get("before"))
    wanted = filters.wanted(zone, before=before, held_too=True, as_entries=True)
    try:
        page = listing.read(request.user.pk, wanted)
    except listing.UnknownBeforeError as error:
        raise Http404("There is no such page.") from error
    context = _listing_context(request.user, filters, page)
    return _render(request, "notifications/history.html", context, zone)


@require_safe
@never_cache
@login_required
def history_export(request: ApiRequest) -> StreamingHttpResponse:
    """The history as a file, narrowed as its address says; the whole of it, whatever page was looked at."""
    zone = _own_zone(request.user)
    lines = export.csv_lines(request.user.pk, Filters.from_query(request.GET).wanted(zone, held_too=True))
    today = timezone.now().astimezone(zone).date()
    return download(lines, f"zenithedge-insights-{today}")


@require_safe
@never_cache
@login_required
def insight(request: ApiRequest, signal_id: int) -> HttpResponse:
    """For the signal's owner, whoever holds a notification of it, and every trader when it is a house signal."""
    signal = get_object_or_404(_visible_signals(request.user), pk=signal_id)
    position = stream.position(request.user.pk)
    validation: TradeValidation | None = getattr(signal, "validation", None)
    own = InsightNotification.objects.for_user(request.user).filter(signal=signal)
    revisions = list(own.with_signal().order_by("-revision"))
    notification = revisions[0] if revisions else None
    context = {
        "signal": signal,
        "validation": validation,
        "prices": insight_page.prices(signal),
        "reward_to_risk": insight_page.reward_to_risk(signal),
        "closes": insight_page.closes(signal, insight_page.market_time(signal, timezone.now())),
        "scale": insight_page.scale(signal),
        "breakdown": insight_page.sub_scores(validation.breakdown) if validation else [],
        "notification": notification,
        "revisions": revisions,
        "bell": position,  # read before the notification: a later one could hide a change
        "expired": timezone.now() >= (notification or signal).expires_at,
        "life_bars": settings.NOTIFICATIONS_LIFE_BARS,
        "track_record": track_record.of_band(request.user, signal.ai_confidence),
        "why_not": None if notification else why_not_notified(request.user, signal),
        "delivery_logs": NotificationDeliveryLog.objects.filter(notification__in=own).order_by("created_at", "pk"),
    }
    return _render(request, "notifications/insight.html", context, _own_zone(request.user))


@require_safe
@never_cache
@login_required
def insight_closes(request: ApiRequest, signal_id: int) -> HttpResponse:
    """What the insight page draws its chart from; for whoever may see the page."""
    signal = get_object_or_404(_visible_signals(request.user), pk=signal_id)
    closes = insight_page.closes(signal, insight_page.market_time(signal, timezone.now()))
    if closes is None:
        raise Http404("There are no market data for it.")
    return JsonResponse(closes)


@posted_from("history")
def mark_read(request: ApiRequest, notification_id: int) -> HttpResponse:
    """The form beside a notification; the page's script does the same over the API."""
    if stream.mark_read(request.user.pk, notification_id, whole_entry=True) is None:
        raise Http404("There is no such notification.")
    return redirect_back(request)


@posted_from("history")
def mark_all_read(request: ApiRequest) -> HttpResponse:
    """`up_to_seq` is the position that the page showed: what arrived since stays unread."""
    up_to_seq = _positive_int("up_to_seq", request.POST.get("up_to_seq") or None, smallest=0)
    result = stream.mark_all_read(request.user.pk, up_to_seq)
    _say_marked(request, result.count)
    return redirect_back(request)


@posted_from("history")
def mark_selected_read(request: ApiRequest) -> HttpResponse:
    """The boxes that are ticked in a list; the page's script does the same over the API."""
    ids = [_positive_int("ids", text) or 0 for text in request.POST.getlist("ids")[:MAX_MARKED]]
    count = stream.mark_many_read(request.user.pk, ids, whole_entries=True).count
    _say_marked(request, count)
    return redirect_back(request)


def _say_marked(request: HttpRequest, count: int) -> None:
    messages.success(
        request, ngettext("Marked %(count)d as read.", "Marked %(count)d as read.", count) % {"count": count}
    )


def _listing_context(user: User, filters: Filters, page: Listing) -> dict[str, Any]:
    """With the position that was read before the rows in the bell's place: a later one could hide a change."""
    return {
        "notifications": page.notifications,
        "next_before": page.next_before,
        "older_query": filters.query(before=page.next_before),
        "unread_count": page.position.unread_count,
        "last_seq": page.position.last_seq,
        "bell": page.position,
        "filters": filters,
        "choices": choices(user.pk, filters),
        "priorities": Priority.choices,
        "sides": Side.choices,
        "states": listing.State.choices,
        "outcomes": Ending.choices,
    }


def _own_zone(user: User) -> dt.tzinfo:
    """Read through the user, with whom the preferences stay for what else the page asks of them."""
    preference: NotificationPreference | None = getattr(user, "notification_preference", None)
    return zone_or_utc(preference.time_zone if preference else default_time_zone())


def _render(request: HttpRequest, template: str, context: dict[str, Any], zone: dt.tzinfo) -> HttpResponse:
    """With every time by the user's own clock."""
    with timezone.override(zone):
        return render(request, template, context)


def _visible_signals(user: User) -> Any:
    held = InsightNotification.objects.for_user(user).filter(signal=OuterRef("pk"))
    own_or_house = Signal.objects.visible_to(user)
    return (own_or_house | Signal.objects.filter(Exists(held))).select_related("validation")


def _positive_int(name: str, text: str | None, *, smallest: int = 1) -> int | None:
    if text is None:
        return None
    # 20 digits: more than any id has, and int() raises for thousands of them
    if not (text.isascii() and text.isdecimal() and len(text) <= 20 and smallest <= int(text) <= MAX_BIGINT):
        raise BadRequest(f"{name} must be a whole number from {smallest}.")
    return int(text)
