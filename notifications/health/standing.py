"""How things stand this moment: what is still to be done, asked of indexes that hold only that."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from django.db.models import Count, Min

from notifications import metrics
from notifications.delivery.registry import CHANNELS
from notifications.models import DeliveryState, InsightDispatch, NotificationDeliveryLog
from zenithedge import shared_values


@dataclass(frozen=True, slots=True)
class Waiting:
    """A number of rows, and since when the oldest of them has been waiting."""

    number: int = 0
    since: dt.datetime | None = None

    def age_s(self, now: dt.datetime) -> float:
        return max(0.0, (now - self.since).total_seconds()) if self.since else 0.0


def open_dispatches() -> Waiting:
    return Waiting(**InsightDispatch.objects.unfinished().aggregate(number=Count("pk"), since=Min("opened_at")))


def due_deliveries(now: dt.datetime) -> dict[str, Waiting]:
    """By channel, those that an attempt is due for; the browser's wait for a browser, not for us."""
    due = NotificationDeliveryLog.objects.filter(
        channel__in=list(CHANNELS), state=DeliveryState.PENDING, next_attempt_at__lte=now
    )
    rows = due.order_by().values_list("channel").annotate(number=Count("pk"), since=Min("next_attempt_at"))
    found = {channel: Waiting(number, since) for channel, number, since in rows}
    return {channel: found.get(channel, Waiting()) for channel in CHANNELS}


def open_sockets() -> int:
    """Of this machine's server processes when they share their numbers, else of this process."""
    samples = (
        sample
        for family in shared_values.collectable().collect()
        for sample in family.samples
        if sample.name == metrics.SOCKETS_OPEN._name
    )
    return int(sum(sample.value for sample in samples))
