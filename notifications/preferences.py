"""Whether, and when, an insight may disturb a user. Pure: no query, no clock; the caller brings both."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from decimal import Decimal
from enum import IntFlag
from typing import Any, NamedTuple

from django.db.models import TextChoices
from django.utils.translation import gettext_lazy

from notifications.priority import Priority
from notifications.quiet import QuietHours, Window, zone_or_utc
from signals.vocabulary import canonical_strategy, canonical_symbol


class Channel(TextChoices):
    WEBSOCKET = "websocket", gettext_lazy("Browser")
    PUSH = "push", gettext_lazy("Web push")
    EMAIL = "email", gettext_lazy("E-mail")
    WEBHOOK = "webhook", gettext_lazy("Webhook")


# Decided the moment an insight comes; the daily e-mail is put together later. The first that is on speaks for all:
# but for its own switch, every rule is asked of each of them alike.
AT_ONCE = (Channel.WEBSOCKET, Channel.PUSH, Channel.WEBHOOK)


class MuteKind(TextChoices):
    SYMBOL = "symbol", gettext_lazy("Symbol")
    STRATEGY = "strategy", gettext_lazy("Strategy")


class QuietMode(TextChoices):
    HOLD = "hold", gettext_lazy("Hold until the quiet hours end")
    SKIP = "skip", gettext_lazy("Skip")


class Verdict(TextChoices):
    SEND = "send", gettext_lazy("Sent")
    HOLD = "hold", gettext_lazy("Held")
    SUPPRESS = "suppress", gettext_lazy("Suppressed")


class Reason(TextChoices):
    """The rule that decided, in the order in which the rules are asked."""

    CHANNEL_OFF = "channel_off", gettext_lazy("Channel switched off")
    PAUSED = "paused", gettext_lazy("Notifications paused")
    MUTED = "muted", gettext_lazy("Symbol or strategy muted")
    NOT_HIGH_PRIORITY = "not_high_priority", gettext_lazy("Only high priority wanted")
    BELOW_MIN_CONFIDENCE = "below_min_confidence", gettext_lazy("Below the minimum confidence")
    STRATEGY_NOT_CHOSEN = "strategy_not_chosen", gettext_lazy("Strategy not in the list")
    SYMBOL_NOT_CHOSEN = "symbol_not_chosen", gettext_lazy("Symbol not in the list")
    QUIET_HOURS = "quiet_hours", gettext_lazy("Quiet hours")
    URGENT_IN_QUIET_HOURS = "urgent_in_quiet_hours", gettext_lazy("High priority comes through quiet hours")
    ALL_RULES_PASSED = "all_rules_passed", gettext_lazy("Every rule passed")
    BRAKE = "brake", gettext_lazy("Sending stopped for everybody")


class Chosen(IntFlag):
    """What the user had named when an insight came through; kept with the notification."""

    SYMBOL = 1
    STRATEGY = 2
    HIGH_PRIORITY = 4


class Standing(TextChoices):
    """How a rule stood to a decision."""

    PASSED = "passed", gettext_lazy("passed")
    DECIDED = "decided", gettext_lazy("decided")
    NOT_REACHED = "not_reached", gettext_lazy("not reached")


class Step(NamedTuple):
    reason: Reason
    standing: Standing


# What `paused_until` says while the user wants no end of the pause: as far away as the forms take a date.
UNTIL_TURNED_ON = dt.datetime(2199, 12, 31, tzinfo=dt.UTC)

# The `held_until` of what the brake holds: when that will be is not known, and no pause or quiet hours end then.
UNTIL_LIFTED = dt.datetime(2200, 1, 1, tzinfo=dt.UTC)


@dataclass(frozen=True, slots=True)
class MuteRule:
    """One symbol or strategy of which the user wants to hear nothing; `until` None: until it is taken back."""

    kind: MuteKind
    name: str
    until: dt.datetime | None = None

    def concerns(self, facts: Facts) -> bool:
        return self.name == (facts.symbol if self.kind == MuteKind.SYMBOL else facts.strategy)

    def counts_at(self, now: dt.datetime) -> bool:
        return self.until is None or self.until > now


@dataclass(frozen=True, slots=True)
class Rules:
    """A user's preferences as a value: what `decide` asks of them, and what a version of them keeps."""

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
    quiet_windows: tuple[Window, ...] = ()  # beside the first one, and like it only while they are enabled
    mutes: tuple[MuteRule, ...] = ()
    webhook_enabled: bool = False

    @property
    def quiet_hours(self) -> QuietHours:
        first = Window(self.quiet_start, self.quiet_end, self.quiet_weekdays)
        return QuietHours((first, *self.quiet_windows), zone_or_utc(self.time_zone))

    def quiet_at(self, moment: dt.datetime) -> bool:
        return self.quiet_hours_enabled and self.quiet_hours.cover(moment)

    def enables(self, channel: Channel) -> bool:
        match channel:
            case Channel.WEBSOCKET:
                return self.web_enabled
            case Channel.PUSH:
                return self.push_enabled
            case Channel.EMAIL:
                return self.email_digest_enabled
            case Channel.WEBHOOK:
                return self.webhook_enabled

    @property
    def leading_channel(self) -> Channel:
        """The channel whose decision is the notification's: the browser unless only others are on."""
        return next((channel for channel in AT_ONCE if self.enables(channel)), Channel.WEBSOCKET)

    def as_json(self) -> dict[str, Any]:
        """JSON types only; equal rules give equal JSON."""
        return {
            "web_enabled": self.web_enabled,
            "push_enabled": self.push_enabled,
            "email_digest_enabled": self.email_digest_enabled,
            "webhook_enabled": self.webhook_enabled,
            "min_confidence": float(self.min_confidence),
            "strategies": sorted(self.strategies),
            "symbols": sorted(self.symbols),
            "high_priority_only": self.high_priority_only,
            "quiet_hours_enabled": self.quiet_hours_enabled,
            "quiet_start": self.quiet_start.isoformat(),
            "quiet_end": self.quiet_end.isoformat(),
            "quiet_weekdays": sorted(self.quiet_weekdays),
            "quiet_mode": self.quiet_mode.value,
            "urgent_bypasses_quiet": self.urgent_bypasses_quiet,
            "time_zone": self.time_zone,
            "paused_until": _as_text(self.paused_until),
            "quiet_windows": [
                [window.start.isoformat(), window.end.isoformat(), sorted(window.weekdays)]
                for window in sorted(self.quiet_windows, key=order_of_window)
            ],
            "mutes": sorted([mute.kind.value, mute.name, _as_text(mute.until)] for mute in self.mutes),
        }

    @classmethod
    def from_json(cls, kept: dict[str, Any]) -> Rules:
        """The rules that `as_json` wrote, now or before there were further windows, mutes and webhooks."""
        return cls(
            web_enabled=kept["web_enabled"],
            push_enabled=kept["push_enabled"],
            email_digest_enabled=kept["email_digest_enabled"],
            min_confidence=as_decimal(kept["min_confidence"]),
            strategies=frozenset(kept["strategies"]),
            symbols=frozenset(kept["symbols"]),
            high_priority_only=kept["high_priority_only"],
            quiet_hours_enabled=kept["quiet_hours_enabled"],
            quiet_start=dt.time.fromisoformat(kept["quiet_start"]),
            quiet_end=dt.time.fromisoformat(kept["quiet_end"]),
            quiet_weekdays=frozenset(kept["quiet_weekdays"]),
            quiet_mode=QuietMode(kept["quiet_mode"]),
            urgent_bypasses_quiet=kept["urgent_bypasses_quiet"],
            time_zone=kept["time_zone"],
            paused_until=_as_moment(kept["paused_until"]),
            quiet_windows=tuple(
                Window(dt.time.fromisoformat(start), dt.time.fromisoformat(end), frozenset(weekdays))
                for start, end, weekdays in kept.get("quiet_windows", [])
            ),
            mutes=tuple(
                MuteRule(MuteKind(kind), name, _as_moment(until)) for kind, name, until in kept.get("mutes", [])
            ),
            webhook_enabled=kept.get("webhook_enabled", False),
        )


