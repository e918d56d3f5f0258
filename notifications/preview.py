"""What a draft of preferences would have done with the insights of the last days. It looks only: nothing is written.

Each insight is decided for at the moment at which it was handed out, by the rules of the draft and by the saved ones.
`preferences.judge` decides, the same function that `preferences.decide` asks; only whether it was quiet is worked out
beforehand, once for each stretch of time between two changes of a clock or a window, and not once for each insight.
"""

from __future__ import annotations

import datetime as dt
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import TYPE_CHECKING

from notifications import past_insights, preferences
from notifications.figures import begin
from notifications.past_insights import PastInsight
from notifications.preferences import Reason, Rules, Verdict, order_of_window
from notifications.quiet import QuietHours, Window, zone_or_utc
from signals.models import Outcome

if TYPE_CHECKING:
    from django.contrib.auth.models import User

    from notifications.models import NotificationPreference

PERIODS = (7, 30)  # local days, today among them
EVERY_DAY = frozenset(range(7))
# What most people would call the night; local time in the zone of the draft.
NIGHT = Window(dt.time(22), dt.time(7), EVERY_DAY)


@dataclass(frozen=True, slots=True)
class Wishes:
    """What a user wants: the rules, and whether insights of the house are meant for them (staff opt in)."""

    rules: Rules
    house: bool = True

    @classmethod
    def of(cls, preference: NotificationPreference) -> Wishes:
        """What is saved. Queries for the further windows and the mutes."""
        return cls(preference.rules(), house=_wants_house(preference))

    def changed_to(self, preference: NotificationPreference, windows: Iterable[Window] | None) -> Wishes:
        """With the fields of these preferences, and these windows or, with None, those that there are. No query."""
        rules = preference.rules(windows=[], mutes=[])
        further = self.rules.quiet_windows if windows is None else tuple(sorted(windows, key=order_of_window))
        return Wishes(replace(rules, quiet_windows=further, mutes=self.rules.mutes), house=_wants_house(preference))

    @property
    def lasting(self) -> Wishes:
        """Without what ends: a pause, or a mute for some hours, is about the hours to come and no habit."""
        for_good = tuple(mute for mute in self.rules.mutes if mute.until is None)
        return replace(self, rules=replace(self.rules, paused_until=None, mutes=for_good))


def _wants_house(preference: NotificationPreference) -> bool:
    return not preference.user.is_staff or preference.house_insights_for_staff


@dataclass(slots=True)
class Tally:
    """Insights by what becomes of them. `at_night` are those among `at_once` that come at night."""

    at_once: int = 0
    held: int = 0
    hidden: int = 0
    at_night: int = 0
    kept_won: int = 0
    kept_lost: int = 0
    hidden_won: int = 0
    hidden_lost: int = 0
    reasons: Counter[Reason] = field(default_factory=Counter)  # of the hidden ones

    @property
    def kept(self) -> int:
        return self.at_once + self.held

    def add(self, verdict: Verdict, reason: Reason, outcome: str, *, at_night: bool) -> None:
        won, lost = outcome == Outcome.WIN, outcome == Outcome.LOSS
        if verdict is Verdict.SUPPRESS:
            self.hidden += 1
            self.hidden_won += won
            self.hidden_lost += lost
            self.reasons[reason] += 1
            return
        self.kept_won += won
        self.kept_lost += lost
        if verdict is Verdict.HOLD:
            self.held += 1
        else:
            self.at_once += 1
            self.at_night += at_night

    @classmethod
    def sum(cls, tallies: Iterable[Tally]) -> Tally:
        total = cls()
        for tally in tallies:
            for name in ("at_once", "held", "hidden", "at_night", "kept_won", "kept_lost", "hidden_won", "hidden_lost"):
                setattr(total, name, getattr(total, name) + getattr(tally, name))
            total.reasons += tally.reasons
        return total


@dataclass(frozen=True, slots=True)
class Day:
    """What the draft keeps and hides of one local day."""

    date: dt.date
    kept: int
    hidden: int


