import datetime as dt
from collections.abc import Sequence
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signals import market, strategies
from signals.models import Regime, Side
from signals.strategies import STRATEGIES, MeanReversion, Setup, Strategy, TrendFollower, setups

START = dt.date(2024, 1, 1)


def series_of(closes: Sequence[float], symbol: str = "EURUSD") -> market.Series:
    """One close a day from `START` on."""
    prices = tuple(Decimal(str(close)).quantize(market.price_step(symbol)) for close in closes)
    days = tuple(START + dt.timedelta(days=number) for number in range(len(closes)))
    return market.Series(symbol, days, prices, tuple(float(price) for price in prices))


def last_setup(closes: Sequence[float], strategy: Strategy, symbol: str = "EURUSD") -> Setup | None:
    """The setup of the last day, if there is one."""
    series = series_of(closes, symbol)
    return next((setup for setup in setups(series, strategy) if setup.date == series.days[-1]), None)


def upside_down(closes: Sequence[float]) -> list[float]:
    return [2.2 - close for close in closes]


# 60 days up by 0.001 each: every close is a new high, by one mean daily change.
RISING = [1 + number / 1000 for number in range(60)]
# 50 days up to 1.049, ten a little below, and out of the channel (1.049) by 0.0006 on the last day.
BREAKING_OUT = [1 + number / 1000 for number in range(50)] + [1.048, 1.047] * 5 + [1.0496]
# Flat at 1.1 with daily changes of 0.002, then stretched.
FLAT = [1.101 if number % 2 else 1.099 for number in range(60)]


def test_a_rising_market_is_bought_at_each_new_high() -> None:
    assert last_setup(RISING, TrendFollower()) == Setup(
        date=START + dt.timedelta(days=59),
        symbol="EURUSD",
        side=Side.BUY,
        price=Decimal("1.05900"),
        sl=Decimal("1.05800"),
        tp=Decimal("1.06100"),
        confidence=Decimal("100.0"),
        strategy="TrendFollower",
        regime=Regime.TREND,
    )


def test_the_first_close_outside_of_the_channel_is_a_breakout() -> None:
    setup = last_setup(BREAKING_OUT, TrendFollower())
    assert setup
    assert (setup.side, setup.regime) == (Side.BUY, Regime.BREAKOUT)
    # Of the last 20 changes 9 are the climb, one leads into the pause, 9 are within it, and one leads out.
    change = (9 * 0.001 + 0.001 + 9 * 0.001 + 0.0026) / 20
    assert setup.price - setup.sl == Decimal(change).quantize(Decimal("0.00001"))
    assert setup.confidence < 100


def test_a_falling_market_is_sold_with_the_stop_above() -> None:
    setup = last_setup(upside_down(BREAKING_OUT), TrendFollower())
    assert setup
    assert setup.side == Side.SELL
    assert setup.tp < setup.price < setup.sl


def test_a_close_at_the_channels_edge_is_no_breakout() -> None:
    assert last_setup([*BREAKING_OUT[:-1], 1.049], TrendFollower()) is None


def test_a_breakout_against_the_50_day_mean_is_left_out() -> None:
    falling_then_up = [1.2 - number / 1000 for number in range(60)] + [1.162]
    channel = falling_then_up[-21:-1]
    assert falling_then_up[-1] > max(channel)
    assert last_setup(falling_then_up, TrendFollower()) is None


def test_a_close_far_above_a_flat_markets_mean_is_sold() -> None:
    setup = last_setup([*FLAT, 1.11], MeanReversion())
    assert setup
    # 19 changes of 0.002 and one of 0.009 make a mean of 0.00235.
    assert (setup.side, setup.regime) == (Side.SELL, Regime.MEAN_REVERSION)
    assert (setup.price, setup.sl, setup.tp) == (Decimal("1.11000"), Decimal("1.11235"), Decimal("1.10530"))


def test_a_close_far_below_a_flat_markets_mean_is_bought() -> None:
    setup = last_setup([*FLAT, 1.09], MeanReversion())
    assert setup
    assert setup.side == Side.BUY


