"""Takes pending deliveries out of the outbox: push, webhooks, and whatever other channel is registered.

One function for the delivery thread, the Celery workers and `manage.py deliver_notifications`. What is promised:

- A delivery belongs to whoever claims it, by an UPDATE that finds it pending, untaken and as often tried as it was
  read: only one of two updates changes the row, on SQLite as on PostgreSQL. The attempt is counted and the lease is
  committed before anything is sent.
- A process that is killed leaves a lease that ends. The delivery is then tried once more, after all that nobody was
  killed at; a second process that is killed at it ends it as failed, because it may have arrived both times.
- While the brake is on nothing is claimed, and all stays as it is.
- Calls run in threads, a few for each host. The database is asked by one thread only.
"""

from __future__ import annotations

import datetime as dt
import logging
import random
import time
from collections import Counter, deque
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Any

from django.db.models import Case, Exists, F, IntegerField, OuterRef, Q, When
from django.utils import timezone
from django.utils.translation import gettext_noop

from notifications import brake, metrics
from notifications.delivery.base import DeliveryChannel, DeliveryError
from notifications.delivery.hosts import Hosts
from notifications.delivery.registry import CHANNELS
from notifications.models import DeliveryState, InsightNotification, NotificationDeliveryLog
from notifications.priority import Priority

logger = logging.getLogger(__name__)

# 8 attempts within 30 minutes: the seven pauses between them are at most 14 s × (1 + 2 + 4 + … + 64) = 29.6 minutes.
ATTEMPTS = 8
FIRST_RETRY_S = 14.0
MOST_RETRY_AFTER_S = 24 * 60 * 60.0  # whoever asks for more is not taken at the word
# Longer than any call may take, so that a lease that has ended means a process that has.
LEASE_S = 60.0
CALLS_AT_ONCE = 16
# So many are looked at in one go, to find those that come first and those whose hosts are free.
LOOK_AT = 5000
# What was committed meanwhile and comes before what waits for its host.
LOOK_EVERY_S = 1.0

# In the outbox's rows they are English; whoever shows them has them translated.
EXPIRED = gettext_noop("The insight expired first.")
REPLACED = gettext_noop("A newer notification replaced it.")
SWITCHED_OFF = gettext_noop("The channel was switched off meanwhile.")
NO_ACCOUNT = gettext_noop("The account is closed.")
TARGET_GONE = gettext_noop("The target was removed meanwhile.")
INTERRUPTED = gettext_noop("The server was stopped twice while sending it; it may have arrived.")

_hosts = Hosts()


@dataclass(frozen=True, slots=True)
class _Due:
    """A delivery as it was read: what its claim must still find."""

    pk: int
    channel: str
    target: str
    attempts: int
    interrupted: bool
    host: str


@dataclass(frozen=True, slots=True)
class _Call:
    """A delivery that is claimed and on its way."""

    log: NotificationDeliveryLog
    channel: DeliveryChannel[Any]
    target: Any
    host: str

    def make(self) -> None:
        with metrics.DELIVERY_SECONDS.labels(self.channel.name).time():
            self.channel.deliver(self.log.notification, self.target)


def drain(*, budget_s: float | None = None, should_stop: Callable[[], bool] = lambda: False) -> Counter[str]:
    """Send what is due, high priority first and then the oldest, until nothing is, or the time is used up.

    Returns how many deliveries came to each state; `pending` are those that are tried again.
    """
    ends_at = time.monotonic() + budget_s if budget_s is not None else float("inf")
    with ThreadPoolExecutor(CALLS_AT_ONCE, thread_name_prefix="deliveries") as threads:
        drain = _Drain(threads)
        while True:
            if time.monotonic() < ends_at and not should_stop():
                drain.begin_calls()
            if not drain.calls:
                return drain.done
            drain.record_finished()


def backoff_s(attempts: int) -> float:
    """The pause after so many attempts: it doubles, and up to a quarter of it is left out at random."""
    return FIRST_RETRY_S * 2.0 ** (attempts - 1) * random.uniform(0.75, 1)  # noqa: S311 - no secret hangs on it


# --- What comes next ------------------------------------------------------------------------------------------------