@dataclass(frozen=True, slots=True)
class Period:
    """`days` local days up to `until`; `by_day` is the draft's, oldest first."""

    days: int
    since: dt.datetime
    until: dt.datetime
    draft: Tally
    saved: Tally
    by_day: list[Day]

    @property
    def elapsed_days(self) -> float:
        """Of the last day only what has passed."""
        return (self.until - self.since) / dt.timedelta(days=1)

    @property
    def busiest(self) -> int:
        return max(day.kept + day.hidden for day in self.by_day)


@dataclass(frozen=True, slots=True)
class Preview:
    """`differs` tells whether the draft's rules are others than the saved ones."""

    time_zone: str
    differs: bool
    periods: list[Period]


def look(user: User, draft: Wishes, saved: Wishes, now: dt.datetime) -> Preview:
    """Preview the draft beside what is saved, with the real insights of this user and of the house. One query.

    An insight counts once, as it was last scored, and also when it came before the account was made.
    """
    zone = zone_or_utc(draft.rules.time_zone)
    today = now.astimezone(zone).date()
    dates = [today - dt.timedelta(days=ago) for ago in reversed(range(max(PERIODS)))]
    begins = [begin(date, zone) for date in dates]
    insights = past_insights.read(user, begins[0])
    clock = _Clock(begins, draft.rules, saved.rules, until=now)
    drafted, kept = _count(insights, (draft.lasting, saved.lasting), clock)
    periods = [
        Period(
            days=days,
            since=begins[-days],
            until=now,
            draft=Tally.sum(drafted[-days:]),
            saved=Tally.sum(kept[-days:]),
            by_day=[Day(*day) for day in _by_day(dates, drafted)][-days:],
        )
        for days in PERIODS
    ]
    return Preview(draft.rules.time_zone, draft.lasting != saved.lasting, periods)


class _Clock:
    """The days, cut wherever anything changes that depends on the time: day, night, and quiet hours by either rules.

    Within a stretch nothing changes, so whoever decides for its start has decided for every moment in it.
    """

    def __init__(self, begins: Sequence[dt.datetime], draft: Rules, saved: Rules, *, until: dt.datetime) -> None:
        night = QuietHours((NIGHT,), zone_or_utc(draft.time_zone))
        hours = [night, *(rules.quiet_hours for rules in (draft, saved) if rules.quiet_hours_enabled)]
        changes = (quiet.changes(begins[0], until) for quiet in hours)
        self.starts = sorted({*begins, *chain.from_iterable(changes)})
        self.days = [bisect_right(begins, start) - 1 for start in self.starts]
        self.night = [night.cover(start) for start in self.starts]
        self.number_of_days = len(begins)
        self._starts_s = [start.timestamp() for start in self.starts]

    def stretch(self, moment_s: float) -> int:
        """The place of the stretch that the moment is in, in the lists."""
        return bisect_right(self._starts_s, moment_s) - 1


def _count(insights: Iterable[PastInsight], each: Sequence[Wishes], clock: _Clock) -> list[list[Tally]]:
    """For each of the wishes a tally for each day."""
    counters = [_Counter(wishes, clock) for wishes in each]
    for insight in insights:
        stretch = clock.stretch(insight.handed_out_s)
        for counter in counters:
            counter.add(insight, stretch)
    return [counter.tallies for counter in counters]


class _Counter:
    """Decides by the same wishes for one insight after the other."""

    def __init__(self, wishes: Wishes, clock: _Clock) -> None:
        self.tallies = [Tally() for _ in range(clock.number_of_days)]
        self._wishes, self._clock = wishes, clock
        self._channel = wishes.rules.leading_channel
        self._quiet_at = {start: wishes.rules.quiet_at(start) for start in clock.starts}.__getitem__

    def add(self, insight: PastInsight, stretch: int) -> None:
        if insight.house and not self._wishes.house:
            return
        clock = self._clock
        verdict, reason = preferences.judge(
            self._wishes.rules, insight.facts, self._channel, clock.starts[stretch], self._quiet_at
        )
        self.tallies[clock.days[stretch]].add(verdict, reason, insight.outcome, at_night=clock.night[stretch])


def _by_day(dates: Sequence[dt.date], tallies: Sequence[Tally]) -> Iterable[tuple[dt.date, int, int]]:
    return ((date, tally.kept, tally.hidden) for date, tally in zip(dates, tallies, strict=True))
