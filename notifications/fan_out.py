"""An announcement for many users as a few statements of PostgreSQL; no Python object for a user.

First the inboxes are locked, in user order and in a statement of its own: the snapshot of a single one would be older
than its wait for the lock, and two runs at once would leave a hole in the positions. Then one statement looks who has
it already, decides, numbers, and writes the notifications, their pending deliveries and the inboxes.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any

from django.db import connection
from django.utils.dateparse import parse_datetime

from notifications import rules_sql, stream
from notifications.announcing import Announcement, Batch
from notifications.deciding import decide_each
from notifications.delivery import pending
from notifications.frame_templates import WORDS, FrameTemplate, FrameText, template_of_words
from notifications.models import (
    DeliveryState,
    Inbox,
    InsightNotification,
    NotificationDeliveryLog,
    SuppressedInsight,
)
from notifications.preferences import Channel, Verdict
from notifications.priority import Priority

# For so few users it is faster to decide in Python than to have the rules planned as SQL.
FEW_USERS = 3

_NOTIFICATION = f'"{InsightNotification._meta.db_table}"'
_DELIVERY = f'"{NotificationDeliveryLog._meta.db_table}"'
_SUPPRESSION = f'"{SuppressedInsight._meta.db_table}"'
_INBOX = f'"{Inbox._meta.db_table}"'

# `signal_id` and the range of users together, so that what other chunks of the same insight wrote is not read.
_SAME_INSIGHT = "signal_id = %(signal_id)s AND user_id BETWEEN %(first_user)s AND %(last_user)s"
# Said of each table that is joined: else the whole of it may be read for a chunk.
_THESE_USERS = "user_id = ANY(%(user_ids)s::bigint[])"
_RANK = "CASE priority " + " ".join(f"WHEN '{each}' THEN {each.rank}" for each in Priority) + " END"
_UNREAD = "seq IS NOT NULL AND NOT read AND expired_at IS NULL AND superseded_by_id IS NULL"


class OvertakenError(Exception):
    """Preferences were changed while they were being read: the transaction is to be rolled back and run again."""


def write(announcement: Announcement, user_ids: Sequence[int]) -> Batch:
    """Decide for each user and write what follows; called inside a transaction.

    Whoever has this revision, or a later one, is left alone. Raises OvertakenError.
    """
    if not user_ids:
        return Batch()
    _lock_inboxes(user_ids)
    if len(user_ids) <= FEW_USERS:
        decided_by = rules_sql.GIVEN
        decided = decide_each(user_ids, announcement.facts, announcement.now, braked=announcement.braked)
        values = {"given": rules_sql.given(decided)}
    else:
        decided_by = rules_sql.DECIDE
        values = rules_sql.judge(user_ids, announcement.facts, announcement.now, braked=announcement.braked)
    statement = _statement(
        decided_by,
        keep_suppressions=announcement.signal.user_id is not None,
        rescored=announcement.revision > 1,
        may_repeat=bool(announcement.repeats),
    )
    with connection.cursor() as cursor:
        cursor.execute(statement, _values(announcement, user_ids) | values)
        counts, live, superseded, unread, elsewhere = map(json.loads, cursor.fetchone())
    batch = _batch(announcement, counts, live, superseded, {int(user_id): count for user_id, count in unread.items()})
    pending.write(batch.sent, _ids_elsewhere(announcement, elsewhere))
    return batch


def _ids_elsewhere(announcement: Announcement, user_ids: dict[str, list[int]]) -> dict[str, list[int]]:
    """The new notifications of these users, by the same channels; costs nothing where nobody has one on."""
    users = {user_id for of_channel in user_ids.values() for user_id in of_channel}
    if not users:
        return {}
    rows = InsightNotification.objects.filter(
        signal=announcement.signal, revision=announcement.revision, user_id__in=users
    )
    ids = dict(rows.values_list("user_id", "pk"))
    return {channel: [ids[user_id] for user_id in of_channel] for channel, of_channel in user_ids.items()}


def _lock_inboxes(user_ids: Sequence[int]) -> None:
    """`stream.lock_inboxes`, with nothing loaded: the same locks in the same order."""
    missing = set(user_ids) - _locked(user_ids)
    if missing:
        stream.make_inboxes(missing)
        _locked(user_ids)


def _locked(user_ids: Sequence[int]) -> set[int]:
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT user_id FROM {_INBOX} WHERE user_id = ANY(%s::bigint[]) ORDER BY user_id FOR UPDATE",
            [list(user_ids)],
        )
        return {user_id for (user_id,) in cursor.fetchall()}


def _values(announcement: Announcement, user_ids: Sequence[int]) -> dict[str, Any]:
    row = announcement.notification()
    return {
        "user_ids": list(user_ids),
        "signal_id": announcement.signal.pk,
        "revision": announcement.revision,
        "first_user": min(user_ids),
        "last_user": max(user_ids),
        "title": row.title,
        "snippet": row.snippet,
        "confidence": row.confidence,
        "priority": announcement.facts.priority.value,
        "news_headline": row.news_headline,
        "now": announcement.now,
        "expires_at": row.expires_at,
        "rank": announcement.facts.priority.rank,
        "earlier_confidence": row.earlier_confidence,
        "new_status": row.new_status,
        "repeats": list(announcement.repeats),
    }


def _batch(
    announcement: Announcement, counts: list[Any], live: list[Any], superseded: list[Any], unread: dict[int, int]
) -> Batch:
    batch = Batch(sent=[id_ for _, id_, *_ in live])
    for verdict, reason, users in counts:
        if reason == rules_sql.UNFORESEEN:
            raise OvertakenError(f"{users} users changed their preferences meanwhile")
        batch.verdicts[verdict] += users
        batch.reasons[reason] += users
    batch.events = [*_news(announcement, live, unread), *_updates(announcement, superseded, unread)]
    return batch


def _news(announcement: Announcement, live: list[Any], unread: dict[int, int]) -> Iterator[tuple[int, FrameText]]:
    """One template for all of whom the same led to it; a quiet revision keeps the place, which is the time, of the one
    before it."""
    templates: dict[tuple[Any, ...], FrameTemplate] = {}
    for user_id, id_, seq, reason, group, *words in live:
        key = tuple(words)
        template = templates.get(key) or templates.setdefault(key, _template_at(announcement, *key))
        yield user_id, template.fill(id_=id_, seq=seq, unread_count=unread[user_id], reason=reason, group=group)


def _template_at(
    announcement: Announcement, place: str | None, min_confidence: float | None, chosen: int
) -> FrameTemplate:
    own = {} if place is None else {"quiet": True, "created_at": parse_datetime(place)}
    row = announcement.notification(min_confidence=min_confidence, chosen=chosen, **own)
    return FrameTemplate("new_notification", row)


def _updates(
    announcement: Announcement, superseded: list[Any], unread: dict[int, int]
) -> Iterator[tuple[int, FrameText]]:
    templates: dict[str, FrameTemplate] = {}
    for user_id, id_, seq, reason, superseded_by, group, words in superseded:
        template = templates.get(words) or templates.setdefault(words, template_of_words(announcement.signal, words))
        own = template.fill(
            id_=id_,
            seq=seq,
            unread_count=unread[user_id],
            reason=reason,
            superseded_by=superseded_by,
            group=group,
        )
        yield user_id, own


@cache
def _statement(decided_by: str, *, keep_suppressions: bool, rescored: bool, may_repeat: bool) -> str:
    """Everything that happens to a chunk, after its inboxes are locked.

    It returns one row of JSON: lists of [verdict, reason, users]; of [user, id, seq, reason, group, place, minimum
    confidence, chosen] of each notification on the web stream, where the place is that of the revision before it, if
    it takes that; of [user, id, seq, reason, superseded by, group, words] of each earlier one that it replaced there;
    by user, the unread counts; and, by channel, who is to be reached over it beside the web. Those are joined to
    nothing: of rows that a statement has only just written the planner expects one, and would compare each with each.
    """
    kept_back = f"""
