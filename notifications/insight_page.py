"""What the page of one insight shows beside its texts: sub-scores, levels, closes, deliveries in words."""

from __future__ import annotations

import datetime as dt
from bisect import bisect_left
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, TypedDict

from django.db.models import Max
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from notifications.models import DeliveryState, NotificationDeliveryLog
from notifications.preferences import Channel
from signals import market
from signals.models import Signal
from signals.validation import SUB_SCORES
from zenithedge.languages import decimal

DAYS_BEFORE = 120
CLOSES_AFTER = 60
REPLAYED_AFTER = dt.timedelta(days=7)  # no live alert is that late
# Where the entry's label still stands clear of those at the scale's two ends, in percent.
ENTRY_FROM, ENTRY_TO = 22.0, 78.0


class CloseJson(TypedDict):
    time: str
    value: float


class PricesJson(TypedDict):
    """`made`: the number of closes that were known when the signal was made; those after it came later."""

    symbol: str
    side: str
    decimals: int
    closes: list[CloseJson]
    made: int
    closed_on: str | None
    outcome: str
    stop: float
    target: float
    entry: float | None


@dataclass(frozen=True, slots=True)
class Scale:
    """Stop and target at the ends of a line, lowest left; where the entry lies between them, in percent."""

    stop_is_left: bool
    entry: float | None
    entry_label: float | None


def prices(signal: Signal) -> dict[str, str]:
    """Stop, target and, when there is one, entry, all with the same number of decimals: so they can be compared."""
    given = {"sl": signal.sl, "tp": signal.tp} | ({} if signal.price is None else {"price": signal.price})
    return {name: decimal(price, signal.price_places) for name, price in given.items()}


def reward_to_risk(signal: Signal) -> Decimal | None:
    return None if signal.price is None else abs(signal.tp - signal.price) / abs(signal.price - signal.sl)


def scale(signal: Signal) -> Scale:
    low, high = sorted((signal.sl, signal.tp))
    share = None if signal.price is None else float(100 * (signal.price - low) / (high - low))
    label = None if share is None else min(max(share, ENTRY_FROM), ENTRY_TO)
    return Scale(signal.sl < signal.tp, share, label)


def sub_scores(breakdown: dict[str, Any]) -> list[dict[str, Any]]:
    """The validator's named sub-scores in the order of `SUB_SCORES`, then any other; without data the score is None.

    A validator may also give plain numbers; those have no weight and no explanation.
    """
    places = {name: place for place, name in enumerate(SUB_SCORES)}
    return [
        {"name": _label(name), "score": None, "weight": None, "explanation": ""}
        | (given if isinstance(given, dict) else {"score": given})
        for name, given in sorted(breakdown.items(), key=lambda entry: (places.get(entry[0], len(places)), entry[0]))
    ]


def market_time(signal: Signal, now: dt.datetime) -> dt.datetime:
    """How far the signal's market has got: to `now`, but for an alert replayed from the past only as far as the later
    alerts of its owner and symbol have come, by which its outcome is settled too."""
    if signal.received_at - signal.own_time <= REPLAYED_AFTER:
        return now
    same = Signal.objects.filter(symbol=signal.symbol)
    same = same.filter(user__isnull=True) if signal.user_id is None else same.filter(user_id=signal.user_id)
    newest: dt.datetime | None = same.aggregate(newest=Max("bar_time"))["newest"]
    return newest or signal.own_time


def closes(signal: Signal, now: dt.datetime) -> PricesJson | None:
    """The daily closes of the 120 days before the signal, and what came after it; None without two of them before."""
    series = market.series(signal.symbol)
    if series is None:
        return None
    made = series.known_at(signal.own_time)
    first = bisect_left(series.days, signal.own_time.date() - dt.timedelta(days=DAYS_BEFORE))
    last = min(series.known_at(now), made + CLOSES_AFTER)
    if made - first < 2:
        return None
    return {
        "symbol": signal.symbol,
        "side": str(signal.side),
        "decimals": -int(market.price_step(signal.symbol).as_tuple().exponent),
        "closes": [
            {"time": day.isoformat(), "value": value}
            for day, value in zip(series.days[first:last], series.values[first:last], strict=True)
        ],
        "made": made - first,
        "closed_on": signal.closed_at.date().isoformat() if signal.closed_at else None,
        "outcome": str(signal.outcome),
        "stop": float(signal.sl),
        "target": float(signal.tp),
        "entry": None if signal.price is None else float(signal.price),
    }


def delivery_in_words(log: NotificationDeliveryLog) -> str:
    """What became of it, for the person that it was meant for."""
    words = _of_browser(log) if log.channel == Channel.WEBSOCKET else _of_other(log)
    sentence = _("Sent again. %(state)s") % {"state": words} if log.attempt_group > 1 else words
    if log.attempts < 2:
        return sentence
    tries = ngettext("It took %(count)s attempt.", "It took %(count)s attempts.", log.attempts)
    return f"{sentence} {tries % {'count': log.attempts}}"


def delivery_time(log: NotificationDeliveryLog) -> dt.datetime:
    """When it got as far as `delivery_in_words` says."""
    return log.acknowledged_at or log.attempted_at or log.created_at


def _label(name: str) -> str:
    return str(SUB_SCORES[name][0]) if name in SUB_SCORES else name.replace("_", " ").capitalize()


def _of_browser(log: NotificationDeliveryLog) -> str:
    if log.state == DeliveryState.ACKNOWLEDGED:
        return _("Shown in a tab in view.") if log.acknowledged_visible else _("Taken by a tab in the background.")
    if log.state == DeliveryState.SENT:
        return _("Sent; no open tab has confirmed it yet.")
    if log.state == DeliveryState.PENDING:
        return _("Waiting for your browser, which gets it when it connects.")
    return _of_other(log)


def _of_other(log: NotificationDeliveryLog) -> str:
    words = {
        DeliveryState.PENDING: _pending(log),
        DeliveryState.SENT: _("Sent."),
        DeliveryState.ACKNOWLEDGED: _("Arrived."),
        DeliveryState.FAILED: _("Not delivered."),
        DeliveryState.GONE: _("The target takes nothing any more."),
        DeliveryState.SKIPPED: _("Left out."),
    }[DeliveryState(log.state)]
    return f"{words} {_(log.error_message) if log.error_message else ''}".strip()


def _pending(log: NotificationDeliveryLog) -> str:
    if not log.attempts or log.next_attempt_at is None:
        return _("Waiting to be sent.")
    next_try = date_format(timezone.localtime(log.next_attempt_at), "TIME_FORMAT")
    return _("Not delivered yet; the next try is at %(time)s.") % {"time": next_try}
