"""Quiet hours by the wall clock of a zone. Pure.

One rule: an instant is quiet when the *reading* of the user's clock at it lies in a window `[start, end)` that starts
on a chosen weekday. What follows on the days on which the clocks change: an `end` that the clock jumps over ends the
window at the jump; an hour that is read twice is judged twice by the same reading, so a window can be left and entered
again; a window whose start is jumped over starts at the jump.
With several windows an instant is quiet when one of them says so.
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

# Windows repeat each week; one more day for weeks that a clock change makes longer.
LONGEST_HOLD = dt.timedelta(days=8)


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
class Window:
    """`start > end` runs over midnight; `start == end` is 24 hours from `start`; no weekday is never quiet."""

    start: dt.time
    end: dt.time
    weekdays: frozenset[int]

    @property
    def all_day(self) -> bool:
        return self.start == self.end

    def covers(self, reading: dt.datetime) -> bool:
        """Whether it is quiet when the user's clock reads this."""
        today, yesterday = reading.weekday(), (reading.weekday() - 1) % 7
        if self.start < self.end:
            return today in self.weekdays and self.start <= reading.time() < self.end
        if reading.time() >= self.start:
            return today in self.weekdays
        return yesterday in self.weekdays and reading.time() < self.end


@dataclass(frozen=True, slots=True)
class QuietHours:
    """Quiet while any of the windows is, by the clock of the zone."""

    windows: tuple[Window, ...]
    zone: dt.tzinfo

    def cover(self, moment: dt.datetime) -> bool:
        """Whether this aware instant is quiet."""
        reading = self._reading(moment)
        return any(window.covers(reading) for window in self.windows)

    def release_after(self, moment: dt.datetime) -> dt.datetime:
        """Return the first instant after a quiet one that is not quiet, in UTC.

        All-day windows follow on each other without a break, so each of them holds until the clock reaches its `end`
        and not beyond it; a shorter window that covers that instant goes on holding until it ends. Windows that
        together leave nothing of a week free hold until the next time that one of them ends.
        """
        step = moment.astimezone(dt.UTC)
        give_up_at = step + LONGEST_HOLD
        held_for_a_day = False
        while step < give_up_at:
            before = self._reading(step)
            step = self._when_reached(self._next_boundary(before), step)
            after = self._reading(step)
            held_for_a_day = held_for_a_day or self._an_all_day_window_ends(before, after)
            covering = [window for window in self.windows if window.covers(after)]
            if not covering or (held_for_a_day and all(window.all_day for window in covering)):
                return step
        return self._next_end(moment)

    def changes(self, since: dt.datetime, until: dt.datetime) -> list[dt.datetime]:
        """The instants after `since`, in order, between which nothing changes: one is quiet for all up to the next."""
        instants, step = [], since.astimezone(dt.UTC)
        while step < until:
            step = self._when_reached(self._next_boundary(self._reading(step)), step)
            instants.append(step)
        return instants

    def _reading(self, moment: dt.datetime) -> dt.datetime:
        return moment.astimezone(self.zone).replace(tzinfo=None, fold=0)

    def _next_boundary(self, reading: dt.datetime) -> dt.datetime:
        """The next reading at which a window may start or end."""
        return min(_next(time, reading) for window in self.windows for time in (window.start, window.end))

    def _an_all_day_window_ends(self, before: dt.datetime, after: dt.datetime) -> bool:
        """Whether one that covers the first reading ends on the way to the second."""
        all_day = [window for window in self.windows if window.all_day and window.covers(before)]
        return any(_next(window.end, before) <= after for window in all_day)

    def _next_end(self, moment: dt.datetime) -> dt.datetime:
        step = moment.astimezone(dt.UTC)
        while True:
            before = self._reading(step)
            end = min(_next(window.end, before) for window in self.windows)
            step = self._when_reached(end, step)
            if self._reading(step) >= end:
                return step

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


def _next(time: dt.time, reading: dt.datetime) -> dt.datetime:
    """The next reading of the clock at which it is `time`."""
    today = dt.datetime.combine(reading.date(), time)
    return today if today > reading else today + dt.timedelta(days=1)
