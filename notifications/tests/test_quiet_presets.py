"""Presets of quiet windows: what they mean by the user's own clock."""

from __future__ import annotations

import datetime as dt
from zoneinfo import ZoneInfo

import pytest

from notifications.quiet import QuietHours, Window
from notifications.quiet_presets import LONDON, NEW_YORK, Preset, windows_of

MINUTE = dt.timedelta(minutes=1)
ZONES = ("UTC", "Europe/Berlin", "America/Los_Angeles", "Pacific/Honolulu", "Asia/Tokyo", "Pacific/Auckland")
IN_WINTER, IN_SUMMER = dt.date(2026, 1, 14), dt.date(2026, 7, 15)
# London's clocks are back already and New York's are not: 13 hours instead of 14.
BETWEEN_THE_CHANGES = dt.date(2026, 10, 28)


def in_session(moment: dt.datetime) -> bool:
    """From eight in London to five in New York, Monday to Friday; said another way than in the module."""
    in_london, in_new_york = moment.astimezone(LONDON), moment.astimezone(NEW_YORK)
    return in_london.weekday() < 5 and in_london.hour >= 8 and in_new_york.hour < 17


@pytest.mark.parametrize("today", [IN_WINTER, IN_SUMMER, BETWEEN_THE_CHANGES])
@pytest.mark.parametrize("zone", ZONES)
def test_outside_the_sessions_of_london_and_new_york_it_is_quiet(zone: str, today: dt.date) -> None:
    place = ZoneInfo(zone)
    quiet = QuietHours(tuple(windows_of(Preset.SESSIONS, place, today)), place)
    tuesday = dt.datetime.combine(today - dt.timedelta(days=today.weekday() - 1), dt.time(0, 30), tzinfo=dt.UTC)

    # From Tuesday on: no clock of these zones changes in the days that follow.
    hours = [tuesday + dt.timedelta(hours=hour) for hour in range(24 * 4)]
    wrong = [hour for hour in hours if quiet.cover(hour) is in_session(hour)]

    assert wrong == []


@pytest.mark.parametrize("zone", ZONES)
def test_the_weekend_is_quiet_as_a_whole(zone: str) -> None:
    place = ZoneInfo(zone)
    quiet = QuietHours(tuple(windows_of(Preset.SESSIONS, place, IN_SUMMER)), place)
    friday_evening = dt.datetime(2026, 7, 17, 17, tzinfo=NEW_YORK)
    monday_morning = dt.datetime(2026, 7, 20, 8, tzinfo=LONDON)

    assert not quiet.cover(friday_evening - MINUTE)
    assert not quiet.cover(monday_morning)
    moment = friday_evening
    while moment < monday_morning:
        assert quiet.cover(moment)
        moment += 17 * MINUTE


def test_the_night_and_the_weekend_are_the_users_own() -> None:
    [night] = windows_of(Preset.NIGHT, ZoneInfo("Asia/Tokyo"), IN_WINTER)
    [weekend] = windows_of(Preset.WEEKEND, ZoneInfo("Asia/Tokyo"), IN_WINTER)

    assert night == Window(dt.time(22), dt.time(7), frozenset(range(7)))
    assert weekend == Window(dt.time(0), dt.time(0), frozenset({5, 6}))
