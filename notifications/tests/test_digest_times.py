"""When a digest is due, on ordinary days and on those on which clocks are changed."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from notifications.digests.times import DAY, due_at, due_now, next_due

# Half an hour, quarter hours, jumps over midnight, at noon of nowhere, south of the equator, and none at all.
ZONES = (
    *("Europe/Berlin", "America/New_York", "America/Nuuk", "Australia/Lord_Howe", "Pacific/Chatham", "Asia/Beirut"),
    *("Africa/Cairo", "America/Santiago", "Africa/Casablanca", "Asia/Kolkata", "UTC"),
)


def utc(*parts: int) -> dt.datetime:
    year, month, day, hour, minute = (*parts, 0, 0)[:5]
    return dt.datetime(year, month, day, hour, minute, tzinfo=dt.UTC)


@pytest.mark.parametrize(
    ("day", "time", "zone", "instant"),
    [
        (dt.date(2026, 1, 15), dt.time(7), "Europe/Berlin", utc(2026, 1, 15, 6)),
        (dt.date(2026, 7, 15), dt.time(7), "Europe/Berlin", utc(2026, 7, 15, 5)),
        (dt.date(2026, 3, 29), dt.time(2, 30), "Europe/Berlin", utc(2026, 3, 29, 1, 30)),  # jumped over: at 03:30
        (dt.date(2026, 10, 25), dt.time(2, 30), "Europe/Berlin", utc(2026, 10, 25, 0, 30)),  # read twice: the first
        (dt.date(2026, 10, 4), dt.time(2, 15), "Australia/Lord_Howe", utc(2026, 10, 3, 15, 45)),
        # The last hour of that Saturday is jumped over: it comes in the first of Sunday.
        (dt.date(2026, 3, 28), dt.time(23, 30), "America/Nuuk", utc(2026, 3, 29, 1, 30)),
    ],
)
def test_a_digest_is_due_when_the_users_clock_first_reads_its_time(
    day: dt.date, time: dt.time, zone: str, instant: dt.datetime
) -> None:
    assert due_at(day, time, ZoneInfo(zone)) == instant


@settings(max_examples=25, deadline=None)
@given(
    zone=st.sampled_from(ZONES),
    time=st.times().map(lambda time: time.replace(second=0, microsecond=0)),
    year=st.integers(2023, 2027),
)
def test_every_local_date_of_a_year_has_exactly_one_digest(zone: str, time: dt.time, year: int) -> None:
    """As the schedule asks, only less often: what is due and has not been sent yet is sent."""
    place = ZoneInfo(zone)
    now, end = utc(year, 1, 1, 12), utc(year + 1, 1, 1, 12)
    start = now
    sent: Counter[dt.date] = Counter({now.astimezone(place).date() - DAY: 1, now.astimezone(place).date(): 1})
    instants = []
    while now < end:
        for due in due_now(now, time, place):
            if not sent[due.local_date]:
                sent[due.local_date] += 1
                instants.append(now)
        now += dt.timedelta(minutes=20)

    first, last = start.astimezone(place).date(), (end - DAY).astimezone(place).date()
    dates = [first + number * DAY for number in range((last - first).days + 1)]
    assert {date: sent[date] for date in dates} == dict.fromkeys(dates, 1)
    gaps = [later - earlier for earlier, later in pairwise(instants)]
    assert max(gaps) <= dt.timedelta(hours=26)
    assert min(gaps) >= dt.timedelta(hours=22)


@pytest.mark.parametrize("zone", ZONES)
def test_asked_at_the_instant_that_was_announced_it_is_due_and_not_a_second_before(zone: str) -> None:
    place, now = ZoneInfo(zone), utc(2026, 1, 1)
    for _day in range(366):
        announced = next_due(now, dt.time(2, 30), place)
        due = due_now(announced, dt.time(2, 30), place)
        assert announced in [one.at for one in due]
        assert announced not in [one.at for one in due_now(announced - dt.timedelta(seconds=1), dt.time(2, 30), place)]
        assert dt.timedelta() < announced - now <= dt.timedelta(hours=27)
        now = announced


def test_what_nobody_sent_yesterday_evening_goes_out_shortly_after_midnight_and_not_later() -> None:
    evening = dt.time(23, 50)

    assert [due.local_date for due in due_now(utc(2026, 5, 5, 0, 30), evening, dt.UTC)] == [dt.date(2026, 5, 4)]
    assert due_now(utc(2026, 5, 5, 6), evening, dt.UTC) == []


def test_what_nobody_sent_in_the_morning_goes_out_later_that_day() -> None:
    assert [due.local_date for due in due_now(utc(2026, 5, 5, 23), dt.time(7), dt.UTC)] == [dt.date(2026, 5, 5)]


def test_who_has_had_todays_is_told_of_tomorrows() -> None:
    today, evening = dt.date(2026, 5, 5), dt.time(20)

    assert next_due(utc(2026, 5, 5, 9), evening, dt.UTC, done=today) == utc(2026, 5, 6, 20)
    assert next_due(utc(2026, 5, 5, 9), evening, dt.UTC, done=today - DAY) == utc(2026, 5, 5, 20)
