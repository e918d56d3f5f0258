"""How sources spell things, and what is made of it."""

import pytest

from signals.models import MarketSession, Regime, Side, Timeframe
from signals.vocabulary import (
    canonical_regime,
    canonical_session,
    canonical_side,
    canonical_strategy,
    canonical_symbol,
    canonical_timeframe,
)


@pytest.mark.parametrize(
    ("spelled", "canonical"),
    [
        ("EURUSD", "EURUSD"),
        ("FX:EURUSD", "EURUSD"),
        ("EUR/USD", "EURUSD"),
        ("eur-usd", "EURUSD"),
        ("oanda:eur_usd", "EURUSD"),
        ("BINANCE:BTCUSDT.P", "BTCUSDT.P"),
        ("CME_MINI:ES1!", "ES1!"),
        ("FX:", ""),
    ],
)
def test_symbol_loses_its_exchange_and_its_separator(spelled: str, canonical: str) -> None:
    assert canonical_symbol(spelled) == canonical


@pytest.mark.parametrize(
    ("spellings", "timeframe"),
    [
        (("1", "1m", "M1", "1min", "1 minute", "m"), Timeframe.M1),
        (("5", "5m", "M5"), Timeframe.M5),
        (("15", "15m", "15M", "M15", "15min"), Timeframe.M15),
        (("30", "30m"), Timeframe.M30),
        (("60", "1h", "1H", "H1", "H", "60m", "1 hour"), Timeframe.H1),
        (("240", "4h", "4H", "H4"), Timeframe.H4),
        (("D", "1D", "1d", "d", "1440", "24h", "daily"), Timeframe.D1),
        (("W", "1W", "1w", "7D", "10080", "weekly"), Timeframe.W1),
    ],
)
def test_timeframe_is_known_in_every_spelling(spellings: tuple[str, ...], timeframe: Timeframe) -> None:
    assert {canonical_timeframe(spelling) for spelling in spellings} == {timeframe}


@pytest.mark.parametrize(
    "spelled", ["", "M", "1M", "3", "45", "2h", "1S", "0", "-60", "60.5", "99999999", "hD", "１５"]
)
def test_timeframe_of_another_length_is_none(spelled: str) -> None:
    assert canonical_timeframe(spelled) is None


@pytest.mark.parametrize(
    ("spelled", "side"),
    [("buy", Side.BUY), ("LONG", Side.BUY), (" Sell ", Side.SELL), ("Short", Side.SELL), ("flat", None), ("", None)],
)
def test_side_is_known_in_any_case(spelled: str, side: Side | None) -> None:
    assert canonical_side(spelled) == side


@pytest.mark.parametrize(
    ("spellings", "regime"),
    [
        (("Trend", "trending", "Trending", "UP TREND", "trend_following"), Regime.TREND),
        (("Breakout", "break-out", "BREAK OUT"), Regime.BREAKOUT),
        (("MeanReversion", "mean reversion", "mean_reversion", "Mean-Reverting", "MR"), Regime.MEAN_REVERSION),
        (("Squeeze", "compression"), Regime.SQUEEZE),
        (("Range", "ranging", "range-bound", "Sideways"), Regime.RANGE),
        (("Volatile", "high volatility"), Regime.VOLATILE),
        (("Neutral", "mixed"), Regime.NEUTRAL),
        (("", "lunar", "unknown"), None),
    ],
)
def test_regime_is_known_in_every_spelling(spellings: tuple[str, ...], regime: Regime | None) -> None:
    assert {canonical_regime(spelling) for spelling in spellings} == {regime}


@pytest.mark.parametrize(
    ("spellings", "session"),
    [
        (("Asia", "asian", "Tokyo", "asia session"), MarketSession.ASIA),
        (("London", "LDN", "European Session"), MarketSession.LONDON),
        (("NY", "New York", "newyork", "new_york", "US"), MarketSession.NEW_YORK),
        (("", "session", "London/NY", "Mars"), None),
    ],
)
def test_session_is_known_in_every_spelling(spellings: tuple[str, ...], session: MarketSession | None) -> None:
    assert {canonical_session(spelling) for spelling in spellings} == {session}


@pytest.mark.parametrize(
    ("spelled", "canonical"),
    [("zenithedge", "ZenithEdge"), ("trend follower", "TrendFollower"), ("  My   own ", "My own"), ("smc", "SMC")],
)
def test_strategy_keeps_its_own_casing_unless_it_is_known(spelled: str, canonical: str) -> None:
    assert canonical_strategy(spelled) == canonical
