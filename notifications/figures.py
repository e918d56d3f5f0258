"""The figures above a user's dashboard: today and the last fourteen days, by the user's own clock."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from django.db.models import Case, Count, Exists, IntegerField, OuterRef, Value, When

from notifications.models import InsightNotification, InsightNotificationQuerySet
from notifications.priority import Priority
from signals.track_record import Record

DAYS = 14


@dataclass(slots=True)
class Tally(Record):
    """Insights, and what has become of those whose target or stop was reached."""

    insights: int = 0

    def count(self, outcome: str, number: int) -> None:
        self.insights += number
        self.add(outcome, number)


@dataclass(slots=True)
class Day:
    """How many insights of each priority came on one day."""

    date: dt.date
    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(Priority.values, 0))

    @property
    def total(self) -> int:
        return sum(self.counts.values())


class Bar(NamedTuple):
    """From `top` down, both in percent of the chart's height."""

    priority: str
    top: float
    height: float


class Column(NamedTuple):
    day: Day
    bars: list[Bar]


@dataclass(frozen=True, slots=True)
class Figures:
    """`days` are the last fourteen, oldest first; `strategies` are today's, the busiest first."""

    days: list[Day]
    today: Tally
    fortnight: Tally
    strategies: list[tuple[str, Tally]]

    @property
    def columns(self) -> list[Column]:
        """The days as columns of one chart, all on the scale of the busiest day."""
        busiest = max(day.total for day in self.days)
        return [Column(day, stack(day.counts, busiest)) for day in self.days]


def read(user_id: int, zone: dt.tzinfo, now: dt.datetime) -> Figures:
    """One query, whose answer does not grow with the number of notifications.

    An insight counts once, on the day of its latest notification, and only when it is on the user's web stream.
    """
    dates = last_dates(now.astimezone(zone).date())
    return _figures(dates, _counted(user_id, [begin(date, zone) for date in dates]))


def stack(counts: dict[str, int], busiest: int) -> list[Bar]:
    """One bar on the other: high priority at the bottom, low at the top; none for what did not come."""
    bars, below = [], 0
    for priority in (Priority.HIGH, Priority.MEDIUM, Priority.LOW):
        count = counts[priority]
        below += count
        if count:
            bars.append(Bar(priority, round(100 - 100 * below / busiest, 2), round(100 * count / busiest, 2)))
    return bars


def last_dates(today: dt.date) -> list[dt.date]:
    return [today - dt.timedelta(days=ago) for ago in reversed(range(DAYS))]


def begin(date: dt.date, zone: dt.tzinfo) -> dt.datetime:
    """The first instant of a day; where the clocks jump over midnight, the instant of the jump."""
    return dt.datetime.combine(date, dt.time.min, tzinfo=zone).astimezone(dt.UTC)


def _counted(user_id: int, begins: list[dt.datetime]) -> Iterable[Any]:
    # The days' bounds come from Python's zone table: the database's may differ or be missing.
    newest_first = reversed(list(enumerate(begins)))
    day = Case(
        *[When(created_at__gte=begin_, then=Value(index)) for index, begin_ in newest_first],
        output_field=IntegerField(),
    )
    return (
        _latest(InsightNotification.objects.filter(user_id=user_id, created_at__gte=begins[0]))
        .order_by()
        .annotate(day=day)
        .values("day", "priority", "signal__strategy", "signal__outcome")
        .annotate(count=Count("pk"))
    )


def _latest(rows: InsightNotificationQuerySet) -> InsightNotificationQuerySet:
    """Without those that a later revision of the same insight follows."""
    same = InsightNotification.objects.on_web_stream().filter(user_id=OuterRef("user_id"), signal=OuterRef("signal"))
    return rows.on_web_stream().exclude(Exists(same.filter(revision__gt=OuterRef("revision"))))


def _figures(dates: list[dt.date], rows: Iterable[Any]) -> Figures:
    days = [Day(date) for date in dates]
    today, fortnight = Tally(), Tally()
    strategies: defaultdict[str, Tally] = defaultdict(Tally)
    for row in rows:
        count, outcome = row["count"], row["signal__outcome"]
        days[row["day"]].counts[row["priority"]] += count
        fortnight.count(outcome, count)
        if row["day"] == DAYS - 1:
            today.count(outcome, count)
            strategies[row["signal__strategy"]].count(outcome, count)
    busiest_first = sorted(strategies.items(), key=lambda entry: (-entry[1].insights, entry[0]))
    return Figures(days, today, fortnight, busiest_first)
