"""The forms of a user's own webhook on the preferences page, and the one page that shows its secret."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache

from notifications import outgoing_webhooks
from notifications.delivery.base import DeliveryError
from notifications.http import ApiRequest
from zenithedge import rates
from zenithedge.forms import posted_from
from zenithedge.outgoing import AddressRefused

TESTS_A_MINUTE = 6
# Each looks a name up, wherever the user says.
ADDRESSES_A_MINUTE = 12


@never_cache
@posted_from("preferences")
def save_webhook(request: ApiRequest) -> HttpResponse:
    url = request.POST.get("url", "").strip()
    if rates.add("webhook-address", str(request.user.pk), rates.MINUTE_S) > ADDRESSES_A_MINUTE:
        return _page(request, url=url, error=_("Too many requests in a minute; wait a moment."))
    try:
        webhook, secret = outgoing_webhooks.save(request.user, url)
    except AddressRefused as error:
        return _page(request, url=url, error=_(str(error)))
    if secret:
        return _page(request, url=webhook.url, secret=secret)
    messages.success(request, _("Insights are posted to that address from now on."))
    return redirect("preferences")


@never_cache
@posted_from("preferences")
def renew_webhook_secret(request: ApiRequest) -> HttpResponse:
    secret = outgoing_webhooks.renew_secret(request.user)
    return _page(request, secret=secret) if secret else redirect("preferences")


@posted_from("preferences")
def remove_webhook(request: ApiRequest) -> HttpResponse:
    outgoing_webhooks.remove(request.user)
    messages.success(request, _("Nothing is posted any more."))
    return redirect("preferences")


@posted_from("preferences")
def resume_webhook(request: ApiRequest) -> HttpResponse:
    outgoing_webhooks.go_on(request.user)
    messages.success(request, _("Insights are posted again."))
    return redirect("preferences")


@posted_from("preferences")
def test_webhook(request: ApiRequest) -> HttpResponse:
    webhook = outgoing_webhooks.of(request.user)
    if webhook is None:
        return redirect("preferences")
    if rates.add("webhook-test", str(request.user.pk), rates.MINUTE_S) > TESTS_A_MINUTE:
        messages.error(request, _("That were many tests. Wait a minute."))
        return redirect("preferences")
    try:
        outgoing_webhooks.send_test(webhook)
    except DeliveryError as error:
        messages.error(request, _("The test did not arrive: %(why)s") % {"why": _(str(error))})
    else:
        messages.success(request, _("The test arrived."))
    return redirect("preferences")


def _page(request: ApiRequest, **context: Any) -> HttpResponse:
    return render(request, "notifications/webhook.html", context)
