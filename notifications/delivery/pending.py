"""Writes what is to be delivered, in the transaction that makes the notification or brings it out again."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any

from django.db import connection, transaction
from django.utils import timezone

from notifications.delivery import waking
from notifications.delivery.base import DeliveryChannel
from notifications.delivery.registry import CHANNELS
from notifications.models import DeliveryState, InsightNotification, NotificationDeliveryLog

_DELIVERY = f'"{NotificationDeliveryLog._meta.db_table}"'
_NOTIFICATION = f'"{InsightNotification._meta.db_table}"'
# SQLite takes 32,766 parameters in a statement.
IDS_AT_ONCE = 10_000

_WRITE = f"""
INSERT INTO {_DELIVERY} (
    notification_id, channel, target, attempt_group, state, error_message, attempts, interruptions, next_attempt_at,
    created_at
)
SELECT notification.id, %s, target.target, %s, '{DeliveryState.PENDING}', '', 0, 0, %s, %s
FROM {_NOTIFICATION} notification JOIN ({{targets}}) target ON target.user_id = notification.user_id
WHERE notification.id IN ({{ids}})
ORDER BY notification.id, target.target
"""


def write(on_web: Sequence[int], elsewhere: Mapping[str, Sequence[int]]) -> int:
    """One pending delivery for each target of the owners of these notifications; returns how many were written.

    `elsewhere` are the ids that a channel may carry, by its name, as was decided. A channel without a switch of its own
    carries all of them, and those on the web.
    """
    every = sorted({*on_web, *(id_ for ids in elsewhere.values() for id_ in ids)})
    return sum(
        _write(channel, elsewhere.get(channel.name, ()) if channel.switch else every, attempt_group=1)
        for channel in CHANNELS.values()
    )


def write_again(notification: InsightNotification, channels: Iterable[str], *, attempt_group: int) -> int:
    """A new attempt group for each target of the owner, due at once; returns how many deliveries were written."""
    wanted = [channel for channel in CHANNELS.values() if channel.name in set(channels)]
    return sum(_write(channel, [notification.pk], attempt_group=attempt_group) for channel in wanted)


def _write(channel: DeliveryChannel[Any], ids: Sequence[int], *, attempt_group: int) -> int:
    return sum(
        _write_some(channel, ids[start : start + IDS_AT_ONCE], attempt_group)
        for start in range(0, len(ids), IDS_AT_ONCE)
    )


def _write_some(channel: DeliveryChannel[Any], ids: Sequence[int], attempt_group: int) -> int:
    wait_s = channel.first_wait_s if attempt_group == 1 else 0.0
    now = timezone.now()
    targets, parameters = channel.targets().order_by().query.sql_with_params()
    statement = _WRITE.format(targets=targets, ids=", ".join(["%s"] * len(ids)))
    moments = [connection.ops.adapt_datetimefield_value(at) for at in (now + dt.timedelta(seconds=wait_s), now)]
    with connection.cursor() as cursor:
        cursor.execute(statement, [channel.name, attempt_group, *moments, *parameters, *ids])
        written: int = cursor.rowcount
    if written:
        transaction.on_commit(partial(waking.wake, wait_s), robust=True)
    return written
