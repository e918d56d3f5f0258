"""What became of insights reaches everybody who holds a notification of them, once: a record, run in chunks.

A chunk is a short transaction: it locks the record, then its users' inboxes in user order, gives each of their rows of
these insights a position, and moves the cursor. A killed process is resumed there, and a second runner finds the work
done. An insight that is still being dispatched waits: a chunk of the fan-out that read it before the change would
write rows that never hear of it. Known gap: the same holds for a notification that is pushed by hand in that instant.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence

from django.db import transaction
from django.utils import timezone

from notifications import realtime, stamping
from notifications.models import ChangeKind, InsightChange, InsightDispatch
from notifications.pauses import let_others_write

logger = logging.getLogger(__name__)

PER_RUN = 500  # the next sweep goes on with the rest
SWEEP_S = 2.0  # for all that is left open: nobody else's insight is to wait longer for the thread that sweeps


def record(kind: ChangeKind, signal_ids: Sequence[int], *, owner_id: int | None) -> list[int]:
    """Record, inside the transaction that made it, that a change is to reach the holders; the ids of the records.

    The insights of one owner are told together; those of the house one by one, since each has very many holders.
    """
    told_together = [list(signal_ids)] if owner_id is not None else [[signal_id] for signal_id in signal_ids]
    changes = [InsightChange(kind=kind, signal_ids=ids) for ids in told_together]
    return [change.pk for change in InsightChange.objects.bulk_create(changes)]


def run(change_id: int, *, budget_s: float | None = None) -> bool:
    """Tell the holders, chunk by chunk; False when the budget ran out, True when there is nothing more to do now."""
    started = time.monotonic()
    while not _run_chunk(change_id):
        let_others_write()
        if budget_s is not None and time.monotonic() - started >= budget_s:
            return False
    return True


def finish_open(*, should_stop: Callable[[], bool] = lambda: False) -> int:
    """Go on with what a killed process, or a dispatch in the way, left open; returns how many are finished now.

    `should_stop` is asked before each change.
    """
    ends_at = time.monotonic() + SWEEP_S
    finished = 0
    for change_id in list(InsightChange.objects.unfinished().order_by("id").values_list("id", flat=True)[:PER_RUN]):
        if time.monotonic() >= ends_at or should_stop():
            break
        try:
            run(change_id, budget_s=ends_at - time.monotonic())
        except Exception:
            logger.exception("Change %s could not be told; the next sweep tries again", change_id)
            continue
        finished += InsightChange.objects.filter(pk=change_id, finished_at__isnull=False).exists()
    return finished


def _run_chunk(change_id: int) -> bool:
    """True when it is finished, or has to wait."""
    with transaction.atomic():
        change = InsightChange.objects.unfinished().select_for_update().filter(pk=change_id).first()
        if change is None or InsightDispatch.objects.unfinished().filter(signal__in=change.signal_ids).exists():
            return True
        told = stamping.Touched(change.signal_ids)
        holders = stamping.rows(told).filter(user_id__gt=change.cursor).order_by("user_id")
        user_ids = list(holders.values_list("user_id", flat=True).distinct()[: stamping.CHUNK_USERS])
        if user_ids:
            realtime.publish_after_commit(stamping.stamp(told, user_ids))
            change.cursor = user_ids[-1]
        if len(user_ids) < stamping.CHUNK_USERS:
            change.finished_at = timezone.now()
        change.save(update_fields=["cursor", "finished_at"])
        return change.finished_at is not None
