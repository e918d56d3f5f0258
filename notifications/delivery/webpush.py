"""Web push (RFC 8030, 8188, 8291, 8292): one encrypted message for each device that agreed to it."""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Mapping, Sequence
from decimal import Decimal
from typing import Any

import http_ece
from cryptography.hazmat.primitives.asymmetric import ec
from django.conf import settings
from django.core import signing
from django.db.models import CharField, F
from django.db.models.functions import Cast
from django.templatetags.static import static
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, gettext_noop

from notifications.delivery import vapid
from notifications.delivery.answers import raise_unless_taken
from notifications.delivery.base import DeliveryChannel, DeliveryError
from notifications.models import DeliveryState, InsightNotification, NotificationDeliveryLog, PushSubscription
from notifications.payloads import brief_url
from notifications.preferences import Channel
from notifications.priority import Priority
from zenithedge import outgoing
from zenithedge.outgoing import Answer

# All push services take 4,096 encrypted bytes; some routes to a phone take less.
MAX_PAYLOAD_BYTES = 3000
URGENCY = {Priority.HIGH: "high", Priority.MEDIUM: "normal", Priority.LOW: "low"}
TOKEN_SALT = "notifications.push.read"  # noqa: S105 - no secret

READ = gettext_noop("Read meanwhile.")
SEEN = gettext_noop("Shown in a tab in view.")
TOLD = gettext_noop("Told of in one push with what else was held.")


class WebPush(DeliveryChannel[PushSubscription]):
    """A target is the id of a subscription; one that moved to another account is another one."""

    name = Channel.PUSH.value
    label = gettext_lazy("Web push")
    switch = "push_enabled"
    first_wait_s = 10.0  # somebody who looks at the page has seen it by then

    def targets(self) -> Any:
        target = Cast("pk", CharField(max_length=20))
        return PushSubscription.objects.annotate(target=target).values("user_id", "target")

    def find(self, targets: Collection[str]) -> Mapping[str, PushSubscription]:
        rows = PushSubscription.objects.filter(pk__in=[int(target) for target in targets])
        return {str(row.pk): row for row in rows}

    def host(self, target: PushSubscription) -> str:
        return outgoing.host_of(target.endpoint)

    def needless(self, notification: InsightNotification) -> str:
        """Presence is each connection's: a tab in the background, or one that nobody touches, has shown nothing."""
        together = released_together(notification)
        if not leads(notification, together):
            return TOLD
        if notification.read and all(other.read for other in together):
            return READ
        seen = NotificationDeliveryLog.objects.filter(
            notification=notification,
            channel=Channel.WEBSOCKET,
            state=DeliveryState.ACKNOWLEDGED,
            acknowledged_visible=True,
        )
        return SEEN if seen.exists() else ""

    def gather(self, notification: InsightNotification) -> None:
        notification.tells_of = sum(not other.read for other in released_together(notification))

    def deliver(self, notification: InsightNotification, target: PushSubscription) -> None:
        left_s = max(0, int((notification.expires_at - timezone.now()).total_seconds()))
        urgency = URGENCY[Priority(notification.priority)]
        send(target, payload(notification), ttl_s=left_s, urgency=urgency, topic=f"insight-{notification.signal_id}")

    def succeeded(self, target: PushSubscription) -> None:
        rows = PushSubscription.objects.filter(pk=target.pk)
        rows.update(last_success_at=timezone.now(), failures=0, failing_since=None)

    def failed(self, target: PushSubscription, error: DeliveryError) -> None:
        rows = PushSubscription.objects.filter(pk=target.pk)
        if error.gone:
            rows.delete()
        else:
            rows.filter(failing_since__isnull=True).update(failing_since=timezone.now())
            rows.filter(failures__lt=10_000).update(failures=F("failures") + 1)


def send(
    subscription: PushSubscription, content: bytes, *, ttl_s: int, urgency: str = "normal", topic: str = ""
) -> None:
    """Encrypt and post one message. Raises DeliveryError."""
    headers = {
        "Authorization": vapid.authorization(subscription.endpoint),
        "Content-Encoding": "aes128gcm",
        "Content-Type": "application/octet-stream",
        "TTL": str(ttl_s),
        "Urgency": urgency,
        **({"Topic": topic} if topic else {}),  # what waits at the service for the device is replaced by it
    }
    try:
        body = encrypt(subscription, content)
        answer = outgoing.post(subscription.endpoint, body, headers, hosts=settings.PUSH_SERVICE_HOSTS)
    except (outgoing.AddressRefused, ValueError) as error:
        raise DeliveryError(str(error), permanent=True) from error
    except outgoing.CallFailed as error:
        raise DeliveryError(str(error)) from error
    _judge(answer)


