"""Sparklines: what is drawn, and that nothing later than the insight is."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable

import pytest

from notifications.sparklines import (
    CLOSES,
    HEIGHT,
    MARGIN,
    WIDTH,
    change_in_percent,
    change_in_words,
    draw,
    place,
    sparkline,
)
from signals import market
from signals.models import Signal

MakeSignal = Callable[..., Signal]


def test_values_go_from_left_to_right_with_the_highest_at_the_top() -> None:
    assert place([1, 3, 2]) == [(MARGIN, HEIGHT - MARGIN), (WIDTH / 2, MARGIN), (WIDTH - MARGIN, HEIGHT / 2)]


def test_values_that_are_all_the_same_lie_in_the_middle() -> None:
    assert place([5, 5]) == [(MARGIN, HEIGHT / 2), (WIDTH - MARGIN, HEIGHT / 2)]


def test_a_line_ends_at_its_last_point() -> None:
    drawn = draw([1.1, 1.2, 1.05])

    assert drawn.points.split()[-1] == f"{drawn.end[0]:g},{drawn.end[1]:g}"
    assert drawn.change == "-4.5%"


@pytest.mark.parametrize(
    ("first", "last", "words"), [(100, 101.26, "+1.3%"), (100, 98, "-2.0%"), (100, 100.04, "±0.0%"), (1, 1, "±0.0%")]
)
def test_the_change_is_said_with_its_sign(first: float, last: float, words: str) -> None:
    assert change_in_words(change_in_percent(first, last)) == words


def test_only_closes_that_were_known_are_drawn(make_signal: MakeSignal) -> None:
    made = dt.datetime(2024, 2, 1, 14, 59, tzinfo=dt.UTC)  # one minute before that day's close
    series = market.series("EURUSD")
    assert series is not None

    drawn = sparkline(make_signal(bar_time=made))

    known = [value for day, value in zip(series.days, series.values, strict=True) if day < made.date()]
    assert drawn == draw(known[-CLOSES:])
    assert sparkline(make_signal(bar_time=made + dt.timedelta(minutes=1))) != drawn


def test_there_is_none_without_data(make_signal: MakeSignal) -> None:
    assert sparkline(make_signal(symbol="XAUUSD")) is None
    assert sparkline(make_signal(bar_time=dt.datetime(1999, 1, 1, tzinfo=dt.UTC))) is None
