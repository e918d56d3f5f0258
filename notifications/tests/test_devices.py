"""Devices for web push: whose they are, which endpoints are taken, what a worker may do without a session."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.signing import Signer
from django.test import Client
from django.urls import reverse

from notifications import devices
from notifications.delivery import pending, webpush
from notifications.models import InsightNotification, NotificationDeliveryLog, NotificationPreference, PushSubscription
from notifications.preferences import Channel
from notifications.tests.receivers import Receiver, Reply, add_device, make_keys, receiving
from notifications.tests.rows import store_notification
from signals.models import Signal

URL = "/notifications/api/push-subscriptions/"
ENDPOINT = "https://fcm.googleapis.com/fcm/send/alices-phone"
KEYS = make_keys()[2]
PIXEL = "Mozilla/5.0 (Linux; Android 16; Pixel 9) AppleWebKit/537.36 Chrome/150.0.0.0 Mobile Safari/537.36"

pytestmark = [pytest.mark.services, pytest.mark.django_db]


def test_a_browser_that_agrees_is_a_device_of_who_is_signed_in(alice: User) -> None:
    response = subscribe(alice)

    device = PushSubscription.objects.get()
    assert response.json()["device"] == {"id": device.pk, "name": "Chrome, Android"}
    assert (device.user, device.endpoint, device.p256dh) == (alice, ENDPOINT, KEYS["p256dh"])
    assert NotificationPreference.objects.get(user=alice).push_enabled, "or nothing would come"


def test_the_same_browser_twice_is_one_device(alice: User) -> None:
    subscribe(alice)
    first = PushSubscription.objects.get().pk
    subscribe(alice)

    assert PushSubscription.objects.get().pk == first


def test_under_another_account_the_device_moves_and_what_was_pending_does_not(
    alice: User, bob: User, make_signal: Callable[..., Signal]
) -> None:
    """Or Bob, who signs in at Alice's browser after her, would be shown her insight."""
    subscribe(alice)
    notification = store_notification(alice, make_signal(alice))
    pending.write([], {Channel.PUSH: [notification.pk]})
    log = NotificationDeliveryLog.objects.get(channel=Channel.PUSH)

    subscribe(bob)

    assert PushSubscription.objects.get().user == bob
    assert webpush.WebPush().find([log.target]) == {}


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"endpoint": "http://fcm.googleapis.com/1"}, "endpoint"),
        ({"endpoint": "https://fcm.googleapis.com:8443/1"}, "endpoint"),
        ({"endpoint": "https://localhost/1"}, "endpoint"),
        ({"endpoint": "https://169.254.169.254/1"}, "endpoint"),
        ({"endpoint": "https://fcm.googleapis.com.evil.org/1"}, "endpoint"),
        ({"endpoint": "https://user@fcm.googleapis.com/1"}, "endpoint"),
        ({"endpoint": "https://fcm.googleapis.com/" + "a" * 500}, "endpoint"),
        ({"endpoint": 7}, "endpoint"),
        ({"keys": None}, "keys"),
        ({"keys": {**KEYS, "p256dh": "AAAA"}}, "keys"),
        ({"keys": {**KEYS, "auth": "AAAA"}}, "keys"),
        ({"keys": {**KEYS, "p256dh": "!"}}, "keys"),
        ({"user": 1}, "user"),
    ],
)
def test_an_endpoint_that_is_no_push_services_is_refused_by_its_field(
    alice: User, changed: dict[str, Any], field: str
) -> None:
    response = subscribe(alice, **changed)

    assert response.status_code == 400
    assert list(response.json()["error"]["fields"]) == [field]
    assert not PushSubscription.objects.exists()


def test_there_are_at_most_so_many_devices(alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "MAX_DEVICES", 1)
    subscribe(alice)

    assert subscribe(alice).status_code == 200, "the same again"
    assert subscribe(alice, endpoint=ENDPOINT + "2").status_code == 400


def test_nobody_removes_anothers_device(alice: User, bob: User) -> None:
    subscribe(alice)

    assert ask(bob, "DELETE", {"endpoint": ENDPOINT}).status_code == 404
    assert ask(alice, "DELETE", {"endpoint": ENDPOINT}).status_code == 200
    assert not PushSubscription.objects.exists()


# --- What a service worker may do -----------------------------------------------------------------------------------


def test_a_changed_subscription_stays_with_its_account(alice: User, bob: User) -> None:
    """Also when somebody else is signed in by then."""
    subscribe(alice)

    response = ask(bob, "POST", {"old_endpoint": ENDPOINT, **subscription(ENDPOINT + "2")}, URL + "renew/")

    device = PushSubscription.objects.get()
    assert response.status_code == 200
    assert (device.user, device.endpoint) == (alice, ENDPOINT + "2")


def test_a_changed_subscription_is_checked_like_a_new_one(alice: User) -> None:
    subscribe(alice)

    response = ask(alice, "POST", {"old_endpoint": ENDPOINT, **subscription("https://10.0.0.1/")}, URL + "renew/")

    assert response.status_code == 400
    assert PushSubscription.objects.get().endpoint == ENDPOINT


@pytest.mark.parametrize("endpoint", ["", f"{ENDPOINT}\0", 7, None, [ENDPOINT]])
def test_what_can_be_no_endpoint_is_nobodys(alice: User, endpoint: object) -> None:
    """PostgreSQL takes no NUL, and a worker that renews needs no session: each such request was a fault in the log."""
    subscribe(alice)

    assert ask(alice, "DELETE", {"endpoint": endpoint}).status_code == 404
    renewal = {"old_endpoint": endpoint, **subscription(ENDPOINT + "2")}
    assert ask(alice, "POST", renewal, URL + "renew/").status_code == 404
    assert PushSubscription.objects.get().endpoint == ENDPOINT


