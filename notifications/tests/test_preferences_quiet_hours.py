"""Quiet hours by the wall clock: examples on the days on which clocks change, then everything else by brute force."""

import datetime as dt
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from notifications.quiet import QuietHours, Window, known_zones, zone_or_utc

EVERY_DAY = frozenset(range(7))
MINUTE = dt.timedelta(minutes=1)


def quiet(start: str, end: str, zone: str, weekdays: frozenset[int] = EVERY_DAY) -> QuietHours:
    window = Window(dt.time.fromisoformat(start), dt.time.fromisoformat(end), weekdays)
    return QuietHours((window,), ZoneInfo(zone))


def utc(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text).replace(tzinfo=dt.UTC)


# --- Windows --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("moment", "is_quiet"),
    [
        ("2026-03-04 21:59:59.999999", False),
        ("2026-03-04 22:00", True),
        ("2026-03-05 00:00", True),
        ("2026-03-05 06:59:59.999999", True),
        ("2026-03-05 07:00", False),
    ],
)
def test_hours_over_midnight_are_half_open(moment: str, is_quiet: bool) -> None:
    assert quiet("22:00", "07:00", "UTC").cover(utc(moment)) is is_quiet


def test_the_clock_of_the_users_zone_decides() -> None:
    moment = utc("2026-01-15 16:30")  # 22:15 in Kathmandu

    assert quiet("22:00", "07:00", "Asia/Kathmandu").cover(moment)
    assert not quiet("22:00", "07:00", "UTC").cover(moment)


@pytest.mark.parametrize(
    ("moment", "is_quiet"),
    [
        ("2026-03-06 21:00", False),  # Friday
        ("2026-03-06 23:00", True),
        ("2026-03-07 06:00", True),  # Saturday morning belongs to Friday's window
        ("2026-03-07 23:00", False),
        ("2026-03-06 06:00", False),  # Friday morning belongs to Thursday's
    ],
)
def test_a_window_belongs_to_the_weekday_on_which_it_starts(moment: str, is_quiet: bool) -> None:
    friday = frozenset({4})

    assert quiet("22:00", "07:00", "UTC", friday).cover(utc(moment)) is is_quiet


@pytest.mark.parametrize(("start", "end"), [("22:00", "07:00"), ("09:00", "17:00"), ("07:00", "07:00")])
def test_without_a_weekday_no_moment_is_quiet(start: str, end: str) -> None:
    hours = quiet(start, end, "UTC", frozenset())

    assert not any(hours.cover(utc("2026-03-02") + dt.timedelta(minutes=30 * step)) for step in range(7 * 48))


def test_equal_times_are_24_hours_from_the_start_on_each_chosen_weekday() -> None:
    sunday = quiet("07:00", "07:00", "UTC", frozenset({6}))

    assert not sunday.cover(utc("2026-03-08 06:59"))
    assert sunday.cover(utc("2026-03-08 07:00"))
    assert sunday.cover(utc("2026-03-09 06:59"))
    assert not sunday.cover(utc("2026-03-09 07:00"))


def test_all_day_every_day_is_released_daily() -> None:
    hours = quiet("07:00", "07:00", "UTC")

    assert hours.release_after(utc("2026-03-04 07:00")) == utc("2026-03-05 07:00")
    assert hours.release_after(utc("2026-03-05 06:59:59")) == utc("2026-03-05 07:00")


def test_held_insights_are_released_when_the_window_ends_to_the_second() -> None:
    moment = utc("2026-03-04 23:12:34.567891")

    assert quiet("22:00", "07:00:30", "UTC").release_after(moment) == utc("2026-03-05 07:00:30")


# --- Days on which the clock changes --------------------------------------------------------------------------------


def test_an_end_that_the_clock_jumps_over_is_the_jump() -> None:
    hours = quiet("22:00", "02:30", "America/New_York")

    assert hours.release_after(utc("2026-03-08 05:00")) == utc("2026-03-08 07:00")  # 02:00 EST = 03:00 EDT


def test_a_start_that_the_clock_jumps_over_is_the_jump() -> None:
    hours = quiet("02:30", "06:00", "America/New_York")

    assert not hours.cover(utc("2026-03-08 06:59"))
    assert hours.cover(utc("2026-03-08 07:00"))
    assert hours.release_after(utc("2026-03-08 07:00")) == utc("2026-03-08 10:00")


def test_a_night_with_an_hour_less_ends_by_the_clock() -> None:
    hours = quiet("22:00", "07:00", "Europe/London")

    assert hours.release_after(utc("2026-03-28 22:00")) == utc("2026-03-29 06:00")


def test_a_night_with_an_hour_more_ends_by_the_clock() -> None:
    hours = quiet("22:00", "07:00", "Europe/London")

    assert hours.release_after(utc("2026-10-24 21:00")) == utc("2026-10-25 07:00")


