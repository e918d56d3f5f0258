"""A user's own webhook: what is posted, who can check it, and what happens when nobody takes it."""

from __future__ import annotations

import datetime as dt
import hashlib
import hmac
import re
import socket
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from notifications import trouble
from notifications.delivery import draining, pending, webhook
from notifications.delivery.hosts import Hosts
from notifications.models import NotificationDeliveryLog, NotificationPreference, OutgoingWebhook, PushSubscription
from notifications.preferences import Channel
from notifications.tests.receivers import Receiver, Reply, Request, receiving
from notifications.tests.rows import store_notification
from signals.models import Signal

pytestmark = [pytest.mark.services, pytest.mark.django_db]

MakeSignal = Callable[..., Signal]


def test_the_secret_is_shown_once_and_checks_what_is_posted(
    page: Client, alice: User, receiver: Receiver, make_signal: MakeSignal
) -> None:
    secret = shown_secret(page.post(reverse("save_webhook"), {"url": receiver.url}))
    notification = store_notification(alice, make_signal(alice))
    pending.write([], {Channel.WEBHOOK: [notification.pk]})

    assert draining.drain() == {"sent": 1}

    [request] = receiver.requests
    assert_signed(request, secret)
    assert request.headers["content-type"] == "application/json"
    assert request.json["event"] == "insight"
    assert request.json["notification"]["id"] == notification.pk
    assert secret not in page.get(reverse("preferences")).content.decode()


def test_addresses_are_looked_up_so_often_only(
    page: Client, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("notifications.webhook_views.ADDRESSES_A_MINUTE", 1)
    page.post(reverse("save_webhook"), {"url": receiver.url})

    refused = page.post(reverse("save_webhook"), {"url": f"{receiver.url}/another"})

    assert "wait a moment" in refused.content.decode()
    assert OutgoingWebhook.objects.get().url == receiver.url


def test_a_new_secret_takes_the_place_of_the_old_one(page: Client, receiver: Receiver) -> None:
    first = shown_secret(page.post(reverse("save_webhook"), {"url": receiver.url}))
    second = shown_secret(page.post(reverse("renew_webhook_secret")))

    page.post(reverse("test_webhook"))

    assert first != second
    assert_signed(receiver.requests[0], second)


def test_a_test_is_posted_at_once_and_its_failure_is_told(page: Client, receiver: Receiver) -> None:
    page.post(reverse("save_webhook"), {"url": receiver.url})

    assert "The test arrived." in page.post(reverse("test_webhook"), follow=True).content.decode()
    receiver.reply = lambda request: Reply(418)
    failed = page.post(reverse("test_webhook"), follow=True).content.decode()

    assert "Your address answered 418." in failed
    assert receiver.requests[0].json["event"] == "test"


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://hooks.example.org/", "muss mit https:// beginnen"),
        ("https://127.0.0.1/", "keine öffentliche Adresse"),
        ("https://hooks.example.org:8443/", "keinen eigenen Port"),
        ("nonsense", "ohne Benutzernamen"),
        ("https://[/", "Das ist keine Adresse"),
        ("https://hooks.example.org/" + "a" * 500, "kürzere Adresse"),
    ],
)
def test_a_refusal_is_in_the_readers_language(page: Client, url: str, words: str) -> None:
    response = page.post(reverse("save_webhook"), {"url": url}, headers={"Accept-Language": "de"})

    assert words in response.content.decode()


def test_what_went_wrong_last_is_in_the_readers_language(page: Client, alice: User) -> None:
    refused = "This is not a public address."
    OutgoingWebhook.objects.create(
        user=alice, url="https://h.example/", secret="s", failing_since=timezone.now(), last_error=refused
    )

    said = page.get(reverse("preferences"), headers={"Accept-Language": "de"}).content.decode()

    assert "Das ist keine öffentliche Adresse." in said
    assert refused not in said


@pytest.mark.parametrize(
    "url", ["http://hooks.example.org/", "https://127.0.0.1/", "https://inside.example.org/", "nonsense", ""]
)
def test_an_address_in_our_own_network_is_refused_in_its_field(
    page: Client, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("10.0.0.9", 443))]
    monkeypatch.setattr("zenithedge.outgoing.socket.getaddrinfo", lambda *args, **options: found)

    response = page.post(reverse("save_webhook"), {"url": url})

    assert 'aria-invalid="true"' in response.content.decode()
    assert not OutgoingWebhook.objects.exists()
    assert not NotificationPreference.objects.filter(webhook_enabled=True).exists()


