"""What a period's rows say, counted set by set: a handful of statements for however many periods, users and rows.

Counts of a period (JSON, what is nought left out; a day's are the sum of its hours'):

- `insights`: validated signals received; `notifications`: written, held ones included
- `deliveries`: by channel and state, the daily e-mails among them
- `verdicts`: users by what was decided about them; `dispatches`: how many that was decided in
- `hidden`: by reason, [users, insights] that an insight was kept from; those that quiet hours hold are not among them
- `latency`: by stage, durations by bucket (`latency.py`); `later`: acknowledged by a browser that was closed before

A day's users: `received`, how many by the number of their notifications of that day; `busiest`, [user id, number] of a
few; `unread`, how many by the number of their unread ones at the moment, while the day lasts.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Iterator
from heapq import nlargest
from typing import Any

from django.db.models import Count, F, Func, IntegerField, Q, QuerySet
from django.db.models.functions import TruncHour, TruncMinute

from notifications.health import classes, latency
from notifications.health.latency import Stage
from notifications.health.periods import Length
from notifications.models import (
    DigestRun,
    Inbox,
    InsightDispatch,
    InsightNotification,
    NotificationDeliveryLog,
)
from notifications.preferences import Channel, Reason, Verdict
from signals.models import Signal

Counts = dict[str, Any]
Counted = dict[dt.datetime, Counts]

BUSIEST = 5

_HIDES_NOTHING = {Reason.ALL_RULES_PASSED, Reason.URGENT_IN_QUIET_HOURS, Reason.BRAKE}


def count(length: Length, begin: dt.datetime, end: dt.datetime) -> Counted:
    """The counts of every period of this length, an hour at most, from `begin` up to `end`, by its beginning."""
    found: Counted = {begins_at: {} for begins_at in length.begins(begin, end)}
    periods = _Periods(length, begin, end, found)
    for part in (_insights, _notifications, _deliveries, _mails, _decisions, _latencies):
        part(periods)
    return found


def users_of_day(begin: dt.datetime, *, with_unread: bool) -> Counts:
    rows = InsightNotification.objects.filter(created_at__gte=begin, created_at__lt=begin + Length.DAY.duration)
    numbers = list(rows.order_by().values_list("user_id").annotate(number=Count("pk")))
    busiest = nlargest(BUSIEST, numbers, key=lambda row: (row[1], -row[0]))
    found = {
        "received": classes.classify(number for _, number in numbers),
        "busiest": [list(row) for row in busiest],
    }
    return found | ({"unread": unread_by_class()} if with_unread else {})


def unread_by_class() -> dict[str, int]:
    """Users by the number of their unread notifications now."""
    own = InsightNotification.objects.unread().order_by().values("user").annotate(number=Count("pk"))
    numbers = Counter(classes.classify(own.values_list("number", flat=True).iterator()))
    numbers[classes.name_of(0)] += max(0, Inbox.objects.count() - numbers.total())
    return classes.in_order(numbers)


class _Periods:
    """The periods that are being counted, and their figures so far."""

    def __init__(self, length: Length, begin: dt.datetime, end: dt.datetime, counted: Counted) -> None:
        self.length = length
        self.begin, self.end = begin, end
        self.counted = counted

    def among(self, rows: QuerySet[Any], moment: str) -> QuerySet[Any]:
        """Rows whose `moment` lies in them, each with the hour or minute of it."""
        truncate = TruncHour if self.length is Length.HOUR else TruncMinute
        within = {f"{moment}__gte": self.begin, f"{moment}__lt": self.end}
        found: QuerySet[Any] = rows.filter(**within).order_by().annotate(at=truncate(moment, tzinfo=dt.UTC))
        return found

    def of(self, at: dt.datetime) -> Counts:
        return self.counted[self.length.begin(at)]


def _insights(periods: _Periods) -> None:
    rows = periods.among(Signal.objects.filter(validation__isnull=False), "received_at")
    for at, number in rows.values_list("at").annotate(number=Count("pk")):
        _add(periods.of(at), "insights", number)


def _notifications(periods: _Periods) -> None:
    rows = periods.among(InsightNotification.objects.all(), "created_at")
    for at, number in rows.values_list("at").annotate(number=Count("pk")):
        _add(periods.of(at), "notifications", number)


def _deliveries(periods: _Periods) -> None:
    rows = periods.among(NotificationDeliveryLog.objects.all(), "created_at")
    for at, channel, state, number in rows.values_list("at", "channel", "state").annotate(number=Count("pk")):
        _add(_inner(periods.of(at), "deliveries", channel), state, number)


def _mails(periods: _Periods) -> None:
    rows = periods.among(DigestRun.objects.all(), "due_at")
    for at, state, number in rows.values_list("at", "state").annotate(number=Count("pk")):
        _add(_inner(periods.of(at), "deliveries", Channel.EMAIL), state, number)


def _decisions(periods: _Periods) -> None:
    """From the dispatches alone: each suppression on record is counted in one of them."""
    rows = periods.among(InsightDispatch.objects.exclude(counts={}), "opened_at")
    for at, counts, number in rows.values_list("at", "counts").annotate(number=Count("pk")):
        of_period = periods.of(at)
        _add(of_period, "dispatches", number)
        for verdict, users in counts.get("verdicts", {}).items():
            _add(_inner(of_period, "verdicts"), verdict, users * number)
        for reason, users in _hidden(counts):
            so_far = _inner(of_period, "hidden").get(reason, [0, 0])
            of_period["hidden"][reason] = [so_far[0] + users * number, so_far[1] + number]


def _hidden(counts: Counts) -> Iterator[tuple[str, int]]:
    """Quiet hours are also the reason of whoever they hold an insight for; what else holds one is the brake."""
    reasons = counts.get("reasons", {})
    held_by_quiet_hours = counts.get("verdicts", {}).get(Verdict.HOLD, 0) - reasons.get(Reason.BRAKE, 0)
    for reason, users in reasons.items():
        hidden = users - held_by_quiet_hours if reason == Reason.QUIET_HOURS else users
        if reason not in _HIDES_NOTHING and hidden > 0:
            yield reason, hidden


def _latencies(periods: _Periods) -> None:
    """Of what came at once: the first time it was sent, of a first revision, never held (what is held has no log)."""
    logs = NotificationDeliveryLog.objects.filter(
        channel=Channel.WEBSOCKET,
        attempt_group=1,
        notification__revision=1,
        notification__released_at__isnull=True,
    )
    received = F("notification__signal__received_at")
    stages = {
        Stage.COMMITTED: Bucket(F("created_at") - received),
        Stage.SENT: Bucket(F("attempted_at") - F("created_at")),
        Stage.ACKNOWLEDGED: Bucket(F("acknowledged_at") - F("attempted_at")),
        Stage.WHOLE: Bucket(F("acknowledged_at") - received),
    }
    live = Q(acknowledged_at__lt=F("attempted_at") + dt.timedelta(seconds=latency.LIVE_S)) | Q(
        attempted_at__isnull=True, acknowledged_at__lt=F("created_at") + dt.timedelta(seconds=latency.LIVE_S)
    )
    # What is read in a list gets a new position, and is acknowledged at that: so long had its user been away.
    live &= Q(notification__read_at__isnull=True) | Q(notification__read_at__gte=F("acknowledged_at"))
    rows = periods.among(logs, "created_at").annotate(**{stage.value: bucket for stage, bucket in stages.items()})
    columns = ["at", *(stage.value for stage in stages)]
    for at, *buckets, number, of_them_live in rows.values_list(*columns).annotate(
        number=Count("pk"), live=Count("pk", filter=live)
    ):
        _add_latencies(periods.of(at), dict(zip(stages, buckets, strict=True)), number, of_them_live)


def _add_latencies(counts: Counts, buckets: dict[Stage, int | None], number: int, live: int) -> None:
    for stage, bucket in buckets.items():
        waited_for_a_browser = stage in (Stage.ACKNOWLEDGED, Stage.WHOLE)
        if bucket is not None:
            _add(_inner(counts, "latency", stage.value), str(int(bucket)), live if waited_for_a_browser else number)
    if buckets[Stage.WHOLE] is not None:
        _add(counts, "later", number - live)


class Bucket(Func):
    """`latency.bucket_of` of a duration; NULL for none."""

    output_field = IntegerField()
    _BUCKET = (
        f"CASE WHEN {{us}} > {latency.LEAST_US}"
        f" THEN FLOOR(LN({{us}} / {latency.LEAST_US}) * {latency.BUCKETS_A_DOUBLING} / LN(2))"
        " WHEN {us} IS NOT NULL THEN 0 END"
    )

    def as_postgresql(self, compiler: Any, connection: Any, **context: Any) -> Any:
        us = "(EXTRACT(EPOCH FROM %(expressions)s)::double precision * 1000000)"
        return self._as(us, compiler, connection, **context)

    def as_sqlite(self, compiler: Any, connection: Any, **context: Any) -> Any:
        return self._as("CAST(%(expressions)s AS REAL)", compiler, connection, **context)

    def _as(self, us: str, compiler: Any, connection: Any, **context: Any) -> Any:
        return super().as_sql(compiler, connection, template=self._BUCKET.format(us=us), **context)


def _inner(counts: Counts, *names: str) -> Counts:
    for name in names:
        counts = counts.setdefault(name, {})
    return counts


def _add(counts: Counts, name: str, number: int) -> None:
    if number:
        counts[name] = counts.get(name, 0) + number
