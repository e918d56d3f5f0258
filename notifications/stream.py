"""A user's stream: positions, and what changes under the lock of the inbox row.

Each change that the owner can see takes the next position (`Inbox.last_seq`) and stamps it on every row it touches. A
client at position N asks for the rows stamped after N and has the present state: one mechanism heals every loss.
The lock lasts until the caller's commit, so none of this is called from inside a stranger's transaction.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, reduce
from operator import or_
from typing import Any, NamedTuple

from django.db import transaction
from django.db.models import Count, FilteredRelation, Func, IntegerField, OuterRef, Q, QuerySet, Subquery
from django.utils import timezone

from notifications import brake, entries, payloads, realtime
from notifications.metrics import Acknowledged, count_acknowledged
from notifications.models import DeliveryState, Inbox, InsightNotification, NotificationDeliveryLog
from notifications.payloads import NotificationPayload
from notifications.preferences import Channel
from notifications.prepared import UserStatement

# A client that missed more than this reads the list over HTTP instead.
MAX_CATCH_UP_ROWS = 300
# Of many users in one answer of the database, so that its memory is bounded; beyond it they are asked for in halves.
ROWS_TOGETHER = 2000

# The page offers it for ten seconds; the rest is for a slow network.
UNDO_WITHIN = dt.timedelta(seconds=30)


@dataclass(frozen=True, slots=True)
class Position:
    """How far a user's stream has got."""

    last_seq: int
    epoch: str
    unread_count: int
    braked: bool = False  # nothing new is sent to anybody for now


@dataclass(frozen=True, slots=True)
class CatchUp:
    """What changed after a client's position, as it is now. Not recovered: read the list instead."""

    recovered: bool
    notifications: list[NotificationPayload]
    unread_count: int
    last_seq: int
    epoch: str
    braked: bool = False


@dataclass(frozen=True, slots=True)
class ReadResult:
    notification_id: int
    unread_count: int
    changed: bool


@dataclass(frozen=True, slots=True)
class ReadAllResult:
    """`seq` is the position of the change, by which it can be undone; None when nothing was unread."""

    count: int
    up_to_seq: int
    unread_count: int
    seq: int | None


@dataclass(frozen=True, slots=True)
class ReadManyResult:
    """`seq` is the position of the change, by which it can be undone; None when none of them was unread."""

    count: int
    unread_count: int
    seq: int | None


@dataclass(frozen=True, slots=True)
class UndoResult:
    """How many are unread again; 0 when it came too late, or a second time."""

    count: int
    unread_count: int


# --- Reading --------------------------------------------------------------------------------------------------------


def unread_count(user_id: int) -> int:
    [(count,)] = _unread_statement().fetch_all(user_id)
    return int(count)


@cache
def _unread_statement() -> UserStatement:
    unread = InsightNotification.objects.filter(user_id=UserStatement.NOBODY).unread().order_by()
    return UserStatement.made_of(unread.annotate(number=_number_of_rows()).values_list("number"))


def _number_of_rows() -> Func:
    """Not an aggregate, which would give no row for none; and no column, so that the index alone is read."""
    return Func(template="COUNT(*)", output_field=IntegerField())


def unread_counts(user_ids: Iterable[int]) -> dict[int, int]:
    """Unread by user id, in one query; users without any are 0."""
    counts = dict.fromkeys(user_ids, 0)
    rows = InsightNotification.objects.filter(user_id__in=counts).unread().order_by()
    counts.update(rows.values_list("user_id").annotate(rows=Count("*")))
    return counts


def address(user_id: int) -> str:
    """Where the user's stream is followed over a socket."""
    return f"/stream/insights/{user_id}/"


def position(user_id: int) -> Position:
    """In one query; an inbox that is missing is made."""
    for last_seq, epoch, unread, braked in _position_statement().fetch_all(user_id):
        return Position(last_seq, epoch, unread, bool(braked))  # SQLite has no truth values
    inbox = _inbox(user_id)
    return Position(inbox.last_seq, inbox.epoch, unread_count(user_id), brake.is_engaged())


@cache
def _position_statement() -> UserStatement:
    return UserStatement.made_of(stored_positions(UserStatement.NOBODY))


