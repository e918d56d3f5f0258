"""`decide` against a second formulation that shares no code with it, on 100,000 random cases.

There the clock is read and rolled forward. Here a window is a set of instants, worked out from the stretches of time in
which a zone keeps one offset, and quiet is the union of those sets.
"""

from __future__ import annotations

import datetime as dt
import functools
import random
from collections import Counter
from decimal import Decimal
from typing import NamedTuple
from zoneinfo import ZoneInfo

from notifications.preferences import (
    Channel,
    Decision,
    Facts,
    MuteKind,
    MuteRule,
    QuietMode,
    Reason,
    Rules,
    Verdict,
    braked,
    decide,
)
from notifications.priority import Priority
from notifications.quiet import Window

CASES = 100_000
SEED = 20261123
ZONES = (
    "UTC", "Europe/London", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "Africa/Cairo",
    "America/Havana", "America/St_Johns", "Pacific/Chatham", "Africa/Casablanca", "America/Santiago", "Asia/Tokyo",
)  # fmt: skip
YEAR = (dt.datetime(2026, 1, 1, tzinfo=dt.UTC), dt.datetime(2027, 1, 1, tzinfo=dt.UTC))
DAY = dt.timedelta(days=1)
NAMES = ("EURUSD", "XAUUSD", "SMC", "ZenithEdge")


# --- The second formulation -----------------------------------------------------------------------------------------


class Stretch(NamedTuple):
    """From `begin` to `end`, in UTC without a zone, the clock is `offset` ahead of it."""

    begin: dt.datetime
    end: dt.datetime
    offset: dt.timedelta


class Quiet(NamedTuple):
    """Instants from `begin` to `end`, in UTC without a zone; `ends` tells an end from a clock that is put back."""

    begin: dt.datetime
    end: dt.datetime
    all_day: bool
    ends: bool


@functools.cache
def stretches(zone: str) -> list[Stretch]:
    def offset(moment: dt.datetime) -> dt.timedelta:
        found = moment.replace(tzinfo=dt.UTC).astimezone(ZoneInfo(zone)).utcoffset()
        assert found is not None
        return found

    begin, end = (bound.replace(tzinfo=None) for bound in (YEAR[0] - 30 * DAY, YEAR[1] + 30 * DAY))
    found, hour = [], begin
    while hour < end:
        following = hour + dt.timedelta(hours=1)
        if offset(following) != offset(hour):
            second = next(
                hour + dt.timedelta(seconds=seconds)
                for seconds in range(1, 3601)
                if offset(hour + dt.timedelta(seconds=seconds)) != offset(hour)
            )
            found.append(Stretch(begin, second, offset(hour)))
            begin = second
        hour = following
    return [*found, Stretch(begin, end, offset(begin))]


def quiet_sets(rules: Rules, around: dt.datetime) -> list[Quiet]:
    """Every set of instants that a window, on a day on which it starts, makes quiet within nine days."""
    near = [s for s in stretches(rules.time_zone) if s.begin < around + 11 * DAY and s.end > around - 3 * DAY]
    first = (rules.quiet_start, rules.quiet_end, rules.quiet_weekdays)
    found = []
    for start, end, weekdays in (first, *((w.start, w.end, w.weekdays) for w in rules.quiet_windows)):
        for number in range(-2, 11):
            day = around.date() + number * DAY
            if day.weekday() not in weekdays:
                continue
            opens = dt.datetime.combine(day, start)
            closes = dt.datetime.combine(day + DAY if end <= start else day, end)
            for stretch in near:
                begin = max(stretch.begin, opens - stretch.offset)
                until = min(stretch.end, closes - stretch.offset)
                if begin < until:
                    # The clock reads `closes`, or has jumped over it, when these instants are over.
                    later = next((s.offset for s in near if s.begin == until), stretch.offset)
                    found.append(Quiet(begin, until, start == end, until + later >= closes))
    return found


