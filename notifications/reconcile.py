"""The safety net: what a killed process, raw SQL or a failed validator left behind is found and finished, once."""

from __future__ import annotations

import datetime as dt
import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass

from django.conf import settings
from django.db import models, transaction
from django.db.models import Case, F, OuterRef, Q, Subquery, Value, When
from django.db.models.functions import Concat
from django.utils import timezone

from notifications import dispatching, messages, metrics
from notifications.models import DispatchState, InsightDispatch
from signals import intake
from signals.models import Timeframe, TradeValidation

logger = logging.getLogger(__name__)

PER_RUN = 500  # of each kind; the next run goes on with the rest
TURN_S = 0.5  # for all that is left open, when somebody else can go on with it


@dataclass(slots=True)
class Reconciled:
    """What one sweep did: signals validated, dispatches opened, finished, closed unsent, and failed again."""

    validated: int = 0
    opened: int = 0
    run: int = 0
    closed: int = 0
    failed: int = 0


def reconcile(
    later: Callable[[int], None] | None = None, *, should_stop: Callable[[], bool] = lambda: False
) -> Reconciled:
    """Validate what no validator finished, open the dispatches that are missing, finish those left open.

    With `later` the dispatches that one turn is too short for are handed to it, so that a house insight for everybody,
    found half done, keeps nobody's own insight waiting. Without, `should_stop` is asked before each turn.
    """
    found = Reconciled(validated=intake.validate_missing())
    for validation in _without_present_dispatch():
        with transaction.atomic():
            found.opened += dispatching.open_revision(validation) is not None
    _finish_open(found, later, should_stop)
    counts = asdict(found)
    for what, number in counts.items():
        metrics.RECONCILED.labels(what).inc(number)
    if any(counts.values()):
        logger.info("notifications reconciled: %s", found)
    return found


def _without_present_dispatch() -> Iterator[TradeValidation]:
    """Validations whose present fingerprint no dispatch carries; those long past any expiry are left alone."""
    latest = InsightDispatch.objects.filter(signal=OuterRef("signal"), revision__gte=1).order_by("-revision")
    return iter(
        TradeValidation.objects.filter(signal__received_at__gt=timezone.now() - _longest_life())
        .annotate(
            told=Subquery(latest.values("fingerprint")[:1]),
            present=Concat("status", Value(":"), "signal__side", Value(":"), _label(), output_field=models.CharField()),
        )
        .filter(Q(told__isnull=True) | ~Q(told=F("present")))
        .select_related("signal")
        .order_by("id")[:PER_RUN]
    )


def _label() -> Case:
    """messages.confidence_label, in SQL."""
    *above, lowest = messages.LABELS
    cases = (When(truth_index__gte=label.floor, then=Value(label.name)) for label in above)
    return Case(*cases, default=Value(lowest.name))


def _longest_life() -> dt.timedelta:
    bars: int = settings.NOTIFICATIONS_LIFE_BARS
    return bars * max(timeframe.duration for timeframe in Timeframe)


def _finish_open(found: Reconciled, later: Callable[[int], None] | None, should_stop: Callable[[], bool]) -> None:
    turn_ends = time.monotonic() + TURN_S
    for dispatch_id in list(InsightDispatch.objects.unfinished().order_by("id").values_list("id", flat=True)[:PER_RUN]):
        if later is None:
            while not should_stop() and not _finish(dispatch_id, found, budget_s=TURN_S):
                pass
        elif time.monotonic() >= turn_ends or not _finish(dispatch_id, found, budget_s=turn_ends - time.monotonic()):
            later(dispatch_id)


def _finish(dispatch_id: int, found: Reconciled, *, budget_s: float) -> bool:
    """False when the budget was too small for it."""
    try:
        if not dispatching.run(dispatch_id, budget_s=budget_s):
            return False
    except Exception as error:
        # One insight that can't be dispatched must not keep the others waiting; it is tried again until it expires.
        logger.exception("Dispatch %s failed in the sweep", dispatch_id)
        InsightDispatch.objects.filter(pk=dispatch_id).update(last_error=f"{type(error).__name__}: {error}"[:2000])
        found.failed += 1
        return True
    state = InsightDispatch.objects.filter(pk=dispatch_id).values_list("state", flat=True).first()
    found.run += state == DispatchState.DONE
    found.closed += state == DispatchState.CLOSED
    return True
