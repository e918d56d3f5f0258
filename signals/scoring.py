"""The validator's sub-scores: what is judged, how, and in which words. Pure: no query, no clock, no file.

Each returns a score from 0 to 100 and a plain explanation. One that has nothing to go by has the score None and says
so; none is guessed.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from signals import strategies
from signals.market import CURRENCIES
from signals.models import MarketSession, Regime, Side, Timeframe
from zenithedge.languages import decimal

TREND_CLOSES = strategies.MEAN_DAYS + strategies.SLOPE_DAYS
YEAR_CLOSES = 250

# (value, score) from left to right; between two points the score is interpolated, beyond the ends it stays.
Curve = Sequence[tuple[float, float]]
# By the move of the 50-day mean with the trade (see `strategies.slope`).
TREND_CURVE: Curve = ((-2, 0), (0, 40), (3, 100))
# A trade back to the mean wants no trend; one that runs against it is its main danger.
REVERSION_CURVE: Curve = ((-2, 0), (-0.5, 60), (0, 100))
# By the last month's daily moves in terms of the last year's: lively is best, turbulent is worst.
VOLATILITY_CURVE: Curve = ((0.4, 30), (0.9, 100), (1.2, 100), (2.0, 0))
REWARD_CURVE: Curve = ((0.5, 0), (1, 40), (2, 80), (3, 100))
# By the share of wins in terms of the share at which the trade breaks even.
RECORD_CURVE: Curve = ((0, 0), (1, 50), (2, 100))
REPETITION_CURVE: Curve = ((0, 100), (1, 70), (2, 40), (3, 10))

RECORD_AT_LEAST = 3  # fewer closed signals than this say nothing
RECORD_AT_MOST = 10
REPEAT_BARS = 5

REVERTING = frozenset({Regime.MEAN_REVERSION, Regime.RANGE})
HOME_SCORE, AWAY_SCORE, BETWEEN_SCORE = 100, 50, 20
HOME_CURRENCIES = {
    MarketSession.ASIA: frozenset({"JPY", "AUD", "NZD"}),
    MarketSession.LONDON: frozenset({"EUR", "GBP", "CHF", "SEK", "NOK"}),
    MarketSession.NEW_YORK: frozenset({"USD", "CAD"}),
}
# Hours in UTC, half-open; daylight saving moves the true ones by up to an hour.
SESSION_HOURS = ((0, 7, MarketSession.ASIA), (7, 13, MarketSession.LONDON), (13, 21, MarketSession.NEW_YORK))
DAILY = frozenset({Timeframe.D1, Timeframe.W1})


@dataclass(frozen=True)
class SubScore:
    """`score` is 0–100, None without data."""

    score: int | None
    explanation: str


def trend_agreement(side: str, regime: str, closes: Sequence[float]) -> SubScore:
    """Whether the 50-day mean moves with the trade; for a trade back to the mean, whether it stands still."""
    moved = trend_slope(side, closes)
    if moved is None:
        return SubScore(None, _("No data: too few daily closes of this symbol are known."))
    curve = REVERSION_CURVE if regime in REVERTING else TREND_CURVE
    return SubScore(_on(curve, moved), _("The 50-day mean %(trend)s.") % {"trend": trend_in_words(moved)})


def trend_slope(side: str, closes: Sequence[float]) -> float | None:
    """The slope of the 50-day mean, positive when it moves with the trade; None with too few closes."""
    if len(closes) < TREND_CLOSES:
        return None
    return strategies.slope(closes) * (1 if side == Side.BUY else -1)


def trend_in_words(moved: float) -> str:
    if abs(moved) < strategies.FLAT_SLOPE:
        return _("is flat")
    return _("moves with the trade") if moved > 0 else _("moves against the trade")


def volatility_regime(closes: Sequence[float]) -> SubScore:
    ratio = volatility_ratio(closes)
    if ratio is None:
        return SubScore(None, _("No data: less than a year of daily closes of this symbol is known."))
    words = _("Daily moves are %(ratio)s times their average of the last year.") % {"ratio": decimal(ratio, 1)}
    return SubScore(_on(VOLATILITY_CURVE, ratio), words)


def volatility_ratio(closes: Sequence[float]) -> float | None:
    """The mean daily move of the last 20 days in terms of the last year's; None with less than a year of closes."""
    if len(closes) <= YEAR_CLOSES:
        return None
    moves = [abs(after - before) for before, after in pairwise(closes[-1 - YEAR_CLOSES :])]
    year = sum(moves) / len(moves)
    return strategies.mean_change(closes) / year if year else None