def second_release(rules: Rules, sets: list[Quiet], now: dt.datetime) -> dt.datetime:
    ended_day = [q.end for q in sets if q.all_day and q.ends and q.end > now]
    for moment in sorted({q.end for q in sets if now < q.end <= now + 8 * DAY}):
        covering = [q for q in sets if q.begin <= moment < q.end]
        day_is_over = any(end <= moment for end in ended_day)
        if not covering or (day_is_over and all(q.all_day for q in covering)):
            return moment
    return next_time_of_an_end(rules, now)


def next_time_of_an_end(rules: Rules, now: dt.datetime) -> dt.datetime:
    """The clock reads the end of some window, on whichever day, or jumps over it."""
    times = [rules.quiet_end, *(window.end for window in rules.quiet_windows)]
    reached = []
    for stretch, following in zip(stretches(rules.time_zone), [*stretches(rules.time_zone)[1:], None], strict=True):
        for number in range(-2, 4):
            for time in times:
                reading = dt.datetime.combine(now.date() + number * DAY, time)
                if stretch.begin <= reading - stretch.offset < stretch.end:
                    reached.append(reading - stretch.offset)
                elif following and stretch.end + stretch.offset <= reading <= stretch.end + following.offset:
                    reached.append(stretch.end)
    return min(moment for moment in reached if moment > now)


def second_decision(rules: Rules, facts: Facts, channel: Channel, now: dt.datetime, *, brake: bool) -> Decision:
    """With the brake on nothing is sent: what the rules let through waits for as long as nobody lifts it."""
    freely = second_free_decision(rules, facts, channel, now)
    sends = freely.held_until is None and freely.verdict.value != "suppress"
    if brake and sends:
        return Decision(Verdict.HOLD, Reason.BRAKE, dt.datetime(2200, 1, 1, tzinfo=dt.UTC))
    return freely


def second_free_decision(rules: Rules, facts: Facts, channel: Channel, now: dt.datetime) -> Decision:
    switched_on = {
        "websocket": rules.web_enabled,
        "push": rules.push_enabled,
        "email": rules.email_digest_enabled,
        "webhook": rules.webhook_enabled,
    }
    muted = {(mute.kind.value, mute.name) for mute in rules.mutes if not (mute.until and mute.until <= now)}
    against = {
        Reason.CHANNEL_OFF: switched_on[channel.value] is False,
        Reason.PAUSED: max(rules.paused_until or now, now) != now,
        Reason.MUTED: bool(muted & {("symbol", facts.symbol), ("strategy", facts.strategy)}),
        Reason.NOT_HIGH_PRIORITY: rules.high_priority_only and facts.priority.value in {"medium", "low"},
        Reason.BELOW_MIN_CONFIDENCE: rules.min_confidence - facts.ai_confidence > 0,
        Reason.STRATEGY_NOT_CHOSEN: not {facts.strategy} <= (rules.strategies or {facts.strategy}),
        Reason.SYMBOL_NOT_CHOSEN: not {facts.symbol} <= (rules.symbols or {facts.symbol}),
    }
    for reason, applies in against.items():
        if applies:
            return Decision(Verdict.SUPPRESS, reason)
    if not rules.quiet_hours_enabled or channel.value == "email":
        return Decision(Verdict.SEND, Reason.ALL_RULES_PASSED)
    moment = now.astimezone(dt.UTC).replace(tzinfo=None)
    sets = quiet_sets(rules, moment)
    if not any(q.begin <= moment < q.end for q in sets):
        return Decision(Verdict.SEND, Reason.ALL_RULES_PASSED)
    if rules.urgent_bypasses_quiet and facts.priority.value == "high":
        return Decision(Verdict.SEND, Reason.URGENT_IN_QUIET_HOURS)
    if rules.quiet_mode.value == "skip":
        return Decision(Verdict.SUPPRESS, Reason.QUIET_HOURS)
    return Decision(Verdict.HOLD, Reason.QUIET_HOURS, second_release(rules, sets, moment).replace(tzinfo=dt.UTC))


# --- Cases ----------------------------------------------------------------------------------------------------------

