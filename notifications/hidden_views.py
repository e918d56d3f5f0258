"""What a user's preferences kept back: the list of a day, by reason, and the counts of today over the API."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any, NamedTuple

from django.contrib.auth.decorators import login_required
from django.core.exceptions import BadRequest
from django.core.paginator import Page, Paginator
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from notifications import hidden
from notifications.figures import begin
from notifications.hidden import Hidden
from notifications.http import ApiError, ApiRequest, allow_a_minute, json_api
from notifications.models import NotificationPreference
from notifications.preferences import Reason
from notifications.quiet import zone_or_utc
from notifications.reasons import setting_url
from signals.models import Signal
from zenithedge import rates
from zenithedge.sign_in import too_many

if TYPE_CHECKING:
    from django.contrib.auth.models import User

PER_PAGE = 50
# The page and the API together. Each decides a day's insights once more, which takes up to 0.2 s.
LOOKS_A_MINUTE = 60


class Row(NamedTuple):
    """One line of the list."""

    signal: Signal
    hidden: Hidden
    setting: str


@json_api("GET")
def api_hidden(request: ApiRequest) -> HttpResponse:
    """Since the user's own midnight. `text` says it in a sentence."""
    if request.GET:
        raise ApiError(
            400,
            "invalid_query",
            "The query has parameters that cannot be used.",
            {key[:64]: ["Unknown parameter."] for key in request.GET},
        )
    allow_a_minute(request, "hidden", LOOKS_A_MINUTE)
    zone = _own_zone(request.user)
    found = hidden.hidden_since(request.user, begin(timezone.now().astimezone(zone).date(), zone))
    counts = hidden.count_by_reason(found)
    return JsonResponse(
        {
            "count": len(found),
            "by_reason": [{"reason": str(one.reason), "label": one.label, "count": one.count} for one in counts],
            "text": hidden.in_words(counts),
            "url": reverse("hidden"),
        }
    )


@require_safe
@never_cache
@login_required
def hidden_page(request: ApiRequest) -> HttpResponse:
    """One day by the user's own clock, today unless the address says `day`; narrowed by `reason`."""
    if rates.add("hidden", str(request.user.pk), rates.MINUTE_S) > LOOKS_A_MINUTE:
        return too_many(request, rates.next_window_s(rates.MINUTE_S), guessing=False)
    zone = _own_zone(request.user)
    today = timezone.now().astimezone(zone).date()
    day = _day(request, today)
    next_day = day + dt.timedelta(days=1)
    found = hidden.hidden_since(request.user, begin(day, zone), begin(next_day, zone))
    reason = request.GET.get("reason", "")
    shown = [one for one in found if reason in ("", one.reason)]
    page: Page[Any] = Paginator(shown, PER_PAGE).get_page(request.GET.get("page"))
    context = {
        "day": day,
        "today": today,
        "earlier": day - dt.timedelta(days=1) if day > today - dt.timedelta(days=hidden.MOST_DAYS) else None,
        "later": next_day if day < today else None,
        "counts": hidden.count_by_reason(found),
        "total": len(found),
        "reason": reason,
        "page": page,
        "rows": _rows(list(page.object_list)),
    }
    with timezone.override(zone):
        return render(request, "notifications/hidden.html", context)


def _day(request: HttpRequest, today: dt.date) -> dt.date:
    """Raises BadRequest for what is no day of the time for which reasons are known."""
    try:
        day = dt.date.fromisoformat(request.GET.get("day") or today.isoformat())
    except ValueError as error:
        raise BadRequest("day must be a date such as 2026-03-01.") from error
    if not today - dt.timedelta(days=hidden.MOST_DAYS) <= day <= today:
        raise BadRequest(f"day must be one of the last {hidden.MOST_DAYS}.")
    if request.GET.get("reason", "") not in ("", *Reason.values):
        raise BadRequest("reason is not known.")
    return day


def _rows(found: list[Hidden]) -> list[Row]:
    """Without what was deleted since it was looked for."""
    signals = Signal.objects.in_bulk([one.signal_id for one in found])
    return [Row(signals[one.signal_id], one, setting_url(one.reason)) for one in found if one.signal_id in signals]


def _own_zone(user: User) -> dt.tzinfo:
    return zone_or_utc(NotificationPreference.of(user).time_zone)
