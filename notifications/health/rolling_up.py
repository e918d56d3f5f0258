"""Keeps the figures of every period: the last ones anew each minute, older ones while they may still change.

Figures are counted from the rows each time, never added to, so that a run may be repeated, end anywhere and run beside
another. An acknowledgement that comes more than KEEPS_CHANGING after its period changes its figures no more: by then
the rows begin to be deleted, and figures outlive them.
"""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from django.db.models import Min
from django.utils import timezone

from notifications.health import counting
from notifications.health.merging import merge
from notifications.health.periods import Length, Range
from notifications.models import HealthFigures, InsightNotification
from notifications.retention import FIGURE_DAYS
from signals.models import Signal

KEEPS_CHANGING = dt.timedelta(days=7)
# For as long every run counts anew: most browsers acknowledge, and most deliveries end, within that.
FRESH = {
    Length.FIVE_MINUTES: Range.HOUR.duration,
    Length.HOUR: dt.timedelta(hours=2),
}
# Older periods that may still change, and the users of days.
COUNT_AGAIN_AFTER = dt.timedelta(minutes=15)
USERS_COUNT_AGAIN_AFTER = dt.timedelta(minutes=5)
# Counted with the same statements: on SQLite those keep the interpreter from the sockets of the process.
MOST_HOURS_AT_ONCE = 6
TURN_S = 2.0


@dataclass(frozen=True, slots=True)
class Chunk:
    """Periods of one length that lie side by side; of a day its users are counted, the rest adds up from its hours."""

    length: Length
    begin: dt.datetime
    end: dt.datetime

    @property
    def periods(self) -> int:
        return (self.end - self.begin) // self.length.duration


def roll_up_for_a_turn() -> bool:
    """False when there is more to do."""
    ends_at = time.monotonic() + TURN_S
    return roll_up(should_stop=lambda: time.monotonic() >= ends_at)


def roll_up(
    now: dt.datetime | None = None,
    *,
    since: dt.datetime | None = None,
    should_stop: Callable[[], bool] = lambda: False,
    after_chunk: Callable[[Chunk], None] = lambda chunk: None,
) -> bool:
    """Count what is missing or may have changed, the newest first; True when nothing is left.

    With `since` every hour and day from then on, for rows that were changed or brought in by hand. `should_stop` is
    asked after each chunk, which is written whole.
    """
    now = now or timezone.now()
    chunks = due(now) if since is None else _since(since, now)
    for chunk in chunks:
        _count(chunk, now)
        after_chunk(chunk)
        if should_stop():
            return next(chunks, None) is None
    return True


def due(now: dt.datetime) -> Iterator[Chunk]:
    """What is to be counted, the most important first."""
    for length, fresh in FRESH.items():
        yield Chunk(length, length.begin(now - fresh), _end(length, now))
    for length in (Length.DAY, Length.HOUR):
        yield from _together(length, sorted(_missing(length, now), reverse=True))
        yield from _together(length, sorted(_stale(length, now), reverse=True))


def _since(since: dt.datetime, now: dt.datetime) -> Iterator[Chunk]:
    for length in (Length.DAY, Length.HOUR):
        yield from _together(length, sorted(length.begins(length.begin(since), _end(length, now)), reverse=True))


def _count(chunk: Chunk, now: dt.datetime) -> None:
    if chunk.length is Length.DAY:
        _count_users(chunk, now)
        return
    counted = counting.count(chunk.length, chunk.begin, chunk.end)
    _write_counts(chunk.length, counted, now)
    if chunk.length is Length.HOUR:
        _write_counts(Length.DAY, _sums(chunk), now)


def _count_users(day: Chunk, now: dt.datetime) -> None:
    """Once a day is over nobody can tell any more what was unread then: what was counted last stays."""
    users = counting.users_of_day(day.begin, with_unread=day.end > now)
    kept = HealthFigures.objects.filter(length_s=day.length, begins_at=day.begin).values_list("users", flat=True)
    earlier: counting.Counts = kept.first() or {}
    _write(
        [
            HealthFigures(
                length_s=day.length,
                begins_at=day.begin,
                counted_at=now,
                users=earlier | users,
                users_counted_at=now,
            )
        ],
        ["users", "users_counted_at"],
    )


def _sums(hours: Chunk) -> counting.Counted:
    """The counts of the days that these hours are of."""
    begin = Length.DAY.begin(hours.begin)
    of_day: dict[dt.datetime, list[counting.Counts]] = {day: [] for day in Length.DAY.begins(begin, hours.end)}
    rows = HealthFigures.objects.filter(
        length_s=Length.HOUR, begins_at__gte=begin, begins_at__lt=begin + len(of_day) * Length.DAY.duration
    )
    for begins_at, counts in rows.order_by().values_list("begins_at", "counts"):
        of_day[Length.DAY.begin(begins_at)].append(counts)
    return {day: merge(every) for day, every in of_day.items()}


def _write_counts(length: Length, counted: counting.Counted, now: dt.datetime) -> None:
    rows = [
        HealthFigures(length_s=length, begins_at=begins_at, counts=counts, counted_at=now)
        for begins_at, counts in counted.items()
    ]
    _write(rows, ["counts", "counted_at"])


def _write(rows: list[HealthFigures], fields: list[str]) -> None:
    HealthFigures.objects.bulk_create(
        rows, update_conflicts=True, unique_fields=["length_s", "begins_at"], update_fields=fields
    )


def _end(length: Length, now: dt.datetime) -> dt.datetime:
    """Of the period that is running."""
    return length.begin(now) + length.duration


def _missing(length: Length, now: dt.datetime) -> set[dt.datetime]:
    """Beginnings of the periods since the first row that were never counted; of days, whose users were not."""
    first = _first_moment()
    if first is None:
        return set()
    begin = length.begin(max(first, now - dt.timedelta(days=FIGURE_DAYS)))
    counted = HealthFigures.objects.filter(length_s=length, begins_at__gte=begin)
    if length is Length.DAY:
        counted = counted.filter(users_counted_at__isnull=False)
    if counted.count() >= (_end(length, now) - begin) // length.duration:
        return set()
    return set(length.begins(begin, _end(length, now))) - set(counted.values_list("begins_at", flat=True))


def _first_moment() -> dt.datetime | None:
    first = [
        Signal.objects.aggregate(first=Min("received_at"))["first"],
        InsightNotification.objects.aggregate(first=Min("created_at"))["first"],
    ]
    return min((moment for moment in first if moment is not None), default=None)


def _stale(length: Length, now: dt.datetime) -> set[dt.datetime]:
    """Of the periods that may still change, those whose last count is a while ago."""
    rows = HealthFigures.objects.filter(length_s=length, begins_at__gt=now - KEEPS_CHANGING, begins_at__lte=now)
    if length is Length.DAY:
        rows = rows.filter(users_counted_at__lt=now - USERS_COUNT_AGAIN_AFTER)
    else:
        rows = rows.filter(counted_at__lt=now - COUNT_AGAIN_AFTER)
    return set(rows.values_list("begins_at", flat=True))


def _together(length: Length, begins_newest_first: list[dt.datetime]) -> Iterator[Chunk]:
    """Neighbours in one chunk, as far as that is bounded; a day is a chunk of its own."""
    most = 1 if length is Length.DAY else MOST_HOURS_AT_ONCE
    group: list[dt.datetime] = []
    for begin in begins_newest_first:
        if group and (len(group) == most or group[-1] != begin + length.duration):
            yield Chunk(length, group[-1], group[0] + length.duration)
            group = []
        group.append(begin)
    if group:
        yield Chunk(length, group[-1], group[0] + length.duration)
