"""Two trading rules over daily closes. Pure; nothing looks ahead: a rule sees the closes up to one day and no later.

Stop and target come from the mean absolute daily change of the last 20 days: the stop is one such change away, the
target two.
"""

from __future__ import annotations

import datetime as dt
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise
from statistics import fmean, pstdev
from typing import Protocol

from signals import market
from signals.models import Regime, Side

CHANNEL_DAYS = 20
MEAN_DAYS = 50
SLOPE_DAYS = 10
CHANGE_DAYS = 20
REWARD_TO_RISK = 2
# |z| from which a close is stretched, and the slope (see `slope`) below which a market is flat.
STRETCHED = 2.0
FLAT_SLOPE = 0.5


@dataclass(frozen=True)
class Setup:
    """A trade that a rule proposes at the close of one day. Prices are rounded to the market's convention."""

    date: dt.date
    symbol: str
    side: Side
    price: Decimal
    sl: Decimal
    tp: Decimal
    confidence: Decimal
    strategy: str
    regime: Regime


@dataclass(frozen=True)
class Pattern:
    """What a rule sees in the last close of a window; confidence 0–100."""

    side: Side
    regime: Regime
    confidence: float


class Strategy(Protocol):
    name: str
    window: int

    def recognise(self, closes: Sequence[float]) -> Pattern | None:
        """Judge the last of exactly `window` closes."""
        ...


class TrendFollower:
    """A close beyond the channel of the 20 closes before it, in the direction of the 50-day mean.

    The first close outside is a breakout, each further one the trend going on. Confidence: 50, and up to 25 each
    for how far the close is beyond the channel (a whole mean daily change or more) and for how steep the mean is (2 or
    more).
    """

    name = "TrendFollower"
    window = MEAN_DAYS + SLOPE_DAYS

    def recognise(self, closes: Sequence[float]) -> Pattern | None:
        side = _breakout(closes)
        if side is None or not self._mean_agrees(closes, side):
            return None
        regime = Regime.TREND if _breakout(closes[:-1]) == side else Regime.BREAKOUT
        channel = closes[-1 - CHANNEL_DAYS : -1]
        beyond = closes[-1] - max(channel) if side == Side.BUY else min(channel) - closes[-1]
        confidence = 50 + 25 * min(1.0, beyond / mean_change(closes)) + 25 * min(1.0, abs(slope(closes)) / 2)
        return Pattern(side, regime, confidence)

    @staticmethod
    def _mean_agrees(closes: Sequence[float], side: Side) -> bool:
        distance = closes[-1] - fmean(closes[-MEAN_DAYS:])
        if side == Side.BUY:
            return distance > 0 and slope(closes) > 0
        return distance < 0 and slope(closes) < 0


class MeanReversion:
    """A close two standard deviations or more from the mean of its 20 days, while the 50-day mean is flat.

    Confidence: 50, and up to 25 each for how far the close is stretched beyond 2 (3 or more) and for how flat the mean
    is.
    """

    name = "MeanReversion"
    window = MEAN_DAYS + SLOPE_DAYS

    def recognise(self, closes: Sequence[float]) -> Pattern | None:
        score = z_score(closes)
        if abs(score) < STRETCHED or abs(steepness := slope(closes)) >= FLAT_SLOPE:
            return None
        side = Side.SELL if score > 0 else Side.BUY
        confidence = 50 + 25 * min(1.0, abs(score) - STRETCHED) + 25 * (1 - abs(steepness) / FLAT_SLOPE)
        return Pattern(side, Regime.MEAN_REVERSION, confidence)


STRATEGIES: tuple[Strategy, ...] = (TrendFollower(), MeanReversion())


def setups_between(first: dt.date, last: dt.date, symbols: Sequence[str] = market.PAIRS) -> list[Setup]:
    """Every setup of those days, by day, symbol and strategy. An unknown symbol has none."""
    all_series = [series for symbol in symbols if (series := market.series(symbol))]
    found = [
        setup for series in all_series for strategy in STRATEGIES for setup in setups(series, strategy, first, last)
    ]
    return sorted(found, key=lambda setup: (setup.date, setup.symbol, setup.strategy))


def setups(
    series: market.Series, strategy: Strategy, first: dt.date = dt.date.min, last: dt.date = dt.date.max
) -> Iterator[Setup]:
    """What the rule proposes, day by day; each day is judged by its window alone."""
    start = max(strategy.window, bisect_left(series.days, first) + 1)
    for end in range(start, bisect_right(series.days, last) + 1):
        closes = series.values[end - strategy.window : end]
        pattern = strategy.recognise(closes)
        if pattern:
            yield _setup(series, end - 1, strategy.name, pattern, mean_change(closes))


def mean_change(closes: Sequence[float]) -> float:
    """The mean absolute daily change of the last 20 days."""
    return fmean(abs(after - before) for before, after in pairwise(closes[-1 - CHANGE_DAYS :]))


def slope(closes: Sequence[float]) -> float:
    """How far the 50-day mean has moved in 10 days, in mean daily changes; 0 in a market that stands still."""
    change = mean_change(closes)
    moved = fmean(closes[-MEAN_DAYS:]) - fmean(closes[-MEAN_DAYS - SLOPE_DAYS : -SLOPE_DAYS])
    return moved / change if change else 0.0


def z_score(closes: Sequence[float]) -> float:
    """The last close's distance from the mean of its 20 days, in standard deviations; 0 without any spread."""
    window = closes[-CHANNEL_DAYS:]
    spread = pstdev(window)
    return (window[-1] - fmean(window)) / spread if spread else 0.0


def _breakout(closes: Sequence[float]) -> Side | None:
    channel = closes[-1 - CHANNEL_DAYS : -1]
    if closes[-1] > max(channel):
        return Side.BUY
    return Side.SELL if closes[-1] < min(channel) else None


def _setup(series: market.Series, index: int, strategy: str, pattern: Pattern, change: float) -> Setup:
    step = market.price_step(series.symbol)
    price = series.prices[index]
    risk = max(step, Decimal(change).quantize(step)) * (1 if pattern.side == Side.BUY else -1)
    return Setup(
        date=series.days[index],
        symbol=series.symbol,
        side=pattern.side,
        price=price,
        sl=price - risk,
        tp=price + REWARD_TO_RISK * risk,
        confidence=Decimal(pattern.confidence).quantize(Decimal("0.1")),
        strategy=strategy,
        regime=pattern.regime,
    )
