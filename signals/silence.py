"""Webhook sources that have said nothing for far longer than they usually do.

A source is silent once more time of the market has passed since its last alert than ten times its median gap, one and
a half times the third longest of its last gaps, and an hour. The longest pauses count because many a strategy speaks
every quarter of an hour by day and never at night; not the two longest, so that one outage does not hide the next.
Time of the market leaves out the weekend, from 17:00 on Friday to 17:00 on Sunday by the clock of New York: nobody
expects alerts then, and a silence that begins on a Friday is told of on Monday.

Left alone: paused sources, and those with fewer than MIN_ALERTS on record (WebhookRequest, 30 days), whose habits
nobody knows.

A silence is one episode from its last alert on: `WebhookSource.silent_since` is the time of the alert after which the
owner was told. The next alert ends it by itself, as it moves `last_alert_at`.

`manage.py check_sources` asks `find` and tells the owners; the delivery health page asks `noticed`, which costs one
small query.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median
from zoneinfo import ZoneInfo

from django.db.models import F, Q, Window
from django.db.models.functions import RowNumber

from signals.models import Verdict, WebhookRequest, WebhookSource, WebhookSourceQuerySet

MIN_ALERTS = 20
LAST_ALERTS = 200
TIMES_THE_MEDIAN = 10
TIMES_THE_LONG_PAUSE = 1.5
LONG_PAUSE = 3  # the third longest gap
LEAST = dt.timedelta(hours=1)
SOURCES_AT_ONCE = 500

NEW_YORK = ZoneInfo("America/New_York")
WEEK_BEGINS = dt.datetime(2000, 1, 2, 17)  # noqa: DTZ001 - a Sunday, by the clock of New York
WEEK, OPEN = dt.timedelta(days=7), dt.timedelta(days=5)


@dataclass(frozen=True, slots=True)
class Silence:
    """`usual_gap` is the median between two alerts, without weekends."""

    source: WebhookSource
    since: dt.datetime
    usual_gap: dt.timedelta


def find(now: dt.datetime) -> list[Silence]:
    """The silences whose owners were not told yet, the longest first."""
    return _silences(_told_of_none(now), now)


def noticed() -> WebhookSourceQuerySet:
    """The sources whose owners were told that they are silent, and which still are: one query, for pages."""
    return WebhookSource.objects.silent().select_related("user").order_by("silent_since")


def begin_episode(silence: Silence) -> bool:
    """Record that the owner is told. False when an alert has come meanwhile, or somebody else was faster."""
    still = WebhookSource.objects.filter(pk=silence.source.pk, last_alert_at=silence.since, paused=False)
    return bool(still.filter(~_told()).update(silent_since=silence.since))


def take_back(silence: Silence) -> None:
    """The owner could not be told after all: the next look begins the episode again."""
    WebhookSource.objects.filter(pk=silence.source.pk, silent_since=silence.since).update(silent_since=None)


def limit_of(alerts: Sequence[dt.datetime]) -> tuple[dt.timedelta, dt.timedelta] | None:
    """The median gap, and the time of the market after which a source with these alerts is silent; None for too few."""
    if len(alerts) < MIN_ALERTS:
        return None
    times = sorted(map(market_time, alerts))
    gaps = sorted((later - earlier for earlier, later in pairwise(times)), reverse=True)
    usual = dt.timedelta(seconds=median(gap.total_seconds() for gap in gaps))
    return usual, max(LEAST, TIMES_THE_MEDIAN * usual, TIMES_THE_LONG_PAUSE * gaps[LONG_PAUSE - 1])


def market_time(moment: dt.datetime) -> dt.timedelta:
    """How long the market had been open by then, counted from one Sunday in 2000; it stands still over weekends.

    By the clock on the wall, so that a week is five days long also when the clocks are changed in it.
    """
    weeks, within = divmod(moment.astimezone(NEW_YORK).replace(tzinfo=None) - WEEK_BEGINS, WEEK)
    return weeks * OPEN + min(within, OPEN)


def _told() -> Q:
    return Q(silent_since__isnull=False, silent_since=F("last_alert_at"))


def _told_of_none(now: dt.datetime) -> WebhookSourceQuerySet:
    quiet = WebhookSource.objects.filter(paused=False, last_alert_at__lte=now - LEAST)
    return quiet.filter(~_told()).select_related("user").order_by("last_alert_at")


def _silences(sources: Iterable[WebhookSource], now: dt.datetime) -> list[Silence]:
    found, candidates = [], list(sources)
    for start in range(0, len(candidates), SOURCES_AT_ONCE):
        some = candidates[start : start + SOURCES_AT_ONCE]
        alerts = _last_alerts([source.pk for source in some])
        found += [silence for source in some if (silence := _silence(source, alerts[source.pk], now))]
    return found


def _silence(source: WebhookSource, alerts: Sequence[dt.datetime], now: dt.datetime) -> Silence | None:
    habit = limit_of(alerts)
    if habit is None or source.last_alert_at is None:
        return None
    usual, limit = habit
    gone = market_time(now) - market_time(source.last_alert_at)
    return Silence(source, source.last_alert_at, usual) if gone > limit else None


def _last_alerts(source_ids: Sequence[int]) -> defaultdict[int, list[dt.datetime]]:
    """The times of each source's last alerts, refused ones left out: of those the owner hears elsewhere."""
    latest_first = Window(RowNumber(), partition_by="source_id", order_by=F("received_at").desc())
    taken = WebhookRequest.objects.filter(source__in=source_ids).exclude(verdict=Verdict.REFUSED).order_by()
    rows = taken.annotate(back=latest_first).filter(back__lte=LAST_ALERTS)
    alerts: defaultdict[int, list[dt.datetime]] = defaultdict(list)
    for source_id, received_at in rows.values_list("source_id", "received_at"):
        alerts[source_id].append(received_at)
    return alerts
