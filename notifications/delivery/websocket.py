"""Delivery to the browser: the outbox row, the hint to the user's sockets, and what became of it."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence

from django.db import connection, transaction
from django.utils import timezone

from notifications import metrics, payloads, realtime, stream
from notifications.health.latency import Stage
from notifications.models import DeliveryState, InsightNotification, NotificationDeliveryLog
from notifications.preferences import Channel
from notifications.realtime import Event

NOT_TAKEN = "The channel layer did not take the hint; the browser gets the notification with its next sync."

# For this transaction only: a crash of the database may leave it "pending", as a crash right before it would.
_WITHOUT_WAITING = "AND set_config('synchronous_commit', 'off', TRUE) = 'off'"


def write_pending(notifications: Sequence[InsightNotification], *, attempt_group: int = 1) -> None:
    """One pending row a notification, in the transaction that made it or brings it out again."""
    NotificationDeliveryLog.objects.bulk_create(
        [
            NotificationDeliveryLog(notification=notification, channel=Channel.WEBSOCKET, attempt_group=attempt_group)
            for notification in notifications
        ]
    )


def publish_new_after_commit(notification_ids: Sequence[int], events: Sequence[Event]) -> None:
    """Hint the frames when the transaction commits, and record for the fresh notifications whether that worked."""
    if events:
        transaction.on_commit(lambda: _publish_new(notification_ids, events), robust=True)


def _publish_new(notification_ids: Sequence[int], events: Sequence[Event]) -> None:
    committed = time.monotonic()
    taken = realtime.publish(events)
    if taken:
        metrics.stage_took(Stage.SENT, time.monotonic() - committed, len(notification_ids))
    record_attempt(notification_ids, taken=taken)


def deliver(notification: InsightNotification) -> bool:
    """Hint one notification, and those it replaced, to its user's sockets; after the commit when inside a transaction.

    True when the layer took the hint, or will be asked after the commit; False for one that is not on the web stream.
    """
    if notification.seq is None:
        return False
    user_id = notification.user_id
    unread = stream.unread_count(user_id)
    replaced = notification.supersedes.with_signal().on_web_stream().order_by("seq")
    events: list[Event] = [
        (user_id, payloads.notification_frame("new_notification", notification, unread_count=unread)),
        *((user_id, payloads.notification_frame("notification_updated", row, unread_count=unread)) for row in replaced),
    ]
    outcome = {"taken": True}

    def record(taken: bool) -> None:
        outcome["taken"] = taken
        record_attempt([notification.pk], taken=taken)

    realtime.publish_after_commit(events, then=record)
    return outcome["taken"]


def record_attempt(notification_ids: Sequence[int], *, taken: bool) -> None:
    """Sent means handed to the sockets, not seen; a browser's acknowledgement that came first is kept."""
    if not notification_ids:
        return
    now = connection.ops.adapt_datetimefield_value(timezone.now())
    state, error = (DeliveryState.SENT, "") if taken else (DeliveryState.PENDING, NOT_TAKEN)
    # Ids as one text: a parameter for each of hundreds takes its time in the driver.
    if connection.vendor == "postgresql":
        among, ids = f"= ANY(%s::bigint[]) {_WITHOUT_WAITING}", f"{{{','.join(map(str, notification_ids))}}}"
    else:
        among, ids = "IN (SELECT value FROM json_each(%s))", json.dumps(list(notification_ids))
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            UPDATE "{NotificationDeliveryLog._meta.db_table}"
            SET state = %s, error_message = %s, attempts = attempts + 1, attempted_at = %s
            WHERE channel = '{Channel.WEBSOCKET}' AND state = '{DeliveryState.PENDING}' AND notification_id {among}
            """,
            [state.value, error, now, ids],
        )
    if taken:
        metrics.NOTIFICATIONS_SENT.inc(len(notification_ids))
