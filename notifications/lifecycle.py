"""What time does to notifications: quiet hours end, insights lose their meaning. Both run on the schedule."""

from __future__ import annotations

import datetime as dt
import logging
import time
from collections.abc import Callable, Iterator, Sequence

from django.db import transaction
from django.utils import timezone

from notifications import payloads, realtime, stamping, stream
from notifications.delivery import pending, websocket
from notifications.models import InsightNotification, InsightNotificationQuerySet, NotificationPreference
from notifications.pauses import let_others_write
from notifications.payloads import to_milliseconds
from notifications.preferences import AT_ONCE, Reason, Rules
from notifications.row_by_row import advance, supersede_earlier

logger = logging.getLogger(__name__)

USERS_PER_RUN = 1000  # bounds one run; the next one goes on with the rest
TURN_S = 0.5  # for the thread that has alerts to dispatch as well


def release_held(now: dt.datetime | None = None) -> int:
    """Let what is due come out of quiet hours, one brief a user; returns how many notifications were released."""
    now = now or timezone.now()
    due = InsightNotification.objects.held().filter(held_until__lte=now)
    return _for_each_user_of(due, lambda user_id: _release_of_user(user_id, now))


def reconsider_held(user_id: int, rules: Rules) -> None:
    """The user's quiet hours may have changed: what is held comes out when the new ones end, at once when it is not
    quiet any more; in neither case during a pause."""
    now = timezone.now()
    earliest = max(now, rules.paused_until) if rules.paused_until else now
    quiet = rules.quiet_hours_enabled and rules.quiet_hours.cover(earliest)
    held_until = rules.quiet_hours.release_after(earliest) if quiet else earliest
    InsightNotification.objects.held().filter(user_id=user_id).update(held_until=held_until)


def expire_old(now: dt.datetime | None = None) -> int:
    """Mark notifications past their expiry as expired, so that they leave the badge; returns how many."""
    return sum(_expire_chunks(now or timezone.now()))


def expire_for_a_turn() -> bool:
    """As `expire_old`, for about TURN_S; False when there is more, as of a house insight that everybody holds."""
    ends_at = time.monotonic() + TURN_S
    return all(time.monotonic() < ends_at for _ in _expire_chunks(timezone.now()))


def _expire_chunks(now: dt.datetime) -> Iterator[int]:
    """How many each chunk of users has had marked. One that fails keeps no other waiting."""
    change = stamping.Expired(now)
    due = list(stamping.rows(change).order_by("user_id").values_list("user_id", flat=True).distinct())
    for start in range(0, len(due), stamping.CHUNK_USERS):
        user_ids = due[start : start + stamping.CHUNK_USERS]
        try:
            yield _expire_of_users(change, user_ids)
        except Exception:
            logger.exception(
                "What users %s to %s hold could not be marked as expired; the next run tries again",
                user_ids[0],
                user_ids[-1],
            )
        let_others_write()


def _expire_of_users(change: stamping.Expired, user_ids: Sequence[int]) -> int:
    with transaction.atomic():
        events = stamping.stamp(change, user_ids)
        realtime.publish_after_commit(events)
    return len(events)


def _for_each_user_of(rows: InsightNotificationQuerySet, change: Callable[[int], int]) -> int:
    """One user's fault costs nobody else; the sum of what was changed."""
    changed = 0
    for user_id in list(rows.order_by("user_id").values_list("user_id", flat=True).distinct()[:USERS_PER_RUN]):
        try:
            changed += change(user_id)
        except Exception:
            logger.exception("The notifications of user %s could not be changed; the next run tries again", user_id)
    return changed


def _release_of_user(user_id: int, now: dt.datetime) -> int:
    """One change, one position: it stamps every released row, and a client that sees the brief asks for them."""
    with stream.locked_inbox(user_id) as inbox:
        due = InsightNotification.objects.held().filter(user_id=user_id, held_until__lte=now)
        rows = list(due.with_signal().order_by("id"))
        if not rows:
            return 0  # another process was faster
        preference = NotificationPreference.objects.filter(user_id=user_id).first() or NotificationPreference()
        if not preference.web_enabled:
            return _release_past_the_web(due, preference, now)
        seq = advance(inbox)
        released_at = to_milliseconds(now)  # as clients name it: what a brief told of has the same instant
        for row in rows:
            row.seq, row.held_until, row.released_at = seq, None, released_at
            row.expired_at = now if row.expires_at <= now else None
        InsightNotification.objects.bulk_update(rows, ["seq", "held_until", "released_at", "expired_at"])
        superseded = supersede_earlier(rows, {user_id: inbox})
        websocket.write_pending(rows)
        live_ids = [row.pk for row in rows if row.expired_at is None]
        pending.write(live_ids, _elsewhere(live_ids, preference))
        brief = payloads.brief_frame(
            seq=seq,
            unread_count=stream.unread_count(user_id),
            held=len(rows),
            live=InsightNotification.objects.filter(id__in=[row.pk for row in rows]).unread().count(),
            expired=sum(row.expired_at is not None for row in rows),
            released_at=released_at,
            reversed_=sum(row.signal.reversed_by_id is not None for row in rows),
        )
        events = [(user_id, brief), *_updates(user_id, superseded)]
        websocket.publish_new_after_commit([row.pk for row in rows], events)
    logger.info("notifications of user %s released after quiet hours: %d", user_id, len(rows))
    return len(rows)


def _release_past_the_web(
    due: InsightNotificationQuerySet, preference: NotificationPreference, now: dt.datetime
) -> int:
    """The browser is off by now: what is still live goes out over what is on, and moves no position."""
    ids = list(due.filter(expires_at__gt=now).values_list("pk", flat=True))
    elsewhere = _elsewhere(ids, preference)
    released = len(ids) if any(elsewhere.values()) else 0
    due.update(held_until=None, **({} if released else {"reason": Reason.CHANNEL_OFF}))
    pending.write([], elsewhere)
    return released


def _elsewhere(ids: Sequence[int], preference: NotificationPreference) -> dict[str, Sequence[int]]:
    rules = preference.rules(windows=[], mutes=[])
    return {channel.value: ids for channel in AT_ONCE[1:] if rules.enables(channel)}


def _updates(user_id: int, rows: Sequence[InsightNotification]) -> list[tuple[int, payloads.Frame]]:
    unread = stream.unread_count(user_id) if rows else 0
    return [(user_id, payloads.notification_frame("notification_updated", row, unread_count=unread)) for row in rows]
