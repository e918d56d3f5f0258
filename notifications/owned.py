"""Fresh insights of single owners, all of one commit in one transaction of four statements; for PostgreSQL.

Only the plain case is here, which is nearly every one: whose owner has an inbox, preferences and no notification of
the insight yet. Whatever is not plain is left to `dispatching.run`, one at a time; so are all of them after a fault.
The locks are the same there, in the same order: the dispatches, then the inboxes.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from django.contrib.auth import get_user_model
from django.db import connection, transaction
from django.db.models import Model
from django.utils import timezone

from notifications import payloads
from notifications.announcing import REPEATS_WITHIN, Announcement, Batch, announce, count_metrics
from notifications.brake import ENGAGED_SQL
from notifications.deciding import decide_by, readable_rules
from notifications.delivery import pending, websocket
from notifications.models import (
    DeliveryState,
    DispatchState,
    Inbox,
    InsightDispatch,
    InsightNotification,
    Mute,
    NotificationDeliveryLog,
    NotificationPreference,
    QuietWindow,
    SuppressedInsight,
    as_weekdays,
)
from notifications.preferences import AT_ONCE, Channel, Decision, Rules, Verdict, chosen_by
from notifications.prepared import fetch_all
from notifications.realtime import Event
from signals.models import Signal, TradeValidation

_NOTIFICATION = f'"{InsightNotification._meta.db_table}"'
_DELIVERY = f'"{NotificationDeliveryLog._meta.db_table}"'
_DISPATCH = f'"{InsightDispatch._meta.db_table}"'
_INBOX = f'"{Inbox._meta.db_table}"'
_MUTE = f'"{Mute._meta.db_table}"'
_PREFERENCE = f'"{NotificationPreference._meta.db_table}"'
_QUIET_WINDOW = f'"{QuietWindow._meta.db_table}"'
_SIGNAL = f'"{Signal._meta.db_table}"'
_SUPPRESSION = f'"{SuppressedInsight._meta.db_table}"'
_USER = f'"{get_user_model()._meta.db_table}"'
_VALIDATION = f'"{TradeValidation._meta.db_table}"'


def _fields(model: type[Model], *names: str) -> tuple[str, ...]:
    """In the order in which `from_db` takes them."""
    return tuple(field.attname for field in model._meta.concrete_fields if field.attname in names)


# What an announcement and a frame need of these; anything else would be loaded by a query of its own.
_OF_SIGNAL = _fields(
    Signal, "id", "user_id", "symbol", "timeframe", "side", "strategy", "confidence", "news_headline", "news_context",
    "bar_time", "received_at", "outcome", "reversed_by_id",
)  # fmt: skip
_OF_VALIDATION = _fields(
    TradeValidation, "id", "signal_id", "truth_index", "status", "context_summary", "news_headline", "news_context"
)  # fmt: skip
_LISTS = ("strategies_filter", "symbols_filter", "quiet_weekdays")
_OF_PREFERENCE = (
    "user_id", "web_enabled", "push_enabled", "email_digest_enabled", "webhook_enabled", "min_confidence",
    "high_priority_only", "quiet_hours_enabled", "quiet_start_time", "quiet_end_time", "quiet_mode",
    "urgent_bypasses_quiet", "time_zone", "paused_until", *_LISTS,
)  # fmt: skip


def _columns(table: str, names: Iterable[str]) -> str:
    return ", ".join(f"{table}.{name}" for name in names)


# `announcing.repeated` for each.
_REPEATED = f"""
    SELECT coalesce(json_agg(earlier.id ORDER BY earlier.id), '[]') FROM {_SIGNAL} earlier
    WHERE earlier.symbol = signal.symbol AND earlier.strategy = signal.strategy AND earlier.side = signal.side
    AND coalesce(earlier.bar_time, earlier.received_at)
        > coalesce(signal.bar_time, signal.received_at) - interval '{REPEATS_WITHIN.total_seconds()} seconds'
    AND coalesce(earlier.bar_time, earlier.received_at) <= coalesce(signal.bar_time, signal.received_at)
    AND (earlier.id < signal.id OR earlier.id = signal.id AND dispatch.revision > 1)
    AND (earlier.user_id = signal.user_id OR earlier.user_id IS NULL)
"""

_LOCK_DISPATCHES = f"""
SELECT
    dispatch.id, dispatch.revision, {ENGAGED_SQL}, ({_REPEATED}), {_columns("signal", _OF_SIGNAL)},
    {_columns("validation", _OF_VALIDATION)}
