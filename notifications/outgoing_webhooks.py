"""A user's own webhook: its address, its secret, and whether it is on."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from django.db import transaction
from django.utils import timezone

from notifications.delivery import webhook as channel
from notifications.models import NotificationPreference, OutgoingWebhook
from zenithedge import outgoing

if TYPE_CHECKING:
    from django.contrib.auth.models import User


def of(user: User) -> OutgoingWebhook | None:
    return OutgoingWebhook.objects.filter(user=user).first()


def save(user: User, url: str) -> tuple[OutgoingWebhook, str | None]:
    """Post to this address from now on; with a first one comes the secret, which is not shown again.

    Another address keeps the secret and goes on after a pause. Raises outgoing.AddressRefused.
    """
    outgoing.check(url)
    secret = secrets.token_urlsafe(32)
    with transaction.atomic():
        _switch(user, on=True)
        fields = {"url": url, "failures": 0, "failing_since": None, "paused_at": None, "last_error": ""}
        webhook, made = OutgoingWebhook.objects.update_or_create(
            user=user, defaults=fields, create_defaults={**fields, "secret": secret}
        )
    return webhook, secret if made else None


def renew_secret(user: User) -> str | None:
    """None without a webhook."""
    secret = secrets.token_urlsafe(32)
    return secret if OutgoingWebhook.objects.filter(user=user).update(secret=secret) else None


@transaction.atomic
def remove(user: User) -> None:
    _switch(user, on=False)
    OutgoingWebhook.objects.filter(user=user).delete()


def go_on(user: User) -> None:
    """End the pause that the site made."""
    OutgoingWebhook.objects.filter(user=user).update(failures=0, failing_since=None, paused_at=None)


def send_test(webhook: OutgoingWebhook) -> None:
    """Raises DeliveryError. It counts as little as it proves: neither a success nor a failure of an insight."""
    content = {"event": "test", "sent_at": timezone.now().isoformat()}
    channel.post(webhook, f"test-{secrets.token_hex(8)}", content)


def _switch(user: User, *, on: bool) -> None:
    preference = NotificationPreference.locked(user)
    if preference.webhook_enabled != on:
        preference.webhook_enabled = on
        preference.save(changed_by=user)
