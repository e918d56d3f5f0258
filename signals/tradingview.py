"""A TradingView alert: from the body of its request to canonical values. Pure.

The body is JSON whatever its header says: TradingView sends `text/plain` when its own check of the JSON fails.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any, TypedDict

from django.utils import timezone

from signals.alert_fields import REQUIRED, AlertFields, stop_and_target_errors
from signals.alert_json import AlertError, clean_line, decode
from signals.blanking import blank_text
from signals.models import MarketSession, Regime, Side, Timeframe
from signals.vocabulary import (
    canonical_regime,
    canonical_session,
    canonical_side,
    canonical_strategy,
    canonical_symbol,
    canonical_timeframe,
)

__all__ = ["ALERT_ID_LENGTH", "Alert", "AlertError", "parse"]

ALERT_ID_LENGTH = 128

REQUIRED_FIELDS = ("symbol", "timeframe", "side", "sl", "tp", "confidence", "strategy")
OPTIONAL_FIELDS = ("price", "regime", "session", "structure", "extra", "timestamp", "notes")
FIELDS = frozenset({*REQUIRED_FIELDS, *OPTIONAL_FIELDS, "news_headline", "news_context", "alert_id"})
EXTRA_FIELDS = frozenset({"session", "multi_tf", "explain"})
MAX_WARNINGS_OF_UNKNOWN = 20

TIMEFRAMES_EXPECTED = "give one of 1m 5m 15m 30m 1h 4h 1d 1w, or TradingView's 15, 60, 240, D, W"
SIDES_EXPECTED = "give buy, sell, long or short"


@dataclass(frozen=True)
class Alert:
    """One alert in canonical spelling; every value fits its column and passes its constraints."""

    symbol: str
    timeframe: Timeframe
    side: Side
    sl: Decimal
    tp: Decimal
    confidence: Decimal
    strategy: str
    price: Decimal | None = None
    regime: Regime | None = None
    session: MarketSession | None = None
    structure: str = ""
    news_headline: str = ""
    news_context: str = ""
    notes: str = ""
    extra: dict[str, Any] = field(default_factory=dict)
    timestamp: dt.datetime | None = None
    alert_id: str = ""
    warnings: tuple[str, ...] = ()


def parse(body: bytes, *, now: dt.datetime | None = None) -> Alert:
    """Raises AlertError with everything that is wrong, by field. `now` bounds the alert's own time."""
    fields = AlertFields(decode(body))
    alert = _read(fields, now=now or timezone.now())
    if alert is None or fields.errors:
        raise AlertError(fields.errors)
    return replace(alert, warnings=tuple(fields.warnings))


def _read(fields: AlertFields, *, now: dt.datetime) -> Alert | None:
    """Reads every field, so that each error is heard; None when a required one is missing."""
    extra = _extra(fields)
    symbol = _symbol(fields)
    strategy = canonical_strategy(fields.line("strategy", max_length=64, required=True))
    side = fields.mapped("side", canonical_side, expected=SIDES_EXPECTED)
    timeframe = fields.mapped("timeframe", canonical_timeframe, expected=TIMEFRAMES_EXPECTED)
    price, sl, tp = fields.price("price"), fields.price("sl", required=True), fields.price("tp", required=True)
    confidence = fields.percentage("confidence")
    optional = _read_optional(fields, extra, now=now)
    _warn_of_unknown(fields)
    if side and sl and tp and "price" not in fields.errors:
        fields.errors |= stop_and_target_errors(side, price, sl, tp)
    if side is None or timeframe is None or sl is None or tp is None or confidence is None:
        return None
    return Alert(symbol, timeframe, side, sl, tp, confidence, strategy, price, **optional)


class _Optional(TypedDict):
    regime: Regime | None
    session: MarketSession | None
    structure: str
    news_headline: str
    news_context: str
    notes: str
    extra: dict[str, Any]
    timestamp: dt.datetime | None
    alert_id: str


def _read_optional(fields: AlertFields, extra: dict[str, Any], *, now: dt.datetime) -> _Optional:
    return {
        "regime": fields.hinted("regime", fields.raw.get("regime"), canonical_regime),
        "session": fields.hinted("session", fields.raw.get("session") or extra.get("session"), canonical_session),
        "structure": fields.line("structure", max_length=64),
        "news_headline": fields.line("news_headline", max_length=200),
        "news_context": fields.prose("news_context"),
        "notes": blank_text(fields.prose("notes")),
        "extra": {name: fields.structure("extra", value) for name, value in extra.items() if name != "session"},
        "timestamp": fields.timestamp("timestamp", now=now),
        "alert_id": fields.line("alert_id", max_length=ALERT_ID_LENGTH),
    }


def _symbol(fields: AlertFields) -> str:
    symbol = canonical_symbol(fields.line("symbol", max_length=128, required=True))
    if len(symbol) > 32:
        fields.refuse("symbol", f"At most 32 characters without its exchange; this has {len(symbol)}.")
    elif not symbol and "symbol" not in fields.errors:
        fields.refuse("symbol", REQUIRED)
    return symbol


def _extra(fields: AlertFields) -> dict[str, Any]:
    extra = fields.raw.get("extra")
    if extra is None:
        return {}
    if not isinstance(extra, dict):
        fields.refuse("extra", "Must be an object: {…}.")
        return {}
    return {name: value for name, value in extra.items() if name in EXTRA_FIELDS}


def _warn_of_unknown(fields: AlertFields) -> None:
    extra = fields.raw.get("extra")
    unknown = [name for name in fields.raw if name not in FIELDS]
    unknown += [f"extra.{name}" for name in (extra if isinstance(extra, dict) else {}) if name not in EXTRA_FIELDS]
    for name in unknown[:MAX_WARNINGS_OF_UNKNOWN]:
        fields.warnings.append(f"{clean_line(name)[:64]}: not a field of an alert; kept in the raw request only.")
    if len(unknown) > MAX_WARNINGS_OF_UNKNOWN:
        fields.warnings.append(f"{len(unknown) - MAX_WARNINGS_OF_UNKNOWN} more unknown fields.")
