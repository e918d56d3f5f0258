"""EURUSD closed at 1.0956 on 2 January 2024, after a rise of its 50-day mean."""

import datetime as dt
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth.models import User

from signals import market, validation
from signals.models import Outcome, Signal, ValidationStatus
from signals.validation import SUB_SCORES, RuleBasedValidator, Validation

pytestmark = pytest.mark.services

MakeSignal = Callable[..., Signal]
NOW = market.close_time(dt.date(2024, 1, 2))
DAY = dt.timedelta(days=1)


class ConstantValidator:
    def validate(self, signal: Signal) -> Validation:
        return Validation(Decimal(1), ValidationStatus.REJECTED, {}, "", "")


@pytest.fixture
def make_daily(make_signal: MakeSignal) -> MakeSignal:
    """A TrendFollower's buy at the close of 2 January 2024, at 2 to 1."""

    def make(user: User | None = None, **fields: Any) -> Signal:
        trade = {"price": Decimal("1.0956"), "sl": Decimal("1.0910"), "tp": Decimal("1.1048"), "regime": "Breakout"}
        own = {"timeframe": "1d", "strategy": "TrendFollower", "session": "", "bar_time": NOW}
        return make_signal(user, **(trade | own | fields))

    return make


@pytest.fixture
def make_closed(make_daily: MakeSignal) -> MakeSignal:
    """A signal of a month ago that closed a day ago."""

    def make(outcome: Outcome, user: User | None = None, **fields: Any) -> Signal:
        times = {"bar_time": NOW - 30 * DAY, "closed_at": NOW - DAY}
        return make_daily(user, outcome=outcome, **(times | fields))

    return make


def validate(signal: Signal) -> Validation:
    return RuleBasedValidator().validate(signal)


def score(signal: Signal, name: str) -> int | None:
    return validate(signal).breakdown[name]["score"]


def test_a_good_daily_setup_is_approved_with_every_score_explained(make_daily: MakeSignal) -> None:
    verdict = validate(make_daily())
    assert verdict.status == ValidationStatus.APPROVED
    assert list(verdict.breakdown) == list(SUB_SCORES)
    assert all(entry["explanation"].endswith(".") for entry in verdict.breakdown.values())
    assert verdict.recommendation == "Buy as planned, stop 1.0910, target 1.1048."


def test_the_truth_index_is_the_weighted_mean_of_the_scores_with_data(make_daily: MakeSignal) -> None:
    verdict = validate(make_daily())
    entries = verdict.breakdown.values()
    assert sum(entry["weight"] for entry in entries) == pytest.approx(1, abs=0.001)
    weighted = sum(entry["weight"] * (entry["score"] or 0) for entry in entries)
    assert float(verdict.truth_index) == pytest.approx(weighted, abs=0.05)


def test_a_score_without_data_takes_no_weight_and_says_so(make_daily: MakeSignal) -> None:
    entry = validate(make_daily()).breakdown["session"]
    assert (entry["score"], entry["weight"]) == (None, 0)
    assert entry["explanation"].startswith("No data: ")


def test_the_weights_of_all_six_add_up_to_one() -> None:
    assert sum(weight for _, weight in SUB_SCORES.values()) == 1


def test_a_buy_in_a_falling_market_scores_lower_than_a_sell(make_daily: MakeSignal) -> None:
    sell = {"side": "sell", "sl": Decimal("1.1002"), "tp": Decimal("1.0864")}
    rising = [score(make_daily(), "trend_agreement"), score(make_daily(**sell), "trend_agreement")]
    assert rising[0] is not None
    assert rising[1] is not None
    assert rising[0] > 50 > rising[1]


def test_a_symbol_without_rates_has_no_trend_and_no_volatility(make_daily: MakeSignal) -> None:
    breakdown = validate(make_daily(symbol="BTCUSD")).breakdown
    assert [name for name, entry in breakdown.items() if entry["score"] is None] == [
        "trend_agreement",
        "volatility_regime",
        "session",
        "track_record",
    ]


def test_nothing_is_approved_on_too_little_data(make_daily: MakeSignal) -> None:
    verdict = validate(make_daily(symbol="BTCUSD", tp=Decimal("1.2")))
    assert verdict.truth_index == Decimal("79.99")
    assert verdict.status == ValidationStatus.CONDITIONAL
    assert verdict.recommendation == "Wait for confirmation or trade smaller: only 2 of 6 checks had data."


def test_a_poor_signal_is_rejected_and_its_weakest_point_named(make_daily: MakeSignal) -> None:
    verdict = validate(make_daily(side="sell", sl=Decimal("1.2"), tp=Decimal("1.09")))
    assert verdict.status == ValidationStatus.REJECTED
    assert verdict.recommendation.startswith("Leave it out; the weakest point is “Trend agreement” (0 of 100).")


def test_a_signal_without_a_price_is_validated_by_what_is_known(make_daily: MakeSignal) -> None:
    verdict = validate(make_daily(price=None))
    assert verdict.breakdown["reward_to_risk"]["score"] is None
    assert verdict.context_summary.startswith(
        "Bullish breakout on EURUSD; without a price the reward cannot be weighed against the risk."
    )


def test_closes_after_the_signals_own_time_change_nothing(
    make_daily: MakeSignal, monkeypatch: pytest.MonkeyPatch
) -> None:
    signal = make_daily()
    whole = validate(signal)
    series = market.series("EURUSD")
    assert series
    known = series.known_at(NOW)
    cut = market.Series("EURUSD", series.days[:known], series.prices[:known], series.values[:known])
    monkeypatch.setattr(market, "series", lambda symbol: cut)
    assert validate(signal) == whole
    assert known < len(series.days)