class _Drain:
    """The calls under way, and what comes after them."""

    def __init__(self, threads: ThreadPoolExecutor) -> None:
        self.calls: dict[Future[None], _Call] = {}
        self.done: Counter[str] = Counter()
        self._threads = threads
        self._next: deque[_Due] = deque()
        self._looked_at = 0.0

    def begin_calls(self) -> None:
        """Fill the free threads with what comes first and whose host is free."""
        kept_waiting: list[_Due] = []
        may_look = True
        while len(self.calls) < CALLS_AT_ONCE:
            if may_look and (not self._next or time.monotonic() - self._looked_at > LOOK_EVERY_S):
                self._next, self._looked_at, may_look = deque(_look()), time.monotonic(), False
                kept_waiting = []
            if not self._next:
                break
            due = self._next.popleft()
            if _hosts.may_be_called(due.host, time.monotonic()):
                self._begin(due)
            else:
                kept_waiting.append(due)
        self._next.extendleft(reversed(kept_waiting))

    def record_finished(self) -> None:
        """Wait until a call has ended."""
        finished, _ = wait(self.calls, return_when=FIRST_COMPLETED)
        for future in finished:
            self.done[_record(self.calls.pop(future), future)] += 1

    def _begin(self, due: _Due) -> None:
        begun = _begin(due)
        if isinstance(begun, _Call):
            _hosts.called(begun.host)
            self.calls[self._threads.submit(begun.make)] = begun
        elif begun is not None:
            self.done[begun] += 1


def _look() -> list[_Due]:
    """What is due, in the order in which it goes out; what a process was killed at comes last."""
    rows = list(_due_rows().values_list("pk", "channel", "target", "attempts", "lease_until")[:LOOK_AT])
    hosts: dict[tuple[str, str], str] = {}
    for name, channel in CHANNELS.items():
        found = channel.find({target for _, of, target, *_ in rows if of == name})
        hosts |= {(name, target): channel.host(value) for target, value in found.items()}
    return [
        _Due(pk, name, target, attempts, lease is not None, hosts.get((name, target), ""))
        for pk, name, target, attempts, lease in rows
    ]


def _due_rows() -> Any:
    now = timezone.now()
    rank = Case(
        When(notification__priority=Priority.HIGH, then=0),
        When(notification__priority=Priority.MEDIUM, then=1),
        default=2,
        output_field=IntegerField(),
    )
    due = NotificationDeliveryLog.objects.filter(
        Q(lease_until__isnull=True) | Q(lease_until__lte=now),
        state=DeliveryState.PENDING,
        channel__in=list(CHANNELS),
        next_attempt_at__lte=now,
    ).exclude(brake.engaged_exists())
    interrupted = Case(When(lease_until__isnull=True, then=0), default=1, output_field=IntegerField())
    return due.order_by(interrupted, rank, "created_at", "pk")


# --- One delivery ---------------------------------------------------------------------------------------------------


def _begin(due: _Due) -> _Call | str | None:
    """Claim it. Returns the call to make, the state in which it ended without one, or None: it is another's."""
    log = _load(due)
    if log is None:
        return None
    channel = CHANNELS[due.channel]
    reason = _out_of_date(log, channel)
    if reason:
        return _settle(due, log, DeliveryState.SKIPPED, reason)
    target = channel.find([due.target]).get(due.target)
    if target is None:
        return _settle(due, log, DeliveryState.GONE, TARGET_GONE)
    if due.interrupted and log.interruptions:
        return _settle(due, log, DeliveryState.FAILED, INTERRUPTED)
    if not _claim(due):
        return None
    if log.attempt_group == 1:
        channel.gather(log.notification)
    log.attempts += 1
    return _Call(log, channel, target, due.host)


def _load(due: _Due) -> NotificationDeliveryLog | None:
    newer = InsightNotification.objects.filter(
        user=OuterRef("notification__user"),
        signal=OuterRef("notification__signal"),
        revision__gt=OuterRef("notification__revision"),
    )
    logs = NotificationDeliveryLog.objects.filter(pk=due.pk, state=DeliveryState.PENDING, attempts=due.attempts)
    return (
        logs.select_related("notification__signal__validation", "notification__user__notification_preference")
        .annotate(replaced=Exists(newer))
        .first()
    )


def _out_of_date(log: Any, channel: DeliveryChannel[Any]) -> str:
    """Why nobody needs it any more, as it is said to people. What was asked for again needs no other reason."""
    notification = log.notification
    if not notification.user.is_active:
        return NO_ACCOUNT
    if notification.expired_at is not None or notification.expires_at <= timezone.now():
        return EXPIRED
    if log.replaced:
        return REPLACED
    preference = getattr(notification.user, "notification_preference", None)
    if channel.switch and not getattr(preference, channel.switch, False):
        return SWITCHED_OFF
    return channel.needless(notification) if log.attempt_group == 1 else ""


