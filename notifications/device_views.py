"""Devices for web push: the API that a browser subscribes by, and the forms of the preferences page."""

from __future__ import annotations

import datetime as dt
import secrets
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _

from notifications import devices
from notifications.delivery import webpush
from notifications.delivery.base import DeliveryError
from notifications.http import ApiError, ApiRequest, json_api, json_api_by_token, read_json_object
from notifications.manager import NotificationManager
from notifications.models import InsightNotification, PushSubscription
from zenithedge import rates
from zenithedge.forms import posted_from

TESTS_A_MINUTE = 6
BROWSER_COOKIE_LIFE = dt.timedelta(days=400)  # the longest that browsers keep one


@json_api("POST", "DELETE")
def api_push_subscriptions(request: ApiRequest) -> HttpResponse:
    """Always the account of the session: a body cannot say for whom."""
    if request.method == "DELETE":
        body = read_json_object(request, {"endpoint"})
        if not devices.remove(request.user, endpoint=_named(body, "endpoint")):
            raise ApiError(404, "not_found", "You have no such device.")
        return JsonResponse({"success": True})
    subscription = _subscription(read_json_object(request, {"endpoint", "expirationTime", "keys"}))
    cookie = request.COOKIES.get(devices.BROWSER_COOKIE) or secrets.token_urlsafe(24)
    user_agent = request.headers.get("User-Agent", "")
    try:
        added = devices.add(request.user, subscription, user_agent=user_agent, cookie=cookie)
    except devices.TooManyError as error:
        raise _invalid("endpoint", str(error)) from error
    content = {"success": True, "device": {"id": added.pk, "name": devices.name_of(added.user_agent)}}
    return _with_cookie(JsonResponse(content), cookie)


@json_api_by_token("POST")
def api_renew_push_subscription(request: HttpRequest) -> HttpResponse:
    """A service worker's, after its browser has changed a subscription: it has no CSRF token, and may have no session.

    The old endpoint is the permission.
    """
    body = read_json_object(request, {"old_endpoint", "endpoint", "expirationTime", "keys"})
    if not devices.renew(_named(body, "old_endpoint"), _subscription(body)):
        raise ApiError(404, "not_found", "Nobody has this subscription.")
    return JsonResponse({"success": True})


@json_api_by_token("POST")
def api_push_read(request: HttpRequest) -> HttpResponse:
    """“Mark read” on a pushed notification. The token came with it, and is good for that one only."""
    token = read_json_object(request, {"token"}).get("token")
    found = webpush.notification_of(token) if isinstance(token, str) else None
    if found is None:
        raise _invalid("token", "This is no token of ours.")
    user_id, notification_id = found
    row = InsightNotification.objects.filter(user_id=user_id, pk=notification_id).select_related("user").first()
    if row is None or not row.user.is_active or NotificationManager.mark_read(row.user, row.pk) is None:
        raise ApiError(404, "not_found", "There is no such notification.")
    return JsonResponse({"success": True})


@posted_from("preferences")
def remove_device(request: ApiRequest, device_id: int) -> HttpResponse:
    if not devices.remove(request.user, pk=device_id):
        raise Http404("There is no such device.")
    messages.success(request, _("Nothing is pushed to that device any more."))
    return redirect("preferences")


@posted_from("preferences")
def test_device(request: ApiRequest, device_id: int) -> HttpResponse:
    device = PushSubscription.objects.filter(user=request.user, pk=device_id).first()
    if device is None:
        raise Http404("There is no such device.")
    if rates.add("push-test", str(request.user.pk), rates.MINUTE_S) > TESTS_A_MINUTE:
        messages.error(request, _("That were many tests. Wait a minute."))
        return redirect("preferences")
    try:
        devices.send_test(device)
    except DeliveryError as error:
        messages.error(request, _("The test did not arrive: %(why)s") % {"why": _(str(error))})
    else:
        messages.success(request, _("A test was sent. It should appear within seconds."))
    return redirect("preferences")


def _with_cookie(response: HttpResponse, cookie: str) -> HttpResponse:
    response.set_cookie(
        devices.BROWSER_COOKIE,
        cookie,
        max_age=BROWSER_COOKIE_LIFE,
        secure=settings.SESSION_COOKIE_SECURE,
        httponly=True,
        samesite="Lax",
    )
    return response


def _named(body: dict[str, Any], field: str) -> str:
    """The endpoint by which a device is asked for. Empty, which is nobody's, for what no address can be: the question
    itself would fail at a database that takes no NUL."""
    endpoint = body.get(field)
    return endpoint if isinstance(endpoint, str) and endpoint.isprintable() else ""


def _subscription(body: dict[str, Any]) -> devices.Subscription:
    try:
        return devices.read(body)
    except devices.NoSubscription as error:
        raise _invalid(error.field, str(error)) from error


def _invalid(field: str, message: str) -> ApiError:
    return ApiError(400, "invalid_fields", "The body has fields that cannot be used.", {field: [message]})
