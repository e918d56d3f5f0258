"""The pages: complete without JavaScript and without a socket. GET changes nothing."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.contrib.auth.models import User
from django.core.exceptions import BadRequest
from django.db.models import Exists, OuterRef
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from notifications import listing, stream
from notifications.http import ApiRequest
from notifications.listing import Listing, Wanted
from notifications.manager import NotificationManager
from notifications.models import InsightNotification, NotificationDeliveryLog
from notifications.reasons import why_not_notified
from signals.models import Signal, TradeValidation

MAX_BIGINT = 2**63 - 1


@require_safe
@never_cache
@login_required
def dashboard(request: ApiRequest) -> HttpResponse:
    return render(request, "notifications/dashboard.html", _listing_context(listing.read(request.user.pk, Wanted())))


@require_safe
@never_cache
@login_required
def history(request: ApiRequest) -> HttpResponse:
    wanted = Wanted(before=_positive_int("before", request.GET.get("before")))
    try:
        page = listing.read(request.user.pk, wanted)
    except listing.UnknownBeforeError as error:
        raise Http404("There is no such page.") from error
    return render(request, "notifications/history.html", _listing_context(page))


@require_safe
@never_cache
@login_required
def insight(request: ApiRequest, signal_id: int) -> HttpResponse:
    """For the signal's owner, whoever holds a notification of it, and every trader when it is a house signal."""
    signal = get_object_or_404(_visible_signals(request.user), pk=signal_id)
    validation: TradeValidation | None = getattr(signal, "validation", None)
    own = InsightNotification.objects.for_user(request.user).filter(signal=signal)
    notification = own.with_signal().order_by("-revision").first()
    logs = NotificationDeliveryLog.objects.filter(notification__in=own).select_related("notification")
    return render(
        request,
        "notifications/insight.html",
        {
            "signal": signal,
            "validation": validation,
            "prices": prices(signal),
            "breakdown": sub_scores(validation.breakdown) if validation else [],
            "notification": notification,
            "why_not": "" if notification else why_not_notified(request.user, signal),
            "delivery_logs": logs,
        },
    )


@require_POST
@login_required
def mark_read(request: ApiRequest, notification_id: int) -> HttpResponse:
    """The form beside a notification; the page's script does the same over the API."""
    if NotificationManager.mark_read(request.user, notification_id) is None:
        raise Http404("There is no such notification.")
    return _redirect_back(request)


@require_POST
@login_required
def mark_all_read(request: ApiRequest) -> HttpResponse:
    """`up_to_seq` is the position that the page showed: what arrived since stays unread."""
    up_to_seq = _positive_int("up_to_seq", request.POST.get("up_to_seq") or None, smallest=0)
    result = stream.mark_all_read(request.user.pk, up_to_seq)
    messages.success(request, f"Marked {result.count} as read.")
    return _redirect_back(request)


def prices(signal: Signal) -> dict[str, str]:
    """Stop, target and, when there is one, entry, all with the same number of decimals: so they can be compared."""
    given = {"sl": signal.sl, "tp": signal.tp} | ({} if signal.price is None else {"price": signal.price})
    places = max(len(f"{price.normalize():f}".partition(".")[2]) for price in given.values())
    return {name: f"{price:.{places}f}" for name, price in given.items()}


def sub_scores(breakdown: dict[str, Any]) -> list[dict[str, Any]]:
    """The validator's named sub-scores, the weightiest first; one without data has the score None.

    A validator may also give plain numbers; those have no weight and no explanation.
    """
    scores = [
        {"name": name.replace("_", " "), "score": None, "weight": None, "explanation": ""}
        | (given if isinstance(given, dict) else {"score": given})
        for name, given in breakdown.items()
    ]
    return sorted(scores, key=lambda score: (-(score["weight"] or 0), score["name"]))


def _listing_context(page: Listing) -> dict[str, Any]:
    """With the position that was read before the rows in the bell's place: a later one could hide a change."""
    return {
        "notifications": page.notifications,
        "next_before": page.next_before,
        "unread_count": page.position.unread_count,
        "last_seq": page.position.last_seq,
        "bell": page.position,
    }


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


def _redirect_back(request: HttpRequest) -> HttpResponseRedirect:
    """To the page that the form names when it is one of ours, else to the history."""
    page = request.POST.get("next", "")
    safe = url_has_allowed_host_and_scheme(page, allowed_hosts={request.get_host()}, require_https=request.is_secure())
    return HttpResponseRedirect(page if safe else reverse("history"))
