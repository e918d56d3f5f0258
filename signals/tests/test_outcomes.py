"""EURUSD closed at 1.0956, 1.0919, 1.0953, 1.0921 (2 to 5 January 2024), 1.0987 on the 11th and 1.0882 on the 16th."""

import datetime as dt
import threading
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection

from signals import market, outcomes
from signals.market import Close
from signals.models import Outcome, Signal

pytestmark = pytest.mark.services

MakeSignal = Callable[..., Signal]
NOON = dt.datetime(2024, 1, 2, 12, tzinfo=dt.UTC)


def close_of(day: int) -> dt.datetime:
    return market.close_time(dt.date(2024, 1, day))


@pytest.fixture
def make_daily(make_signal: MakeSignal) -> MakeSignal:
    """A buy at the close of 2 January 2024: its target is passed on the 11th, its stop on the 16th."""

    def make(user: User | None = None, **fields: Any) -> Signal:
        trade = {"price": Decimal("1.0956"), "sl": Decimal("1.0890"), "tp": Decimal("1.0980")}
        return make_signal(user, **({"timeframe": "1d", "bar_time": close_of(2)} | trade | fields))

    return make


@pytest.fixture
def alert_at(make_daily: MakeSignal) -> MakeSignal:
    """A newer signal of the symbol, whose arrival settles the older ones. It brings no price along."""

    def make(moment: dt.datetime, user: User | None = None, **fields: Any) -> Signal:
        return make_daily(user, bar_time=moment, **({"price": None} | fields))

    return make


def result(signal: Signal) -> tuple[str, dt.datetime | None]:
    signal.refresh_from_db()
    return signal.outcome, signal.closed_at


PENDING = (Outcome.PENDING, None)


def test_a_close_past_the_target_makes_a_win(make_daily: MakeSignal, alert_at: MakeSignal) -> None:
    signal = make_daily()
    assert outcomes.settle(alert_at(close_of(31))) == 1
    assert result(signal) == (Outcome.WIN, close_of(11))


def test_a_close_past_the_stop_makes_a_loss(make_daily: MakeSignal, alert_at: MakeSignal) -> None:
    signal = make_daily(tp=Decimal("1.2000"))
    outcomes.settle(alert_at(close_of(31)))
    assert result(signal) == (Outcome.LOSS, close_of(16))


def test_a_sell_wins_when_the_market_falls(make_daily: MakeSignal, alert_at: MakeSignal) -> None:
    signal = make_daily(side="sell", sl=Decimal("1.1000"), tp=Decimal("1.0920"))
    outcomes.settle(alert_at(close_of(31)))
    assert result(signal) == (Outcome.WIN, close_of(3))


def test_the_first_close_past_either_decides(make_daily: MakeSignal, alert_at: MakeSignal) -> None:
    signal = make_daily(sl=Decimal("1.0925"))  # passed on the 3rd, the target on the 11th
    outcomes.settle(alert_at(close_of(31)))
    assert result(signal) == (Outcome.LOSS, close_of(3))


def test_a_close_exactly_at_the_target_is_a_win(make_daily: MakeSignal, alert_at: MakeSignal) -> None:
    signal = make_daily(tp=Decimal("1.0987"))
    outcomes.settle(alert_at(close_of(31)))
    assert result(signal) == (Outcome.WIN, close_of(11))


def test_a_signal_between_stop_and_target_stays_pending(make_daily: MakeSignal, alert_at: MakeSignal) -> None:
    signal = make_daily(sl=Decimal("1.0100"), tp=Decimal("1.2000"))
    assert outcomes.settle(alert_at(close_of(31))) == 0
    assert result(signal) == PENDING


def test_closes_after_the_newer_alerts_own_time_are_not_looked_at(make_daily: MakeSignal, alert_at: MakeSignal) -> None:
    signal = make_daily()
    outcomes.settle(alert_at(close_of(11) - dt.timedelta(seconds=1)))
    assert result(signal) == PENDING
    outcomes.settle(alert_at(close_of(11)))
    assert result(signal) == (Outcome.WIN, close_of(11))


def test_the_close_of_the_signals_own_bar_does_not_decide(make_daily: MakeSignal, alert_at: MakeSignal) -> None:
    # The close of the 2nd is 1.0956: at the target of a signal that was made at that close.
    signal = make_daily(price=None, tp=Decimal("1.0950"), sl=Decimal("1.0100"), bar_time=close_of(2))
    outcomes.settle(alert_at(close_of(2) + dt.timedelta(hours=1)))
    assert result(signal) == PENDING


def test_settling_again_changes_nothing(make_daily: MakeSignal, alert_at: MakeSignal) -> None:
    signal, newer = make_daily(), alert_at(close_of(31))
    outcomes.settle(newer)
    before = result(signal)
    assert outcomes.settle(newer) == 0
    assert result(signal) == before