def test_the_record_counts_this_strategys_signals_on_this_symbol_only(
    make_daily: MakeSignal, make_closed: MakeSignal
) -> None:
    for outcome in (Outcome.WIN, Outcome.WIN, Outcome.LOSS):
        make_closed(outcome)
        make_closed(Outcome.LOSS, strategy="MeanReversion")
        make_closed(Outcome.LOSS, symbol="GBPUSD")
    verdict = validate(make_daily())
    assert verdict.breakdown["track_record"]["score"] == 100  # two thirds, where a third breaks even
    assert "2 of the last 3 closed TrendFollower signals here won." in verdict.context_summary


def test_alices_record_is_no_part_of_bobs(
    make_daily: MakeSignal, make_closed: MakeSignal, alice: User, bob: User
) -> None:
    for _ in range(3):
        make_closed(Outcome.WIN, alice)
    assert score(make_daily(alice), "track_record") == 100
    assert score(make_daily(bob), "track_record") is None
    assert score(make_daily(), "track_record") is None


def test_the_record_is_of_the_last_ten(make_daily: MakeSignal, make_closed: MakeSignal) -> None:
    for number in range(10):
        make_closed(Outcome.LOSS, closed_at=NOW - number * DAY)
        make_closed(Outcome.WIN, closed_at=NOW - (number + 20) * DAY)
    assert "0 of the last 10 closed" in validate(make_daily()).context_summary


@pytest.mark.parametrize(
    ("closed_at", "counted"), [(NOW - DAY, True), (NOW, True), (NOW + dt.timedelta(seconds=1), False), (None, False)]
)
def test_only_what_had_closed_by_the_signals_own_time_is_on_record(
    make_daily: MakeSignal, make_closed: MakeSignal, closed_at: dt.datetime | None, counted: bool
) -> None:
    for _ in range(3):
        make_closed(Outcome.WIN, closed_at=closed_at)
    assert (score(make_daily(), "track_record") is not None) == counted


def test_a_signal_is_not_on_its_own_record(make_daily: MakeSignal, make_closed: MakeSignal) -> None:
    for _ in range(2):
        make_closed(Outcome.WIN)
    signal = make_daily(outcome=Outcome.WIN, closed_at=NOW)
    assert score(signal, "track_record") is None


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"bar_time": NOW - DAY}, 70),
        ({"bar_time": NOW - 5 * DAY}, 70),
        ({"bar_time": NOW - 5 * DAY - dt.timedelta(seconds=1)}, 100),
        ({"bar_time": NOW + DAY}, 100),
        ({"bar_time": NOW - DAY, "strategy": "MeanReversion"}, 100),
        ({"bar_time": NOW - DAY, "symbol": "GBPUSD"}, 100),
        ({"bar_time": NOW - DAY, "timeframe": "1h"}, 100),
        ({"bar_time": NOW - DAY, "side": "sell", "sl": Decimal("1.2"), "tp": Decimal(1)}, 100),
        ({"bar_time": None, "received_at": NOW - DAY}, 70),
    ],
)
def test_a_repeat_is_the_same_idea_within_five_bars(
    make_daily: MakeSignal, fields: dict[str, Any], expected: int
) -> None:
    make_daily(**fields)
    assert score(make_daily(), "repetition") == expected


def test_of_two_signals_of_the_same_time_the_second_is_the_repeat(make_daily: MakeSignal) -> None:
    first, second = make_daily(), make_daily()
    assert (score(first, "repetition"), score(second, "repetition")) == (100, 70)


def test_the_narrative_is_made_from_the_facts(make_daily: MakeSignal, make_closed: MakeSignal) -> None:
    for outcome in (Outcome.WIN, Outcome.WIN, Outcome.WIN, Outcome.LOSS, Outcome.LOSS):
        make_closed(outcome)
    make_daily(bar_time=NOW - DAY)
    assert validate(make_daily(tp=Decimal("1.10526"))).context_summary == (
        "Bullish breakout on EURUSD; reward is 2.1 times the risk. "
        "3 of the last 5 closed TrendFollower signals here won. "
        "The 50-day mean moves with the trade; daily moves are 1.1 times their yearly average. "
        "There was 1 such signal in the last 5 bars."
    )


def test_a_narrative_without_market_data_has_two_sentences(make_daily: MakeSignal) -> None:
    signal = make_daily(symbol="BTCUSD", side="sell", sl=Decimal("1.2"), tp=Decimal(1), regime="")
    assert validate(signal).context_summary == (
        "Bearish setup on BTCUSD; reward is 0.9 times the risk. No TrendFollower signal here has closed yet."
    )


def test_the_same_facts_give_the_same_verdict(make_daily: MakeSignal) -> None:
    signal = make_daily()
    assert validate(signal) == validate(Signal.objects.get(pk=signal.pk))


def test_the_news_of_the_alert_goes_into_the_validation(make_daily: MakeSignal) -> None:
    verdict = validate(make_daily(news_headline="ECB holds rates", news_context="As expected."))
    assert (verdict.news_headline, verdict.news_context) == ("ECB holds rates", "As expected.")


def test_a_validation_takes_two_queries_however_long_the_history(
    make_daily: MakeSignal, make_closed: MakeSignal, django_assert_num_queries: Any
) -> None:
    for _ in range(20):
        make_closed(Outcome.WIN)
    signal = make_daily()
    with django_assert_num_queries(2):
        validate(signal)


def test_the_validator_is_the_class_that_the_settings_name(settings: Any) -> None:
    assert isinstance(validation.load_validator(), RuleBasedValidator)
    settings.SIGNALS_VALIDATOR = f"{__name__}.ConstantValidator"
    assert isinstance(validation.load_validator(), ConstantValidator)
    assert validation.load_validator() is validation.load_validator()
