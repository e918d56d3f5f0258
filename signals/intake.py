"""The one way in for a signal: the webhook, the replay, the admin and any script hand their alert to `receive`."""

from __future__ import annotations

import datetime as dt
import hashlib
import logging
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from django.db import IntegrityError, transaction
from django.utils import timezone

from signals import outcomes, reversals
from signals.models import Signal, TradeValidation, Verdict, WebhookRequest, WebhookSource
from signals.tradingview import Alert
from signals.validation import load_validator
from zenithedge.languages import in_site_language

if TYPE_CHECKING:
    from django.contrib.auth.models import User

logger = logging.getLogger(__name__)

# TradingView sends again up to three times, five seconds apart; a strategy may rightly say the same again a bar later.
SAME_BODY_WINDOW = dt.timedelta(seconds=60)

# A signal younger than this may still be on its way through `receive` of a database without our transaction.
UNVALIDATED_GRACE = dt.timedelta(seconds=5)


@dataclass(frozen=True)
class Received:
    """`created` is False when the alert had been received before; `signal` is then the first one."""

    signal: Signal
    created: bool
    validation: TradeValidation | None


def receive(
    alert: Alert,
    *,
    owner: User | None,
    source: WebhookSource | None = None,
    origin: str,
    request: WebhookRequest | None = None,
) -> Received:
    """Store the alert as a signal with its validation, and the webhook's `request` with it: all of them or none.

    The same alert is one signal, also when it arrives twice at the same instant: the same sender's alert id, else its
    time, symbol, timeframe, side and strategy; or the same body from the same source within a minute. A validator that
    raises leaves the signal stored and unvalidated. A failing on-commit hook of another part is logged, not raised:
    the signal is stored by then. Raises WebhookSource.DoesNotExist when the source was deleted meanwhile.
    """
    received: Received | None = None
    committed: list[bool] = []
    try:
        with transaction.atomic():
            transaction.on_commit(lambda: committed.append(True))  # the first hook, so it tells that the rest may fail
            received = _receive(alert, owner=owner, source=source, origin=origin, request=request)
    except Exception:
        if not committed or received is None:
            raise
        logger.exception("Signal %s is stored, but what follows its commit failed", received.signal.pk)
    return received


def rescore(signal: Signal) -> TradeValidation:
    """Validate again, one at a time for each signal. Raises what the validator raises; the old one then stays."""
    with transaction.atomic():
        locked = Signal.objects.select_for_update(no_key=True).get(pk=signal.pk)
        return _validate(locked)


def validate_missing(limit: int = 100) -> int:
    """Validate the newest signals that were left without a validation; return how many have one now."""
    unvalidated = Signal.objects.unvalidated().filter(received_at__lt=timezone.now() - UNVALIDATED_GRACE)
    signal_ids = list(unvalidated.order_by("-pk").values_list("pk", flat=True)[:limit])
    return sum(_validated_now(signal_id) for signal_id in signal_ids)


def dedupe_key(alert: Alert, sender: str) -> str | None:
    """The digest under which a sender's alert is one signal; None when it carries neither an id nor a time."""
    if alert.alert_id:
        return _digest([sender, "id", alert.alert_id])
    if alert.timestamp:
        moment = alert.timestamp.astimezone(dt.UTC).isoformat()
        return _digest([sender, "time", moment, alert.symbol, alert.timeframe, alert.side, alert.strategy])
    return None


def _receive(
    alert: Alert,
    *,
    owner: User | None,
    source: WebhookSource | None,
    origin: str,
    request: WebhookRequest | None,
) -> Received:
    if source:
        source = WebhookSource.objects.select_for_update(no_key=True).get(pk=source.pk)
    sender = f"source {source.pk}" if source else f"{origin} of {owner.pk if owner else 'the house'}"
    signal = _new_signal(alert, owner=owner, source=source, origin=origin, key=dedupe_key(alert, sender))
    earlier = _same_alert(signal) or _same_body(source, request) or _store(signal)
    validation = _validation_of(earlier) if earlier else _assess(signal)
    received = Received(earlier or signal, created=earlier is None, validation=validation)
    _record(received, request)
    if source:
        WebhookSource.objects.filter(pk=source.pk).update(last_alert_at=timezone.now())
    return received