def test_an_outcome_that_was_given_stays(make_daily: MakeSignal, alert_at: MakeSignal) -> None:
    signal = make_daily(outcome=Outcome.EXPIRED)
    outcomes.settle(alert_at(close_of(31)))
    assert result(signal) == (Outcome.EXPIRED, None)


def test_signals_of_other_symbols_and_newer_ones_are_left_alone(make_daily: MakeSignal, alert_at: MakeSignal) -> None:
    other, newer = make_daily(symbol="GBPUSD"), make_daily(bar_time=close_of(31))
    outcomes.settle(alert_at(close_of(30)))
    assert result(other) == result(newer) == PENDING


def test_a_symbol_without_rates_is_settled_by_the_price_of_a_later_alert(
    make_daily: MakeSignal, alert_at: MakeSignal
) -> None:
    signal = make_daily(symbol="BTCUSD", bar_time=NOON)
    outcomes.settle(alert_at(NOON + dt.timedelta(hours=1), symbol="BTCUSD", price=Decimal("1.0970")))
    assert result(signal) == PENDING
    late = NOON + dt.timedelta(hours=2)
    outcomes.settle(alert_at(late, symbol="BTCUSD", price=Decimal("1.0981"), tp=Decimal("1.1")))
    assert result(signal) == (Outcome.WIN, late)


@pytest.mark.parametrize("hours", [0, 1])
def test_an_alert_that_comes_late_settles_no_signal_as_new_as_itself(
    make_daily: MakeSignal, alert_at: MakeSignal, hours: int
) -> None:
    newer = make_daily(symbol="BTCUSD", bar_time=NOON + dt.timedelta(hours=hours))
    late = {"symbol": "BTCUSD", "price": Decimal("1.0990"), "tp": Decimal("1.1")}
    outcomes.settle(alert_at(NOON, **late))
    assert result(newer) == PENDING


def test_alices_alert_with_an_absurd_price_closes_nobody_elses_signal(
    make_daily: MakeSignal, alert_at: MakeSignal, alice: User, bob: User
) -> None:
    bobs, house, hers = (make_daily(owner, symbol="BTCUSD", bar_time=NOON) for owner in (bob, None, alice))
    absurd = {"price": Decimal(999), "tp": Decimal(1000), "symbol": "BTCUSD"}
    outcomes.settle(alert_at(NOON + dt.timedelta(hours=1), alice, **absurd))
    assert result(bobs) == result(house) == PENDING
    assert result(hers)[0] == Outcome.WIN


def test_a_signal_without_a_time_of_its_own_counts_from_when_it_was_received(
    make_daily: MakeSignal, alert_at: MakeSignal
) -> None:
    signal = make_daily(bar_time=None, received_at=close_of(12))
    outcomes.settle(alert_at(close_of(31)))
    assert result(signal) == (Outcome.LOSS, close_of(16))


def test_settling_many_takes_a_constant_number_of_queries(
    make_daily: MakeSignal, alert_at: MakeSignal, django_assert_max_num_queries: Any
) -> None:
    for _ in range(12):
        make_daily()
    newer = alert_at(close_of(31))
    # A savepoint, its release, the pending ones, one update; the same around the one row that tells of it.
    with django_assert_max_num_queries(7):
        assert outcomes.settle(newer) == 12


@pytest.mark.django_db(transaction=True)
def test_two_alerts_at_once_settle_a_signal_once(make_daily: MakeSignal, alert_at: MakeSignal) -> None:
    signal = make_daily()
    newer = [alert_at(close_of(31)), alert_at(close_of(31))]
    settled: list[int] = []
    start = threading.Barrier(len(newer))

    def settle(alert: Signal) -> None:
        start.wait()
        settled.append(outcomes.settle(alert))
        connection.close()

    threads = [threading.Thread(target=settle, args=(alert,)) for alert in newer]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert result(signal) == (Outcome.WIN, close_of(11))
    assert sorted(settled) == [0, 1]


@pytest.mark.parametrize(
    ("side", "prices", "expected"),
    [
        ("buy", ["1.09", "1.12"], Outcome.WIN),
        ("buy", ["1.09", "1.05", "1.12"], Outcome.LOSS),
        ("sell", ["1.11", "1.05"], Outcome.WIN),
        ("sell", ["1.11", "1.12", "1.05"], Outcome.LOSS),
        ("buy", ["1.11", "1.07"], None),
        ("buy", [], None),
    ],
)
def test_the_first_price_at_or_past_stop_or_target_decides(side: str, prices: list[str], expected: Outcome) -> None:
    low, high = Decimal("1.06"), Decimal("1.12")
    sl, tp = (low, high) if side == "buy" else (high, low)
    found = outcomes.outcome(Signal(side=side, sl=sl, tp=tp), [Close(NOON, Decimal(price)) for price in prices])
    assert (found and found[0]) == expected