@dataclass(frozen=True, slots=True)
class Facts:
    """What the rules ask of an insight."""

    symbol: str
    strategy: str
    ai_confidence: Decimal
    priority: Priority


@dataclass(frozen=True, slots=True)
class Decision:
    """`held_until` is given exactly when the verdict is HOLD: the first instant that is not quiet, or UNTIL_LIFTED."""

    verdict: Verdict
    reason: Reason
    held_until: dt.datetime | None = None


def decide(rules: Rules, facts: Facts, channel: Channel, now: dt.datetime) -> Decision:
    """Decide about one channel at the aware instant `now`; the first rule that matches gives the reason.

    Quiet hours do not touch the e-mail channel: a digest goes out at a time of its own that the user chose.
    """
    verdict, reason = judge(rules, facts, channel, now, rules.quiet_at)
    held_until = rules.quiet_hours.release_after(now) if verdict is Verdict.HOLD else None
    return Decision(verdict, reason, held_until)


def braked(decision: Decision) -> Decision:
    """What the brake makes of a decision: what would be sent is held until it is lifted."""
    return Decision(Verdict.HOLD, Reason.BRAKE, UNTIL_LIFTED) if decision.verdict is Verdict.SEND else decision


def release_at(rules: Rules, earliest: dt.datetime, *, urgent: bool) -> dt.datetime:
    """When what was held may come out, from `earliest` on: neither during a pause nor, but for what is urgent and is
    let through, in quiet hours."""
    if rules.paused_until:
        earliest = max(earliest, rules.paused_until)
    waits = rules.quiet_at(earliest) and not (urgent and rules.urgent_bypasses_quiet)
    return rules.quiet_hours.release_after(earliest) if waits else earliest