EVERY_DAY = frozenset(range(7))
WINDOWS = [
    (dt.time(22), dt.time(7)), (dt.time(0), dt.time(0)), (dt.time(7), dt.time(7)), (dt.time(0), dt.time(12)),
    (dt.time(12), dt.time(0)), (dt.time(1), dt.time(2)), (dt.time(1, 30), dt.time(1, 30)), (dt.time(2), dt.time(2, 30)),
]  # fmt: skip


def a_window(random_: random.Random) -> Window:
    start, end = random_.choice(WINDOWS)
    if random_.random() < 0.4:
        start, end = (dt.time(random_.randrange(24), random_.choice([0, 15, 30, 59])) for _ in range(2))
    weekdays = EVERY_DAY if random_.random() < 0.5 else frozenset(random_.sample(range(7), random_.randrange(8)))
    return Window(start, end, weekdays)


def a_moment(random_: random.Random, zone: str) -> dt.datetime:
    minutes = random_.randrange(365 * 24 * 4) * 15
    moment = YEAR[0] + dt.timedelta(minutes=minutes)
    changes = [s.end for s in stretches(zone)[:-1]]
    if changes and random_.random() < 0.5:
        quarters = random_.randrange(-3 * 24 * 4, 2 * 24 * 4)
        moment = random_.choice(changes).replace(tzinfo=dt.UTC) + dt.timedelta(minutes=15 * quarters)
    return moment + dt.timedelta(microseconds=random_.choice([0, 0, 0, 1, -1, 1_234_567]))


def a_case(random_: random.Random) -> tuple[Rules, Facts, Channel, dt.datetime]:
    zone = random_.choice(ZONES)
    now = a_moment(random_, zone)
    first, further = a_window(random_), [a_window(random_) for _ in range(random_.choice([0, 0, 1, 2, 3]))]
    ends = [None, now, now + dt.timedelta(microseconds=1), now - dt.timedelta(hours=1), now + 30 * DAY]

    def rarely(odds: float) -> bool:
        return random_.random() < odds

    def names() -> frozenset[str]:
        return frozenset(random_.sample(NAMES, random_.choice([0, 0, 3])))

    rules = Rules(
        web_enabled=not rarely(0.05),
        push_enabled=not rarely(0.05),
        email_digest_enabled=not rarely(0.05),
        webhook_enabled=not rarely(0.05),
        min_confidence=Decimal(random_.choice(["0", "0", "65", "65.01", "80"])),
        strategies=names(),
        symbols=names(),
        high_priority_only=rarely(0.1),
        quiet_hours_enabled=not rarely(0.1),
        quiet_start=first.start,
        quiet_end=first.end,
        quiet_weekdays=first.weekdays,
        quiet_mode=QuietMode.SKIP if rarely(0.1) else QuietMode.HOLD,
        urgent_bypasses_quiet=rarely(0.2),
        time_zone=zone,
        paused_until=random_.choice(ends) if rarely(0.2) else None,
        quiet_windows=tuple(further),
        mutes=tuple(
            MuteRule(random_.choice(list(MuteKind)), random_.choice(NAMES), random_.choice(ends))
            for _ in range(random_.choice([0, 0, 1, 2]))
        ),
    )
    confidence = Decimal(random_.choice(["0", "64.99", "65", "65.01", "80", "100"]))
    facts = Facts(random_.choice(NAMES), random_.choice(NAMES), confidence, random_.choice(list(Priority)))
    return rules, facts, random_.choice(list(Channel)), now


def test_a_second_formulation_decides_the_same_in_100_000_random_cases() -> None:
    random_ = random.Random(SEED)
    reasons: Counter[tuple[Verdict, Reason]] = Counter()
    differing = []
    for _ in range(CASES):
        case = a_case(random_)
        brake = random_.random() < 0.2
        decision = braked(decide(*case)) if brake else decide(*case)
        reasons[decision.verdict, decision.reason] += 1
        second = second_decision(*case, brake=brake)
        if decision != second:
            differing.append((case, brake, decision, second))

    assert differing[:1] == []
    rarest = min(reasons.values())
    assert {reason for _, reason in reasons} == set(Reason)
    assert rarest > 500, f"too few cases of each sort: {reasons}"