FROM {_DISPATCH} dispatch
JOIN {_SIGNAL} signal ON signal.id = dispatch.signal_id
JOIN {_VALIDATION} validation ON validation.signal_id = signal.id
JOIN {_USER} owner ON owner.id = signal.user_id AND owner.is_active
WHERE dispatch.id = ANY(%(dispatch_ids)s::bigint[]) AND dispatch.state = '{DispatchState.OPEN}'
AND NOT EXISTS (
    SELECT FROM {_DISPATCH} later WHERE later.signal_id = dispatch.signal_id AND later.revision > dispatch.revision
)
ORDER BY dispatch.id
FOR UPDATE OF dispatch
"""

_LOCK_INBOXES = f"""
SELECT user_id, last_seq FROM {_INBOX} WHERE user_id = ANY(%(user_ids)s::bigint[]) ORDER BY user_id FOR UPDATE
"""

# In a statement after the locks, so that it sees what was committed while they were waited for.
_READ_OWNERS = f"""
SELECT
    (
        SELECT count(*) FROM {_NOTIFICATION} notification
        WHERE notification.user_id = preference.user_id AND seq IS NOT NULL AND NOT read AND expired_at IS NULL
        AND superseded_by_id IS NULL
    ),
    (
        SELECT json_agg(json_build_array(kind, name, until)) FROM {_MUTE} mute
        WHERE mute.user_id = preference.user_id
    ),
    CASE WHEN preference.quiet_hours_enabled THEN (
        SELECT json_agg(json_build_array(quiet_window.start, quiet_window.end, quiet_window.weekdays))
        FROM {_QUIET_WINDOW} quiet_window WHERE quiet_window.preference_id = preference.id
    ) END,
    {_columns("preference", _OF_PREFERENCE)}
