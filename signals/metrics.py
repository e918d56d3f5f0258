"""What the webhook counts; `/metrics` shows it beside the numbers of notifications/metrics.py."""

from prometheus_client import Counter

from zenithedge.shared_values import REGISTRY

WEBHOOK_REQUESTS = Counter(
    "zenithedge_webhook_requests",
    "Requests to webhook addresses, by what became of them: received, duplicate, or the code of the refusal.",
    ["verdict"],
    registry=REGISTRY,
)