def test_an_hour_that_is_read_twice_is_judged_twice() -> None:
    hours = quiet("22:00", "01:30", "Europe/London")  # 01:00–02:00 BST comes again as 01:00–02:00 GMT

    assert hours.release_after(utc("2026-10-25 00:10")) == utc("2026-10-25 00:30")
    assert not hours.cover(utc("2026-10-25 00:45"))
    assert hours.cover(utc("2026-10-25 01:15"))
    assert hours.release_after(utc("2026-10-25 01:15")) == utc("2026-10-25 01:30")


def test_setting_the_clock_back_before_the_start_ends_a_window() -> None:
    hours = quiet("01:30", "07:00", "Europe/London")

    assert hours.release_after(utc("2026-10-25 00:45")) == utc("2026-10-25 01:00")


def test_half_an_hour_of_daylight_saving_is_known() -> None:
    hours = quiet("22:00", "02:15", "Australia/Lord_Howe")  # 02:00 jumps to 02:30

    assert hours.release_after(utc("2026-10-03 13:00")) == utc("2026-10-03 15:30")


def test_a_window_that_ends_on_a_day_left_out_of_the_calendar_ends_at_the_jump() -> None:
    thursday = quiet("22:00", "07:00", "Pacific/Apia", frozenset({3}))  # Friday 30 December 2011 did not happen

    assert thursday.release_after(utc("2011-12-30 08:30")) == utc("2011-12-30 10:00")


def test_a_window_that_starts_on_a_day_left_out_of_the_calendar_starts_at_the_jump() -> None:
    friday = quiet("22:00", "07:00", "Pacific/Apia", frozenset({4}))

    assert not friday.cover(utc("2011-12-30 09:59"))
    assert friday.cover(utc("2011-12-30 10:00"))
    assert friday.release_after(utc("2011-12-30 10:00")) == utc("2011-12-30 17:00")


# --- A second formulation -------------------------------------------------------------------------------------------
# Windows are written out as the minutes that they name on a calendar without zones; then the user's clock is read
# minute after minute. Nothing here computes with offsets.

CLOCK_CHANGES = {
    "America/New_York": ["2026-03-08 07:00", "2026-11-01 06:00"],
    "America/Santiago": ["2025-04-06 03:00", "2025-09-07 04:00"],  # at midnight, so the date changes with the clock
    "Asia/Kathmandu": ["2026-03-01 00:00"],
    "Australia/Lord_Howe": ["2026-04-04 15:00", "2026-10-03 15:30"],
    "Europe/London": ["2026-03-29 01:00", "2026-10-25 01:00"],
    "Pacific/Apia": ["2011-12-30 10:00", "2012-03-31 14:00"],
    "Pacific/Chatham": ["2026-04-04 14:00", "2026-09-26 14:00"],
}
SPAN_DAYS = 6


def windows_by_minute(
    start: dt.time, end: dt.time, weekdays: frozenset[int], around: dt.date
) -> dict[dt.datetime, dt.date]:
    """Each quiet minute of the calendar, and the date on which its window starts."""
    quiet_minutes = {}
    for day in (around + dt.timedelta(days=offset) for offset in range(-3, SPAN_DAYS + 3)):
        if day.weekday() not in weekdays:
            continue
        minute = dt.datetime.combine(day, start)
        while True:
            quiet_minutes[minute] = day
            minute += MINUTE
            if minute.time() == end:
                break
    return quiet_minutes


def read_clock(moment: dt.datetime, zone: str) -> dt.datetime:
    return moment.astimezone(ZoneInfo(zone)).replace(tzinfo=None, fold=0)


def first_release(moment: dt.datetime, zone: str, windows: dict[dt.datetime, dt.date], *, daily: bool) -> dt.datetime:
    window = windows[read_clock(moment, zone)]
    for _ in range(SPAN_DAYS * 24 * 60):
        moment += MINUTE
        now_in = windows.get(read_clock(moment, zone))
        if now_in is None or (daily and now_in > window):
            return moment
        window = now_in
    raise AssertionError("never released")


night_times = st.builds(
    dt.time, st.sampled_from([0, 1, 2, 3, 22, 23]), st.sampled_from([0, 1, 15, 29, 30, 31, 44, 45, 59])
)
times = night_times | st.builds(dt.time, st.integers(0, 23), st.integers(0, 59))
spans = st.tuples(times, times) | times.map(lambda time: (time, time))
moments = st.sampled_from([(zone, change) for zone, changes in CLOCK_CHANGES.items() for change in changes])


