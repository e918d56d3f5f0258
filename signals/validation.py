"""The validator's verdict on a signal: sub-scores, a truth index, a status, a recommendation and a narrative.

`SIGNALS_VALIDATOR` names the class. The one here goes by rules: the same facts give the same verdict, every score comes
with its explanation, and nothing looks ahead of the signal's own time.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from typing import TYPE_CHECKING, Protocol, TypedDict, cast

from django.conf import settings
from django.db.models import Q
from django.db.models.functions import Coalesce
from django.utils.module_loading import import_string
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from signals import market, scoring
from signals.models import Outcome, Regime, Side, Signal, Timeframe, ValidationStatus
from signals.scoring import SubScore
from zenithedge.languages import decimal

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

# Name → (label, weight), in the order in which they are shown. (PostgreSQL does not keep the order of a stored object.)
SUB_SCORES: Mapping[str, tuple[StrOrPromise, Decimal]] = {
    "trend_agreement": (_("Trend agreement"), Decimal("0.25")),
    "volatility_regime": (_("Volatility regime"), Decimal("0.15")),
    "reward_to_risk": (_("Reward to risk"), Decimal("0.15")),
    "session": (_("Session"), Decimal("0.10")),
    "track_record": (_("The strategy's own record"), Decimal("0.25")),
    "repetition": (_("Repetition"), Decimal("0.10")),
}

# With data for less than this share of the weights nothing is approved, however good the little that is known looks.
ENOUGH_WEIGHT = Decimal("0.5")
UNAPPROVED_CEILING = Decimal("79.99")

SETUP_NAMES: Mapping[str, StrOrPromise] = {
    Regime.TREND: _("trend setup"),
    Regime.BREAKOUT: _("breakout"),
    Regime.MEAN_REVERSION: _("mean reversion"),
    Regime.SQUEEZE: _("squeeze"),
    Regime.RANGE: _("range trade"),
    Regime.VOLATILE: _("setup in a volatile market"),
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
    values = {
        "mood": gettext("Bullish") if signal.side == Side.BUY else gettext("Bearish"),
        "setup": SETUP_NAMES.get(signal.regime, _("setup")),
        "symbol": signal.symbol,
    }
    if facts.ratio is None:
        text = gettext(
            "%(mood)s %(setup)s on %(symbol)s; without a price the reward cannot be weighed against the risk."
        )
        return text % values
    text = gettext("%(mood)s %(setup)s on %(symbol)s; reward is %(ratio)s times the risk.")
    return text % (values | {"ratio": decimal(facts.ratio, 1)})


def _market_in_words(facts: Facts) -> str:
    slope = scoring.trend_slope(facts.signal.side, facts.closes)
    ratio = scoring.volatility_ratio(facts.closes)
    if slope is None or ratio is None:
        return ""
    text = gettext("The 50-day mean %(trend)s; daily moves are %(ratio)s times their yearly average.")
    return text % {"trend": scoring.trend_in_words(slope), "ratio": decimal(ratio, 1)}


def _recommendation(signal: Signal, status: ValidationStatus, scores: Mapping[str, SubScore]) -> str:
    if status == ValidationStatus.APPROVED:
        places = signal.price_places
        return gettext("%(side)s as planned, stop %(stop)s, target %(target)s.") % {
            "side": signal.get_side_display(),
            "stop": decimal(signal.sl, places),
            "target": decimal(signal.tp, places),
        }
    waits = status == ValidationStatus.CONDITIONAL
    advice = gettext("Wait for confirmation or trade smaller") if waits else gettext("Leave it out")
    if _known_weight(scores) < ENOUGH_WEIGHT:
        known = sum(sub.score is not None for sub in scores.values())
        text = ngettext(
            "%(advice)s: only %(known)s of %(checks)s checks had data.",
            "%(advice)s: only %(known)s of %(checks)s checks had data.",
            known,
        )
        return text % {"advice": advice, "known": known, "checks": len(scores)}
    name, weakest = min(_known(scores).items(), key=lambda item: item[1][0])
    text = gettext("%(advice)s; the weakest point is “%(point)s” (%(score)s of 100). %(explanation)s")
    return text % {"advice": advice, "point": SUB_SCORES[name][0], "score": weakest[0], "explanation": weakest[1]}


def _known(scores: Mapping[str, SubScore]) -> dict[str, tuple[int, str]]:
    return {name: (sub.score, sub.explanation) for name, sub in scores.items() if sub.score is not None}
