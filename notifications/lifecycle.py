"""What time does to notifications: quiet hours end, insights lose their meaning. Both run on the schedule."""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Callable, Sequence

from django.db.models import Exists, OuterRef
from django.utils import timezone

from notifications import payloads, realtime, stream
from notifications.delivery import websocket
from notifications.models import InsightNotification, InsightNotificationQuerySet, NotificationPreference
from notifications.preferences import Reason, Rules
from notifications.row_by_row import advance, supersede_earlier
from signals.models import Signal

logger = logging.getLogger(__name__)

USERS_PER_RUN = 1000  # bounds one run; the next one goes on with the rest


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
    now = now or timezone.now()
    return _for_each_user_of(_to_expire(now), lambda user_id: _expire_of_user(user_id, now))


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
        if NotificationPreference.objects.filter(user_id=user_id, web_enabled=False).exists():
            due.update(held_until=None, reason=Reason.CHANNEL_OFF)  # switched off meanwhile: not for the web any more
            return 0
        seq = advance(inbox)
        for row in rows:
            row.seq, row.held_until = seq, None
            row.expired_at = now if row.expires_at <= now else None
        InsightNotification.objects.bulk_update(rows, ["seq", "held_until", "expired_at"])
        superseded = supersede_earlier(rows, {user_id: inbox})
        websocket.write_pending(rows)
        brief = payloads.brief_frame(
            seq=seq,
            unread_count=stream.unread_count(user_id),
            held=len(rows),
            live=InsightNotification.objects.filter(id__in=[row.pk for row in rows]).unread().count(),
            expired=sum(row.expired_at is not None for row in rows),
            reversed_=InsightNotification.objects.filter(_has_opposite(), id__in=[row.pk for row in rows]).count(),
        )
        events = [(user_id, brief), *_updates(user_id, superseded)]
        websocket.publish_new_after_commit([row.pk for row in rows], events)
    logger.info("notifications of user %s released after quiet hours: %d", user_id, len(rows))
    return len(rows)


def _expire_of_user(user_id: int, now: dt.datetime) -> int:
    with stream.locked_inbox(user_id) as inbox:
        rows = list(_to_expire(now).filter(user_id=user_id).with_signal().order_by("id"))
        for row in rows:
            row.expired_at = now
            row.seq = advance(inbox)
        InsightNotification.objects.bulk_update(rows, ["expired_at", "seq"])
        realtime.publish_after_commit(_updates(user_id, rows))
    return len(rows)


def _to_expire(now: dt.datetime) -> InsightNotificationQuerySet:
    """Held ones are left out: the release finds them and says that they have expired."""
    return InsightNotification.objects.on_web_stream().filter(expires_at__lte=now, expired_at__isnull=True)


def _updates(user_id: int, rows: Sequence[InsightNotification]) -> list[tuple[int, payloads.Frame]]:
    unread = stream.unread_count(user_id) if rows else 0
    return [(user_id, payloads.notification_frame("notification_updated", row, unread_count=unread)) for row in rows]


def _has_opposite() -> Exists:
    """Whether a later signal on the same symbol, timeframe and strategy points the other way."""
    later = Signal.objects.filter(
        symbol=OuterRef("signal__symbol"),
        timeframe=OuterRef("signal__timeframe"),
        strategy=OuterRef("signal__strategy"),
        received_at__gt=OuterRef("signal__received_at"),
    )
    later = later.filter(user=OuterRef("user")) | later.filter(user__isnull=True)
    return Exists(later.exclude(side=OuterRef("signal__side")))
