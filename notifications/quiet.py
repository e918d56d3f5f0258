"""Quiet hours by the wall clock of a zone. Pure.

One rule: an instant is quiet when the *reading* of the user's clock at it lies in a window `[start, end)` that starts
on a chosen weekday. What follows on the days on which the clocks change: an `end` that the clock jumps over ends the
window at the jump; an hour that is read twice is judged twice by the same reading, so a window can be left and entered
again; a window whose start is jumped over starts at the jump.
"""

from __future__ import annotations

import datetime as dt
import functools
import logging
import math
from dataclasses import dataclass
from zoneinfo import ZoneInfo, available_timezones

logger = logging.getLogger(__name__)

# In every copy of the zone table, but no place on earth: they mean "this server's" and "not set".
NOT_PLACES = {"localtime", "Factory", "posixrules"}


@functools.lru_cache(maxsize=1)
def known_zones() -> frozenset[str]:
    """The IANA names that a user may choose."""
    return frozenset(available_timezones() - NOT_PLACES)


@functools.lru_cache(maxsize=1024)
def zone_or_utc(name: str) -> dt.tzinfo:
    """Return the zone of this IANA name, UTC for an unknown one.

    Forms refuse unknown names, but a row can hold one: written by SQL, or known to another server's zone table only.
    One such row must not stop a run over many users, so it is logged (once a process) and read as UTC.
    """
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # OSError: the name of a folder of the table, such as "Europe"
        logger.warning("Unknown time zone %r in preferences: quiet hours are read as UTC.", name[:64])
        return dt.UTC


@dataclass(frozen=True, slots=True)
class QuietHours:
    """`start > end` runs over midnight; `start == end` is 24 hours from `start`; no weekday is never quiet."""

    start: dt.time
    end: dt.time
    weekdays: frozenset[int]
    zone: dt.tzinfo

    def cover(self, moment: dt.datetime) -> bool:
        """Whether this aware instant is quiet."""
        reading = self._reading(moment)
        today, yesterday = reading.weekday(), (reading.weekday() - 1) % 7
        if self.start < self.end:
            return today in self.weekdays and self.start <= reading.time() < self.end
        if reading.time() >= self.start:
            return today in self.weekdays
        return yesterday in self.weekdays and reading.time() < self.end

    def release_after(self, moment: dt.datetime) -> dt.datetime:
        """Return the first instant after a quiet one that is not quiet, in UTC.

        All-day windows follow on each other without a break, so theirs is also the next time the clock reaches `end`.
        """
        step = moment.astimezone(dt.UTC)
        while True:
            boundary = self._next_boundary(self._reading(step))
            step = self._when_reached(boundary, step)
            released_daily = self.start == self.end and self._reading(step) >= boundary
            if released_daily or not self.cover(step):
                return step

    def _reading(self, moment: dt.datetime) -> dt.datetime:
        return moment.astimezone(self.zone).replace(tzinfo=None, fold=0)

    def _next_boundary(self, reading: dt.datetime) -> dt.datetime:
        """The next reading at which a window may start or end."""
        days = (reading.date(), reading.date() + dt.timedelta(days=1))
        readings = [dt.datetime.combine(day, time) for day in days for time in (self.start, self.end)]
        return min(later for later in readings if later > reading)

    def _when_reached(self, boundary: dt.datetime, moment: dt.datetime) -> dt.datetime:
        """When the clock will read `boundary`, or the instant at which it is changed if that comes first.

        Between two such instants nothing can change, and no zone changes its clock twice in opposite ways in a day.
        """
        reached = moment + (boundary - self._reading(moment))
        if self._offset(reached) == self._offset(moment):
            return reached
        return self._clock_change(moment, reached)

    def _clock_change(self, before: dt.datetime, after: dt.datetime) -> dt.datetime:
        """The instant in `(before, after]` from which the later offset holds; clocks change on whole seconds."""
        low, high = math.floor(before.timestamp()), math.ceil(after.timestamp())
        later = self._offset(after)
        while high - low > 1:
            middle = (low + high) // 2
            if self._offset(dt.datetime.fromtimestamp(middle, dt.UTC)) == later:
                high = middle
            else:
                low = middle
        return dt.datetime.fromtimestamp(high, dt.UTC)

    def _offset(self, moment: dt.datetime) -> dt.timedelta | None:
        return moment.astimezone(self.zone).utcoffset()
