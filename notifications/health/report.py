"""The figures of a range, put together from its periods; the page in the admin and the command show the same."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.contrib.auth import get_user_model

from notifications import brake
from notifications.health import classes, latency, standing
from notifications.health.latency import Latency, Stage
from notifications.health.merging import merge
from notifications.health.periods import Length, Range, floor
from notifications.health.standing import Waiting
from notifications.models import DeliveryState, HealthFigures, SendingBrake
from notifications.preferences import Channel, Verdict
from signals import silence
from signals.models import WebhookSource

Counts = dict[str, Any]

MOST_BUSIEST = 5
MOST_SILENT = 20

# By channel, in which states a delivery got where it is to go, and in which it did not. What was skipped had lost its
# meaning. A browser's hint is "sent" once the sockets' layer has it; a closed browser is no failure of ours.
_ELSEWHERE = ((DeliveryState.SENT, DeliveryState.ACKNOWLEDGED), (DeliveryState.FAILED, DeliveryState.GONE))
_ON_WEB = (_ELSEWHERE[0], (*_ELSEWHERE[1], DeliveryState.PENDING))


@dataclass(frozen=True, slots=True)
class Step:
    """One point of the charts."""

    begins_at: dt.datetime
    ends_at: dt.datetime
    counts: Counts

    @property
    def insights(self) -> int:
        return int(self.counts.get("insights", 0))

    @property
    def notifications(self) -> int:
        return int(self.counts.get("notifications", 0))

    @property
    def latency(self) -> Latency:
        """From signal to screen."""
        return _latency(self.counts, Stage.WHOLE)


@dataclass(frozen=True, slots=True)
class Deliveries:
    """Over one channel."""

    channel: str
    states: dict[str, int]

    @property
    def total(self) -> int:
        return sum(self.states.values())

    @property
    def success(self) -> float | None:
        """The share that got through of those of which it is known; None while it is of none."""
        through, failed = _ON_WEB if self.channel == Channel.WEBSOCKET else _ELSEWHERE
        good, bad = (sum(self.states.get(state, 0) for state in states) for states in (through, failed))
        return good / (good + bad) if good + bad else None

    @property
    def acknowledged(self) -> float | None:
        """The share that a browser showed; only browsers say so."""
        if self.channel != Channel.WEBSOCKET or not self.total:
            return None
        return self.states.get(DeliveryState.ACKNOWLEDGED, 0) / self.total


@dataclass(frozen=True, slots=True)
class Hidden:
    """What a rule kept back: decisions about users, in so many insights."""

    reason: str
    users: int
    insights: int


@dataclass(frozen=True, slots=True)
class Busiest:
    """A user and how many notifications they got on one day."""

    date: dt.date
    user_id: int
    username: str
    number: int


@dataclass(frozen=True, slots=True)
class Report:
    """`since` is where the first step begins; `counted_at` None when nothing has been counted of it.

    `silent_sources` are the first of those that have gone `silent`; `brake` is the use of it that is on.
    """

    range: Range
    since: dt.datetime
    now: dt.datetime
    counted_at: dt.datetime | None
    steps: list[Step]
    deliveries: list[Deliveries]
    verdicts: dict[str, int]
    hidden: list[Hidden]
    latencies: dict[Stage, Latency]
    later: int
    days: list[dt.date]
    per_user_and_day: dict[str, int]
    busiest: list[Busiest]
    unread: dict[str, int]
    unread_counted_at: dt.datetime | None
    dispatches: Waiting
    due: dict[str, Waiting]
    silent: int
    silent_sources: list[WebhookSource]
    brake: SendingBrake | None

    @property
    def insights(self) -> int:
        return sum(step.insights for step in self.steps)

    @property
    def notifications(self) -> int:
        return sum(step.notifications for step in self.steps)

    @property
    def hidden_share(self) -> float | None:
        """Of all decisions, those that kept an insight back."""
        decided = sum(self.verdicts.values())
        return self.verdicts.get(Verdict.SUPPRESS, 0) / decided if decided else None


def read(range_: Range, now: dt.datetime) -> Report:
    """In a number of queries that grows with nothing."""
    since = range_.begin(now)
    rows = HealthFigures.objects.filter(length_s=range_.length, begins_at__gte=since, begins_at__lte=now)
    periods = list(rows.order_by("begins_at").values_list("begins_at", "counts", "counted_at"))
    steps = _steps(range_, since, now, {begins_at: counts for begins_at, counts, _ in periods})
    total = merge(step.counts for step in steps)
    days = _days(since, now)
    unread_day = next((day for day in reversed(days) if "unread" in day.users), None)
    return Report(
        range=range_,
        since=since,
        now=now,
        counted_at=max((counted_at for *_, counted_at in periods), default=None),
        steps=steps,
        deliveries=_deliveries(total),
        verdicts=total.get("verdicts", {}),
        hidden=_hidden(total),
        latencies={stage: _latency(total, stage) for stage in Stage},
        later=total.get("later", 0),
        days=[day.begins_at.date() for day in days],
        per_user_and_day=classes.spread(merge(day.users.get("received", {}) for day in days)),
        busiest=_busiest(days),
        unread=classes.spread(unread_day.users["unread"]) if unread_day else {},
        unread_counted_at=unread_day.users_counted_at if unread_day else None,
        dispatches=standing.open_dispatches(),
        due=standing.due_deliveries(now),
        silent=silence.noticed().count(),
        silent_sources=list(silence.noticed()[:MOST_SILENT]),
        brake=brake.engaged(),
    )


def _days(since: dt.datetime, now: dt.datetime) -> list[HealthFigures]:
    rows = HealthFigures.objects.filter(length_s=Length.DAY, begins_at__gte=Length.DAY.begin(since), begins_at__lte=now)
    return list(rows.defer("counts").order_by("begins_at"))


def _steps(range_: Range, since: dt.datetime, now: dt.datetime, periods: dict[dt.datetime, Counts]) -> list[Step]:
    of_step: dict[dt.datetime, list[Counts]] = {}
    while since <= now:
        of_step[since] = []
        since += range_.step
    for begins_at, counts in periods.items():
        of_step[floor(begins_at, range_.step)].append(counts)
    return [Step(begins_at, begins_at + range_.step, merge(every)) for begins_at, every in of_step.items()]


def _deliveries(total: Counts) -> list[Deliveries]:
    """Of every channel that the site has, and of those that it had."""
    found: Counts = total.get("deliveries", {})
    return [Deliveries(channel, found.get(channel, {})) for channel in {**dict.fromkeys(Channel.values), **found}]


def _hidden(total: Counts) -> list[Hidden]:
    """The most frequent first."""
    found = [Hidden(reason, *counts) for reason, counts in total.get("hidden", {}).items()]
    return sorted(found, key=lambda one: (-one.users, one.reason))


def _latency(counts: Counts, stage: Stage) -> Latency:
    buckets = counts.get("latency", {}).get(stage.value, {})
    return latency.summary({int(bucket): number for bucket, number in buckets.items()})


def _busiest(days: Iterable[HealthFigures]) -> list[Busiest]:
    found = [
        (number, day.begins_at.date(), user_id) for day in days for user_id, number in day.users.get("busiest", [])
    ]
    first = sorted(found, key=lambda row: (-row[0], row[1], row[2]))[:MOST_BUSIEST]
    users = get_user_model()._default_manager.in_bulk({user_id for *_, user_id in first})
    return [
        Busiest(date, user_id, users[user_id].get_username(), number)
        for number, date, user_id in first
        if user_id in users  # the account may have been deleted since
    ]
