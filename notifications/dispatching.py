"""From an insight to its users' notifications: the dispatch, run in chunks, each one short transaction.

A chunk locks the dispatch, then the inboxes in user order, decides, writes rows, positions and pending deliveries, and
moves the cursor. A killed process goes on at the cursor; a second runner waits for the lock and finds the work done.
"""

from __future__ import annotations

import datetime as dt
import logging
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from django.contrib.auth import get_user_model
from django.db import connection, transaction
from django.db.models import Max, Q
from django.utils import timezone

from notifications import messages, payloads, preferences, priority, stream
from notifications.delivery import websocket
from notifications.models import (
    DispatchState,
    Inbox,
    InsightDispatch,
    InsightNotification,
    NotificationPreference,
    SuppressedInsight,
)
from notifications.payloads import Frame
from notifications.preferences import Channel, Decision, Facts, Rules, Verdict
from notifications.priority import Priority
from signals.models import Signal, TradeValidation

logger = logging.getLogger(__name__)

CHUNK_USERS = 500  # bounds how long a chunk holds its users' inboxes
# SQLite has one writer and no queue: who waits for it looks every 100 ms at most. A pause of that length lets it in.
LOCK_PAUSE_S = 0.1


# --- The durable record ---------------------------------------------------------------------------------------------


def fingerprint(validation: TradeValidation) -> str:
    """What makes a revision worth telling: status, side and confidence label."""
    label = messages.confidence_label(preferences.as_decimal(validation.truth_index))
    return f"{validation.status}:{validation.signal.side}:{label}"


def open_revision(validation: TradeValidation, *, state: DispatchState = DispatchState.OPEN) -> InsightDispatch | None:
    """Record that this insight is to be dispatched; None when its present revision is recorded already."""
    current = fingerprint(validation)
    latest = InsightDispatch.objects.filter(signal_id=validation.signal_id, revision__gte=1).order_by("revision").last()
    if latest is not None and latest.fingerprint == current:
        return None
    return InsightDispatch.objects.create(
        signal_id=validation.signal_id,
        revision=latest.revision + 1 if latest else 1,
        fingerprint=current,
        state=state,
        finished_at=timezone.now() if state == DispatchState.CLOSED else None,
    )


def present_dispatch(signal: Signal) -> InsightDispatch:
    """The dispatch of the insight's present revision; revision 0 is made for a signal without any."""
    latest = InsightDispatch.objects.filter(signal=signal).order_by("revision").last()
    if latest is not None:
        return latest
    return InsightDispatch.objects.get_or_create(signal=signal, revision=0, defaults={"fingerprint": ""})[0]


def present_revision(signal: Signal) -> int:
    """The revision that the insight has now; 1 for one that no dispatch knows yet."""
    latest = InsightDispatch.objects.filter(signal=signal).aggregate(latest=Max("revision"))["latest"]
    return latest or 1


# --- Running it -----------------------------------------------------------------------------------------------------


def run(dispatch_id: int, *, budget_s: float | None = None) -> bool:
    """Turn a dispatch into notifications, chunk by chunk; True when it is finished, False when the budget ran out."""
    started = time.monotonic()
    while not _run_chunk(dispatch_id):
        _let_others_write()
        if budget_s is not None and time.monotonic() - started >= budget_s:
            return False
    return True


def _let_others_write() -> None:
    """Between two chunks, or a long fan-out would take SQLite's lock again and again before an alert gets it."""
    if connection.vendor == "sqlite" and not connection.in_atomic_block:
        time.sleep(LOCK_PAUSE_S)


def _run_chunk(dispatch_id: int) -> bool:
    with transaction.atomic():
        dispatch = InsightDispatch.objects.select_for_update().filter(pk=dispatch_id).first()
        if dispatch is None or dispatch.finished:
            return True
        signal = Signal.objects.select_related("validation", "user").get(pk=dispatch.signal_id)
        if _is_obsolete(dispatch, signal):
            _finish(dispatch, DispatchState.CLOSED)
            return True
        users = next_users(dispatch, signal)
        batch = notify(signal, dispatch.revision, users)
        _count(dispatch, batch)
        if len(users) < CHUNK_USERS:
            _finish(dispatch, DispatchState.DONE)
        else:
            dispatch.state, dispatch.cursor = DispatchState.RUNNING, users[-1]
            dispatch.save(update_fields=["state", "cursor", "counts"])
        websocket.publish_new_after_commit(batch.notifications, batch.events)
        return dispatch.finished