def _untaken(due: _Due) -> Any:
    now = timezone.now()
    rows = NotificationDeliveryLog.objects.filter(pk=due.pk, state=DeliveryState.PENDING, attempts=due.attempts)
    return rows.filter(Q(lease_until__isnull=True) | Q(lease_until__lte=now))


def _claim(due: _Due) -> bool:
    now = timezone.now()
    changes: dict[str, Any] = {
        "attempts": F("attempts") + 1,
        "attempted_at": now,
        "lease_until": now + dt.timedelta(seconds=LEASE_S),
    }
    if due.interrupted:
        changes["interruptions"] = F("interruptions") + 1
    # It may have been found before somebody stopped sending.
    return bool(_untaken(due).exclude(brake.engaged_exists()).update(**changes) == 1)


def _settle(due: _Due, log: NotificationDeliveryLog, state: DeliveryState, reason: str) -> str | None:
    """End it without a call."""
    success = None if state == DeliveryState.SKIPPED else False
    ended = _untaken(due).update(state=state, error_message=reason, success=success, lease_until=None)
    if ended != 1:
        return None
    metrics.DELIVERIES.labels(due.channel, state.value).inc()
    logger.info(
        "delivery %s of notification %s ended as %s: %s", log.pk, log.notification_id, state.value, reason,
        extra=_belongs_to(log),
    )  # fmt: skip
    return state.value


def _record(call: _Call, future: Future[None]) -> str:
    """What became of the attempt; the state that the delivery has now."""
    try:
        future.result()
    except DeliveryError as error:
        return _record_failure(call, error)
    except Exception as fault:
        logger.exception(
            "delivery %s over %s failed with a fault of ours", call.log.pk, call.channel.name,
            extra=_belongs_to(call.log),
        )  # fmt: skip
        return _record_failure(call, DeliveryError(f"A fault of the server: {type(fault).__name__}."))
    _answered(call)
    call.channel.succeeded(call.target)
    return _finish(call, DeliveryState.SENT, "", success=True)


def _record_failure(call: _Call, error: DeliveryError) -> str:
    if error.permanent or error.retry_after_s is not None:
        _answered(call)
    else:
        _hosts.failed(call.host, call.log.pk, time.monotonic())
    if not error.permanent and call.log.attempts < ATTEMPTS:
        pause_s = max(backoff_s(call.log.attempts), min(error.retry_after_s or 0.0, MOST_RETRY_AFTER_S))
        again_at = timezone.now() + dt.timedelta(seconds=pause_s)
        return _finish(call, DeliveryState.PENDING, str(error), success=None, next_attempt_at=again_at)
    call.channel.failed(call.target, error)
    return _finish(call, DeliveryState.GONE if error.gone else DeliveryState.FAILED, str(error), success=False)


def _answered(call: _Call) -> None:
    """The host is there. What failed because it was not goes now, and so before what is less important."""
    kept_waiting = _hosts.answered(call.host)
    if kept_waiting:
        rows = NotificationDeliveryLog.objects.filter(
            pk__in=kept_waiting, state=DeliveryState.PENDING, lease_until__isnull=True
        )
        rows.update(next_attempt_at=timezone.now())


def _finish(call: _Call, state: DeliveryState, error: str, **changes: Any) -> str:
    """Record the end of the attempt, unless the lease ended first and somebody else has taken the delivery over."""
    mine = NotificationDeliveryLog.objects.filter(
        pk=call.log.pk, state=DeliveryState.PENDING, attempts=call.log.attempts
    )
    mine.update(state=state, error_message=error, lease_until=None, **changes)
    metrics.DELIVERIES.labels(call.channel.name, state.value).inc()
    if error:
        logger.warning(
            "delivery failed: %s of notification %s over %s, attempt %s, now %s: %s",
            call.log.pk, call.log.notification_id, call.channel.name, call.log.attempts, state.value, error,
            extra=_belongs_to(call.log),
        )  # fmt: skip
    return state.value


def _belongs_to(log: NotificationDeliveryLog) -> dict[str, int]:
    """Fields of their own in a JSON line, by which a search finds all that became of a notification."""
    return {"notification_id": log.notification_id, "user_id": log.notification.user_id}
