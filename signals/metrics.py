"""What the webhook counts; `/metrics` shows it beside the numbers of notifications/metrics.py."""

from prometheus_client import Counter, Histogram

from zenithedge.shared_values import REGISTRY

WEBHOOK_REQUESTS = Counter(
    "zenithedge_webhook_requests",
    "Requests to webhook addresses, by what became of them: received, duplicate, or the code of the refusal.",
    ["verdict"],
    registry=REGISTRY,
)
WEBHOOK_ANSWERS = Histogram(
    "zenithedge_webhook_answer_seconds",
    "Until an alert was answered. TradingView waits for 3 s.",
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.5, 1.0, 3.0),
    registry=REGISTRY,
)

# A series that begins with its first event shows no increase for it, so those that the alert rules ask for are begun.
for _verdict in ("received", "duplicate", "unavailable", "invalid_alert", "unknown_address"):
    WEBHOOK_REQUESTS.labels(_verdict)
