"""The brake: one switch that stops sending for everybody, while everything is stored, decided and counted as ever.

What it stops is what disturbs: new notifications are held instead (`preferences.braked`), held ones are not released,
and pushes, webhooks and mails stay pending. It touches nothing that a trader has already: what was read in another tab,
what was settled, reversed or expired goes on reaching every browser, because a trader may be about to act on it.

Whoever writes reads the switch with the rows that it locks, so a chunk that was being written as the switch was pressed
still goes out, and one that was written as it was lifted is held. `lifecycle` finds those, and all others, by
`preferences.UNTIL_LIFTED`; nothing else marks them, and so nothing is lost with the process that lifts the brake.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.db import transaction
from django.db.models import Exists
from django.utils import timezone

from notifications.models import (
    DeliveryState,
    DigestRun,
    InsightNotification,
    NotificationDeliveryLog,
    SendingBrake,
)
from notifications.preferences import Channel

if TYPE_CHECKING:
    from django.contrib.auth.models import User

logger = logging.getLogger(__name__)

# For whoever has a statement of its own to ask with.
ENGAGED_SQL = f'EXISTS (SELECT 1 FROM "{SendingBrake._meta.db_table}" WHERE lifted_at IS NULL)'


@dataclass(frozen=True, slots=True)
class Waiting:
    """What goes out once the brake is lifted, save what expires first."""

    notifications: int
    deliveries: int
    digests: int


def engaged() -> SendingBrake | None:
    """The use of the brake that is on; None while sending goes on."""
    return SendingBrake.objects.engaged().first()


def is_engaged() -> bool:
    return SendingBrake.objects.engaged().exists()


def engaged_exists() -> Exists:
    """The same as a part of another query."""
    return Exists(SendingBrake.objects.engaged())


def engage(reason: str, *, by: User | None, name: str) -> tuple[SendingBrake, bool]:
    """Stop sending. The use that is on, and whether this call began it: of two at once one does.

    `name` is who did it, as the trail keeps it. Raises ValueError without a reason.
    """
    reason = reason.strip()
    if not reason:
        raise ValueError("The brake needs a reason.")
    present, begun = SendingBrake.objects.engaged().get_or_create(
        defaults={"engaged_by": by, "engaged_name": _kept(name), "reason": reason}
    )
    if begun:
        logger.warning("Sending is stopped: brake %s, engaged by user %s", present.pk, by.pk if by else None)
    return present, begun


def lift(brake_id: int, *, by: User | None, name: str) -> bool:
    """Let sending go on; False when that use of the brake had been lifted already.

    By its id, so that a page that was opened during an earlier use lifts no later one. What waits is released at once,
    for a turn (`lifecycle.release_for_a_turn`), so that what comes next does not come before it; of very many users
    the schedule's next turns go on. What is pending is sent at once too.
    """
    present = SendingBrake.objects.engaged().filter(pk=brake_id)
    lifted = present.update(lifted_at=timezone.now(), lifted_by=by, lifted_name=_kept(name)) == 1
    if lifted:
        logger.warning("Sending goes on: brake %s, lifted by user %s", brake_id, by.pk if by else None)
        transaction.on_commit(_go_on, robust=True)
    return lifted


def _go_on() -> None:
    from notifications import lifecycle  # both look at the brake themselves
    from notifications.delivery import waking

    lifecycle.release_for_a_turn()
    waking.wake(0)


def _kept(name: str) -> str:
    """As much as the trail has room for: an installation's own accounts may have longer names than Django's."""
    return name[: SendingBrake._meta.get_field("engaged_name").max_length]


def waiting() -> Waiting:
    """Three counts of partial indexes: what is pending, not what there is."""
    deliveries = NotificationDeliveryLog.objects.filter(state=DeliveryState.PENDING)
    return Waiting(
        InsightNotification.objects.waiting_for_brake().count(),
        deliveries.exclude(channel=Channel.WEBSOCKET).count(),
        DigestRun.objects.pending().count(),
    )
