"""Giving rows that changed a position each, for many users at once: what an outcome, a reversal and an expiry need.

Each row takes the next position of its user's stream under the lock of the inbox, and its user's sockets are told what
it is now. On PostgreSQL a chunk is a handful of statements however many users it has; elsewhere it goes row by row. A
property test holds the two together.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import connection
from django.db.models import Q

from notifications import payloads, stream
from notifications.frame_templates import WORDS, FrameTemplate, template_of_words
from notifications.models import Inbox, InsightNotification, InsightNotificationQuerySet
from notifications.realtime import Event
from notifications.row_by_row import advance
from signals.models import Signal

CHUNK_USERS = 500  # bounds how long a chunk holds its users' inboxes

_NOTIFICATION = f'"{InsightNotification._meta.db_table}"'
_INBOX = f'"{Inbox._meta.db_table}"'
_UNREAD = "NOT read AND expired_at IS NULL AND superseded_by_id IS NULL"


@dataclass(frozen=True, slots=True)
class Touched:
    """Every notification of these insights: something was said about the insights themselves."""

    signal_ids: Sequence[int]

    condition = "signal_id = ANY(%(signal_ids)s::bigint[])"
    sets = ""
    still_unread = "TRUE"

    def matching(self) -> Q:
        return Q(signal__in=self.signal_ids)

    def apply(self, row: InsightNotification) -> None:
        """The row itself stays as it is."""

    def parameters(self) -> dict[str, Any]:
        return {"signal_ids": list(self.signal_ids)}


@dataclass(frozen=True, slots=True)
class Expired:
    """Every notification that is past its expiry at that moment, and not marked yet."""

    now: dt.datetime

    condition = "expires_at <= %(now)s AND expired_at IS NULL"
    sets = ", expired_at = %(now)s"
    still_unread = "expires_at > %(now)s"

    def matching(self) -> Q:
        return Q(expires_at__lte=self.now, expired_at__isnull=True)

    def apply(self, row: InsightNotification) -> None:
        row.expired_at = self.now

    def parameters(self) -> dict[str, Any]:
        return {"now": self.now}


Change = Touched | Expired


def rows(change: Change) -> InsightNotificationQuerySet:
    """What it concerns: on the web stream only. Held ones are seen by nobody; their release says what they are."""
    return InsightNotification.objects.on_web_stream().filter(change.matching())


def stamp(change: Change, user_ids: Sequence[int]) -> list[Event]:
    """Make the change to these users' rows, inside a transaction; the frames to hint once it is committed."""
    inboxes = {inbox.user_id: inbox for inbox in stream.lock_inboxes(user_ids)}
    if connection.vendor == "postgresql":
        return list(_stamp_together(change, list(inboxes)))
    return _stamp_each(change, inboxes)


def _stamp_each(change: Change, inboxes: dict[int, Inbox]) -> list[Event]:
    changed = list(rows(change).filter(user_id__in=inboxes).with_signal().order_by("user_id", "id"))
    for row in changed:
        change.apply(row)
        row.seq = advance(inboxes[row.user_id])
    InsightNotification.objects.bulk_update(changed, ["seq", "expired_at"])
    Inbox.objects.bulk_update(inboxes.values(), ["last_seq"])
    unread = stream.unread_counts(inboxes)
    return [
        (
            row.user_id,
            payloads.notification_frame("notification_updated", row, unread_count=unread[row.user_id]),
        )
        for row in changed
    ]


# --- PostgreSQL -----------------------------------------------------------------------------------------------------

# The statement sees the rows as they were before it: what stops being unread by it is left out of the count.
_STAMP = """
WITH
position AS MATERIALIZED (
    SELECT notification.id, inbox.last_seq + row_number() OVER (PARTITION BY user_id ORDER BY notification.id) AS seq
    FROM (
        SELECT id, user_id FROM {notification}
        WHERE user_id = ANY(%(user_ids)s::bigint[]) AND seq IS NOT NULL AND {condition}
    ) AS notification
    JOIN (SELECT user_id, last_seq FROM {inbox} WHERE user_id = ANY(%(user_ids)s::bigint[])) AS inbox USING (user_id)
),
changed AS (
    UPDATE {notification} AS notification SET seq = position.seq{sets}
    FROM position WHERE notification.id = position.id
    RETURNING notification.*
),
moved AS (
    UPDATE {inbox} AS inbox SET last_seq = latest.seq
    FROM (SELECT user_id, max(seq) AS seq FROM changed GROUP BY user_id) AS latest
    WHERE inbox.user_id = latest.user_id AND inbox.user_id = ANY(%(user_ids)s::bigint[])
),
unread AS MATERIALIZED (
    SELECT user_id, count(*) AS rows FROM {notification}
    WHERE user_id = ANY(%(user_ids)s::bigint[]) AND seq IS NOT NULL AND {unread} AND {still_unread}
    GROUP BY user_id
)
-- Joined to nothing: of rows that a statement has only just written the planner expects one.
SELECT
(
    SELECT coalesce(json_agg(json_build_array(
        user_id, id, seq, reason, superseded_by_id, repeat_of, {words}
    ) ORDER BY user_id, seq), '[]')::text FROM changed
),
(
    SELECT coalesce(json_object_agg(user_id, rows), '{{}}')::text FROM unread
)
"""


def _stamp_together(change: Change, user_ids: Sequence[int]) -> Iterator[Event]:
    statement = _STAMP.format(
        notification=_NOTIFICATION,
        inbox=_INBOX,
        unread=_UNREAD,
        words=WORDS.format(row="changed"),
        condition=change.condition,
        sets=change.sets,
        still_unread=change.still_unread,
    )
    with connection.cursor() as cursor:
        cursor.execute(statement, {"user_ids": list(user_ids), **change.parameters()})
        changed, unread = map(json.loads, cursor.fetchone())
    templates = _templates({words for *_, words in changed})
    for user_id, id_, seq, reason, superseded_by, group, words in changed:
        frame = templates[words].fill(
            id_=id_,
            seq=seq,
            unread_count=unread.get(str(user_id), 0),
            reason=reason,
            superseded_by=superseded_by,
            group=group,
        )
        yield user_id, frame


def _templates(found: set[str]) -> dict[str, FrameTemplate]:
    """By the words of a row. The insights are read after the lock, so that the frames say what they are now."""
    signal_ids = {words: json.loads(words)["signal_id"] for words in found}
    signals = Signal.objects.in_bulk(set(signal_ids.values()))
    return {words: template_of_words(signals[signal_ids[words]], words) for words in found}
