"""What has not reached a user for a day over some channel, in words that say what to do."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any

from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from notifications import devices
from notifications.models import OutgoingWebhook, PushSubscription

FOR = dt.timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Trouble:
    text: str
    url: str


def of(user: Any) -> list[Trouble]:
    """Costs nothing for who has neither web push nor a webhook on, and else two queries, both by an index."""
    preference = getattr(user, "notification_preference", None)
    if preference is None or not (preference.push_enabled or preference.webhook_enabled):
        return []
    since = timezone.now() - FOR
    failing = PushSubscription.objects.filter(user=user, failing_since__lte=since)
    return [
        *(_of_device(device) for device in failing.order_by("pk")),
        *(_of_webhook(webhook) for webhook in OutgoingWebhook.objects.filter(user=user) if _fails(webhook, since)),
    ]


def _fails(webhook: OutgoingWebhook, since: dt.datetime) -> bool:
    """A pause is told of at once: nothing comes until the user does something."""
    return webhook.paused_at is not None or (webhook.failing_since is not None and webhook.failing_since <= since)


def _of_device(device: PushSubscription) -> Trouble:
    text = _("Web push has not reached %(device)s for a day. Turn it off and on again on that device.")
    return Trouble(text % {"device": devices.name_of(device.user_agent)}, reverse("preferences") + "#devices")


def _of_webhook(webhook: OutgoingWebhook) -> Trouble:
    if webhook.paused_at is not None:
        text = _("Your webhook was paused after %(number)d failures in a row. Check the address, then let it go on.")
        return Trouble(text % {"number": webhook.failures}, reverse("preferences") + "#webhook")
    text = _("Your webhook has taken nothing for a day: %(why)s Check the address.")
    return Trouble(text % {"why": _(webhook.last_error)}, reverse("preferences") + "#webhook")