def _is_obsolete(dispatch: InsightDispatch, signal: Signal) -> bool:
    """Past its expiry, or overtaken by a later revision that tells everyone."""
    later = InsightDispatch.objects.filter(signal=signal, revision__gt=dispatch.revision)
    return signal.expires_at <= timezone.now() or later.exists()


def next_users(dispatch: InsightDispatch, signal: Signal) -> list[int]:
    """Ids of the next users whom the insight concerns, after the cursor, in order.

    An owned signal concerns its owner; a house signal every active trader who was there when it came, staff only when
    they opted in.
    """
    users = get_user_model().objects.filter(is_active=True, pk__gt=dispatch.cursor)
    if signal.user_id is not None:
        users = users.filter(pk=signal.user_id)
    else:
        users = users.filter(
            Q(is_staff=False) | Q(notification_preference__house_insights_for_staff=True),
            date_joined__lte=dispatch.opened_at,
        )
    return list(users.order_by("pk").values_list("pk", flat=True)[:CHUNK_USERS])


def _count(dispatch: InsightDispatch, batch: Batch) -> None:
    for name, fresh in (("verdicts", batch.verdicts), ("reasons", batch.reasons)):
        dispatch.counts[name] = dict(Counter(dispatch.counts.get(name, {})) + fresh)


def _finish(dispatch: InsightDispatch, state: DispatchState) -> None:
    dispatch.state, dispatch.finished_at, dispatch.last_error = state, timezone.now(), ""
    dispatch.save(update_fields=["state", "finished_at", "last_error", "counts"])


# --- One insight, some users ----------------------------------------------------------------------------------------


@dataclass(slots=True)
class Batch:
    """What `notify` did: rows made, frames to hint, users by verdict and by reason."""

    notifications: list[InsightNotification] = field(default_factory=list)
    events: list[tuple[int, Frame]] = field(default_factory=list)
    verdicts: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)


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


def notify(signal: Signal, revision: int, user_ids: Sequence[int]) -> Batch:
    """Decide for each user and write what follows; called inside a transaction.

    Whoever has this revision already is left alone. Rows are ready, hints are not sent: that is the caller's.
    """
    now = timezone.now()
    facts = Facts(signal.symbol, signal.strategy, signal.ai_confidence, calculate_priority(signal))
    inboxes = {inbox.user_id: inbox for inbox in stream.lock_inboxes(user_ids)}  # before looking who has it
    told = set(_told(signal, revision, user_ids))
    decisions = _decide_all([user_id for user_id in user_ids if user_id not in told], facts, now)
    batch = Batch()
    batch.verdicts.update(decision.verdict.value for decision in decisions.values())
    batch.reasons.update(decision.reason.value for decision in decisions.values())
    _write_suppressions(signal, revision, decisions)
    batch.notifications = _write_notifications(signal, revision, facts.priority, decisions, inboxes, now)
    superseded = supersede_earlier([row for row in batch.notifications if row.seq is not None], inboxes)
    Inbox.objects.bulk_update(inboxes.values(), ["last_seq"])
    batch.events = _events(batch.notifications, superseded)
    return batch


