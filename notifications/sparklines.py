"""A symbol's recent closes as a small line in an SVG. Pure, but for the market data that are read once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from signals import market
from signals.models import Signal
from zenithedge.languages import decimal

CLOSES = 30
WIDTH, HEIGHT, MARGIN = 96, 28, 3


@dataclass(frozen=True, slots=True)
class Sparkline:
    """`points` for a polyline of WIDTH × HEIGHT, its end, and the change from the first close to the last."""

    points: str
    end: tuple[float, float]
    percent: float

    @property
    def change(self) -> str:
        return change_in_words(self.percent)


def sparkline(signal: Signal) -> Sparkline | None:
    """The closes that were known when the signal was made; None for a symbol, or a time, without data."""
    series = market.series(signal.symbol)
    return _of(signal.symbol, series.known_at(signal.own_time)) if series else None


def draw(values: Sequence[float]) -> Sparkline:
    """At least two values, none of them zero."""
    spots = [(round(x, 1), round(y, 1)) for x, y in place(values)]
    return Sparkline(" ".join(f"{x:g},{y:g}" for x, y in spots), spots[-1], change_in_percent(values[0], values[-1]))


def place(values: Sequence[float]) -> list[tuple[float, float]]:
    """Evenly from left to right, the highest at the top; values that are all the same in the middle."""
    low, high = min(values), max(values)
    step = (WIDTH - 2 * MARGIN) / (len(values) - 1)
    room = HEIGHT - 2 * MARGIN
    height = [(value - low) / (high - low) if high > low else 0.5 for value in values]
    return [(MARGIN + index * step, MARGIN + room * (1 - share)) for index, share in enumerate(height)]


def change_in_percent(first: float, last: float) -> float:
    return round(100 * (last / first - 1), 1)


def change_in_words(percent: float) -> str:
    sign = "+" if percent > 0 else "" if percent else "±"
    return f"{sign}{decimal(percent, 1)}%"


@lru_cache(maxsize=1024)
def _of(symbol: str, known: int) -> Sparkline | None:
    series = market.series(symbol)
    values = series.values[max(0, known - CLOSES) : known] if series else ()
    return draw(values) if len(values) > 1 else None