def test_the_token_of_a_push_marks_that_notification_read_and_no_other(
    alice: User, make_signal: Callable[..., Signal]
) -> None:
    pushed, other = (store_notification(alice, make_signal(alice)) for _ in range(2))

    response = mark_read(webpush.read_token(pushed))

    assert response.status_code == 200
    assert InsightNotification.objects.get(pk=pushed.pk).read
    assert not InsightNotification.objects.get(pk=other.pk).read


@pytest.mark.parametrize("token", ["", "1.1", None, 7, "forged"])
def test_a_token_that_was_not_made_here_marks_nothing(
    alice: User, make_signal: Callable[..., Signal], token: Any
) -> None:
    notification = store_notification(alice, make_signal(alice))
    if token == "forged":
        token = Signer(salt="another purpose").sign(f"{alice.pk}.{notification.pk}")

    assert mark_read(token).status_code == 400
    assert not InsightNotification.objects.filter(read=True).exists()


# --- A test ---------------------------------------------------------------------------------------------------------


def test_a_test_reaches_the_device_at_once(alice: User, client: Client, receiver: Receiver) -> None:
    device = add_device(alice, receiver)
    client.force_login(alice)

    page = client.post(f"/notifications/devices/{device.subscription.pk}/test/", follow=True)

    [request] = receiver.requests
    assert device.read(request)["title"] == "ZenithEdge can reach this device"
    assert "A test was sent" in page.content.decode()
    assert PushSubscription.objects.get().last_success_at is not None


def test_a_test_of_a_device_that_is_gone_says_so_and_forgets_it(
    alice: User, client: Client, receiver: Receiver
) -> None:
    device = add_device(alice, receiver)
    receiver.reply = lambda request: Reply(410)
    client.force_login(alice)

    page = client.post(f"/notifications/devices/{device.subscription.pk}/test/", follow=True)

    assert "The browser has ended this subscription." in page.content.decode()
    assert not PushSubscription.objects.exists()


@pytest.mark.parametrize(
    ("user_agent", "name"),
    [
        (PIXEL, "Chrome, Android"),
        ("Mozilla/5.0 (Windows NT 10.0; Win64) Chrome/150.0 Safari/537.36 Edg/150.0", "Edge, Windows"),
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) Version/19.0 Safari/604.1", "Safari, iPhone"),
        ("Mozilla/5.0 (X11; Linux x86_64; rv:150.0) Gecko/20100101 Firefox/150.0", "Firefox, Linux"),
        ("curl/8", "Unknown browser"),
    ],
)  # fmt: skip
def test_a_device_is_named_by_its_browser_and_system(user_agent: str, name: str) -> None:
    assert devices.name_of(user_agent) == name


def sign_in(client: Client, user: User) -> None:
    """Through the form, with the browser's cookies."""
    answer = client.post(reverse("login"), {"username": user.username, "password": f"{user.username}-password"})
    assert answer.status_code == 302


def at_browser(client: Client, user: User) -> None:
    """Sign in with this browser and agree to web push."""
    sign_in(client, user)
    client.post(URL, json.dumps(subscription(ENDPOINT)), "application/json")


def test_who_signs_out_is_pushed_nothing_more_at_that_browser(alice: User, client: Client) -> None:
    at_browser(client, alice)
    elsewhere = subscribe(alice, endpoint=ENDPOINT + "-elsewhere").json()["device"]["id"]

    client.post(reverse("logout"))

    assert [device.pk for device in PushSubscription.objects.all()] == [elsewhere]


def test_whoever_signs_in_next_ends_the_push_of_a_session_that_had_ended_by_itself(
    alice: User, bob: User, client: Client
) -> None:
    at_browser(client, alice)
    client.cookies.pop("sessionid")
    sign_in(client, alice)
    assert PushSubscription.objects.exists(), "it is hers again"
    client.cookies.pop("sessionid")

    sign_in(client, bob)

    assert not PushSubscription.objects.exists()


def test_the_page_knows_which_device_it_is_shown_on(alice: User, client: Client) -> None:
    at_browser(client, alice)
    elsewhere = Client()
    elsewhere.force_login(alice)

    pages = [one.get(reverse("preferences")).content.decode() for one in (client, elsewhere)]

    assert ["data-this-one" in page for page in pages] == [True, False]


def test_a_browsers_cookie_is_kept_from_scripts_and_other_sites(alice: User, client: Client) -> None:
    at_browser(client, alice)

    cookie = client.cookies["push_browser"]
    assert (cookie["httponly"], cookie["samesite"]) == (True, "Lax")
    assert cookie.value not in PushSubscription.objects.get().browser


# --- Asking ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def receiver(settings: Any) -> Iterator[Receiver]:
    with receiving(settings) as receiver:
        yield receiver


def subscription(endpoint: str) -> dict[str, Any]:
    return {"endpoint": endpoint, "expirationTime": None, "keys": KEYS}


def subscribe(user: User, /, **changed: Any) -> Any:
    return ask(user, "POST", subscription(ENDPOINT) | changed)


def ask(user: User, method: str, body: Any, url: str = URL) -> Any:
    client = Client(headers={"user-agent": PIXEL})
    client.force_login(user)
    return client.generic(method, url, json.dumps(body), "application/json")


def mark_read(token: Any) -> Any:
    """As a service worker: no cookie, no CSRF token."""
    client = Client(enforce_csrf_checks=True)
    return client.post("/notifications/api/push-read/", json.dumps({"token": token}), "application/json")
