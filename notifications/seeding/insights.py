"""Insights that nobody had: at the hours at which markets move, with repeats, storms and second scores."""

from __future__ import annotations

import datetime as dt
from collections import Counter, defaultdict, deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cache
from itertools import accumulate
from random import Random
from typing import Any

from django.conf import settings

from notifications import announcing, priority
from notifications.messages import Message, confidence_label, format_message
from notifications.preferences import Decision, Facts, Verdict
from notifications.priority import Priority
from notifications.seeding.people import Person
from signals import market
from signals.models import MarketSession, Outcome, Regime, Side, Timeframe, ValidationStatus

OWN_STRATEGIES = ("Opening Range", "RSI Divergence", "Donchian 55", "London Fix", "Gap Fade")
TIMEFRAMES = {"5m": 4, "15m": 18, "30m": 8, "1h": 34, "4h": 18, "1d": 10, "1w": 8}
SESSION_HOURS = {MarketSession.LONDON: range(7, 13), MarketSession.NEW_YORK: range(13, 21)}
NARRATIVES = (
    "Price closed beyond the channel of 20 days and the trend agrees. Reward is 2.0 times the risk.",
    "A stretched close in a flat market; the mean of 50 days is the target. Volatility is ordinary.",
    "The trend of the higher timeframe points the same way. The strategy won six of its last ten.",
    "A squeeze is being left on rising volume. The stop lies behind the last swing.",
)
NEWS = "The central bank left its rate where it was and spoke of inflation that is slower to fall than it had hoped."
HEADLINE = "Central bank holds its rate"
STORM_WITHIN = dt.timedelta(seconds=priority.REPEAT_WINDOW_S)


@dataclass(slots=True, eq=False)
class Score:
    """One revision of an insight; `at` is the moment at which it was handed out, `message` what people read."""

    at: dt.datetime
    confidence: Decimal
    facts: Facts
    message: Message
    decisions: dict[int, Decision] = field(default_factory=dict)  # by the number of the profile


@dataclass(slots=True)
class Counts:
    """People by verdict and by reason, as a dispatch keeps them."""

    verdicts: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)

    @property
    def told(self) -> int:
        """How many have a notification of it."""
        return self.verdicts[Verdict.SEND] + self.verdicts[Verdict.HOLD]


@dataclass(slots=True, eq=False)
class Source:
    """Where alerts come from: of a person, or of the house. It says nothing more after `silent_from`."""

    owner: Person | None
    name: str
    strategies: tuple[str, ...]
    created_at: dt.datetime
    silent_from: dt.datetime | None = None
    id: int = 0
    last_alert_at: dt.datetime | None = None


@dataclass(slots=True, eq=False)
class Insight:
    source: Source
    symbol: str
    timeframe: Timeframe
    side: Side
    strategy: str
    received_at: dt.datetime
    price: Decimal
    sl: Decimal
    tp: Decimal
    own_confidence: Decimal
    news: str
    outcome: Outcome = Outcome.PENDING
    closed_at: dt.datetime | None = None
    scores: list[Score] = field(default_factory=list)
    repeats: list[Insight] = field(default_factory=list)  # earlier ones that it may join
    id: int = 0
    counts: list[Counts] = field(default_factory=list)  # of each score

    @property
    def owner(self) -> Person | None:
        return self.source.owner

    @property
    def expires_at(self) -> dt.datetime:
        bars: int = settings.NOTIFICATIONS_LIFE_BARS
        return self.received_at + bars * self.timeframe.duration

    @property
    def status(self) -> ValidationStatus:
        return ValidationStatus.for_truth_index(self.scores[-1].confidence)

    def fingerprint(self, score: Score) -> str:
        label = confidence_label(score.confidence)
        return f"{ValidationStatus.for_truth_index(score.confidence)}:{self.side}:{label}"


