"""Turning signals: an opposite one on the same symbol, timeframe and strategy marks the older ones as reversed.

Only what is still live is marked: neither settled nor past its expiry when the new one came. Only signals of the same
owner are, or of the house both: otherwise one trader's alert would turn the insights of all.

Known gap: nothing looks back. An alert that arrives after a newer one of the other side is not reversed by it.
"""

from __future__ import annotations

from django.db import transaction
from django.db.models.functions import Coalesce
from django.utils import timezone

from signals.events import insights_reversed
from signals.models import Outcome, Signal


@transaction.atomic
def reverse(signal: Signal) -> int:
    """Mark what this signal, which is stored, turns; return how many. Calling it again changes nothing."""
    ids = [older.pk for older in _older_live(signal)]
    turned = Signal.objects.filter(pk__in=ids, reversed_by__isnull=True).update(
        reversed_by=signal, updated_at=timezone.now()
    )
    if turned:
        insights_reversed.send(Signal, signal_ids=ids, owner_id=signal.user_id)
    return turned


def _older_live(signal: Signal) -> list[Signal]:
    """Locked in the order of their ids, so that two alerts at once neither deadlock nor reverse twice."""
    life = signal.expires_at - signal.received_at  # theirs too: the timeframe is the same
    opposite = (
        Signal.objects.select_for_update(no_key=True)
        .alias(own=Coalesce("bar_time", "received_at"))
        .filter(
            user=signal.user_id,
            symbol=signal.symbol,
            timeframe=signal.timeframe,
            strategy=signal.strategy,
            outcome=Outcome.PENDING,
            reversed_by__isnull=True,
            own__lte=signal.own_time,
            received_at__gt=signal.received_at - life,
            pk__lt=signal.pk,
        )
        .exclude(side=signal.side)
    )
    return list(opposite.only("pk").order_by("pk"))
