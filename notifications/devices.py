"""The browsers that a user lets notifications be pushed to."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cryptography.hazmat.primitives.asymmetric import ec
from django.conf import settings
from django.db import transaction
from django.templatetags.static import static
from django.urls import reverse
from django.utils.translation import gettext as _

from notifications.delivery import vapid, webpush
from notifications.delivery.base import DeliveryError
from notifications.models import NotificationPreference, PushSubscription
from zenithedge import outgoing

if TYPE_CHECKING:
    from django.contrib.auth.models import User

# Every insight is encrypted and sent once for each.
MAX_DEVICES = 20
AUTH_BYTES = 16
MAX_USER_AGENT = 300
# Of a browser that agreed to web push. It opens nothing: all that it does is to have the push end with the session.
BROWSER_COOKIE = "push_browser"
TEST_LIFE_S = 60


class TooManyError(ValueError):
    """The user has as many devices as there can be."""


@dataclass(frozen=True, slots=True)
class Subscription:
    """What a browser's PushManager gave."""

    endpoint: str
    p256dh: str
    auth: str


class NoSubscription(ValueError):  # noqa: N818 - reads as what has happened
    """A field of it cannot be used."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


def read(content: dict[str, Any]) -> Subscription:
    """From a PushSubscription's JSON. Raises NoSubscription.

    The endpoint is checked by its text: its host is one of the push services, whose addresses nobody here chose. What
    it resolves to is checked with each message.
    """
    keys = content.get("keys")
    if not isinstance(keys, dict) or not isinstance(content.get("endpoint"), str):
        missing = "endpoint" if isinstance(keys, dict) else "keys"
        raise NoSubscription(missing, "Give what the browser's PushSubscription has as JSON.")
    subscription = Subscription(content["endpoint"], str(keys.get("p256dh", "")), str(keys.get("auth", "")))
    try:
        outgoing.parse(subscription.endpoint, hosts=settings.PUSH_SERVICE_HOSTS)
    except outgoing.AddressRefused as error:
        raise NoSubscription("endpoint", str(error)) from error
    try:
        ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), vapid.decoded(subscription.p256dh))
        if len(vapid.decoded(subscription.auth)) != AUTH_BYTES:
            raise ValueError(subscription.auth)
    except ValueError as error:
        raise NoSubscription("keys", "These are not the keys of a browser.") from error
    return subscription


def digest(cookie: str) -> str:
    """What is kept of a browser's cookie. It is random, so a slow hash would add nothing."""
    return hashlib.sha256(cookie.encode()).hexdigest() if cookie else ""


def forget_browser(cookie: str, *, but_of: User | None = None) -> None:
    """Push nothing more to the browser with this cookie: whoever used it has signed out, or somebody else signs in."""
    if not cookie:
        return
    subscriptions = PushSubscription.objects.filter(browser=digest(cookie))
    (subscriptions.exclude(user=but_of) if but_of else subscriptions).delete()


@transaction.atomic
def add(user: User, given: Subscription, *, user_agent: str, cookie: str = "") -> PushSubscription:
    """Push to this browser from now on, for this user only, and turn web push on. Raises TooManyError.

    By its cookie the browser is known when its user signs out.

    Under another account it was another device: what was pending for that one is gone with it.
    """
    PushSubscription.objects.filter(endpoint=given.endpoint).exclude(user=user).delete()
    own = PushSubscription.objects.filter(user=user)
    preference = NotificationPreference.locked(user)
    if own.exclude(endpoint=given.endpoint).count() >= MAX_DEVICES:
        raise TooManyError(_("You have %(number)d devices, which is the most.") % {"number": MAX_DEVICES})
    subscription, _made = own.update_or_create(
        endpoint=given.endpoint,
        defaults={
            "user": user,
            "p256dh": given.p256dh,
            "auth": given.auth,
            "user_agent": user_agent[:MAX_USER_AGENT],
            "browser": digest(cookie),
            "failures": 0,
            "failing_since": None,
        },
    )
    if not preference.push_enabled:
        preference.push_enabled = True
        preference.save(changed_by=user)
    return subscription


def remove(user: User, **which: Any) -> bool:
    """False when the user has no such device."""
    return bool(PushSubscription.objects.filter(user=user, **which).delete()[0])


def renew(old_endpoint: str, given: Subscription) -> bool:
    """The browser has replaced a subscription by another. False when nobody has the old one.

    Whoever names the old endpoint is the browser: it is unguessable, and known to it, its push service and us only.
    """
    if PushSubscription.objects.filter(endpoint=given.endpoint).exclude(endpoint=old_endpoint).exists():
        return bool(PushSubscription.objects.filter(endpoint=old_endpoint).delete()[0])
    changes = {"endpoint": given.endpoint, "p256dh": given.p256dh, "auth": given.auth, "failing_since": None}
    return bool(PushSubscription.objects.filter(endpoint=old_endpoint).update(**changes))


def send_test(subscription: PushSubscription) -> None:
    """Raises DeliveryError; a device that is gone is forgotten."""
    channel = webpush.WebPush()
    shown = {
        "tag": "test",
        "title": _("ZenithEdge can reach this device"),
        "body": _("Insights will look like this one."),
        "icon": static("icons/app-192.png"),
        "url": reverse("preferences"),
        "priority": "medium",
    }
    try:
        webpush.send(subscription, json.dumps(shown).encode(), ttl_s=TEST_LIFE_S, urgency="high")
    except DeliveryError as error:
        channel.failed(subscription, error)
        raise
    channel.succeeded(subscription)


# The most specific first: every browser also names those that it descends from.
BROWSERS = (
    (re.compile(r"\bEdgA?/"), "Edge"),
    (re.compile(r"\bOPR/"), "Opera"),
    (re.compile(r"\bSamsungBrowser/"), "Samsung Internet"),
    (re.compile(r"\b(?:Firefox|FxiOS)/"), "Firefox"),
    (re.compile(r"\b(?:Chrome|CriOS)/"), "Chrome"),
    (re.compile(r"\bSafari/"), "Safari"),
)
SYSTEMS = (
    (re.compile(r"\biPhone\b"), "iPhone"),
    (re.compile(r"\biPad\b"), "iPad"),
    (re.compile(r"\bAndroid\b"), "Android"),
    (re.compile(r"\bWindows\b"), "Windows"),
    (re.compile(r"\bCrOS\b"), "ChromeOS"),
    (re.compile(r"\bMac OS X\b"), "macOS"),
    (re.compile(r"\bLinux\b"), "Linux"),
)


def name_of(user_agent: str) -> str:
    """Such as "Firefox, Android": enough to tell one's own devices apart."""
    found = [next((name for pattern, name in known if pattern.search(user_agent)), "") for known in (BROWSERS, SYSTEMS)]
    return ", ".join(name for name in found if name) or _("Unknown browser")