def judge(
    rules: Rules, facts: Facts, channel: Channel, now: dt.datetime, quiet_at: Callable[[dt.datetime], bool]
) -> tuple[Verdict, Reason]:
    """The decision without the end of a hold.

    `quiet_at` is the `quiet_at` of the rules, or gives the same answers: whoever decides about very many instants works
    them out beforehand.
    """
    for reason, is_against in RULES:
        if is_against(rules, facts, channel, now):
            return Verdict.SUPPRESS, reason
    if channel == Channel.EMAIL or not quiet_at(now):
        return Verdict.SEND, Reason.ALL_RULES_PASSED
    if rules.urgent_bypasses_quiet and facts.priority == Priority.HIGH:
        return Verdict.SEND, Reason.URGENT_IN_QUIET_HOURS
    return Verdict.SUPPRESS if rules.quiet_mode == QuietMode.SKIP else Verdict.HOLD, Reason.QUIET_HOURS


def chosen_by(rules: Rules) -> Chosen:
    """What the user asked for by name; whatever came through was among it."""
    chosen = Chosen(0)
    if rules.symbols:
        chosen |= Chosen.SYMBOL
    if rules.strategies:
        chosen |= Chosen.STRATEGY
    if rules.high_priority_only:
        chosen |= Chosen.HIGH_PRIORITY
    return chosen


def trace(rules: Rules, facts: Facts, channel: Channel, now: dt.datetime) -> tuple[Decision, list[Step]]:
    """The decision, and how each rule stood to it, in the order in which they are asked.

    Quiet hours are one step: they hold or skip, or let what is urgent through.
    """
    decision = decide(rules, facts, channel, now)
    order = [reason for reason, _ in RULES] + [Reason.QUIET_HOURS]
    at_quiet_hours = decision.reason in (Reason.QUIET_HOURS, Reason.URGENT_IN_QUIET_HOURS)
    deciding = Reason.QUIET_HOURS if at_quiet_hours else decision.reason
    steps, standing = [], Standing.PASSED
    for reason in order:
        if reason == deciding:
            steps.append(Step(reason, Standing.DECIDED))
            standing = Standing.NOT_REACHED
        elif reason == Reason.QUIET_HOURS and channel == Channel.EMAIL:
            steps.append(Step(reason, Standing.NOT_REACHED))
        else:
            steps.append(Step(reason, standing))
    return decision, steps


def canonical_symbols(symbols: list[str]) -> list[str]:
    """Each in canonical spelling, once, in the order given; empty ones dropped."""
    return _unique(canonical_symbol(symbol) for symbol in symbols)


def canonical_strategies(strategies: list[str]) -> list[str]:
    """Each in canonical spelling, once, in the order given; empty ones dropped."""
    return _unique(canonical_strategy(strategy) for strategy in strategies)


def as_decimal(number: Decimal | float | str) -> Decimal:
    """The number as it is written: 79.99 is 79.99, not the nearest binary fraction."""
    return number if isinstance(number, Decimal) else Decimal(str(number))


def _channel_off(rules: Rules, facts: Facts, channel: Channel, now: dt.datetime) -> bool:
    return not rules.enables(channel)


def _paused(rules: Rules, facts: Facts, channel: Channel, now: dt.datetime) -> bool:
    return rules.paused_until is not None and rules.paused_until > now


def _muted(rules: Rules, facts: Facts, channel: Channel, now: dt.datetime) -> bool:
    # Most users mute nothing, and this is asked for every insight of a preview.
    return bool(rules.mutes) and any(mute.concerns(facts) and mute.counts_at(now) for mute in rules.mutes)


def _not_high_priority(rules: Rules, facts: Facts, channel: Channel, now: dt.datetime) -> bool:
    return rules.high_priority_only and facts.priority != Priority.HIGH


def _below_min_confidence(rules: Rules, facts: Facts, channel: Channel, now: dt.datetime) -> bool:
    return facts.ai_confidence < rules.min_confidence


def _strategy_not_chosen(rules: Rules, facts: Facts, channel: Channel, now: dt.datetime) -> bool:
    return bool(rules.strategies) and facts.strategy not in rules.strategies


def _symbol_not_chosen(rules: Rules, facts: Facts, channel: Channel, now: dt.datetime) -> bool:
    return bool(rules.symbols) and facts.symbol not in rules.symbols


# What keeps an insight back at any hour, in the order in which it is asked.
RULES: tuple[tuple[Reason, Callable[[Rules, Facts, Channel, dt.datetime], bool]], ...] = (
    (Reason.CHANNEL_OFF, _channel_off),
    (Reason.PAUSED, _paused),
    (Reason.MUTED, _muted),
    (Reason.NOT_HIGH_PRIORITY, _not_high_priority),
    (Reason.BELOW_MIN_CONFIDENCE, _below_min_confidence),
    (Reason.STRATEGY_NOT_CHOSEN, _strategy_not_chosen),
    (Reason.SYMBOL_NOT_CHOSEN, _symbol_not_chosen),
)


def _as_text(moment: dt.datetime | None) -> str | None:
    return moment.astimezone(dt.UTC).isoformat() if moment else None


def _as_moment(text: str | None) -> dt.datetime | None:
    return dt.datetime.fromisoformat(text) if text else None


def order_of_window(window: Window) -> tuple[dt.time, dt.time, list[int]]:
    return window.start, window.end, sorted(window.weekdays)


def _unique(names: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(name for name in names if name))
