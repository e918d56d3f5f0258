"""From an insight to its users' notifications: the dispatch, run in chunks, each one short transaction.

A chunk locks the dispatch, then the inboxes in user order, decides, writes rows, positions and pending deliveries, and
moves the cursor. A killed process goes on at the cursor; a second runner waits for the lock and finds the work done.
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from django.contrib.auth import get_user_model
from django.db import IntegrityError, connection, transaction
from django.db.models import Exists, FilteredRelation, Max, OuterRef, Q, QuerySet
from django.utils import timezone

from notifications import brake, fan_out, messages, owned, preferences, row_by_row
from notifications.announcing import Batch, announce, count_metrics
from notifications.delivery import websocket
from notifications.fan_out import OvertakenError
from notifications.models import DispatchState, InsightDispatch
from notifications.pauses import let_others_write
from notifications.prepared import fetch_all
from signals.models import Signal, TradeValidation

if TYPE_CHECKING:
    from django.contrib.auth.models import User

logger = logging.getLogger(__name__)

Result = TypeVar("Result")

ATTEMPTS = 3  # at a transaction that another one overtook
CHUNK_USERS = 500  # bounds how long a chunk holds its users' inboxes


# --- The durable record ---------------------------------------------------------------------------------------------


def fingerprint(validation: TradeValidation) -> str:
    """What makes a revision worth telling: status, side and confidence label."""
    label = messages.confidence_label(preferences.as_decimal(validation.truth_index))
    return f"{validation.status}:{validation.signal.side}:{label}"


# The present revision is the latest one. Revision 0 has an empty fingerprint, which no validation has.
_DISPATCH = f'"{InsightDispatch._meta.db_table}"'
_RECORD = f"""
INSERT INTO {_DISPATCH} (
    signal_id, revision, fingerprint, confidence, state, cursor, counts, last_error, opened_at, finished_at
)
SELECT
    %(signal_id)s, latest.revision + 1, CAST(%(fingerprint)s AS text), CAST(%(confidence)s AS numeric(5, 2)), %(state)s,
    0, '{{}}', '', %(now)s, %(finished_at)s
FROM (SELECT coalesce(max(revision), 0) AS revision FROM {_DISPATCH} WHERE signal_id = %(signal_id)s) AS latest
WHERE NOT EXISTS (
    SELECT 1 FROM {_DISPATCH} AS present
    WHERE present.signal_id = %(signal_id)s AND present.revision = latest.revision
    AND present.fingerprint = CAST(%(fingerprint)s AS text)
)
ON CONFLICT DO NOTHING
RETURNING id
"""


def open_revision(validation: TradeValidation, *, state: DispatchState = DispatchState.OPEN) -> int | None:
    """Record, inside a transaction, that this insight is to be dispatched; the id of the dispatch.

    None when its present revision is recorded already, or was by somebody else meanwhile.
    """
    now = connection.ops.adapt_datetimefield_value(timezone.now())
    recorded = fetch_all(
        _RECORD,
        {
            "signal_id": validation.signal_id,
            "fingerprint": fingerprint(validation),
            "confidence": str(validation.truth_index),
            "state": state.value,
            "now": now,
            "finished_at": now if state == DispatchState.CLOSED else None,
        },
    )
    return recorded[0][0] if recorded else None


def present_dispatch(signal: Signal) -> InsightDispatch:
    """The dispatch of the insight's present revision; revision 0 is made for a signal without any."""
    latest = InsightDispatch.objects.filter(signal=signal).order_by("revision").last()
    if latest is not None:
        return latest
    return InsightDispatch.objects.get_or_create(signal=signal, revision=0, defaults={"fingerprint": ""})[0]


def present_revision(signal: Signal) -> int:
    """The revision that the insight has now; 1 for one that no dispatch knows yet."""
    latest = InsightDispatch.objects.filter(signal=signal).aggregate(latest=Max("revision"))["latest"]
    return latest or 1


# --- Running it -----------------------------------------------------------------------------------------------------


def run(dispatch_id: int, *, budget_s: float | None = None) -> bool:
    """Turn a dispatch into notifications, chunk by chunk; True when it is finished, False when the budget ran out."""
    started = time.monotonic()
    while not again_when_overtaken(partial(_run_chunk, dispatch_id)):
        let_others_write()
        if budget_s is not None and time.monotonic() - started >= budget_s:
            return False
    return True


def run_together(dispatch_ids: Sequence[int], *, budget_s: float) -> None:
    """Run what was committed together, with as few statements and hints as can be.

    A fault of one is logged and left to the sweep; it keeps none of the others waiting.
    """
    left: Sequence[int] = dispatch_ids
    if connection.vendor == "postgresql":
        try:
            left = again_when_overtaken(partial(owned.run, dispatch_ids))
        except Exception:
            logger.exception("Dispatches %s failed together; each is run alone", dispatch_ids)
    for dispatch_id in left:
        try:
            run(dispatch_id, budget_s=budget_s)
        except Exception:
            logger.exception("Dispatch %s failed; the next sweep tries again", dispatch_id)