kept_back AS (
    INSERT INTO {_SUPPRESSION} (user_id, signal_id, revision, channel, reason, created_at)
    SELECT user_id, %(signal_id)s, %(revision)s, '{Channel.WEBSOCKET}', reason, %(now)s
    FROM decided WHERE verdict = '{Verdict.SUPPRESS}'
    ON CONFLICT DO NOTHING
),"""
    # Each looks up one user after the other: there are few rows of each, whatever the planner expects.
    seen = f"""
    LEFT JOIN LATERAL (
        SELECT created_at, {_RANK} >= %(rank)s AS quiet FROM {_NOTIFICATION}
        WHERE signal_id = %(signal_id)s AND user_id = decided.user_id
        AND revision < %(revision)s AND superseded_by_id IS NULL AND seq IS NOT NULL
        ORDER BY revision DESC LIMIT 1
    ) AS seen ON decided.verdict = '{Verdict.SEND}'"""
    first = f"""
    LEFT JOIN LATERAL (
        SELECT max(id) AS id FROM {_NOTIFICATION}
        WHERE signal_id = ANY(%(repeats)s::bigint[]) AND user_id = decided.user_id
        AND repeat_of IS NULL AND (seq IS NOT NULL OR held_until IS NOT NULL)
    ) AS first ON TRUE"""
    return f"""
