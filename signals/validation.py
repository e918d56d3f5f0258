"""The validator's verdict on a signal: sub-scores, a truth index, a status, a recommendation and a narrative.

`SIGNALS_VALIDATOR` names the class. The one here goes by rules: the same facts give the same verdict, every score comes
with its explanation, and nothing looks ahead of the signal's own time.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from typing import Protocol, TypedDict, cast

from django.conf import settings
from django.db.models import Q
from django.db.models.functions import Coalesce
from django.utils.module_loading import import_string

from signals import market, scoring
from signals.models import Outcome, Regime, Side, Signal, Timeframe, ValidationStatus
from signals.scoring import SubScore

# Name → (label, weight), in the order in which they are shown. (PostgreSQL does not keep the order of a stored object.)
SUB_SCORES: Mapping[str, tuple[str, Decimal]] = {
    "trend_agreement": ("Trend agreement", Decimal("0.25")),
    "volatility_regime": ("Volatility regime", Decimal("0.15")),
    "reward_to_risk": ("Reward to risk", Decimal("0.15")),
    "session": ("Session", Decimal("0.10")),
    "track_record": ("The strategy's own record", Decimal("0.25")),
    "repetition": ("Repetition", Decimal("0.10")),
}

# With data for less than this share of the weights nothing is approved, however good the little that is known looks.
ENOUGH_WEIGHT = Decimal("0.5")
UNAPPROVED_CEILING = Decimal("79.99")

SETUP_NAMES = {
    Regime.TREND: "trend setup",
    Regime.BREAKOUT: "breakout",
    Regime.MEAN_REVERSION: "mean reversion",
    Regime.SQUEEZE: "squeeze",
    Regime.RANGE: "range trade",
    Regime.VOLATILE: "setup in a volatile market",
}


class SubScoreEntry(TypedDict):
    """One entry of the stored breakdown. The weights of those with data add up to 1."""

    score: int | None
    weight: float
    explanation: str


@dataclass(frozen=True)
class Validation:
    truth_index: Decimal
    status: ValidationStatus
    breakdown: dict[str, SubScoreEntry]
    context_summary: str
    recommendation: str
    news_headline: str = ""
    news_context: str = ""


class Validator(Protocol):
    def validate(self, signal: Signal) -> Validation: ...


def load_validator() -> Validator:
    """The validator that `SIGNALS_VALIDATOR` names, made once for each dotted path."""
    return _validator(settings.SIGNALS_VALIDATOR)


@cache
def _validator(path: str) -> Validator:
    return cast(Validator, import_string(path)())


@dataclass(frozen=True)
class Facts:
    """What was known about a signal at its own time."""

    signal: Signal
    ratio: Decimal | None  # reward in terms of risk; None without a price
    closes: tuple[float, ...]
    wins: int
    closed: int
    earlier: int


class RuleBasedValidator:
    """Weighs six sub-scores; those without data take no weight. Two queries for a stored signal."""

    def validate(self, signal: Signal) -> Validation:
        facts = _facts(signal)
        scores = _scores(facts)
        truth_index = _truth_index(scores)
        status = ValidationStatus.for_truth_index(truth_index)
        return Validation(
            truth_index=truth_index,
            status=status,
            breakdown=_breakdown(scores),
            context_summary=_narrative(facts),
            recommendation=_recommendation(signal, status, scores),
            news_headline=signal.news_headline,
            news_context=signal.news_context,
        )


def _facts(signal: Signal) -> Facts:
    series = market.series(signal.symbol)
    wins, closed = _record(signal)
    return Facts(
        signal=signal,
        ratio=_reward_to_risk(signal),
        closes=series.values_at(signal.own_time, scoring.YEAR_CLOSES + 1) if series else (),
        wins=wins,
        closed=closed,
        earlier=_earlier_repeats(signal),
    )


def _reward_to_risk(signal: Signal) -> Decimal | None:
    if signal.price is None:
        return None
    return (signal.tp - signal.price) / (signal.price - signal.sl)


def _record(signal: Signal) -> tuple[int, int]:
    """Wins and number of the last signals of this owner, strategy and symbol that were closed by the signal's time.

    One that was closed by hand, without a time, does not count: nobody can tell whether it was known by then.
    """
    outcomes = list(
        Signal.objects.closed()
        .filter(user=signal.user_id, strategy=signal.strategy, symbol=signal.symbol, closed_at__lte=signal.own_time)
        .exclude(pk=signal.pk)
        .order_by("-closed_at", "-pk")
        .values_list("outcome", flat=True)[: scoring.RECORD_AT_MOST]
    )
    return outcomes.count(Outcome.WIN), len(outcomes)


def _earlier_repeats(signal: Signal) -> int:
    """Of two signals with the same own time the one stored first is the earlier."""
    window_start = signal.own_time - scoring.REPEAT_BARS * Timeframe(signal.timeframe).duration
    return (
        Signal.objects.alias(own=Coalesce("bar_time", "received_at"))
        .filter(
            Q(own__lt=signal.own_time) | Q(own=signal.own_time, pk__lt=signal.pk),
            own__gte=window_start,
            user=signal.user_id,
            strategy=signal.strategy,
            symbol=signal.symbol,
            timeframe=signal.timeframe,
            side=signal.side,
        )
        .count()
    )


def _scores(facts: Facts) -> dict[str, SubScore]:
    signal = facts.signal
    return {
        "trend_agreement": scoring.trend_agreement(signal.side, signal.regime, facts.closes),
        "volatility_regime": scoring.volatility_regime(facts.closes),
        "reward_to_risk": scoring.reward_to_risk(facts.ratio),
        "session": scoring.session(signal.symbol, signal.timeframe, signal.session, signal.own_time),
        "track_record": scoring.track_record(signal.strategy, facts.wins, facts.closed, facts.ratio),
        "repetition": scoring.repetition(facts.earlier),
    }


def _truth_index(scores: Mapping[str, SubScore]) -> Decimal:
    """The weighted mean of the scores with data, capped when these are too few."""
    weight = _known_weight(scores)
    total = sum(
        (SUB_SCORES[name][1] * sub.score for name, sub in scores.items() if sub.score is not None), start=Decimal(0)
    )
    index = (total / weight).quantize(Decimal("0.01"))
    return index if weight >= ENOUGH_WEIGHT else min(index, UNAPPROVED_CEILING)


def _known_weight(scores: Mapping[str, SubScore]) -> Decimal:
    """Never 0: repetition is always known."""
    return sum((SUB_SCORES[name][1] for name, sub in scores.items() if sub.score is not None), start=Decimal(0))


def _breakdown(scores: Mapping[str, SubScore]) -> dict[str, SubScoreEntry]:
    known = _known_weight(scores)
    return {
        name: {
            "score": sub.score,
            "weight": 0.0 if sub.score is None else round(float(SUB_SCORES[name][1] / known), 4),
            "explanation": sub.explanation,
        }
        for name, sub in scores.items()
    }


def _narrative(facts: Facts) -> str:
    """Two to four sentences, the most telling first."""
    sentences = [
        _headline(facts),
        scoring.record_in_words(facts.signal.strategy, facts.wins, facts.closed),
        _market_in_words(facts),
        scoring.repetition_in_words(facts.earlier) if facts.earlier else "",
    ]
    return " ".join(sentence for sentence in sentences if sentence)


def _headline(facts: Facts) -> str:
    signal = facts.signal
    mood = "Bullish" if signal.side == Side.BUY else "Bearish"
    setup = f"{mood} {SETUP_NAMES.get(Regime(signal.regime), 'setup') if signal.regime else 'setup'} on {signal.symbol}"
    if facts.ratio is None:
        return f"{setup}; without a price the reward cannot be weighed against the risk."
    return f"{setup}; reward is {facts.ratio:.1f} times the risk."


def _market_in_words(facts: Facts) -> str:
    slope = scoring.trend_slope(facts.signal.side, facts.closes)
    ratio = scoring.volatility_ratio(facts.closes)
    if slope is None or ratio is None:
        return ""
    return f"The 50-day mean {scoring.trend_in_words(slope)}; daily moves are {ratio:.1f} times their yearly average."


def _recommendation(signal: Signal, status: ValidationStatus, scores: Mapping[str, SubScore]) -> str:
    if status == ValidationStatus.APPROVED:
        places = signal.price_places
        return f"{signal.get_side_display()} as planned, stop {signal.sl:.{places}f}, target {signal.tp:.{places}f}."
    advice = "Wait for confirmation or trade smaller" if status == ValidationStatus.CONDITIONAL else "Leave it out"
    if _known_weight(scores) < ENOUGH_WEIGHT:
        known = sum(sub.score is not None for sub in scores.values())
        return f"{advice}: only {known} of {len(scores)} checks had data."
    name, weakest = min(_known(scores).items(), key=lambda item: item[1][0])
    label = SUB_SCORES[name][0].lower()
    return f"{advice}; the weakest point is {label} ({weakest[0]} of 100). {weakest[1]}"


def _known(scores: Mapping[str, SubScore]) -> dict[str, tuple[int, str]]:
    return {name: (sub.score, sub.explanation) for name, sub in scores.items() if sub.score is not None}
