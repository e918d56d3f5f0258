"""The figures above the dashboard, against a recount by hand, by the clock of the user's own zone."""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Callable
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.contrib.auth.models import User
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from notifications import figures
from notifications.figures import Bar, Tally, begin, stack
from notifications.models import InsightNotification
from notifications.tests.rows import store_notification
from signals.models import Outcome, Signal

MakeSignal = Callable[..., Signal]
NOW = dt.datetime(2026, 3, 20, 11, 30, tzinfo=dt.UTC)
ZONES = ["UTC", "Pacific/Auckland", "America/Los_Angeles", "Asia/Kathmandu"]


@pytest.fixture
def store_at(alice: User, make_signal: MakeSignal) -> Callable[..., InsightNotification]:
    """Store a notification that was made at this time; the signal's fields can be given too."""

    def store(
        at: dt.datetime, *, of: Signal | None = None, user: User | None = None, **fields: Any
    ) -> InsightNotification:
        of_signal = {name: fields.pop(name) for name in ("strategy", "outcome") if name in fields}
        signal = of or make_signal(**of_signal)
        return store_notification(user or alice, signal, created_at=at, **fields)

    return store


StoreAt = Callable[..., InsightNotification]


@pytest.mark.parametrize("zone", ZONES)
def test_every_figure_equals_a_recount(alice: User, store_at: StoreAt, zone: str) -> None:
    chance = random.Random(7)  # the same rows each time
    rows = [
        store_at(
            NOW - dt.timedelta(minutes=chance.randrange(chance.choice([60, 16 * 1440]))),
            priority=chance.choice(["high", "medium", "low"]),
            strategy=chance.choice(["TrendFollower", "MeanReversion", "SMC"]),
            outcome=chance.choice(Outcome.values),
        )
        for _ in range(150)
    ]

    found = figures.read(alice.pk, ZoneInfo(zone), NOW)

    today = NOW.astimezone(ZoneInfo(zone)).date()
    own_day = {row.pk: row.created_at.astimezone(ZoneInfo(zone)).date() for row in rows}
    for day in found.days:
        for priority, count in day.counts.items():
            assert count == sum(own_day[row.pk] == day.date and row.priority == priority for row in rows)
    assert [day.date for day in found.days] == [today - dt.timedelta(days=ago) for ago in range(13, -1, -1)]
    todays = [row for row in rows if own_day[row.pk] == today]
    assert found.today == tally(todays)
    assert found.fortnight == tally([row for row in rows if own_day[row.pk] > today - dt.timedelta(days=14)])
    assert dict(found.strategies) == {
        name: tally([row for row in todays if row.signal.strategy == name])
        for name in {row.signal.strategy for row in todays}
    }
    assert todays


def tally(rows: list[InsightNotification]) -> Tally:
    outcomes = [row.signal.outcome for row in rows]
    return Tally(outcomes.count(Outcome.WIN), outcomes.count(Outcome.LOSS), insights=len(rows))


@pytest.mark.parametrize(
    ("zone", "minutes_after_midnight_utc", "day"),
    [
        ("UTC", -1, 19),
        ("UTC", 0, 20),
        ("America/New_York", 0, 19),  # still four hours of the day before
        ("America/New_York", 240, 20),
        ("America/New_York", 239, 19),
        ("Asia/Kathmandu", -345, 20),
        ("Asia/Kathmandu", -346, 19),
    ],
)
def test_a_day_begins_at_the_users_own_midnight(
    alice: User, store_at: StoreAt, zone: str, minutes_after_midnight_utc: int, day: int
) -> None:
    midnight = dt.datetime(2026, 3, 20, tzinfo=dt.UTC)
    store_at(midnight + dt.timedelta(minutes=minutes_after_midnight_utc))

    found = figures.read(alice.pk, ZoneInfo(zone), NOW)

    assert [counted.date.day for counted in found.days if counted.total] == [day]


def test_a_day_whose_midnight_the_clocks_jump_over_begins_with_the_jump() -> None:
    cairo = ZoneInfo("Africa/Cairo")  # on 26 April 2024 the clocks went from 00:00 to 01:00

    assert begin(dt.date(2024, 4, 26), cairo) == dt.datetime(2024, 4, 25, 22, tzinfo=dt.UTC)
    assert begin(dt.date(2024, 4, 26), cairo).astimezone(cairo).time() == dt.time(1)


def test_days_of_23_and_25_hours_are_whole_days() -> None:
    berlin = ZoneInfo("Europe/Berlin")

    def hours(day: dt.date) -> float:
        return (begin(day + dt.timedelta(days=1), berlin) - begin(day, berlin)).total_seconds() / 3600

    assert [hours(dt.date(2026, 3, 29)), hours(dt.date(2026, 10, 25))] == [23, 25]


def test_an_insight_that_was_updated_counts_once_by_its_latest_revision(alice: User, store_at: StoreAt) -> None:
    first = store_at(NOW, priority="medium", revision=1, read=True)
    store_at(NOW, of=first.signal, priority="high", revision=2)

    found = figures.read(alice.pk, dt.UTC, NOW)

    assert found.days[-1].counts == {"high": 1, "medium": 0, "low": 0}
    assert found.today.insights == 1


def test_what_is_held_is_not_told_before_its_time(alice: User, store_at: StoreAt) -> None:
    first = store_at(NOW, revision=1)
    store_at(NOW, of=first.signal, revision=2, seq=None, held_until=NOW + dt.timedelta(hours=1))
    store_at(NOW, seq=None, held_until=NOW + dt.timedelta(hours=1))

    assert figures.read(alice.pk, dt.UTC, NOW).today.insights == 1


def test_anothers_insights_are_not_counted(alice: User, bob: User, store_at: StoreAt) -> None:
    store_at(NOW, user=bob)

    assert figures.read(alice.pk, dt.UTC, NOW).fortnight == Tally()


def test_figures_take_one_query_however_many(
    alice: User, store_at: StoreAt, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    for _ in range(25):
        store_at(timezone.now())

    with django_assert_num_queries(1):
        found = figures.read(alice.pk, dt.UTC, timezone.now())

    assert found.today.insights == 25


def test_the_busiest_strategy_comes_first(alice: User, store_at: StoreAt) -> None:
    for strategy in ("SMC", "Zeta", "Alpha", "SMC"):
        store_at(NOW, strategy=strategy)

    assert [name for name, _ in figures.read(alice.pk, dt.UTC, NOW).strategies] == ["SMC", "Alpha", "Zeta"]


@pytest.mark.parametrize(("won", "lost", "rate"), [(0, 0, None), (0, 3, 0), (1, 1, 50), (2, 1, 67), (1, 7, 13)])
def test_the_win_rate_is_of_the_closed_ones(won: int, lost: int, rate: int | None) -> None:
    assert Tally(won, lost, insights=50).win_rate == rate


def test_bars_stand_on_each_other_with_the_high_ones_at_the_bottom() -> None:
    assert stack({"high": 1, "medium": 2, "low": 1}, 8) == [
        Bar("high", 87.5, 12.5),
        Bar("medium", 62.5, 25),
        Bar("low", 50, 12.5),
    ]
    assert stack({"high": 0, "medium": 0, "low": 4}, 4) == [Bar("low", 0, 100)]
    assert stack({"high": 0, "medium": 0, "low": 0}, 0) == []