WITH
told AS MATERIALIZED (
    SELECT user_id FROM {_NOTIFICATION} WHERE {_SAME_INSIGHT} AND revision >= %(revision)s
),
decided AS MATERIALIZED (
    SELECT * FROM ({decided_by}) AS rules WHERE user_id NOT IN (SELECT user_id FROM told)
),
{kept_back if keep_suppressions else ""}
fresh AS (
    INSERT INTO {_NOTIFICATION} (
        user_id, signal_id, revision, title, snippet, confidence, priority, news_headline, reason,
        seq, held_until, created_at, expires_at, earlier_confidence, new_status, repeat_of, quiet,
        min_confidence, chosen, read, delivered
    )
    SELECT
        user_id, %(signal_id)s, %(revision)s, %(title)s, %(snippet)s, %(confidence)s, %(priority)s, %(news_headline)s,
        reason, CASE WHEN verdict = '{Verdict.SEND}' AND web THEN last_seq + 1 END, held_until,
        {"CASE WHEN seen.quiet THEN seen.created_at ELSE %(now)s END" if rescored else "%(now)s"}, %(expires_at)s,
        %(earlier_confidence)s, %(new_status)s, {"first.id" if may_repeat else "NULL::bigint"},
        {"coalesce(seen.quiet, FALSE)" if rescored else "FALSE"}, min_confidence, chosen, FALSE, FALSE
    FROM decided JOIN (SELECT user_id, last_seq FROM {_INBOX} WHERE {_THESE_USERS}) AS inbox USING (user_id)
    {seen if rescored else ""}
    {first if may_repeat else ""}
    WHERE verdict <> '{Verdict.SUPPRESS}'
    ORDER BY user_id
    RETURNING
        id, user_id, seq, reason, repeat_of, CASE WHEN quiet THEN created_at END AS place, min_confidence, chosen
),
live AS MATERIALIZED (
    SELECT * FROM fresh WHERE seq IS NOT NULL
),
deliveries AS (
    INSERT INTO {_DELIVERY} (
        notification_id, channel, target, attempt_group, state, error_message, attempts, created_at
    )
    SELECT id, '{Channel.WEBSOCKET}', '', 1, '{DeliveryState.PENDING}', '', 0, %(now)s FROM live
),
earlier AS MATERIALIZED (
    SELECT
        notification.id, live.id AS superseded_by_id,
        -- Each takes the next position, in the order of the ids; a held one had none and gets none.
        CASE WHEN notification.seq IS NOT NULL THEN
            live.seq + count(notification.seq) OVER (PARTITION BY user_id ORDER BY notification.id)
        END AS seq
    FROM live CROSS JOIN LATERAL (
        SELECT id, seq FROM {_NOTIFICATION}
        WHERE signal_id = %(signal_id)s AND user_id = live.user_id
        AND revision < %(revision)s AND superseded_by_id IS NULL
        OFFSET 0  -- or it would become a join again
    ) AS notification
),
superseded AS (
    UPDATE {_NOTIFICATION} AS notification
    SET superseded_by_id = earlier.superseded_by_id, seq = earlier.seq, held_until = NULL
    FROM earlier WHERE notification.id = earlier.id
    RETURNING notification.*
),
moved AS (
    UPDATE {_INBOX} AS inbox SET last_seq = position.last_seq
    FROM (
        SELECT user_id, max(seq) AS last_seq
        FROM (SELECT user_id, seq FROM live UNION ALL SELECT user_id, seq FROM superseded) AS change
        GROUP BY user_id
    ) AS position
    WHERE inbox.user_id = position.user_id AND inbox.{_THESE_USERS}
),
-- The statement sees the rows as they were before it: the new one comes on top, what it replaces has to go.
unread AS MATERIALIZED (
    SELECT user_id, sum(rows) AS unread_count
    FROM (
        SELECT user_id, 1 AS rows FROM live
        UNION ALL SELECT user_id, 1 FROM {_NOTIFICATION} WHERE {_THESE_USERS} AND {_UNREAD}
        UNION ALL SELECT user_id, -1 FROM superseded WHERE seq IS NOT NULL AND NOT read AND expired_at IS NULL
    ) AS change
    GROUP BY user_id
)
SELECT
(
    SELECT coalesce(json_agg(json_build_array(verdict, reason, users)), '[]')::text
    FROM (SELECT verdict, reason, count(*) AS users FROM decided GROUP BY verdict, reason) AS counted
),
(
    SELECT coalesce(json_agg(
        json_build_array(user_id, id, seq, reason, repeat_of, place, min_confidence, chosen) ORDER BY user_id
    ), '[]')::text FROM live
),
(
    SELECT coalesce(json_agg(json_build_array(
        user_id, id, seq, reason, superseded_by_id, repeat_of, {WORDS.format(row="superseded")}
    ) ORDER BY id), '[]')::text
    FROM superseded WHERE seq IS NOT NULL
),
(
    SELECT coalesce(json_object_agg(user_id, unread_count), '{{}}')::text FROM unread
),
(
    SELECT json_build_object(
        '{Channel.PUSH}', coalesce(json_agg(user_id) FILTER (WHERE push), '[]'),
        '{Channel.WEBHOOK}', coalesce(json_agg(user_id) FILTER (WHERE webhook), '[]')
    )::text
    FROM decided WHERE verdict = '{Verdict.SEND}' AND (push OR webhook)
)
"""