class Clock:
    """Moments of a period, as often as markets move at their hour."""

    def __init__(self, begin: dt.datetime, end: dt.datetime) -> None:
        self._begin = begin
        self._hours = [begin + dt.timedelta(hours=hour) for hour in range(int((end - begin).total_seconds() // 3600))]
        self._weights = list(accumulate(map(_busy, self._hours)))

    def draw(self, rng: Random) -> dt.datetime:
        hour = rng.choices(self._hours, cum_weights=self._weights)[0]
        return hour + dt.timedelta(milliseconds=rng.randrange(3_600_000))


class Storms:
    """How many signals of one owner and strategy came within ten minutes, and what each repeats; in order of time."""

    def __init__(self) -> None:
        self._recent: defaultdict[tuple[int, str], deque[Insight]] = defaultdict(deque)

    def place(self, insight: Insight) -> int:
        """Note it; how many there are now, this one included."""
        owner = insight.owner
        recent = self._recent[owner.number if owner else 0, insight.strategy]
        while recent and recent[0].received_at <= insight.received_at - STORM_WITHIN:
            recent.popleft()
        insight.repeats = [
            earlier
            for earlier in recent
            if (earlier.symbol, earlier.side) == (insight.symbol, insight.side)
            and earlier.received_at > insight.received_at - announcing.REPEATS_WITHIN
        ]
        recent.append(insight)
        return len(recent)


def of_house(rng: Random, sources: Sequence[Source], clock: Clock) -> Iterator[list[Insight]]:
    """Without end: one after the other, sometimes a storm of them or one that repeats the first."""
    while True:
        source = rng.choice(sources)
        first = of_source(rng, source, clock)
        more = []
        luck = rng.random()
        if luck < 0.03:
            symbols = rng.sample(market.PAIRS, rng.randint(4, 6))
            more = [one(rng, source, _soon_after(rng, first), first.strategy, symbol=symbol) for symbol in symbols]
        elif luck < 0.07:
            again = one(rng, source, _soon_after(rng, first), first.strategy, symbol=first.symbol, side=first.side)
            more = [again]
        yield [first, *more]


def of_source(rng: Random, source: Source, clock: Clock) -> Insight:
    return one(rng, source, _time_of(rng, source, clock), rng.choice(source.strategies))


def one(
    rng: Random, source: Source, at: dt.datetime, strategy: str, *, symbol: str = "", side: Side | None = None
) -> Insight:
    symbol = symbol or rng.choice(market.PAIRS)
    side = side or rng.choice((Side.BUY, Side.SELL))
    step = market.price_step(symbol)
    price = (_latest_close(symbol) * Decimal(str(rng.uniform(0.98, 1.02)))).quantize(step)
    risk = (price * Decimal(str(rng.uniform(0.001, 0.006)))).quantize(step)
    sign = 1 if side == Side.BUY else -1
    return Insight(
        source=source,
        symbol=symbol,
        timeframe=Timeframe(rng.choices(list(TIMEFRAMES), list(TIMEFRAMES.values()))[0]),
        side=side,
        strategy=strategy,
        received_at=at,
        price=price,
        sl=price - sign * risk,
        tp=price + sign * 2 * risk,
        own_confidence=_percent(rng.gauss(72, 10)),
        news=NEWS if rng.random() < 0.1 else "",
    )


def score(rng: Random, insight: Insight, in_storm: int, now: dt.datetime) -> None:
    """Give it its score, now and then a second one some minutes later, and what became of it."""
    first = _percent(rng.gauss(74, 10))
    _add_score(insight, insight.received_at + dt.timedelta(milliseconds=rng.randint(15, 120)), first, in_storm)
    again_at = insight.received_at + dt.timedelta(seconds=rng.uniform(120, 800))
    if rng.random() < 0.03 and again_at < now:
        again = _percent(float(first) + rng.choice((-14, 14)))
        if insight.fingerprint(insight.scores[0]) != _fingerprint(insight, again):
            _add_score(insight, again_at, again, in_storm)
    if insight.expires_at < now:
        insight.outcome = rng.choices((Outcome.WIN, Outcome.LOSS, Outcome.EXPIRED), (34, 26, 40))[0]
        if insight.outcome != Outcome.EXPIRED:
            life = insight.expires_at - insight.received_at
            insight.closed_at = insight.received_at + rng.uniform(0.1, 1) * life


def session_of(moment: dt.datetime) -> MarketSession:
    return next((name for name, hours in SESSION_HOURS.items() if moment.hour in hours), MarketSession.ASIA)


def regime_of(insight: Insight) -> Regime:
    regimes = list(Regime)
    return regimes[(insight.price.as_tuple().digits[-1] + len(insight.strategy)) % len(regimes)]


def alert(insight: Insight) -> dict[str, Any]:
    """The message that its source sent."""
    return {
        "symbol": insight.symbol,
        "timeframe": str(insight.timeframe.value),
        "side": str(insight.side.value),
        "price": str(insight.price),
        "sl": str(insight.sl),
        "tp": str(insight.tp),
        "confidence": str(insight.own_confidence),
        "strategy": insight.strategy,
        "timestamp": insight.received_at.isoformat(),
    }


def in_order(insights: Iterable[Insight]) -> list[Insight]:
    return sorted(insights, key=lambda insight: insight.received_at)


def _add_score(insight: Insight, at: dt.datetime, confidence: Decimal, in_storm: int) -> None:
    facts = Facts(
        insight.symbol,
        insight.strategy,
        confidence,
        Priority(priority.calculate(ai_confidence=confidence, news_context=insight.news, repeats=in_storm)),
    )
    message = format_message(
        side=insight.side,
        symbol=insight.symbol,
        timeframe=insight.timeframe,
        ai_confidence=confidence,
        narrative=narrative_of(insight),
        news_headline=HEADLINE if insight.news else "",
        revision=len(insight.scores) + 1,
    )
    insight.scores.append(Score(at, confidence, facts, message))


def narrative_of(insight: Insight) -> str:
    return NARRATIVES[insight.price.as_tuple().digits[-1] % len(NARRATIVES)]


def _fingerprint(insight: Insight, confidence: Decimal) -> str:
    return f"{ValidationStatus.for_truth_index(confidence)}:{insight.side}:{confidence_label(confidence)}"


def _percent(value: float) -> Decimal:
    return Decimal(str(min(98.0, max(30.0, value)))).quantize(Decimal("0.01"))


@cache
def _latest_close(symbol: str) -> Decimal:
    series = market.series(symbol)
    return series.prices[-1] if series else Decimal(1)


def _busy(hour: dt.datetime) -> float:
    if hour.weekday() == 5 or (hour.weekday() == 6 and hour.hour < 21) or (hour.weekday() == 4 and hour.hour > 21):
        return 0.02
    return 4 if 12 <= hour.hour < 16 else 2 if 7 <= hour.hour < 21 else 0.7


def _time_of(rng: Random, source: Source, clock: Clock) -> dt.datetime:
    end = source.silent_from
    while True:
        at = clock.draw(rng)
        if at >= source.created_at and (end is None or at < end):
            return at


def _soon_after(rng: Random, first: Insight) -> dt.datetime:
    return first.received_at + dt.timedelta(seconds=rng.uniform(20, 480))