def stored_positions(user_id: int) -> QuerySet[Inbox, tuple[Any, ...]]:
    """The fields of a Position; nothing for a user without an inbox."""
    unread = InsightNotification.objects.filter(user_id=OuterRef("user_id")).unread().order_by()
    number = unread.annotate(number=_number_of_rows()).values("number")
    inboxes = Inbox.objects.filter(user_id=user_id).order_by()
    place = inboxes.annotate(unread_count=Subquery(number), braked=brake.engaged_exists())
    return place.values_list("last_seq", "epoch", "unread_count", "braked")


def positions(user_ids: Iterable[int]) -> dict[int, Position]:
    """The positions of these users' streams, in two queries; an inbox that is missing is made."""
    wanted = set(user_ids)
    # Before the counts: a change in between shows up as the next position.
    inboxes: dict[int, Any] = Inbox.objects.annotate(braked=brake.engaged_exists()).in_bulk(wanted)
    braked = any(inbox.braked for inbox in inboxes.values())
    counts = unread_counts(wanted)
    places = ((user_id, inboxes.get(user_id) or _inbox(user_id)) for user_id in wanted)
    return {user_id: Position(inbox.last_seq, inbox.epoch, counts[user_id], braked) for user_id, inbox in places}


def last_seqs(user_ids: Iterable[int]) -> dict[int, int]:
    """The positions of these users' streams, in one query; a user without an inbox is missing."""
    return dict(Inbox.objects.filter(user_id__in=list(user_ids)).values_list("user_id", "last_seq"))


def changed_rows(user_id: int, after: int) -> list[InsightNotification]:
    """The rows changed after a position, by position; one more than MAX_CATCH_UP_ROWS tells that there are too many."""
    rows = InsightNotification.objects.filter(user_id=user_id).with_signal().changed_after(after)
    return list(rows[: MAX_CATCH_UP_ROWS + 1])


def catch_up(user_id: int, *, since: int, epoch: str) -> CatchUp:
    """What a client at position `since` of `epoch` has missed."""
    present = position(user_id)  # before the data: rows that change meanwhile come again, none is missed
    recovered = present.epoch == epoch and since <= present.last_seq
    # Mostly a client asks that has missed nothing.
    rows = changed_rows(user_id, since) if recovered and since < present.last_seq else []
    return _catch_up(present, rows, recovered=recovered)


class Place(NamedTuple):
    """How far somebody has followed a user's stream."""

    user_id: int
    since: int
    epoch: str


def catch_up_together(places: Sequence[Place]) -> dict[Place, CatchUp]:
    """As `catch_up` for each of these, at most one of a user: in three queries, unless very much was missed."""
    present = positions({place.user_id for place in places})
    known = [place for place in places if present[place.user_id].epoch == place.epoch]
    known = [place for place in known if place.since <= present[place.user_id].last_seq]
    rows = _changed_after(known, MAX_CATCH_UP_ROWS + 1 if len(known) == 1 else ROWS_TOGETHER)
    if len(known) > 1 and len(rows) == ROWS_TOGETHER:
        half = len(places) // 2
        return catch_up_together(places[:half]) | catch_up_together(places[half:])
    missed: defaultdict[int, list[InsightNotification]] = defaultdict(list)
    for row in rows:
        missed[row.user_id].append(row)
    return {
        place: _catch_up(present[place.user_id], missed[place.user_id], recovered=place in known) for place in places
    }


def _changed_after(places: Iterable[Place], most: int) -> list[InsightNotification]:
    after = [Q(user_id=place.user_id, seq__gt=place.since) for place in places]
    rows = InsightNotification.objects.filter(reduce(or_, after)) if after else InsightNotification.objects.none()
    return list(rows.with_signal().order_by("user_id", "seq", "id")[:most])


def _catch_up(present: Position, rows: Sequence[InsightNotification], *, recovered: bool) -> CatchUp:
    recovered = recovered and len(rows) <= MAX_CATCH_UP_ROWS
    return CatchUp(
        recovered=recovered,
        notifications=[payloads.notification_payload(row) for row in rows] if recovered else [],
        unread_count=present.unread_count,
        last_seq=present.last_seq,
        epoch=present.epoch,
        braked=present.braked,
    )


# --- Changing -------------------------------------------------------------------------------------------------------


@contextmanager
def locked_inbox(user_id: int) -> Iterator[Inbox]:
    """The user's inbox, locked until the transaction ends; its position is saved when the block is left."""
    with transaction.atomic():
        [inbox] = lock_inboxes([user_id])
        before = inbox.last_seq
        yield inbox
        if inbox.last_seq != before:
            inbox.save(update_fields=["last_seq"])