@settings(max_examples=400, deadline=None)
@given(
    moments,
    st.integers(-36 * 60, 36 * 60) | st.integers(-90, 90),
    spans,
    st.just(EVERY_DAY) | st.frozensets(st.integers(0, 6)),
)
def test_quiet_hours_agree_with_reading_the_clock_minute_by_minute(
    where: tuple[str, str], minutes: int, span: tuple[dt.time, dt.time], weekdays: frozenset[int]
) -> None:
    zone, change = where
    moment = utc(change) + minutes * MINUTE
    hours = QuietHours((Window(*span, weekdays),), ZoneInfo(zone))
    windows = windows_by_minute(*span, weekdays, around=read_clock(moment, zone).date())

    assert hours.cover(moment) is (read_clock(moment, zone) in windows)
    if hours.cover(moment):
        daily = span[0] == span[1]
        assert hours.release_after(moment) == first_release(moment, zone, windows, daily=daily)


@settings(max_examples=200, deadline=None)
@given(
    st.sampled_from(sorted(known_zones())),
    st.integers(0, 20_000_000).map(lambda minutes: utc("1999-01-01") + minutes * MINUTE),
    spans.filter(lambda span: span[0] != span[1]),
    st.frozensets(st.integers(0, 6), min_size=1),
)
def test_in_every_zone_a_release_is_the_first_instant_that_is_not_quiet(
    zone: str, moment: dt.datetime, span: tuple[dt.time, dt.time], weekdays: frozenset[int]
) -> None:
    hours = QuietHours((Window(*span, weekdays),), ZoneInfo(zone))
    if not hours.cover(moment):
        return

    release = hours.release_after(moment)

    assert not hours.cover(release)
    assert hours.cover(release - dt.timedelta(microseconds=1))
    minutes_before = int((release - moment) / MINUTE)
    assert all(hours.cover(moment + step * MINUTE) for step in range(minutes_before))


# --- Several windows ------------------------------------------------------------------------------------------------


def several(*windows: tuple[str, str, str]) -> QuietHours:
    """Each as start, end and the weekdays as digits, 0 = Monday; in UTC."""
    return QuietHours(
        tuple(
            Window(dt.time.fromisoformat(start), dt.time.fromisoformat(end), frozenset(map(int, weekdays)))
            for start, end, weekdays in windows
        ),
        dt.UTC,
    )


NIGHT, LUNCH = ("22:00", "07:00", "0123456"), ("12:00", "13:00", "01234")
SATURDAY, SUNDAY = ("00:00", "00:00", "5"), ("00:00", "00:00", "6")


@pytest.mark.parametrize(
    ("windows", "moment", "release"),
    [  # 2026-03-04 is a Wednesday
        ([NIGHT, LUNCH], "2026-03-04 12:30", "2026-03-04 13:00"),
        ([NIGHT, LUNCH], "2026-03-04 23:00", "2026-03-05 07:00"),
        ([NIGHT, LUNCH], "2026-03-04 13:00", None),
        ([NIGHT, LUNCH], "2026-03-07 12:30", None),  # a Saturday
        ([NIGHT, ("06:00", "09:30", "3")], "2026-03-04 23:00", "2026-03-05 09:30"),
        ([NIGHT, ("07:00", "09:30", "3")], "2026-03-04 23:00", "2026-03-05 09:30"),
        # A whole day ends at its end; a night that covers that instant holds on, and the next day does not.
        ([SATURDAY, SUNDAY], "2026-03-07 12:00", "2026-03-08 00:00"),
        ([NIGHT, SATURDAY, SUNDAY], "2026-03-07 12:00", "2026-03-08 07:00"),
        ([NIGHT, SATURDAY, SUNDAY], "2026-03-08 12:00", "2026-03-09 07:00"),
        # What came before the day is held by the day as well.
        ([("20:00", "00:00", "4"), SATURDAY], "2026-03-06 21:00", "2026-03-08 00:00"),
        # Nothing of the week is free: until the next end of any.
        ([("00:00", "12:00", "0123456"), ("12:00", "00:00", "0123456")], "2026-03-04 05:00", "2026-03-04 12:00"),
        # Five days of two halves, then it is free.
        ([("00:00", "12:00", "01234"), ("12:00", "00:00", "01234")], "2026-03-02 05:00", "2026-03-07 00:00"),
    ],
)
def test_several_windows_hold_until_none_of_them_does(
    windows: list[tuple[str, str, str]], moment: str, release: str | None
) -> None:
    hours = several(*windows)

    assert hours.cover(utc(moment)) is (release is not None)
    if release is not None:
        assert hours.release_after(utc(moment)) == utc(release)


# --- Names ----------------------------------------------------------------------------------------------------------


def test_names_that_are_no_places_are_not_offered() -> None:
    assert not known_zones() & {"localtime", "Factory", "posixrules"}
    assert {"UTC", "Europe/London", "Asia/Kathmandu"} <= known_zones()


def test_a_known_name_is_its_zone() -> None:
    assert zone_or_utc("Asia/Kathmandu") == ZoneInfo("Asia/Kathmandu")
