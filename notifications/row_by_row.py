"""An announcement for some users, written with the ORM: on every database, with Python objects for each user."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from django.db.models import Max, Q

from notifications import payloads, stream
from notifications.announcing import Announcement, Batch
from notifications.deciding import Decided, decide_each
from notifications.delivery import pending, websocket
from notifications.models import Inbox, InsightNotification, SuppressedInsight
from notifications.payloads import Frame
from notifications.preferences import AT_ONCE, Channel, Decision, Verdict, chosen_by
from notifications.priority import Priority


def write(announcement: Announcement, user_ids: Sequence[int]) -> Batch:
    """Decide for each user and write what follows; called inside a transaction.

    Whoever has this revision, or a later one, is left alone.
    """
    inboxes = {inbox.user_id: inbox for inbox in stream.lock_inboxes(user_ids)}  # before looking who has it
    told = set(_told(announcement, user_ids))
    untold = [user_id for user_id in user_ids if user_id not in told]
    decisions = decide_each(untold, announcement.facts, announcement.now, braked=announcement.braked)
    batch = Batch()
    batch.verdicts.update(decision.verdict.value for _, decision in decisions.values())
    batch.reasons.update(decision.reason.value for _, decision in decisions.values())
    _write_suppressions(announcement, decisions)
    fresh = _write_notifications(announcement, decisions, inboxes)
    live = [row for row in fresh if row.seq is not None]
    superseded = supersede_earlier(live, inboxes)
    Inbox.objects.bulk_update(inboxes.values(), ["last_seq"])
    batch.sent = [row.pk for row in live]
    batch.events = [*_events(live, superseded)]
    return batch


def supersede_earlier(rows: Iterable[InsightNotification], inboxes: dict[int, Inbox]) -> list[InsightNotification]:
    """Let fresh rows replace their users' earlier revisions of the same insight, each a change of its own."""
    fresh = {(row.user_id, row.signal_id): row for row in rows if row.revision > 0}
    if not fresh:
        return []
    earlier = InsightNotification.objects.filter(
        user_id__in={user_id for user_id, _ in fresh},
        signal_id__in={signal_id for _, signal_id in fresh},
        superseded_by__isnull=True,
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


def _told(announcement: Announcement, user_ids: Sequence[int]) -> Iterable[int]:
    rows = InsightNotification.objects.filter(
        signal=announcement.signal, revision__gte=announcement.revision, user_id__in=user_ids
    )
    return rows.values_list("user_id", flat=True)


def _write_suppressions(announcement: Announcement, decisions: dict[int, Decided]) -> None:
    signal = announcement.signal
    if signal.user_id is None:  # a house signal's dispatch counts its reasons; a row for each user would be too many
        return
    SuppressedInsight.objects.bulk_create(
        [
            SuppressedInsight(
                user_id=user_id,
                signal=signal,
                revision=announcement.revision,
                channel=Channel.WEBSOCKET,
                reason=decision.reason,
            )
            for user_id, (_, decision) in decisions.items()
            if decision.verdict is Verdict.SUPPRESS
        ],
        ignore_conflicts=True,
    )


def _write_notifications(
    announcement: Announcement, decisions: dict[int, Decided], inboxes: dict[int, Inbox]
) -> list[InsightNotification]:
    firsts = _first_of_repeats(announcement, decisions)
    before = _revisions_before(announcement, decisions)
    rows = [
        announcement.notification(
            user_id=user_id,
            reason=decision.reason,
            seq=advance(inboxes[user_id]) if decision.verdict is Verdict.SEND and rules.web_enabled else None,
            held_until=decision.held_until,
            repeat_of=firsts.get(user_id),
            min_confidence=rules.min_confidence,
            chosen=chosen_by(rules).value,
            **_place(announcement, decision, before.get(user_id)),
        )
        for user_id, (rules, decision) in decisions.items()
        if decision.verdict is not Verdict.SUPPRESS
    ]
    InsightNotification.objects.bulk_create(rows)
    live = [row for row in rows if row.seq is not None]
    websocket.write_pending(live)
    pending.write([row.pk for row in live], _ids_elsewhere(rows, decisions))
    return rows


def _ids_elsewhere(rows: Iterable[InsightNotification], decisions: dict[int, Decided]) -> dict[str, list[int]]:
    """What goes out now over other channels, by channel; what is held goes when it is released."""
    now = [row for row in rows if decisions[row.user_id].decision.verdict is Verdict.SEND]
    return {
        channel.value: [row.pk for row in now if decisions[row.user_id].rules.enables(channel)]
        for channel in AT_ONCE[1:]
    }


def _first_of_repeats(announcement: Announcement, user_ids: Iterable[int]) -> dict[int, int]:
    """By user, the notification whose entry this one joins."""
    if not announcement.repeats:
        return {}
    firsts = InsightNotification.objects.filter(
        Q(seq__isnull=False) | Q(held_until__isnull=False),
        user_id__in=list(user_ids),
        signal_id__in=announcement.repeats,
        repeat_of__isnull=True,
    )
    return dict(firsts.order_by().values_list("user_id").annotate(Max("id")))


def _revisions_before(announcement: Announcement, user_ids: Iterable[int]) -> dict[int, InsightNotification]:
    """By user, the revision that is seen now. (What was pushed by hand before any validation is none.)"""
    if announcement.revision <= 1:
        return {}
    before = InsightNotification.objects.on_web_stream().filter(
        signal=announcement.signal,
        revision__lt=announcement.revision,
        user_id__in=list(user_ids),
        superseded_by__isnull=True,
    )
    return {row.user_id: row for row in before.order_by("revision")}


def _place(announcement: Announcement, decision: Decision, before: InsightNotification | None) -> dict[str, Any]:
    """A revision goes up with a toast only when it matters more; else it takes the place of the one before it."""
    if decision.verdict is not Verdict.SEND or before is None:
        return {}
    if Priority(before.priority).rank < announcement.facts.priority.rank:
        return {}
    return {"quiet": True, "created_at": before.created_at}


def _replaces(fresh: InsightNotification | None, row: InsightNotification) -> bool:
    return fresh is not None and row.revision < fresh.revision


def _events(
    live: Sequence[InsightNotification], superseded: Sequence[InsightNotification]
) -> Iterable[tuple[int, Frame]]:
    unread = stream.unread_counts({row.user_id for row in live})
    for row in live:
        yield row.user_id, payloads.notification_frame("new_notification", row, unread_count=unread[row.user_id])
    for row in superseded:
        yield row.user_id, payloads.notification_frame("notification_updated", row, unread_count=unread[row.user_id])
