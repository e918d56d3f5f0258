"""Quiet windows that many people want, to be filled in with one click. Pure: the caller brings the zone and the day.

The sessions are the business hours of both cities by their own wall clocks, 08:00 to 17:00 from Monday to Friday; at
17:00 in New York the foreign exchange market's day, and on Friday its week, ends by convention. They are converted with
the offsets of the week that `today` is in. Where the user's clocks change on another day than theirs, the windows are
an hour off until the preset is chosen again: a window is kept as times of the user's own clock.
"""

from __future__ import annotations

import datetime as dt
from zoneinfo import ZoneInfo

from django.db.models import TextChoices
from django.utils.translation import gettext_lazy as _

from notifications.quiet import Window

LONDON, NEW_YORK = ZoneInfo("Europe/London"), ZoneInfo("America/New_York")
OPENS, CLOSES = dt.time(8), dt.time(17)
EVERY_DAY = frozenset(range(7))
SATURDAY_AND_SUNDAY = (5, 6)


class Preset(TextChoices):
    NIGHT = "night", _("My night")
    WEEKEND = "weekend", _("Weekend")
    SESSIONS = "sessions", _("London and New York sessions only")


def windows_of(preset: Preset, zone: dt.tzinfo, today: dt.date) -> list[Window]:
    """All windows that it means, by the clock of the zone."""
    match preset:
        case Preset.NIGHT:
            return [Window(dt.time(22), dt.time(7), EVERY_DAY)]
        case Preset.WEEKEND:
            return [Window(dt.time(0), dt.time(0), frozenset(SATURDAY_AND_SUNDAY))]
        case Preset.SESSIONS:
            return _outside_sessions(zone, today)


def _outside_sessions(zone: dt.tzinfo, today: dt.date) -> list[Window]:
    """Between the end in New York and the beginning in London, and where the sessions would be on a weekend."""
    monday = today - dt.timedelta(days=today.weekday())
    begin = dt.datetime.combine(monday, OPENS, tzinfo=LONDON).astimezone(zone)
    end = dt.datetime.combine(monday, CLOSES, tzinfo=NEW_YORK).astimezone(zone)
    moved = (begin.date() - monday).days  # far in the east London's Monday begins on a Monday evening, or Tuesday
    weekend = frozenset((day + moved) % 7 for day in SATURDAY_AND_SUNDAY)
    return [Window(end.time(), begin.time(), EVERY_DAY), Window(begin.time(), end.time(), weekend)]
