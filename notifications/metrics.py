"""Every metric of the notifications, declared once; whoever does the thing counts it here. docs/metrics.md lists them.

Counting never raises and needs no database (zenithedge/shared_values.py), so it may stand on any path. Labels take
words of ours only: what a client sends goes through a function that bounds it. Texts are short, because they are part
of each key in the shared files.
"""

from __future__ import annotations

import datetime as dt
import logging
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

from prometheus_client import Counter, Gauge, Histogram

from notifications.health.latency import LIVE_S, Stage
from notifications.priority import Priority
from zenithedge.shared_values import REGISTRY, WeighedHistogram

# Of a way that takes some 20 ms when all is well, and that somebody waits for.
STAGE_BUCKETS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
# Of a call over the internet, which is given up after some 10 s.
CALL_BUCKETS_S = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
JOB_BUCKETS_S = (0.01, 0.05, 0.25, 1.0, 5.0, 15.0, 60.0, 300.0)

NOTIFICATIONS_CREATED = Counter(
    "zenithedge_notifications_created",
    "Notifications written, by priority; held ones included.",
    ["priority"],
    registry=REGISTRY,
)
NOTIFICATIONS_SENT = Counter(
    "zenithedge_notifications_sent", "Notifications whose hint the channel layer took.", registry=REGISTRY
)
NOTIFICATIONS_ACKNOWLEDGED = Counter(
    "zenithedge_notifications_acknowledged", "Notifications that a browser acknowledged.", registry=REGISTRY
)
NOTIFICATIONS_HELD = Counter(
    "zenithedge_notifications_held", "Of those written, the ones that quiet hours or the brake hold.", registry=REGISTRY
)
INSIGHTS_SUPPRESSED = Counter(
    "zenithedge_insights_suppressed",
    "Insights that a user's preferences kept back, by the rule that decided.",
    ["reason"],
    registry=REGISTRY,
)
HINTS_DROPPED = Counter(
    "zenithedge_hints_dropped",
    "Hints that did not reach the channel layer or a socket; a sync heals each. By cause.",
    ["cause"],
    registry=REGISTRY,
)
DIGESTS = Counter(
    "zenithedge_digests",
    "Daily e-mails by what came of them: sent, nothing, skipped, failed; later is an attempt that will be repeated.",
    ["state"],
    registry=REGISTRY,
)
DELIVERIES = Counter(
    "zenithedge_deliveries",
    "Attempts to deliver over push, webhooks and the like, by what they led to; pending ones are repeated.",
    ["channel", "state"],
    registry=REGISTRY,
)
STAGES = WeighedHistogram(
    "zenithedge_stage_seconds",
    "From one stage of a notification's way to the next.",
    ["stage"],
    buckets=STAGE_BUCKETS_S,
    registry=REGISTRY,
)
DELIVERY_SECONDS = Histogram(
    "zenithedge_delivery_attempt_seconds",
    "One attempt over push, a webhook and the like.",
    ["channel"],
    buckets=CALL_BUCKETS_S,
    registry=REGISTRY,
)
MAIL_SECONDS = Histogram(
    "zenithedge_digest_mail_seconds",
    "Until the mail server has taken one daily e-mail, or not.",
    buckets=CALL_BUCKETS_S,
    registry=REGISTRY,
)
RECONCILED = Counter(
    "zenithedge_reconciled",
    "What the sweep found and did: validated, opened, run, closed, failed.",
    ["found"],
    registry=REGISTRY,
)
JOB_SECONDS = Histogram(
    "zenithedge_job_seconds",
    "One turn of a job of the schedule.",
    ["task"],
    buckets=JOB_BUCKETS_S,
    registry=REGISTRY,
)
JOB_LAST_SUCCESS = Gauge(
    "zenithedge_job_last_success_timestamp_seconds",
    "When a job of the schedule was last done without a fault.",
    ["task"],
    registry=REGISTRY,
    multiprocess_mode="max",
)
SOCKETS_OPENED = Counter("zenithedge_sockets_opened", "Sockets accepted.", registry=REGISTRY)
SOCKETS_CLOSED = Counter("zenithedge_sockets_closed", "Sockets closed, by close code.", ["code"], registry=REGISTRY)
SOCKETS_REFUSED = Counter(
    "zenithedge_sockets_refused", "Sockets refused in the handshake, by reason.", ["reason"], registry=REGISTRY
)
SOCKETS_OPEN = Gauge("zenithedge_sockets_open", "Sockets open now.", registry=REGISTRY, multiprocess_mode="livesum")

# The server's own codes and those that browsers and proxies end with; a client may send any of 3000–4999.
CLOSE_CODES = frozenset({1000, 1001, 1005, 1006, 1009, 1011, 1012, 4401, 4429})


# A series that begins with its first event shows no increase for it, so those that the alert rules ask for are begun.
for _code in sorted(CLOSE_CODES):
    SOCKETS_CLOSED.labels(str(_code))
for _cause in ("breaker", "layer_failed", "over_capacity", "slow_answer", "slow_socket"):
    HINTS_DROPPED.labels(_cause)
for _found in ("validated", "opened", "run", "closed", "failed"):
    RECONCILED.labels(_found)
for _priority in Priority:
    NOTIFICATIONS_CREATED.labels(_priority.value)
for _stage in Stage:
    STAGES.labels(_stage.value)
SOCKETS_REFUSED.labels("fault")


def close_label(code: int | None) -> str:
    """The label of a close code, bounded: `SOCKETS_CLOSED.labels(close_label(code)).inc()`."""
    return str(code) if code in CLOSE_CODES else "other"


def stage_took(stage: Stage, seconds: float, notifications: int) -> None:
    """So many notifications took so long over this stage; clocks that differ make it nought at least."""
    if notifications:
        STAGES.labels(stage.value).observe_many(max(0.0, seconds), notifications)


class Acknowledged(NamedTuple):
    """A notification that a browser has acknowledged for the first time. `sent_at` None: not recorded."""

    received_at: dt.datetime
    sent_at: dt.datetime | None
    at_once: bool  # of a first revision, never held back, not read before: the others' ways are no measure


def count_acknowledged(notifications: Iterable[Acknowledged], now: dt.datetime) -> None:
    """Times of those whose browser was open: the others waited for their user, not for us."""
    number = 0
    for notification in notifications:
        number += 1
        since_sent_s = (now - (notification.sent_at or notification.received_at)).total_seconds()
        if notification.at_once and since_sent_s < LIVE_S:
            if notification.sent_at is not None:
                stage_took(Stage.ACKNOWLEDGED, since_sent_s, 1)
            stage_took(Stage.WHOLE, (now - notification.received_at).total_seconds(), 1)
    NOTIFICATIONS_ACKNOWLEDGED.inc(number)


@contextmanager
def job(name: str) -> Iterator[None]:
    """Time one turn of a job of the schedule; one that does not raise counts as done."""
    with JOB_SECONDS.labels(name).time():
        yield
    JOB_LAST_SUCCESS.labels(name).set(time.time())


class DroppedHints(logging.Handler):
    """Counts what the core channel layer drops: a line in its log is all that it makes of it.

    "%s of %s channels over capacity in group %s"
    """

    def emit(self, record: logging.LogRecord) -> None:
        if "over capacity" in str(record.msg) and isinstance(record.args, tuple) and record.args:
            HINTS_DROPPED.labels("over_capacity").inc(float(str(record.args[0])))
