"""The parts of pages that tell how a user is reached beside the socket."""

from __future__ import annotations

from typing import Any

from django import template

from notifications import devices, outgoing_webhooks, trouble
from notifications.delivery import vapid
from notifications.models import PushSubscription
from notifications.trouble import Trouble

register = template.Library()


@register.inclusion_tag("notifications/partials/preference_devices.html", takes_context=True)
def push_devices(context: dict[str, Any]) -> dict[str, Any]:
    """The user's devices for web push, each with its forms."""
    request = context["request"]
    rows = list(PushSubscription.objects.filter(user=request.user))
    browser = devices.digest(request.COOKIES.get(devices.BROWSER_COOKIE, ""))
    return {
        "request": request,
        "devices": rows,
        "push_key": vapid.public_key(),
        "this_one": bool(browser) and any(row.browser == browser for row in rows),
    }


@register.inclusion_tag("notifications/partials/preference_webhook.html", takes_context=True)
def outgoing_webhook(context: dict[str, Any]) -> dict[str, Any]:
    """The user's own webhook with its forms; `url` and `error` of the context are those of a refused form."""
    webhook = outgoing_webhooks.of(context["request"].user)
    url = context.get("url") or (webhook.url if webhook else "")
    return {"request": context["request"], "webhook": webhook, "url": url, "error": context.get("error", "")}


@register.filter
def device_name(device: PushSubscription) -> str:
    return devices.name_of(device.user_agent)


@register.simple_tag(takes_context=True)
def delivery_troubles(context: dict[str, Any]) -> list[Trouble]:
    """What has not reached the user for a day, with what to do."""
    return trouble.of(context["request"].user)