def reward_to_risk(ratio: Decimal | None) -> SubScore:
    """`ratio` is None for a signal without a price."""
    if ratio is None:
        return SubScore(None, _("No data: the signal has no price."))
    return SubScore(
        _on(REWARD_CURVE, float(ratio)), _("Reward is %(ratio)s times the risk.") % {"ratio": decimal(ratio, 1)}
    )


def session(symbol: str, timeframe: str, given: str, own_time: dt.datetime) -> SubScore:
    """Whether one of the pair's currencies is at home in the session that the signal names, or its hour falls into."""
    currencies = {symbol[:3], symbol[3:]}
    if timeframe in DAILY:
        return SubScore(None, _("No data: a bar of a day or longer spans every session."))
    if not currencies <= CURRENCIES | {"EUR"}:
        return SubScore(None, _("No data: the home session of this symbol is not known."))
    name = MarketSession(given) if given else session_at(own_time)
    if name is None:
        clock = f"{own_time.astimezone(dt.UTC):%H:%M}"
        return SubScore(BETWEEN_SCORE, _("%(time)s UTC lies between the sessions.") % {"time": clock})
    values = {"symbol": symbol, "session": name.label}
    if currencies & HOME_CURRENCIES[name]:
        return SubScore(HOME_SCORE, _("%(symbol)s is at home in the %(session)s session.") % values)
    return SubScore(AWAY_SCORE, _("%(symbol)s is not at home in the %(session)s session.") % values)


def session_at(moment: dt.datetime) -> MarketSession | None:
    hour = moment.astimezone(dt.UTC).hour
    return next((name for start, end, name in SESSION_HOURS if start <= hour < end), None)


def track_record(strategy: str, wins: int, closed: int, ratio: Decimal | None) -> SubScore:
    """How often the strategy's last signals won, against the share at which a trade of this ratio breaks even."""
    if closed < RECORD_AT_LEAST:
        return SubScore(None, _no_record_in_words(strategy, closed))
    sentence = record_in_words(strategy, wins, closed)
    if ratio is None:
        return SubScore(round(100 * wins / closed), sentence)
    break_even = 1 / (1 + float(ratio))
    score = _on(RECORD_CURVE, wins / closed / break_even)
    words = _("%(record)s At this reward %(share)s%% would break even.")
    return SubScore(score, words % {"record": sentence, "share": round(100 * break_even)})


def record_in_words(strategy: str, wins: int, closed: int) -> str:
    values = {"strategy": strategy, "wins": wins, "closed": closed}
    if closed >= RECORD_AT_LEAST:
        return _("%(wins)s of the last %(closed)s closed %(strategy)s signals here won.") % values
    if not closed:
        return _("No %(strategy)s signal here has closed yet.") % values
    return (
        ngettext(
            "Only %(closed)s %(strategy)s signal here has closed yet.",
            "Only %(closed)s %(strategy)s signals here have closed yet.",
            closed,
        )
        % values
    )


def _no_record_in_words(strategy: str, closed: int) -> str:
    values = {"strategy": strategy, "closed": closed}
    if not closed:
        return _("No data: no %(strategy)s signal here has closed yet.") % values
    return (
        ngettext(
            "No data: only %(closed)s %(strategy)s signal here has closed yet.",
            "No data: only %(closed)s %(strategy)s signals here have closed yet.",
            closed,
        )
        % values
    )


def repetition(earlier: int) -> SubScore:
    """`earlier` counts the same strategy's signals on this symbol and side within the last `REPEAT_BARS` bars."""
    return SubScore(_on(REPETITION_CURVE, earlier), repetition_in_words(earlier))


def repetition_in_words(earlier: int) -> str:
    values = {"count": earlier, "bars": REPEAT_BARS}
    if not earlier:
        return _("There was no such signal in the last %(bars)s bars.") % values
    return (
        ngettext(
            "There was %(count)s such signal in the last %(bars)s bars.",
            "There were %(count)s such signals in the last %(bars)s bars.",
            earlier,
        )
        % values
    )


def _on(curve: Curve, value: float) -> int:
    """The score at that value."""
    if value <= curve[0][0]:
        return round(curve[0][1])
    for (left, low), (right, high) in pairwise(curve):
        if value <= right:
            return round(low + (high - low) * (value - left) / (right - left))
    return round(curve[-1][1])