FROM {_PREFERENCE} preference
WHERE user_id = ANY(%(user_ids)s::bigint[])
AND NOT EXISTS (
    SELECT FROM {_NOTIFICATION} notification
    WHERE notification.signal_id = ANY(%(signal_ids)s::bigint[]) AND notification.user_id = preference.user_id
)
"""

_FIRSTS = f"""
SELECT user_id, signal_id, id FROM {_NOTIFICATION}
WHERE signal_id = ANY(%(signal_ids)s::bigint[]) AND user_id = ANY(%(user_ids)s::bigint[])
AND repeat_of IS NULL AND (seq IS NOT NULL OR held_until IS NOT NULL)
"""

_NEXT_ID = f"nextval(pg_get_serial_sequence('{_NOTIFICATION}', 'id'))"
_TAKE_IDS = f"SELECT {_NEXT_ID} FROM generate_series(1, %(count)s::int)"

_WRITE = f"""
WITH
given AS MATERIALIZED (
    SELECT * FROM jsonb_to_recordset(%(rows)s::jsonb) AS given (
        id bigint, repeat_of bigint, earlier_confidence numeric, new_status text,
        dispatch_id bigint, user_id bigint, signal_id bigint, revision smallint, title text, snippet text,
        confidence numeric, priority text, news_headline text, created_at timestamptz, expires_at timestamptz,
        verdict text, reason text, held_until timestamptz, seq bigint, counts jsonb, min_confidence numeric,
        chosen smallint
    )
),
fresh AS (
    INSERT INTO {_NOTIFICATION} (
        id, user_id, signal_id, revision, title, snippet, confidence, priority, news_headline, reason,
        seq, held_until, created_at, expires_at, repeat_of, earlier_confidence, new_status, quiet,
        min_confidence, chosen, read, delivered
    )
    SELECT
        coalesce(id, {_NEXT_ID}),
        user_id, signal_id, revision, title, snippet, confidence, priority, news_headline, reason,
        seq, held_until, created_at, expires_at, repeat_of, earlier_confidence, new_status, FALSE,
        min_confidence, chosen, FALSE, FALSE
    FROM given WHERE verdict <> '{Verdict.SUPPRESS}'
    ORDER BY dispatch_id
    RETURNING id, signal_id, seq, created_at
),
deliveries AS (
    INSERT INTO {_DELIVERY} (
        notification_id, channel, target, attempt_group, state, error_message, attempts, created_at
    )
    SELECT id, '{Channel.WEBSOCKET}', '', 1, '{DeliveryState.PENDING}', '', 0, created_at
    FROM fresh WHERE seq IS NOT NULL
),
kept_back AS (
    INSERT INTO {_SUPPRESSION} (user_id, signal_id, revision, channel, reason, created_at)
    SELECT user_id, signal_id, revision, '{Channel.WEBSOCKET}', reason, created_at
    FROM given WHERE verdict = '{Verdict.SUPPRESS}'
    ON CONFLICT DO NOTHING
),
moved AS (
    UPDATE {_INBOX} inbox SET last_seq = position.last_seq
    FROM (SELECT user_id, max(seq) AS last_seq FROM given WHERE seq IS NOT NULL GROUP BY user_id) position
    WHERE inbox.user_id = position.user_id AND inbox.user_id = ANY(%(user_ids)s::bigint[])
),
finished AS (
    UPDATE {_DISPATCH} dispatch
    SET state = '{DispatchState.DONE}', counts = given.counts, finished_at = given.created_at, last_error = ''
    FROM given WHERE dispatch.id = given.dispatch_id AND dispatch.id = ANY(%(dispatch_ids)s::bigint[])
)
SELECT signal_id, id FROM fresh
"""


@dataclass(slots=True)
class _Owner:
    """What is known of a user under the lock of the inbox."""

    last_seq: int
    unread_count: int
    rules: Rules


@dataclass(frozen=True, slots=True)
class _Decided:
    dispatch_id: int
    announcement: Announcement
    user_id: int
    rules: Rules
    decision: Decision
    seq: int | None
    unread_count: int
    id: int | None  # given out beforehand when one of the batch may be a repeat of it
    repeat_of: int | None

    def notification(self) -> InsightNotification:
        return self.announcement.notification(
            user_id=self.user_id,
            reason=self.decision.reason,
            seq=self.seq,
            held_until=self.decision.held_until,
            repeat_of=self.repeat_of,
            min_confidence=self.rules.min_confidence,
            chosen=chosen_by(self.rules).value,
        )

    def batch(self) -> Batch:
        batch = Batch()
        batch.verdicts[self.decision.verdict.value] = 1
        batch.reasons[self.decision.reason.value] = 1
        return batch


def run(dispatch_ids: Sequence[int]) -> list[int]:
    """Run what is plain of these dispatches, in one transaction and with one publish; return the ids of the others."""
    with transaction.atomic():
        announcements = _locked(dispatch_ids)
        owners = _owners([announcement.signal for announcement in announcements.values()])
        decided = list(_decide(announcements, owners, _Repeats(announcements, owners)))
        if decided:
            _write(decided)
    done = {one.dispatch_id for one in decided}
    return [dispatch_id for dispatch_id in dispatch_ids if dispatch_id not in done]


def _locked(dispatch_ids: Sequence[int]) -> dict[int, Announcement]:
    """By the id of the dispatch, those that are open and concern an owner who is there."""
    found = {}
    locked = fetch_all(_LOCK_DISPATCHES, {"dispatch_ids": list(dispatch_ids)})
    for dispatch_id, revision, braked, repeats, *values in locked:
        signal = Signal.from_db(connection.alias, _OF_SIGNAL, values[: len(_OF_SIGNAL)])
        # The signal's side of the relation is then there as well.
        TradeValidation.from_db(connection.alias, _OF_VALIDATION, values[len(_OF_SIGNAL) :]).signal = signal
        if signal.expires_at > timezone.now():
            found[dispatch_id] = announce(signal, revision, repeats=repeats, braked=braked)
    return found


def _owners(signals: Sequence[Signal]) -> dict[int, _Owner]:
    """By user id, those whose preferences can be read and who have not been told of any of these."""
    user_ids = sorted({signal.user_id for signal in signals if signal.user_id is not None})
    if not user_ids:
        return {}
    positions = dict(fetch_all(_LOCK_INBOXES, {"user_ids": user_ids}))
    readers = fetch_all(
        _READ_OWNERS, {"user_ids": list(positions), "signal_ids": sorted(signal.pk for signal in signals)}
    )
    owners = {}
    for unread_count, mutes, windows, *values in readers:
        fields = dict(zip(_OF_PREFERENCE, values, strict=True))
        fields |= {name: json.loads(fields[name]) for name in _LISTS}
        rules = readable_rules(
            NotificationPreference(**fields),
            windows=[_quiet_window(*window) for window in windows or []],
            mutes=[_mute(*mute) for mute in mutes or []],
        )
        owners[fields["user_id"]] = _Owner(positions[fields["user_id"]], unread_count, rules)
    return owners


def _quiet_window(start: str, end: str, weekdays: int) -> QuietWindow:
    return QuietWindow(
        start=dt.time.fromisoformat(start), end=dt.time.fromisoformat(end), weekdays=as_weekdays(weekdays)
    )


def _mute(kind: str, name: str, until: str | None) -> Mute:
    return Mute(kind=kind, name=name, until=dt.datetime.fromisoformat(until) if until else None)


class _Repeats:
    """Which notification each new one is a repeat of; of the batch's own ones by ids that are taken beforehand.

    Without a repeat among them, which is the rule, it asks nothing.
    """

    def __init__(self, announcements: dict[int, Announcement], owners: dict[int, _Owner]) -> None:
        repeated = {id_ for announcement in announcements.values() for id_ in announcement.repeats}
        stored = fetch_all(_FIRSTS, {"signal_ids": list(repeated), "user_ids": list(owners)}) if repeated else []
        self._firsts = {(user_id, signal_id): id_ for user_id, signal_id, id_ in stored}
        among = not repeated.isdisjoint(announcement.signal.pk for announcement in announcements.values())
        self._ids = [id_ for (id_,) in fetch_all(_TAKE_IDS, {"count": len(announcements)})] if among else []
        self._ids.reverse()

    def place(self, announcement: Announcement, user_id: int) -> tuple[int | None, int | None]:
        """Its own id, if that has to be known already, and that of the first."""
        id_ = self._ids.pop() if self._ids else None
        firsts = [self._firsts.get((user_id, signal_id), 0) for signal_id in announcement.repeats]
        first = max(firsts, default=0) or None
        if id_ is not None and first is None:
            self._firsts[user_id, announcement.signal.pk] = id_
        return id_, first


def _decide(announcements: dict[int, Announcement], owners: dict[int, _Owner], repeats: _Repeats) -> Iterator[_Decided]:
    for dispatch_id, announcement in announcements.items():
        user_id = announcement.signal.user_id
        owner = owners.get(user_id) if user_id is not None else None
        if user_id is None or owner is None:
            continue
        _, decision = decide_by(owner.rules, announcement.facts, announcement.now, braked=announcement.braked)
        seq = None
        if decision.verdict is Verdict.SEND and owner.rules.web_enabled:
            owner.unread_count += 1
            owner.last_seq = seq = owner.last_seq + 1
        own = (None, None) if decision.verdict is Verdict.SUPPRESS else repeats.place(announcement, user_id)
        yield _Decided(dispatch_id, announcement, user_id, owner.rules, decision, seq, owner.unread_count, *own)


def _write(decided: Sequence[_Decided]) -> None:
    written = fetch_all(
        _WRITE,
        {
            "rows": json.dumps([_row(one) for one in decided]),
            "user_ids": sorted({one.user_id for one in decided}),
            "dispatch_ids": [one.dispatch_id for one in decided],
        },
    )
    ids: dict[int, int] = dict(written)
    sent, events = [], []
    for one in decided:
        if one.seq is not None:
            sent.append(ids[one.announcement.signal.pk])
            events.append(_event(one, sent[-1]))
    pending.write(sent, _ids_elsewhere(decided, ids))
    transaction.on_commit(lambda: _count(decided), robust=True)
    websocket.publish_new_after_commit(sent, events)


def _ids_elsewhere(decided: Sequence[_Decided], ids: dict[int, int]) -> dict[str, list[int]]:
    """What goes out now over other channels, by channel; what is held goes when it is released."""
    now = [one for one in decided if one.decision.verdict is Verdict.SEND]
    return {
        channel.value: [ids[one.announcement.signal.pk] for one in now if one.rules.enables(channel)]
        for channel in AT_ONCE[1:]
    }


def _row(one: _Decided) -> dict[str, Any]:
    row, batch = one.notification(), one.batch()
    return {
        "id": one.id,
        "repeat_of": one.repeat_of,
        "earlier_confidence": None if row.earlier_confidence is None else str(row.earlier_confidence),
        "new_status": row.new_status,
        "dispatch_id": one.dispatch_id,
        "user_id": one.user_id,
        "signal_id": row.signal_id,
        "revision": row.revision,
        "title": row.title,
        "snippet": row.snippet,
        "confidence": str(row.confidence),
        "priority": str(row.priority),
        "news_headline": row.news_headline,
        "created_at": row.created_at.isoformat(),
        "expires_at": row.expires_at.isoformat(),
        "verdict": str(one.decision.verdict),
        "reason": str(one.decision.reason),
        "held_until": row.held_until.isoformat() if row.held_until else None,
        "seq": row.seq,
        "min_confidence": str(row.min_confidence),
        "chosen": row.chosen,
        "counts": {"verdicts": batch.verdicts, "reasons": batch.reasons},
    }


def _event(one: _Decided, notification_id: int) -> Event:
    row = one.notification()
    row.pk = notification_id
    return one.user_id, payloads.notification_frame("new_notification", row, unread_count=one.unread_count)


def _count(decided: Sequence[_Decided]) -> None:
    for one in decided:
        count_metrics(one.announcement, one.batch())