def test_after_twenty_failures_in_a_row_it_is_paused_and_the_user_is_told_until_they_go_on(
    page: Client, alice: User, receiver: Receiver, make_signal: MakeSignal
) -> None:
    page.post(reverse("save_webhook"), {"url": receiver.url})
    receiver.reply = lambda request: Reply(404)
    for _ in range(webhook.PAUSED_AFTER_FAILURES + 1):
        notification = store_notification(alice, make_signal(alice))
        pending.write([], {Channel.WEBHOOK: [notification.pk]})
        draining.drain()

    assert len(receiver.requests) == webhook.PAUSED_AFTER_FAILURES
    panel = page.get(reverse("preferences")).content.decode()
    assert "Your webhook was paused after 20 failures in a row." in panel

    receiver.reply = lambda request: Reply()
    page.post(reverse("resume_webhook"))
    notification = store_notification(alice, make_signal(alice))
    pending.write([], {Channel.WEBHOOK: [notification.pk]})
    assert draining.drain() == {"sent": 1}
    assert "was paused" not in page.get(reverse("preferences")).content.decode()


def test_a_success_in_between_begins_the_count_anew(
    page: Client, alice: User, receiver: Receiver, make_signal: MakeSignal
) -> None:
    page.post(reverse("save_webhook"), {"url": receiver.url})
    OutgoingWebhook.objects.update(failures=19, failing_since=timezone.now())
    notification = store_notification(alice, make_signal(alice))
    pending.write([], {Channel.WEBHOOK: [notification.pk]})

    draining.drain()

    own = OutgoingWebhook.objects.get()
    assert (own.failures, own.failing_since) == (0, None)


def test_turned_off_nothing_is_posted(page: Client, alice: User, receiver: Receiver, make_signal: MakeSignal) -> None:
    page.post(reverse("save_webhook"), {"url": receiver.url})
    page.post(reverse("remove_webhook"))

    assert not NotificationPreference.objects.get(user=alice).webhook_enabled
    notification = store_notification(alice, make_signal(alice))
    assert pending.write([], {Channel.WEBHOOK: [notification.pk]}) == 0
    assert not NotificationDeliveryLog.objects.filter(channel=Channel.WEBHOOK).exists()


def test_a_channel_of_its_own_takes_less_than_80_lines() -> None:
    with open(webhook.__file__) as source:
        assert len(source.readlines()) < 80


# --- Told when nothing arrives --------------------------------------------------------------------------------------


@pytest.mark.parametrize(("hours", "told"), [(23, False), (25, True)])
def test_a_device_that_fails_for_a_day_is_named_in_the_panel(page: Client, alice: User, hours: int, told: bool) -> None:
    NotificationPreference.objects.filter(user=alice).update(push_enabled=True)
    since = timezone.now() - dt.timedelta(hours=hours)
    PushSubscription.objects.create(
        user=alice, endpoint="https://fcm.googleapis.com/1", user_agent="Firefox/150 Android", failing_since=since
    )

    said = "Web push has not reached Firefox, Android for a day." in page.get(reverse("dashboard")).content.decode()
    assert said is told


def test_who_uses_neither_pays_no_query(alice: User, django_assert_num_queries: Any) -> None:
    user = User.objects.select_related("notification_preference").get(pk=alice.pk)

    with django_assert_num_queries(0):
        assert trouble.of(user) == []


# --- What there is --------------------------------------------------------------------------------------------------


@pytest.fixture(autouse=True)
def hosts_of_this_test(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(draining, "_hosts", Hosts())


@pytest.fixture
def receiver(settings: Any) -> Iterator[Receiver]:
    with receiving(settings) as receiver:
        yield receiver


@pytest.fixture
def page(client: Client, alice: User) -> Client:
    client.force_login(alice)
    return client


def shown_secret(response: Any) -> str:
    found = re.search(r"<code data-secret>([\w-]{43})</code>", response.content.decode())
    assert found, "the page shows no secret"
    assert "no-store" in response["Cache-Control"]
    return found[1]


def assert_signed(request: Request, secret: str) -> None:
    """As a receiver would check it."""
    id_, timestamp = request.headers["webhook-id"], request.headers["webhook-timestamp"]
    assert abs(int(timestamp) - time.time()) < 60
    signed = f"{id_}.{timestamp}.".encode() + request.body
    expected = hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()
    assert request.headers["webhook-signature"] == f"sha256={expected}"