def test_a_close_within_two_deviations_is_no_stretch() -> None:
    # With the last close the 20 days have a mean of 1.1001 and a deviation of 0.0011: 1.1019 lies 1.7 of them above.
    assert last_setup([*FLAT, 1.1019], MeanReversion()) is None


def test_a_stretched_close_in_a_market_that_is_not_flat_is_left_out() -> None:
    accelerating = [1 + number / 5000 for number in range(60)] + [1.03]
    assert strategies.z_score(accelerating) > 2
    assert last_setup(accelerating, MeanReversion()) is None


@pytest.mark.parametrize("strategy", STRATEGIES, ids=lambda strategy: strategy.name)
def test_a_market_that_stands_still_has_no_setup(strategy: Strategy) -> None:
    assert last_setup([1.1] * 80, strategy) is None


@pytest.mark.parametrize("strategy", STRATEGIES, ids=lambda strategy: strategy.name)
def test_fewer_closes_than_the_window_have_no_setup(strategy: Strategy) -> None:
    assert list(setups(series_of(RISING[: strategy.window - 1]), strategy)) == []


def test_prices_against_the_yen_have_three_decimals() -> None:
    setup = last_setup([100 * close for close in RISING], TrendFollower(), "USDJPY")
    assert setup
    assert (str(setup.price), str(setup.sl), str(setup.tp)) == ("105.900", "105.800", "106.100")


daily_changes = st.lists(st.integers(-150, 150), min_size=60, max_size=110)


def walk(changes: Sequence[int]) -> list[float]:
    """A price that never gets near zero, in steps of a hundred-thousandth."""
    closes, price = [], 120_000
    for change in changes:
        price += change
        closes.append(price / 100_000)
    return closes


@given(changes=daily_changes, kept=st.integers(1, 110))
def test_later_closes_change_no_earlier_setup(changes: list[int], kept: int) -> None:
    whole = series_of(walk(changes))
    cut = series_of(walk(changes)[:kept])
    for strategy in STRATEGIES:
        assert list(setups(cut, strategy)) == [setup for setup in setups(whole, strategy) if setup.date <= cut.days[-1]]


@given(changes=daily_changes)
def test_every_setup_is_a_trade_of_two_to_one_with_a_confidence_from_50_to_100(changes: list[int]) -> None:
    for strategy in STRATEGIES:
        for setup in setups(series_of(walk(changes)), strategy):
            assert setup.tp - setup.price == 2 * (setup.price - setup.sl) != 0
            assert (setup.tp > setup.price) == (setup.side == Side.BUY)
            assert 50 <= setup.confidence <= 100


@pytest.mark.parametrize("symbol", ["EURUSD", "GBPJPY"])
def test_the_real_series_cut_off_at_any_month_gives_the_same_setups(symbol: str) -> None:
    series = market.series(symbol)
    assert series
    for strategy in STRATEGIES:
        whole = list(setups(series, strategy))
        for count in range(1000, len(series.days), 200):
            cut = market.Series(symbol, series.days[:count], series.prices[:count], series.values[:count])
            assert list(setups(cut, strategy)) == [setup for setup in whole if setup.date <= cut.days[-1]]


def test_days_outside_of_those_asked_for_are_left_out_and_change_nothing() -> None:
    first, last = dt.date(2024, 3, 1), dt.date(2024, 3, 31)
    march = strategies.setups_between(first, last)
    longer = strategies.setups_between(dt.date(2024, 1, 1), dt.date(2024, 6, 30))
    assert march == [setup for setup in longer if first <= setup.date <= last]
    assert march


def test_setups_come_by_day_then_symbol_then_strategy() -> None:
    found = strategies.setups_between(dt.date(2024, 1, 1), dt.date(2024, 12, 31))
    keys = [(setup.date, setup.symbol, setup.strategy) for setup in found]
    assert keys == sorted(set(keys))


def test_the_years_from_2024_hold_some_2500_setups_of_every_pair_and_both_strategies() -> None:
    found = strategies.setups_between(dt.date(2024, 1, 1), dt.date(2026, 10, 30))
    assert 2400 < len(found) < 2700
    assert {setup.symbol for setup in found} == set(market.PAIRS)
    assert {setup.strategy for setup in found} == {"TrendFollower", "MeanReversion"}
