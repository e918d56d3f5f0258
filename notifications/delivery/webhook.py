"""A user's own webhook: each insight as JSON, signed, to one address."""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from collections.abc import Collection, Mapping
from typing import Any

from django.db.models import CharField, F
from django.db.models.functions import Cast
from django.utils import timezone
from django.utils.translation import gettext_lazy

from notifications import payloads
from notifications.delivery.answers import raise_unless_taken
from notifications.delivery.base import DeliveryChannel, DeliveryError
from notifications.models import InsightNotification, OutgoingWebhook
from notifications.preferences import Channel
from zenithedge import outgoing

PAUSED_AFTER_FAILURES = 20


class Webhook(DeliveryChannel[OutgoingWebhook]):
    """A target is the id of the user's webhook; a paused one is none."""

    name = Channel.WEBHOOK.value
    label = gettext_lazy("Webhook")
    switch = "webhook_enabled"

    def targets(self) -> Any:
        active = OutgoingWebhook.objects.filter(paused_at__isnull=True)
        return active.annotate(target=Cast("pk", CharField(max_length=20))).values("user_id", "target")

    def find(self, targets: Collection[str]) -> Mapping[str, OutgoingWebhook]:
        active = OutgoingWebhook.objects.filter(pk__in=[int(target) for target in targets], paused_at__isnull=True)
        return {str(row.pk): row for row in active}

    def host(self, target: OutgoingWebhook) -> str:
        return outgoing.host_of(target.url)

    def deliver(self, notification: InsightNotification, target: OutgoingWebhook) -> None:
        content = {"event": "insight", "notification": payloads.notification_payload(notification)}
        post(target, f"notification-{notification.pk}", content)

    def succeeded(self, target: OutgoingWebhook) -> None:
        rows = OutgoingWebhook.objects.filter(pk=target.pk)
        rows.update(last_success_at=timezone.now(), failures=0, failing_since=None, last_error="")

    def failed(self, target: OutgoingWebhook, error: DeliveryError) -> None:
        rows = OutgoingWebhook.objects.filter(pk=target.pk, paused_at__isnull=True)
        rows.filter(failing_since__isnull=True).update(failing_since=timezone.now())
        rows.update(failures=F("failures") + 1, last_error=str(error))
        rows.filter(failures__gte=PAUSED_AFTER_FAILURES).update(paused_at=timezone.now())


def post(webhook: OutgoingWebhook, id_: str, content: Mapping[str, Any]) -> None:
    """Post it with the HMAC-SHA256 of `id.timestamp.body` under the webhook's secret. Raises DeliveryError."""
    body = json.dumps(content, allow_nan=False, separators=(",", ":")).encode()
    timestamp = str(int(time.time()))
    signed = b".".join((id_.encode(), timestamp.encode(), body))
    signature = hmac.new(webhook.secret.encode(), signed, hashlib.sha256).hexdigest()
    headers = {
        "Content-Type": "application/json",
        "Webhook-Id": id_,
        "Webhook-Timestamp": timestamp,
        "Webhook-Signature": f"sha256={signature}",
    }
    try:
        raise_unless_taken(outgoing.post(webhook.url, body, headers), "Your address")
    except outgoing.AddressRefused as error:
        raise DeliveryError(str(error), permanent=True) from error
    except outgoing.CallFailed as error:
        raise DeliveryError(str(error)) from error