def lock_inboxes(user_ids: Iterable[int]) -> list[Inbox]:
    """Lock inboxes in the order of user id, so that two fan-outs cannot deadlock; missing ones are made first."""
    wanted = set(user_ids)
    inboxes = _locked(wanted)
    missing = wanted - {inbox.user_id for inbox in inboxes}
    if missing:
        make_inboxes(missing)
        inboxes = _locked(wanted)
    return inboxes


def make_inboxes(user_ids: Iterable[int]) -> None:
    """For users who have none yet; who has one keeps it."""
    Inbox.objects.bulk_create([Inbox(user_id=user_id) for user_id in sorted(user_ids)], ignore_conflicts=True)


def mark_read(user_id: int, notification_id: int, *, whole_entry: bool = False) -> ReadResult | None:
    """Mark one notification of this user read; None when there is none of that id, or it is another's.

    `whole_entry`: and what is unread of its repeats, one that arrives during the click included: it says the same.
    """
    with locked_inbox(user_id) as inbox:
        own = InsightNotification.objects.filter(user_id=user_id)
        notification = own.filter(pk=notification_id).first()
        if notification is None:
            return None
        of_entry = own.filter(entries.of_entry(notification)).unread() if whole_entry else own.none()
        # A held one has no position yet; it gets one when it is released.
        held = own.filter(pk=notification_id, read=False, seq__isnull=True).update(read=True, read_at=timezone.now())
        alone = own.filter(pk=notification_id, read=False).on_web_stream()
        ids = sorted({*of_entry.values_list("pk", flat=True), *alone.values_list("pk", flat=True)})
        if ids:
            inbox.last_seq += 1
            own.filter(pk__in=ids).update(read=True, read_at=timezone.now(), seq=inbox.last_seq)
        unread = unread_count(user_id)
        if ids:
            frame = payloads.read_frame(seq=inbox.last_seq, unread_count=unread, ids=ids)
            realtime.publish_after_commit([(user_id, frame)])
    return ReadResult(notification_id, unread, bool(ids or held))


def mark_all_read(user_id: int, up_to_seq: int | None = None) -> ReadAllResult:
    """Mark what is unread up to a position read (all of it without one): one change, one position."""
    with locked_inbox(user_id) as inbox:
        limit = inbox.last_seq if up_to_seq is None else min(up_to_seq, inbox.last_seq)
        rows = InsightNotification.objects.filter(user_id=user_id).unread().filter(seq__lte=limit)
        count = rows.update(read=True, read_at=timezone.now(), seq=inbox.last_seq + 1)
        unread = unread_count(user_id)
        if count:
            inbox.last_seq += 1
            frame = payloads.all_read_frame(seq=inbox.last_seq, unread_count=unread, up_to_seq=limit)
            realtime.publish_after_commit([(user_id, frame)])
    return ReadAllResult(count, limit, unread, inbox.last_seq if count else None)


def mark_many_read(user_id: int, ids: Iterable[int], *, whole_entries: bool = False) -> ReadManyResult:
    """Mark those of these that are unread read: one change, one position. What is not this user's is passed over.

    `whole_entries`: and what is unread of their repeats.
    """
    with locked_inbox(user_id) as inbox:
        own = InsightNotification.objects.filter(user_id=user_id)
        named = own.filter(pk__in=set(ids))
        rows = (own.filter(entries.of_entries(named)) if whole_entries else named).unread()
        marked = sorted(rows.values_list("pk", flat=True))
        if marked:
            inbox.last_seq += 1
            rows.update(read=True, read_at=timezone.now(), seq=inbox.last_seq)
        unread = unread_count(user_id)
        if marked:
            frame = payloads.read_frame(seq=inbox.last_seq, unread_count=unread, ids=marked)
            realtime.publish_after_commit([(user_id, frame)])
    return ReadManyResult(len(marked), unread, inbox.last_seq if marked else None)


def mark_unread(user_id: int, notification_id: int) -> ReadResult | None:
    """Make a read one unread again; what is held, expired or replaced stays as it is. None as for `mark_read`."""
    with locked_inbox(user_id) as inbox:
        own = InsightNotification.objects.filter(user_id=user_id, pk=notification_id)
        notification = own.with_signal().first()
        if notification is None:
            return None
        live = notification.expired_at is None and notification.superseded_by_id is None
        changed = notification.read and notification.seq is not None and live
        if changed:
            inbox.last_seq += 1
            notification.read, notification.read_at, notification.seq = False, None, inbox.last_seq
            notification.save(update_fields=["read", "read_at", "seq"])
        unread = unread_count(user_id)
        if changed:
            frame = payloads.notification_frame("notification_updated", notification, unread_count=unread)
            realtime.publish_after_commit([(user_id, frame)])
    return ReadResult(notification_id, unread, changed)


