"""What has not reached a user for a day over some channel, in words that say what to do."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any

from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from notifications import devices
from notifications.digests import runs
from notifications.models import OutgoingWebhook, PushSubscription

FOR = dt.timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Trouble:
    text: str
    url: str


def of(user: Any) -> list[Trouble]:
    """Costs nothing for who has only the browser on. Web push and webhook cost two queries, the daily e-mail one."""
    preference = getattr(user, "notification_preference", None)
    if preference is None:
        return []
    found = _of_targets(user) if preference.push_enabled or preference.webhook_enabled else []
    return [*found, *_of_mail(user)] if preference.email_digest_enabled else found


def _of_targets(user: Any) -> list[Trouble]:
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


def _of_mail(user: Any) -> list[Trouble]:
    """A day's e-mail that failed: it was tried for hours, or was refused for good."""
    run = runs.latest_failure(user)
    if run is None:
        return []
    if run.error == runs.NO_ADDRESS:
        text = _("The daily e-mail has nowhere to go: your account has no address. Have one added, or switch it off.")
    else:
        text = _("The last daily e-mail did not get through: %(why)s Check your address, then have one sent now.")
        text %= {"why": run.error}
    return [Trouble(text, reverse("preferences") + "#digest")]
