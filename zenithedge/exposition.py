"""`/metrics`: the numbers of all processes of this machine, for Prometheus and for staff."""

from __future__ import annotations

import logging
from collections.abc import Iterator

from django.conf import settings
from django.db import Error as DatabaseFault
from django.db.models import Count, Min
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.crypto import constant_time_compare
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from prometheus_client import generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from notifications.delivery.registry import CHANNELS
from notifications.models import DeliveryState, InsightDispatch, NotificationDeliveryLog
from zenithedge import shared_values

logger = logging.getLogger(__name__)


@require_safe
@never_cache
def metrics(request: HttpRequest) -> HttpResponse:
    """For staff, and for who brings METRICS_TOKEN; with that, the counters come when the database is away, too."""
    if _has_token(request) or (request.user.is_active and request.user.is_staff):
        numbers = generate_latest(shared_values.collectable()) + generate_latest(Dispatches())
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


class Dispatches(Collector):
    """What is still to be handed out, as the database has it now. Every process would say the same."""

    def collect(self) -> Iterator[Metric]:
        answers = GaugeMetricFamily("zenithedge_database_up", "1 when the database answered this scrape.")
        try:
            waiting = InsightDispatch.objects.unfinished().aggregate(number=Count("pk"), oldest=Min("opened_at"))
        except DatabaseFault:
            logger.exception("The database did not answer a scrape of the metrics")
            answers.add_metric([], 0)
            yield answers
            return
        answers.add_metric([], 1)
        yield answers
        age_s = (timezone.now() - waiting["oldest"]).total_seconds() if waiting["oldest"] else 0.0
        yield _gauge("zenithedge_dispatches_open", "Dispatches not finished yet.", waiting["number"])
        yield _gauge("zenithedge_dispatch_oldest_age_seconds", "Age of the oldest of them.", max(0.0, age_s))
        yield from _deliveries()


def _deliveries() -> Iterator[Metric]:
    """By channel, those that an attempt is due for; the web's wait for a browser, not for us."""
    depth = GaugeMetricFamily("zenithedge_deliveries_due", "Deliveries that are due.", labels=["channel"])
    age = GaugeMetricFamily(
        "zenithedge_delivery_oldest_due_seconds", "For how long the oldest has been due.", labels=["channel"]
    )
    now = timezone.now()
    due = NotificationDeliveryLog.objects.filter(state=DeliveryState.PENDING, next_attempt_at__lte=now).order_by()
    found = {
        row["channel"]: row for row in due.values("channel").annotate(number=Count("pk"), since=Min("next_attempt_at"))
    }
    for channel in CHANNELS:
        row = found.get(channel)
        depth.add_metric([channel], row["number"] if row else 0)
        age.add_metric([channel], (now - row["since"]).total_seconds() if row else 0.0)
    yield depth
    yield age


def _gauge(name: str, documentation: str, value: float) -> Metric:
    gauge = GaugeMetricFamily(name, documentation)
    gauge.add_metric([], value)
    return gauge