def undo_mark_all_read(user_id: int, seq: int) -> UndoResult:
    """Make unread what the change at position `seq` marked read and nothing has touched since: one change.

    Within UNDO_WITHIN of the reading; twice is once. What expired or was replaced meanwhile stays as it is.
    """
    with locked_inbox(user_id) as inbox:
        recent = InsightNotification.objects.filter(user_id=user_id, read_at__gte=timezone.now() - UNDO_WITHIN)
        rows = recent.filter(seq=seq, expired_at__isnull=True, superseded_by__isnull=True)
        count = rows.update(read=False, read_at=None, seq=inbox.last_seq + 1)
        unread = unread_count(user_id)
        if count:
            inbox.last_seq += 1
            frame = payloads.unread_frame(seq=inbox.last_seq, unread_count=unread, read_at_seq=seq)
            realtime.publish_after_commit([(user_id, frame)])
    return UndoResult(count, unread)


def acknowledge(user_id: int, *, after: int, up_to: int, visible: bool | None) -> int:
    """A browser has applied everything with `after < seq <= up_to`: those rows are delivered. Returns how many.

    What a tab in the background acknowledged first counts as seen once a tab in view has it as well.
    """
    now = timezone.now()
    with transaction.atomic():
        found = _applied_statement().fetch_all(user_id, after=after, up_to=up_to)
        fresh = {id_: way for id_, delivered, *way in found if not delivered}
        ids = list(fresh)
        InsightNotification.objects.filter(id__in=ids, delivered=False).update(delivered=True, delivered_at=now)
        _acknowledge_logs(ids, now, visible)
        if visible and len(ids) < len(found):
            _note_seen([id_ for id_, delivered, *_ in found if delivered])
    count_acknowledged((_acknowledged(*way) for way in fresh.values()), now)
    return len(ids)


@cache
def _applied_statement() -> UserStatement:
    """What lies between two positions of a user's stream, and what its way is timed by."""
    rows = InsightNotification.objects.filter(
        user_id=UserStatement.NOBODY, seq__gt=UserStatement.AFTER, seq__lte=UserStatement.UP_TO
    )
    first = Q(delivery_logs__channel=Channel.WEBSOCKET, delivery_logs__target="", delivery_logs__attempt_group=1)
    rows = rows.alias(first_sending=FilteredRelation("delivery_logs", condition=first))
    way = ("signal__received_at", "first_sending__attempted_at", "revision", "released_at", "read")
    return UserStatement.made_of(rows.values_list("id", "delivered", *way))


def _acknowledged(received_at: Any, sent_at: Any, revision: int, released_at: Any, read: Any) -> Acknowledged:
    # What has a position is held no more. What is read already was read in a list, and acknowledged for that.
    at_once = revision <= 1 and released_at is None and not read
    return Acknowledged(_moment(received_at), sent_at and _moment(sent_at), at_once)


def _moment(value: Any) -> dt.datetime:
    moment = dt.datetime.fromisoformat(value) if isinstance(value, str) else value
    return moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)


def _acknowledge_logs(notification_ids: list[int], now: dt.datetime, visible: bool | None) -> None:
    NotificationDeliveryLog.objects.filter(
        notification_id__in=notification_ids,
        channel=Channel.WEBSOCKET,
        state__in=[DeliveryState.PENDING, DeliveryState.SENT],
    ).update(state=DeliveryState.ACKNOWLEDGED, success=True, acknowledged_at=now, acknowledged_visible=visible)


def _note_seen(notification_ids: list[int]) -> None:
    logs = NotificationDeliveryLog.objects.filter(notification_id__in=notification_ids, channel=Channel.WEBSOCKET)
    logs.filter(state=DeliveryState.ACKNOWLEDGED).exclude(acknowledged_visible=True).update(acknowledged_visible=True)


def _inbox(user_id: int) -> Inbox:
    return Inbox.objects.filter(user_id=user_id).first() or Inbox.objects.get_or_create(user_id=user_id)[0]


def _locked(user_ids: Iterable[int]) -> list[Inbox]:
    return list(Inbox.objects.select_for_update().filter(user_id__in=list(user_ids)).order_by("user_id"))
