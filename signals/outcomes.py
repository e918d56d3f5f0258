"""Settling signals: a pending one becomes a win or a loss at the first known price at or past its target or stop.

Known prices are the ECB's daily closes, and the price that each later alert of the same owner and symbol brings along.
Nothing looks ahead: an alert settles with prices up to its own time only, and `Signal.closed_at` keeps the time of the
price that decided, so that a reader can tell what was known when.

Known gaps: prices between the known ones are not seen, so a stop that was only touched within a day does not count;
and a signal whose symbol has no later price stays pending. Only the same owner's signals are settled: otherwise one
trader's alert with an absurd price would close the positions of all.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable, Iterator
from decimal import Decimal
from itertools import chain

from django.db import transaction
from django.db.models.functions import Coalesce
from django.utils import timezone

from signals import market
from signals.events import insights_settled
from signals.market import Close
from signals.models import Outcome, Side, Signal


@transaction.atomic
def settle(signal: Signal) -> int:
    """Settle the pending signals of this one's owner and symbol that are older by their own time; return how many.

    Call it when the signal is stored and before it is validated. Calling it again changes nothing.
    """
    closed: dict[tuple[Outcome, dt.datetime], list[int]] = defaultdict(list)
    for pending in _older_pending(signal):
        result = outcome(pending, _prices(pending, signal))
        if result:
            closed[result].append(pending.pk)
    settled = sum(_close(ids, *result) for result, ids in sorted(closed.items()))
    if settled:
        insights_settled.send(Signal, signal_ids=sorted(chain(*closed.values())), owner_id=signal.user_id)
    return settled


def outcome(signal: Signal, prices: Iterable[Close]) -> tuple[Outcome, dt.datetime] | None:
    """What the first price at or past stop or target made of the signal, and when; None when no price is. Pure."""
    direction = 1 if signal.side == Side.BUY else -1
    for at, price in prices:
        if (price - signal.tp) * direction >= 0:
            return Outcome.WIN, at
        if (price - signal.sl) * direction <= 0:
            return Outcome.LOSS, at
    return None


def _older_pending(signal: Signal) -> Iterable[Signal]:
    """Locked in the order of their ids, so that two alerts at once neither deadlock nor settle twice."""
    return (
        Signal.objects.select_for_update(no_key=True)
        .alias(own=Coalesce("bar_time", "received_at"))
        .filter(user=signal.user_id, symbol=signal.symbol, outcome=Outcome.PENDING, own__lt=signal.own_time)
        .only("side", "sl", "tp", "bar_time", "received_at")
        .order_by("pk")
    )


def _prices(pending: Signal, signal: Signal) -> Iterator[Close]:
    """What became known after the pending signal and until the new one, oldest first."""
    series = market.series(signal.symbol)
    if series:
        yield from series.between(pending.own_time, signal.own_time)
    if signal.price is not None:
        yield Close(signal.own_time, Decimal(signal.price))


def _close(ids: list[int], outcome: Outcome, closed_at: dt.datetime) -> int:
    """The condition on the outcome makes it safe where rows cannot be locked."""
    return Signal.objects.filter(pk__in=ids, outcome=Outcome.PENDING).update(
        outcome=outcome, closed_at=closed_at, updated_at=timezone.now()
    )
