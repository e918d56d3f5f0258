import datetime as dt
from decimal import Decimal

import pytest

from signals import scoring
from signals.models import Regime

RISING = [1 + number / 1000 for number in range(300)]
FALLING = [1.3 - number / 1000 for number in range(300)]
STILL = [1.1 + (number % 2) / 1000 for number in range(300)]
NOON = dt.datetime(2024, 1, 2, 12, tzinfo=dt.UTC)


@pytest.mark.parametrize(
    ("side", "closes", "score", "words"),
    [
        ("buy", RISING, 100, "moves with the trade"),
        ("sell", RISING, 0, "moves against the trade"),
        ("buy", FALLING, 0, "moves against the trade"),
        ("sell", FALLING, 100, "moves with the trade"),
        ("buy", STILL, 40, "is flat"),
    ],
)
def test_a_trade_with_the_trend_scores_high(side: str, closes: list[float], score: int, words: str) -> None:
    found = scoring.trend_agreement(side, Regime.BREAKOUT, closes)
    assert (found.score, found.explanation) == (score, f"The 50-day mean {words}.")


@pytest.mark.parametrize(("closes", "score"), [(STILL, 100), (RISING, 100), (FALLING, 0)])
@pytest.mark.parametrize("regime", [Regime.MEAN_REVERSION, Regime.RANGE])
def test_a_buy_back_to_the_mean_wants_no_trend_against_it(regime: Regime, closes: list[float], score: int) -> None:
    assert scoring.trend_agreement("buy", regime, closes).score == score


@pytest.mark.parametrize(("count", "known"), [(59, False), (60, True)])
def test_the_trend_needs_sixty_closes(count: int, known: bool) -> None:
    assert (scoring.trend_agreement("buy", "", RISING[:count]).score is not None) == known


def moves(month: float) -> list[float]:
    """251 closes: 230 daily moves of 1 and then 20 of the given size."""
    closes = [100.0]
    for number in range(250):
        closes.append(closes[-1] + (1 if number < 230 else month) * (1 if number % 2 else -1))
    return closes


@pytest.mark.parametrize(
    ("month", "ratio", "score"),
    [(1, "1.0", 100), (0.2, "0.2", 30), (3, "2.6", 0), (1.64, "1.6", 55)],
)
def test_lively_markets_score_high_and_turbulent_ones_low(month: float, ratio: str, score: int) -> None:
    found = scoring.volatility_regime(moves(month))
    assert found.explanation == f"Daily moves are {ratio} times their average of the last year."
    assert found.score == pytest.approx(score, abs=3)


@pytest.mark.parametrize(("count", "known"), [(250, False), (251, True)])
def test_volatility_needs_a_year_of_moves(count: int, known: bool) -> None:
    assert (scoring.volatility_regime(moves(1)[:count]).score is not None) == known


def test_a_market_that_never_moved_has_no_volatility_to_compare() -> None:
    assert scoring.volatility_regime([1.1] * 300).score is None


@pytest.mark.parametrize(
    ("ratio", "score"),
    [("0.2", 0), ("0.5", 0), ("0.75", 20), ("1", 40), ("1.5", 60), ("2", 80), ("2.5", 90), ("3", 100), ("50", 100)],
)
def test_reward_to_risk(ratio: str, score: int) -> None:
    assert scoring.reward_to_risk(Decimal(ratio)).score == score


def test_without_a_price_there_is_no_reward_to_risk() -> None:
    found = scoring.reward_to_risk(None)
    assert (found.score, found.explanation) == (None, "No data: the signal has no price.")


@pytest.mark.parametrize(
    ("symbol", "given", "hour", "score", "words"),
    [
        ("EURUSD", "London", 3, 100, "EURUSD is at home in the London session."),
        ("AUDJPY", "London", 3, 50, "AUDJPY is not at home in the London session."),
        ("USDCAD", "", 13, 100, "USDCAD is at home in the New York session."),
        ("USDCAD", "", 12, 50, "USDCAD is not at home in the London session."),
        ("AUDNZD", "", 0, 100, "AUDNZD is at home in the Asia session."),
        ("AUDNZD", "", 7, 50, "AUDNZD is not at home in the London session."),
        ("EURUSD", "", 20, 100, "EURUSD is at home in the New York session."),
        ("EURUSD", "", 21, 20, "21:00 UTC lies between the sessions."),
    ],
)
def test_a_session_is_a_pairs_home_or_not(symbol: str, given: str, hour: int, score: int, words: str) -> None:
    found = scoring.session(symbol, "1h", given, NOON.replace(hour=hour))
    assert (found.score, found.explanation) == (score, words)


@pytest.mark.parametrize(
    ("symbol", "timeframe"), [("EURUSD", "1d"), ("EURUSD", "1w"), ("BTCUSD", "1h"), ("AAPL", "1h")]
)
def test_a_daily_bar_and_an_unknown_symbol_have_no_session_score(symbol: str, timeframe: str) -> None:
    found = scoring.session(symbol, timeframe, "London", NOON)
    assert found.score is None
    assert found.explanation.startswith("No data: ")


@pytest.mark.parametrize(("wins", "score"), [(0, 0), (1, 30), (2, 60), (3, 90), (4, 100), (5, 100)])
def test_a_record_is_measured_by_the_share_that_breaks_even(wins: int, score: int) -> None:
    # At 2 to 1 a third breaks even: 2 of 5 is 1.2 times that.
    found = scoring.track_record("TrendFollower", wins, 5, Decimal(2))
    assert found.score == score
    assert found.explanation == (
        f"{wins} of the last 5 closed TrendFollower signals here won. At this reward 33% would break even."
    )


def test_without_a_price_a_record_is_the_plain_share_of_wins() -> None:
    assert scoring.track_record("SMC", 3, 4, None).score == 75


@pytest.mark.parametrize(
    ("closed", "words"),
    [
        (0, "No data: no SMC signal here has closed yet."),
        (1, "No data: only 1 SMC signal here has closed yet."),
        (2, "No data: only 2 SMC signals here have closed yet."),
    ],
)
def test_fewer_than_three_closed_signals_are_no_record(closed: int, words: str) -> None:
    assert scoring.track_record("SMC", closed, closed, Decimal(2)) == scoring.SubScore(None, words)


@pytest.mark.parametrize(
    ("earlier", "score", "words"),
    [
        (0, 100, "There was no such signal in the last 5 bars."),
        (1, 70, "There was 1 such signal in the last 5 bars."),
        (2, 40, "There were 2 such signals in the last 5 bars."),
        (3, 10, "There were 3 such signals in the last 5 bars."),
        (30, 10, "There were 30 such signals in the last 5 bars."),
    ],
)
def test_repetition(earlier: int, score: int, words: str) -> None:
    assert scoring.repetition(earlier) == scoring.SubScore(score, words)
