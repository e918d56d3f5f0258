"""One revision of an insight as everybody is told it: judged and worded once, however many users it goes to."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from django.db.models import Q
from django.db.models.functions import Coalesce
from django.utils import timezone

from notifications import messages, metrics, priority
from notifications.health.latency import Stage
from notifications.models import InsightDispatch, InsightNotification
from notifications.preferences import Facts, Reason, Verdict
from notifications.priority import Priority
from notifications.realtime import Event
from signals.models import Signal

# By the alerts' own time, from the first one on: what says the same again so soon is the same entry.
REPEATS_WITHIN = dt.timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Rescored:
    """What a revision changes of the one before it; a part that it does not change is None."""

    earlier_confidence: Decimal | None = None
    new_status: str | None = None


@dataclass(frozen=True, slots=True)
class Announcement:
    """What all the notifications of one chunk have in common; `now` is the instant at which all are decided."""

    signal: Signal
    revision: int
    facts: Facts
    message: messages.Message
    now: dt.datetime
    rescored: Rescored = Rescored()
    repeats: tuple[int, ...] = ()  # signals that it may be a repeat of, for who was notified of them
    braked: bool = False  # nothing is sent now: what would be is held

    def notification(self, **fields: object) -> InsightNotification:
        """An unsaved notification of it; the caller gives what is the user's own."""
        common: dict[str, Any] = {
            "signal": self.signal,
            "revision": self.revision,
            "title": self.message["title"],
            "snippet": self.message["snippet"],
            "news_headline": self.message["news_headline"],
            "confidence": self.facts.ai_confidence.quantize(Decimal("0.01")),
            "priority": self.facts.priority,
            "created_at": self.now,
            "expires_at": self.signal.expires_at,
            "earlier_confidence": self.rescored.earlier_confidence,
            "new_status": self.rescored.new_status,
        }
        return InsightNotification(**(common | fields))


# The reasons that never let one through or hold it.
SUPPRESSING = frozenset(
    reason.value
    for reason in Reason
    if reason not in {Reason.ALL_RULES_PASSED, Reason.URGENT_IN_QUIET_HOURS, Reason.QUIET_HOURS, Reason.BRAKE}
)


@dataclass(slots=True)
class Batch:
    """What became of an announcement: positions given out, frames to hint, users by verdict and by reason."""

    sent: Sequence[int] = ()  # ids of the new notifications on the web stream
    events: Sequence[Event] = ()
    verdicts: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)

    def suppressed(self) -> Counter[str]:
        """Users by the reason that kept it from them; quiet hours hold it for most."""
        suppressing = Counter({reason: self.reasons[reason] for reason in SUPPRESSING})
        suppressing[Reason.QUIET_HOURS.value] = self.verdicts[Verdict.SUPPRESS] - suppressing.total()
        return +suppressing


def announce(
    signal: Signal, revision: int, *, repeats: Sequence[int] | None = None, braked: bool = False
) -> Announcement:
    """`repeats` is for who has asked for all of `repeated(…)` together with something else."""
    facts = Facts(signal.symbol, signal.strategy, signal.ai_confidence, calculate_priority(signal))
    return Announcement(
        signal,
        revision,
        facts,
        format_message(signal, revision=revision),
        timezone.now(),
        rescored(signal, revision) if revision > 1 else Rescored(),
        tuple(repeated(signal, revision) if repeats is None else repeats),
        braked,
    )


def rescored(signal: Signal, revision: int) -> Rescored:
    earlier = InsightDispatch.objects.filter(signal=signal, revision__lt=revision, revision__gt=0)
    found = earlier.order_by("-revision").values_list("confidence", "fingerprint").first()
    if found is None:
        return Rescored()
    confidence, fingerprint = found
    status = signal.validation.status
    return Rescored(
        confidence if confidence != signal.ai_confidence else None,
        status if status != fingerprint.partition(":")[0] else None,
    )


def repeated(signal: Signal, revision: int) -> list[int]:
    """The signals of this owner, or of the house, that it repeats: the same symbol, side and strategy, shortly before.

    Another revision finds its own signal as well, so that it stays in the entry of the one before it. Known gaps: an
    alert that arrives after a later one begins an entry of its own, and so does one of the house after a trader's.
    """
    same = Signal.objects.alias(own=Coalesce("bar_time", "received_at")).filter(
        symbol=signal.symbol,
        strategy=signal.strategy,
        side=signal.side,
        own__gt=signal.own_time - REPEATS_WITHIN,
        own__lte=signal.own_time,
    )
    same = same.filter(pk__lte=signal.pk) if revision > 1 else same.filter(pk__lt=signal.pk)
    of_owner = Q(user__isnull=True) if signal.user_id is None else Q(user__isnull=True) | Q(user_id=signal.user_id)
    return list(same.filter(of_owner).order_by("pk").values_list("pk", flat=True))


def calculate_priority(signal: Signal) -> Priority:
    """The rules are in priority.py; this brings the facts, with a query only when the repeats can matter."""
    validation = getattr(signal, "validation", None)
    news = validation.news_context if validation else signal.news_context
    repeats = 0
    if priority.needs_repeat_count(ai_confidence=signal.ai_confidence, news_context=news):
        repeats = _repeats(signal)
    return priority.calculate(ai_confidence=signal.ai_confidence, news_context=news, repeats=repeats)


def format_message(signal: Signal, *, revision: int = 1) -> messages.Message:
    validation = getattr(signal, "validation", None)
    return messages.format_message(
        side=signal.side,
        symbol=signal.symbol,
        timeframe=signal.timeframe,
        ai_confidence=signal.ai_confidence,
        narrative=validation.context_summary if validation else "",
        news_headline=validation.news_headline if validation else signal.news_headline,
        revision=revision,
    )


def count_metrics(announcement: Announcement, batch: Batch) -> None:
    """Once it is committed."""
    created = batch.verdicts[Verdict.SEND] + batch.verdicts[Verdict.HOLD]
    metrics.NOTIFICATIONS_CREATED.labels(announcement.facts.priority).inc(created)
    metrics.NOTIFICATIONS_HELD.inc(batch.verdicts[Verdict.HOLD])
    if announcement.revision <= 1:  # a later one is not told of the signal's arrival
        since_received = timezone.now() - announcement.signal.received_at
        metrics.stage_took(Stage.COMMITTED, since_received.total_seconds(), created)
    for reason, users in batch.suppressed().items():
        metrics.INSIGHTS_SUPPRESSED.labels(reason).inc(users)


def _repeats(signal: Signal) -> int:
    """Signals of the same owner and strategy in the window up to this one's own time, this one included."""
    window = dt.timedelta(seconds=priority.REPEAT_WINDOW_S)
    since, until = signal.own_time - window, signal.own_time
    in_window = Q(bar_time__gt=since, bar_time__lte=until) | Q(
        bar_time__isnull=True, received_at__gt=since, received_at__lte=until
    )
    same = Signal.objects.filter(in_window, strategy=signal.strategy)
    same = same.filter(user__isnull=True) if signal.user_id is None else same.filter(user_id=signal.user_id)
    return same[: priority.REPEATS_ALLOWED + 1].count()