def _run_chunk(dispatch_id: int) -> bool:
    with transaction.atomic():
        dispatch, overtaken, braked = _locked(dispatch_id)
        if dispatch is None or dispatch.finished:
            return True
        signal = dispatch.signal
        if overtaken or signal.expires_at <= timezone.now():
            _finish(dispatch, DispatchState.CLOSED)
            return True
        users = next_users(dispatch, signal, most=CHUNK_USERS)
        batch = notify(signal, dispatch.revision, users, braked=braked)
        _count(dispatch, batch)
        if len(users) < CHUNK_USERS:
            _finish(dispatch, DispatchState.DONE)
        else:
            dispatch.state, dispatch.cursor = DispatchState.RUNNING, users[-1]
            dispatch.save(update_fields=["state", "cursor", "counts"])
        websocket.publish_new_after_commit(batch.sent, batch.events)
        return dispatch.finished


def _locked(dispatch_id: int) -> tuple[InsightDispatch | None, bool, bool]:
    """The dispatch, with its insight and its owner; whether a later revision tells everyone, and the brake is on."""
    later = InsightDispatch.objects.filter(signal=OuterRef("signal"), revision__gt=OuterRef("revision"))
    dispatches = InsightDispatch.objects.select_related("signal__validation", "signal__user").filter(pk=dispatch_id)
    asked = dispatches.annotate(overtaken=Exists(later), braked=brake.engaged_exists())
    dispatch: Any = asked.select_for_update(of=("self",)).first()
    return (dispatch, dispatch.overtaken, dispatch.braked) if dispatch else (None, False, False)


def next_users(dispatch: InsightDispatch, signal: Signal, *, most: int | None = None) -> list[int]:
    """Ids of the next users whom the insight concerns, after the cursor, in order; all of them without `most`.

    An owned signal concerns its owner; a house signal every active trader who was there when it came, staff only when
    they opted in.
    """
    if signal.user is not None:
        return [signal.user.pk] if signal.user.is_active and signal.user.pk > dispatch.cursor else []
    return list(_ahead(dispatch).order_by("pk").values_list("pk", flat=True)[:most])


def _ahead(dispatch: InsightDispatch) -> QuerySet[User]:
    """Whom a house insight still concerns."""
    # Joined from the cursor on: else each chunk would read the preferences of all who come before it, too.
    preferences_ahead = FilteredRelation(
        "notification_preference", condition=Q(notification_preference__user__gt=dispatch.cursor)
    )
    users = get_user_model().objects.alias(preferences_ahead=preferences_ahead)
    return users.filter(
        Q(is_staff=False) | Q(preferences_ahead__house_insights_for_staff=True),
        is_active=True,
        pk__gt=dispatch.cursor,
        date_joined__lte=dispatch.opened_at,
    )


@dataclass(frozen=True, slots=True)
class Progress:
    """How many users have been decided on, and how many there are."""

    done: int
    users: int

    @property
    def percent(self) -> int:
        """Rounded down: 100 is the end."""
        return 100 * self.done // self.users if self.users else 0


def progress(dispatch: InsightDispatch, signal: Signal) -> Progress:
    """Of one that is not finished. A query that counts those to come: for the page of the dispatch, not for a list."""
    done = sum(dispatch.counts.get("verdicts", {}).values())
    ahead = 1 - done if signal.user_id is not None else _ahead(dispatch).count()
    return Progress(done, done + ahead)


def _count(dispatch: InsightDispatch, batch: Batch) -> None:
    for name, fresh in (("verdicts", batch.verdicts), ("reasons", batch.reasons)):
        dispatch.counts[name] = dict(Counter(dispatch.counts.get(name, {})) + fresh)


def _finish(dispatch: InsightDispatch, state: DispatchState) -> None:
    dispatch.state, dispatch.finished_at, dispatch.last_error = state, timezone.now(), ""
    dispatch.save(update_fields=["state", "finished_at", "last_error", "counts"])


# --- One insight, some users ----------------------------------------------------------------------------------------


def notify(signal: Signal, revision: int, user_ids: Sequence[int], *, braked: bool) -> Batch:
    """Decide for each user and write what follows; called inside a transaction. `braked`: as the caller has read it.

    Whoever has this revision already is left alone. Rows are ready, hints are not sent: that is the caller's. The
    transaction may have to be begun again: `again_when_overtaken`.
    """
    write = fan_out.write if connection.vendor == "postgresql" else row_by_row.write
    announcement = announce(signal, revision, braked=braked)
    batch = write(announcement, user_ids)
    transaction.on_commit(lambda: count_metrics(announcement, batch), robust=True)
    return batch


def again_when_overtaken(transact: Callable[[], Result]) -> Result:
    """Run a whole transaction that notifies, again when another one was faster."""
    for _ in range(ATTEMPTS - 1):
        try:
            return transact()
        except (IntegrityError, OvertakenError) as overtaken:
            logger.info("Notifying begins again: %s", overtaken)
    return transact()