def _new_signal(
    alert: Alert, *, owner: User | None, source: WebhookSource | None, origin: str, key: str | None
) -> Signal:
    values = asdict(alert)
    for not_a_column in ("timestamp", "alert_id", "warnings"):
        del values[not_a_column]
    values |= {"regime": alert.regime or "", "session": alert.session or "", "bar_time": alert.timestamp}
    return Signal(user=owner, webhook_source=source, source=origin, dedupe_key=key, **values)


def _same_alert(signal: Signal) -> Signal | None:
    if signal.dedupe_key is None:
        return None
    return Signal.objects.filter(dedupe_key=signal.dedupe_key).first()


def _same_body(source: WebhookSource | None, request: WebhookRequest | None) -> Signal | None:
    if source is None or request is None:
        return None
    now = timezone.now()
    accepted = source.requests.filter(
        verdict=Verdict.ACCEPTED,
        body_digest=request.body_digest,
        received_at__gt=now - SAME_BODY_WINDOW,
        received_at__lt=now + SAME_BODY_WINDOW,  # a clock that was set back must not make an hour of it
        signal__isnull=False,
    )
    first = accepted.select_related("signal").order_by("-received_at").first()
    return first.signal if first else None


def _store(signal: Signal) -> Signal | None:
    """None once it is stored, else the one that was faster.

    A sender without a source has no row to lock: there the unique key decides who was first.
    """
    try:
        with transaction.atomic():
            signal.save(force_insert=True)
    except IntegrityError:
        earlier = _same_alert(signal)
        if earlier is None:
            raise
        return earlier
    return None


def _assess(signal: Signal) -> TradeValidation | None:
    """Each step in a savepoint of its own: what fails in it, the database included, costs that step only."""
    try:
        with transaction.atomic():
            outcomes.settle(signal)
    except Exception:
        logger.exception("The outcomes of signals older than %s could not be settled", signal.pk)
    try:
        with transaction.atomic():
            reversals.reverse(signal)
    except Exception:
        logger.exception("What signal %s reverses could not be marked", signal.pk)
    try:
        with transaction.atomic():
            return _validate(signal)
    except Exception:
        logger.exception("Signal %s is stored without a validation: its validator failed", signal.pk)
        signal.refresh_from_db()  # forget the validation that the savepoint took back
        return None


def _validation_of(signal: Signal) -> TradeValidation | None:
    return TradeValidation.objects.filter(signal=signal).first()


@in_site_language
def _validate(signal: Signal) -> TradeValidation:
    verdict = load_validator().validate(signal)
    validation = _validation_of(signal) or TradeValidation(signal=signal)
    validation.truth_index = verdict.truth_index
    validation.status = verdict.status
    validation.breakdown = dict(verdict.breakdown)
    validation.context_summary = verdict.context_summary
    validation.recommendation = verdict.recommendation
    validation.news_headline = verdict.news_headline
    validation.news_context = verdict.news_context
    validation.validated_at = timezone.now()
    validation.save()
    return validation


def _record(received: Received, request: WebhookRequest | None) -> None:
    if request is None:
        return
    request.signal = received.signal
    request.verdict = Verdict.ACCEPTED if received.created else Verdict.DUPLICATE
    request.status_code = 201 if received.created else 200
    request.save()


def _validated_now(signal_id: int) -> bool:
    """False when another was faster, and when the validator fails again."""
    try:
        with transaction.atomic():
            signal = Signal.objects.select_for_update(no_key=True).filter(pk=signal_id).first()
            if signal is None or _validation_of(signal):
                return False
            _validate(signal)
    except Exception:
        logger.exception("Signal %s is still unvalidated", signal_id)
        return False
    return True


def _digest(parts: Iterable[str]) -> str:
    return hashlib.sha256("\x1f".join(parts).encode()).hexdigest()