def supersede_earlier(rows: Iterable[InsightNotification], inboxes: dict[int, Inbox]) -> list[InsightNotification]:
    """Let fresh rows replace their users' earlier unread revisions of the same insight, each a change of its own."""
    fresh = {(row.user_id, row.signal_id): row for row in rows if row.revision > 0}
    if not fresh:
        return []
    earlier = InsightNotification.objects.filter(
        user_id__in={user_id for user_id, _ in fresh},
        signal_id__in={signal_id for _, signal_id in fresh},
        superseded_by__isnull=True,
        read=False,
    ).with_signal()
    superseded = [row for row in earlier.order_by("id") if _replaces(fresh.get((row.user_id, row.signal_id)), row)]
    for row in superseded:
        row.superseded_by, row.held_until = fresh[row.user_id, row.signal_id], None
        if row.seq is not None:
            row.seq = advance(inboxes[row.user_id])
    InsightNotification.objects.bulk_update(superseded, ["superseded_by", "held_until", "seq"])
    return [row for row in superseded if row.seq is not None]


def advance(inbox: Inbox) -> int:
    """Take the next position of a locked inbox; the caller saves it."""
    inbox.last_seq += 1
    return inbox.last_seq


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


def _told(signal: Signal, revision: int, user_ids: Sequence[int]) -> Iterable[int]:
    rows = InsightNotification.objects.filter(signal=signal, revision=revision, user_id__in=user_ids)
    return rows.values_list("user_id", flat=True)


def _decide_all(user_ids: Sequence[int], facts: Facts, now: dt.datetime) -> dict[int, Decision]:
    rules = {user_id: default_rules() for user_id in user_ids}
    for preference in NotificationPreference.objects.filter(user_id__in=user_ids):
        try:
            rules[preference.user_id] = preference.rules()
        except (TypeError, ValueError, ArithmeticError):
            # One row that something wrote past the forms must cost nobody else a notification, nor its own user.
            logger.exception("Preferences of user %s can't be read, the defaults decide", preference.user_id)
    return {user_id: preferences.decide(rules[user_id], facts, Channel.WEBSOCKET, now) for user_id in user_ids}


def default_rules() -> Rules:
    """The preferences of a user without a row."""
    return NotificationPreference().rules()


def _write_suppressions(signal: Signal, revision: int, decisions: dict[int, Decision]) -> None:
    if signal.user_id is None:  # a house signal's dispatch counts its reasons; a row for each user would be too many
        return
    SuppressedInsight.objects.bulk_create(
        [
            SuppressedInsight(
                user_id=user_id, signal=signal, revision=revision, channel=Channel.WEBSOCKET, reason=decision.reason
            )
            for user_id, decision in decisions.items()
            if decision.verdict is Verdict.SUPPRESS
        ],
        ignore_conflicts=True,
    )


def _write_notifications(
    signal: Signal,
    revision: int,
    rank: Priority,
    decisions: dict[int, Decision],
    inboxes: dict[int, Inbox],
    now: dt.datetime,
) -> list[InsightNotification]:
    message = format_message(signal, revision=revision)
    rows = [
        InsightNotification(
            user_id=user_id,
            signal=signal,
            revision=revision,
            title=message["title"],
            snippet=message["snippet"],
            news_headline=message["news_headline"],
            confidence=signal.ai_confidence.quantize(Decimal("0.01")),
            priority=rank,
            reason=decision.reason,
            seq=None if decision.verdict is Verdict.HOLD else advance(inboxes[user_id]),
            held_until=decision.held_until,
            created_at=now,
            expires_at=signal.expires_at,
        )
        for user_id, decision in decisions.items()
        if decision.verdict is not Verdict.SUPPRESS
    ]
    InsightNotification.objects.bulk_create(rows)
    websocket.write_pending([row for row in rows if row.seq is not None])
    return rows


def _replaces(fresh: InsightNotification | None, row: InsightNotification) -> bool:
    return fresh is not None and row.revision < fresh.revision


def _events(fresh: Sequence[InsightNotification], superseded: Sequence[InsightNotification]) -> list[tuple[int, Frame]]:
    live = [row for row in fresh if row.seq is not None]
    unread = stream.unread_counts({row.user_id for row in live})
    events = [
        (row.user_id, payloads.notification_frame("new_notification", row, unread_count=unread[row.user_id]))
        for row in live
    ]
    events += [
        (row.user_id, payloads.notification_frame("notification_updated", row, unread_count=unread[row.user_id]))
        for row in superseded
    ]
    return events
