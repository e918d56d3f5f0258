"""When a user's digest is due. Pure: no query, no clock; by the wall clock of the user's zone.

A local date has one digest, due at the first instant at which the clock reads the chosen time. A reading that the
clock jumps over comes as long after the jump as it lies in the gap: 02:30 on the night on which 02:00 becomes 03:00 is
03:30. One that is read twice counts the first time.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

DAY = dt.timedelta(days=1)
# After midnight yesterday's may still go out: nobody was there to send it, or the clock jumped over its time.
LATE_AFTER_MIDNIGHT = dt.timedelta(hours=3)


@dataclass(frozen=True, slots=True)
class Due:
    """The digest of a local date, and the instant (UTC) from which it is due."""

    local_date: dt.date
    at: dt.datetime


def due_at(day: dt.date, time: dt.time, zone: dt.tzinfo) -> dt.datetime:
    """When the digest of this local date is due, in UTC."""
    return dt.datetime.combine(day, time.replace(fold=0), tzinfo=zone).astimezone(dt.UTC)


def due_now(now: dt.datetime, time: dt.time, zone: dt.tzinfo) -> list[Due]:
    """The digests of today, and of yesterday until shortly after midnight, whose time has come at `now`."""
    today = now.astimezone(zone).date()
    both = [Due(day, due_at(day, time, zone)) for day in (today - DAY, today)]
    return [due for due in both if due.at <= now and (due.local_date == today or now - due.at <= LATE_AFTER_MIDNIGHT)]


def next_due(now: dt.datetime, time: dt.time, zone: dt.tzinfo, *, done: dt.date | None = None) -> dt.datetime:
    """The first instant after `now` at which a digest is due; `done` is the latest local date that has had its own."""
    day = now.astimezone(zone).date()
    while (done is not None and day <= done) or due_at(day, time, zone) <= now:
        day += DAY
    return due_at(day, time, zone)