def encrypt(subscription: PushSubscription, content: bytes) -> bytes:
    """Raises ValueError for keys that are none."""
    body: bytes = http_ece.encrypt(
        content,
        salt=os.urandom(16),
        private_key=ec.generate_private_key(ec.SECP256R1()),
        dh=vapid.decoded(subscription.p256dh),
        auth_secret=vapid.decoded(subscription.auth),
        version="aes128gcm",
    )
    return body


def payload(notification: InsightNotification) -> bytes:
    """What the service worker shows; a longer snippet is cut by whole characters until all of it fits."""
    if notification.tells_of > 1:
        return _json(_brief(notification))
    shown = {
        "id": notification.pk,
        "tag": f"insight-{notification.signal_id}",
        "title": notification.title,
        "body": notification.snippet,
        "icon": static("icons/app-192.png"),
        "url": notification.get_absolute_url(),
        "priority": notification.priority,
        "at": int(notification.created_at.timestamp() * 1000),
        "read": {"url": reverse("api_push_read"), "token": read_token(notification)},
    }
    content = _json(shown)
    while len(content) > MAX_PAYLOAD_BYTES:
        text = str(shown["body"]).removesuffix("…")
        shown["body"] = f"{text[: len(text) - 1 - (len(content) - MAX_PAYLOAD_BYTES) // 6]}…"
        content = _json(shown)
    return content


def released_together(notification: InsightNotification) -> list[InsightNotification]:
    """What came out with it when quiet hours ended, or the brake was lifted, and still matters: one push tells of all.

    Empty for what was not held.
    """
    if notification.released_at is None:
        return []
    rows = InsightNotification.objects.for_user(notification.user).filter(released_at=notification.released_at)
    live = rows.filter(expired_at__isnull=True, expires_at__gt=timezone.now(), superseded_by__isnull=True)
    return list(live.only("pk", "priority", "confidence", "read"))


def leads(notification: InsightNotification, together: Sequence[InsightNotification]) -> bool:
    """Whether it is the one whose push tells of all."""
    return all(_weight(notification) >= _weight(other) for other in together)


def _weight(notification: InsightNotification) -> tuple[int, Decimal, int]:
    return Priority(notification.priority).rank, notification.confidence, notification.pk


def _brief(leading: InsightNotification) -> dict[str, Any]:
    """Past the browser nothing of it is in the history, so that the first one's page is what there is to open."""
    released_at = leading.released_at or leading.created_at
    return {
        "id": leading.pk,
        "tag": f"brief-{int(released_at.timestamp())}",
        "title": _("%(count)d insights were held") % {"count": leading.tells_of},
        "body": leading.title,
        "icon": static("icons/app-192.png"),
        "url": brief_url(released_at) if leading.seq is not None else leading.get_absolute_url(),
        "priority": leading.priority,
        "at": int(released_at.timestamp() * 1000),
    }


def read_token(notification: InsightNotification) -> str:
    """Lets whoever was pushed this notification mark it read, and do nothing else: a worker has no CSRF token."""
    return signing.Signer(salt=TOKEN_SALT).sign(f"{notification.user_id}.{notification.pk}")


def notification_of(token: str) -> tuple[int, int] | None:
    """User id and notification id of a token; None for one that was not made here."""
    try:
        user_id, notification_id = signing.Signer(salt=TOKEN_SALT).unsign(token).split(".")
        return int(user_id), int(notification_id)
    except (signing.BadSignature, ValueError):
        return None


def _json(shown: dict[str, Any]) -> bytes:
    return json.dumps(shown, ensure_ascii=False, separators=(",", ":")).encode()


def _judge(answer: Answer) -> None:
    if answer.status in (404, 410):
        raise DeliveryError(gettext_noop("The browser has ended this subscription."), gone=True)
    if answer.status == 413:
        raise DeliveryError(gettext_noop("The push service finds the message too large."), permanent=True)
    raise_unless_taken(answer, "The push service")
