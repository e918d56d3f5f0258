"""`/metrics`: the numbers of all processes of this machine, for Prometheus and for staff."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

from django.conf import settings
from django.db import Error as DatabaseFault
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.crypto import constant_time_compare
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from notifications import brake, realtime
from notifications.health import standing
from notifications.schedule import JOBS
from signals import silence
from zenithedge import shared_values

logger = logging.getLogger(__name__)


@require_safe
@never_cache
def metrics(request: HttpRequest) -> HttpResponse:
    """For staff, and for who brings METRICS_TOKEN; with that, the counters come when the database is away, too."""
    if _has_token(request) or (request.user.is_active and request.user.is_staff):
        numbers = generate_latest(shared_values.collectable()) + generate_latest(present())
        return HttpResponse(numbers, content_type=CONTENT_TYPE_LATEST)
    status = 403 if request.user.is_authenticated else 401
    refused = HttpResponse("For staff, or with a token.\n", status=status, content_type="text/plain")
    if status == 401:
        refused["WWW-Authenticate"] = "Bearer"
    return refused


def _has_token(request: HttpRequest) -> bool:
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    wanted: str = settings.METRICS_TOKEN
    return bool(wanted) and scheme.lower() == "bearer" and constant_time_compare(token.strip(), wanted)


def present() -> CollectorRegistry:
    """How things stand at the moment of the scrape; every process of the site would say the same."""
    registry = CollectorRegistry()
    for collector in (Rows(), Surroundings()):
        registry.register(collector)
    return registry


class Rows(Collector):
    """What is still to be done, as the database has it now."""

    def collect(self) -> Iterator[Metric]:
        answers = GaugeMetricFamily("zenithedge_database_up", "1 when the database answered this scrape.")
        try:
            rows = list(self._rows())
        except DatabaseFault:
            logger.exception("The database did not answer a scrape of the metrics")
            rows = []
        answers.add_metric([], bool(rows))
        yield answers
        yield from rows

    def describe(self) -> Iterator[Metric]:
        """So that registering it asks nothing."""
        return iter(())

    def _rows(self) -> Iterator[Metric]:
        now = timezone.now()
        dispatches, deliveries = standing.open_dispatches(), standing.due_deliveries(now)
        yield _gauge("zenithedge_dispatches_open", "Dispatches not finished yet.", dispatches.number)
        yield _gauge("zenithedge_dispatch_oldest_age_seconds", "Age of the oldest of them.", dispatches.age_s(now))
        yield _by(
            "channel", "zenithedge_deliveries_due", "Deliveries that are due.",
            {channel: waiting.number for channel, waiting in deliveries.items()},
        )  # fmt: skip
        yield _by(
            "channel", "zenithedge_delivery_oldest_due_seconds", "For how long the oldest has been due.",
            {channel: waiting.age_s(now) for channel, waiting in deliveries.items()},
        )  # fmt: skip
        yield _gauge("zenithedge_brake_engaged", "1 while sending is stopped for everybody.", brake.is_engaged())
        yield _gauge("zenithedge_sources_silent", "Sources gone silent.", silence.noticed().count())


class Surroundings(Collector):
    """What the site stands on, beside the database, and what it has been told."""

    def collect(self) -> Iterator[Metric]:
        yield _gauge(
            "zenithedge_channel_layer_up", "1 when the channel layer took a message.", realtime.layer_answers()
        )
        yield _by(
            "task", "zenithedge_job_period_seconds", "How often a job of the schedule is due.",
            {job.name: job.every_s for job in JOBS},
        )  # fmt: skip
        shared = shared_values.wanted()
        if shared is not None:
            yield _gauge(
                "zenithedge_metrics_shared", "1 when the processes add up their numbers.", shared_values.in_use()
            )
        directories = {"logs": Path(settings.LOG_FILE).parent} | ({"metrics": shared} if shared is not None else {})
        yield _by(
            "directory", "zenithedge_disk_free_bytes", "Free on the disk of a directory that we write to.",
            {name: shutil.disk_usage(path).free for name, path in directories.items() if path.is_dir()},
        )  # fmt: skip

    def describe(self) -> Iterator[Metric]:
        """So that registering it asks nothing."""
        return iter(())


def _gauge(name: str, documentation: str, value: float) -> Metric:
    gauge = GaugeMetricFamily(name, documentation)
    gauge.add_metric([], value)
    return gauge


def _by(label: str, name: str, documentation: str, values: Mapping[str, float]) -> Metric:
    gauge = GaugeMetricFamily(name, documentation, labels=[label])
    for which, value in values.items():
        gauge.add_metric([which], value)
    return gauge
