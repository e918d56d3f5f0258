"""Every metric of the notifications, declared once; whoever does the thing counts it here.

Counting never raises and needs no database (zenithedge/shared_values.py), so it may stand on any path. Labels take
words of ours only: what a client sends goes through a function that bounds it.
"""

from __future__ import annotations

import logging

from prometheus_client import Counter, Gauge

from zenithedge.shared_values import REGISTRY

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
SOCKETS_OPENED = Counter("zenithedge_sockets_opened", "Sockets accepted.", registry=REGISTRY)
SOCKETS_CLOSED = Counter("zenithedge_sockets_closed", "Sockets closed, by close code.", ["code"], registry=REGISTRY)
SOCKETS_OPEN = Gauge("zenithedge_sockets_open", "Sockets open now.", registry=REGISTRY, multiprocess_mode="livesum")

# The server's own codes and those that browsers and proxies end with; a client may send any of 3000–4999.
CLOSE_CODES = frozenset({1000, 1001, 1005, 1006, 1009, 1011, 1012, 4401, 4429})


def close_label(code: int | None) -> str:
    """The label of a close code, bounded: `SOCKETS_CLOSED.labels(close_label(code)).inc()`."""
    return str(code) if code in CLOSE_CODES else "other"


class DroppedHints(logging.Handler):
    """Counts what the core channel layer drops: a line in its log is all that it makes of it.

    "%s of %s channels over capacity in group %s"
    """

    def emit(self, record: logging.LogRecord) -> None:
        if "over capacity" in str(record.msg) and isinstance(record.args, tuple) and record.args:
            HINTS_DROPPED.labels("over_capacity").inc(float(str(record.args[0])))
