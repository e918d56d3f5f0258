"""Whether, and when, an insight may disturb a user. Pure: no query, no clock; the caller brings both."""

from __future__ import annotations

import datetime as dt
from dataclasses import asdict, dataclass
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from django.db.models import TextChoices

from notifications.priority import Priority
from signals.vocabulary import canonical_strategy, canonical_symbol


class Channel(TextChoices):
    WEBSOCKET = "websocket", "Browser"
    PUSH = "push", "Web push"
    EMAIL = "email", "E-mail"


class QuietMode(TextChoices):
    HOLD = "hold", "Hold until the quiet hours end"
    SKIP = "skip", "Skip"


class Verdict(TextChoices):
    SEND = "send", "Sent"
    HOLD = "hold", "Held"
    SUPPRESS = "suppress", "Suppressed"


class Reason(TextChoices):
    """The rule that decided, in the order in which the rules are asked."""

    CHANNEL_OFF = "channel_off", "Channel switched off"
    PAUSED = "paused", "Notifications paused"
    NOT_HIGH_PRIORITY = "not_high_priority", "Only high priority wanted"
    BELOW_MIN_CONFIDENCE = "below_min_confidence", "Below the minimum confidence"
    STRATEGY_NOT_CHOSEN = "strategy_not_chosen", "Strategy not in the list"
    SYMBOL_NOT_CHOSEN = "symbol_not_chosen", "Symbol not in the list"
    QUIET_HOURS = "quiet_hours", "Quiet hours"
    URGENT_IN_QUIET_HOURS = "urgent_in_quiet_hours", "High priority comes through quiet hours"
    ALL_RULES_PASSED = "all_rules_passed", "Every rule passed"


@dataclass(frozen=True, slots=True)
class Rules:
    """A user's preferences as a value."""

    web_enabled: bool
    push_enabled: bool
    email_digest_enabled: bool
    min_confidence: Decimal
    strategies: frozenset[str]
    symbols: frozenset[str]
    high_priority_only: bool
    quiet_hours_enabled: bool
    quiet_start: dt.time
    quiet_end: dt.time
    quiet_weekdays: frozenset[int]
    quiet_mode: QuietMode
    urgent_bypasses_quiet: bool
    time_zone: str
    paused_until: dt.datetime | None


@dataclass(frozen=True, slots=True)
class Facts:
    """What the rules ask of an insight."""

    symbol: str
    strategy: str
    ai_confidence: Decimal
    priority: Priority


@dataclass(frozen=True, slots=True)
class Decision:
    """`held_until` is given exactly when the verdict is HOLD: the first instant that is not quiet."""

    verdict: Verdict
    reason: Reason
    held_until: dt.datetime | None = None


def canonical_symbols(symbols: list[str]) -> list[str]:
    """Each in canonical spelling, once, in the order given; empty ones dropped."""
    return _unique(canonical_symbol(symbol) for symbol in symbols)


def canonical_strategies(strategies: list[str]) -> list[str]:
    """Each in canonical spelling, once, in the order given; empty ones dropped."""
    return _unique(canonical_strategy(strategy) for strategy in strategies)
