"""The track record, against a recount by hand."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from signals import track_record
from signals.models import Outcome, Signal
from signals.track_record import FEWEST_TOLD, Band, Record

MakeInsight = Callable[..., Signal]


@pytest.fixture
def close(make_insight: MakeInsight) -> Callable[..., Signal]:
    """Store a closed insight."""

    def store(user: User | None = None, *, outcome: str = Outcome.WIN, **fields: Any) -> Signal:
        return make_insight(user, outcome=outcome, closed_at=timezone.now(), **fields)

    return store


def test_every_count_equals_a_recount(alice: User, make_insight: MakeInsight) -> None:
    chance = random.Random(5)  # the same rows each time
    rows = [
        make_insight(
            chance.choice([alice, None]),
            truth_index=chance.choice([0, 9.99, 10, 69.99, 70, 88.5, 89.99, 90, 99.99, 100]),
            strategy=chance.choice(["SMC", "TrendFollower"]),
            symbol=chance.choice(["EURUSD", "USDJPY", "GBPUSD"]),
            outcome=chance.choice(Outcome.values),
            closed_at=timezone.now(),
        )
        for _ in range(120)
    ]
    closed = [row for row in rows if row.outcome in (Outcome.WIN, Outcome.LOSS)]

    found = track_record.read(alice)

    def counted(name: Callable[[Signal], Any]) -> dict[Any, tuple[int, int]]:
        won = Counter(name(row) for row in closed if row.outcome == Outcome.WIN)
        lost = Counter(name(row) for row in closed if row.outcome == Outcome.LOSS)
        return {each: (won[each], lost[each]) for each in won | lost}

    def found_in(table: list[tuple[Any, Record]]) -> dict[Any, tuple[int, int]]:
        return {name: (record.won, record.lost) for name, record in table}

    assert found_in(found.bands) == counted(lambda row: Band.of(row.ai_confidence))
    assert found_in(found.strategies) == counted(lambda row: row.strategy)
    assert found_in(found.symbols) == counted(lambda row: row.symbol)
    assert found.overall.closed == len(closed)
    for row in closed:
        band, record = track_record.of_band(alice, row.ai_confidence)
        assert (record.won, record.lost) == found_in(found.bands)[band]


@pytest.mark.parametrize(
    ("confidence", "band"), [("0", "0–9"), ("9.99", "0–9"), ("80", "80–89"), ("89.99", "80–89"), ("100", "90–100")]
)
def test_a_band_is_a_tenth_of_the_scale(confidence: str, band: str) -> None:
    assert str(Band.of(Decimal(confidence))) == band


def test_another_traders_insights_do_not_count(alice: User, bob: User, close: Callable[..., Signal]) -> None:
    close(bob)
    close(None)
    assert track_record.read(alice).overall.closed == 1


@pytest.mark.parametrize(
    ("won", "lost", "low", "high"),
    [(0, 0, 0.0, 100.0), (8, 2, 49.0, 94.3), (0, 10, 0.0, 27.8), (500, 500, 46.9, 53.1)],
)
def test_the_interval_is_wilsons(won: int, lost: int, low: float, high: float) -> None:
    assert Record(won, lost).interval == pytest.approx((low, high), abs=0.06)


def test_the_page_does_not_grow_in_queries(
    alice: User, client: Client, close: Callable[..., Signal], django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    client.force_login(alice)
    for symbol in ("EURUSD", "GBPUSD", "USDJPY", "USDCHF"):
        close(alice, symbol=symbol)
    with django_assert_max_num_queries(10):
        page = client.get("/signals/track-record/").content.decode()
    assert all(symbol in page for symbol in ("EURUSD", "GBPUSD", "USDJPY", "USDCHF"))


def test_without_a_closed_insight_the_page_says_when_there_will_be_one(alice: User, client: Client) -> None:
    client.force_login(alice)
    assert "No insight has closed yet" in client.get("/signals/track-record/").content.decode()


@pytest.mark.parametrize(("closed", "told"), [(FEWEST_TOLD - 1, False), (FEWEST_TOLD, True)])
def test_an_insight_tells_what_became_of_its_like_from_twenty_on(
    alice: User, client: Client, close: Callable[..., Signal], make_insight: MakeInsight, closed: int, told: bool
) -> None:
    for place in range(closed):
        close(alice, truth_index=84, outcome=Outcome.WIN if place % 2 else Outcome.LOSS)
    client.force_login(alice)
    page = client.get(make_insight(alice, truth_index=88).get_absolute_url()).content.decode()
    assert ("closed insights at 80–89" in page) is told
