"""Web push, against a push service that decrypts what it gets and checks who sent it."""

from __future__ import annotations

import datetime as dt
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command
from django.utils import timezone

from notifications import checks, stream
from notifications.delivery import draining, pending, vapid, webpush
from notifications.delivery.hosts import Hosts
from notifications.models import (
    DeliveryState,
    InsightNotification,
    NotificationDeliveryLog,
    NotificationPreference,
    PushSubscription,
)
from notifications.preferences import Channel
from notifications.tests.receivers import Device, Receiver, Reply, add_device, receiving, verify_vapid
from notifications.tests.rows import store_notification
from signals.models import Signal
from zenithedge import outgoing

Notify = Callable[..., NotificationDeliveryLog]

pytestmark = [pytest.mark.services, pytest.mark.django_db]


def test_a_push_is_for_this_device_only_and_signed_by_the_site(
    notify: Notify, service: Receiver, device: Device
) -> None:
    log = notify(priority="high", expires_at=timezone.now() + dt.timedelta(minutes=30))

    assert draining.drain() == {"sent": 1}

    [request] = service.requests
    notification = log.notification
    assert device.read(request) == {
        "id": notification.pk,
        "tag": f"insight-{notification.signal_id}",
        "title": notification.title,
        "body": notification.snippet,
        "icon": "/static/icons/app-192.png",
        "url": f"/signals/insight/{notification.signal_id}/",
        "priority": "high",
        "at": int(notification.created_at.timestamp() * 1000),
        "read": {"url": "/notifications/api/push-read/", "token": webpush.read_token(notification)},
    }
    claims = verify_vapid(request, audience=service.url)
    assert claims["sub"] == "mailto:desk@example.org"
    headers = request.headers
    assert headers["content-encoding"] == "aes128gcm"
    assert headers["urgency"] == "high"
    assert headers["topic"] == f"insight-{notification.signal_id}", "so that an update replaces it"
    assert 30 * 60 - 10 < int(headers["ttl"]) <= 30 * 60, "no longer than the insight lives"
    assert PushSubscription.objects.get().last_success_at is not None


RELEASED = {"released_at": dt.datetime(2026, 3, 4, 7, tzinfo=dt.UTC)}


def test_what_was_held_is_told_of_in_one_push(notify: Notify, service: Receiver, device: Device, trader: User) -> None:
    notify(**RELEASED, confidence=90)
    first = notify(**RELEASED, confidence=70, priority="high").notification
    notify(**RELEASED, confidence=80)
    notify(**RELEASED, read=True)
    single = notify().notification

    assert draining.drain() == {"sent": 2, "skipped": 3}

    pushed = {content["id"]: content for content in map(device.read, service.requests)}
    told, alone = pushed[first.pk], pushed[single.pk]
    assert told == {
        "id": first.pk,
        "tag": "brief-1772607600",
        "title": "3 insights were held",
        "body": first.title,
        "icon": "/static/icons/app-192.png",
        "url": "/notifications/?released=2026-03-04T07%3A00%3A00.000Z",
        "priority": "high",
        "at": 1772607600000,
    }
    assert alone["tag"] == f"insight-{single.signal_id}"
    skipped = NotificationDeliveryLog.objects.filter(state=DeliveryState.SKIPPED)
    assert {log.error_message for log in skipped} == {webpush.TOLD}


def test_the_one_that_was_held_alone_is_pushed_as_itself(notify: Notify, service: Receiver, device: Device) -> None:
    notification = notify(**RELEASED).notification

    assert draining.drain() == {"sent": 1}

    assert device.read(service.requests[0])["tag"] == f"insight-{notification.signal_id}"


def test_what_has_lost_its_meaning_meanwhile_neither_leads_nor_counts(
    notify: Notify, service: Receiver, device: Device
) -> None:
    live = notify(**RELEASED).notification
    now = timezone.now()
    for dead in ({"expires_at": now}, {"expired_at": now}, {"superseded_by": live}):
        notify(**RELEASED, **dead, priority="high", confidence=99)

    draining.drain()

    assert live.pk in [content["id"] for content in map(device.read, service.requests)]
    assert webpush.released_together(live) == [live]


def test_one_that_is_sent_again_speaks_for_itself(notify: Notify, service: Receiver, device: Device) -> None:
    notify(**RELEASED)
    again = notify(**RELEASED, priority="high")
    NotificationDeliveryLog.objects.filter(pk=again.pk).update(attempt_group=2)

    assert draining.drain() == {"sent": 1, "skipped": 1}

    assert device.read(service.requests[0])["tag"] == f"insight-{again.notification.signal_id}"


def test_the_push_for_all_goes_out_though_the_first_of_them_was_read(
    notify: Notify, service: Receiver, device: Device, trader: User
) -> None:
    read = notify(**RELEASED, priority="high").notification
    others = [notify(**RELEASED).notification for _ in range(2)]
    stream.mark_read(trader.pk, read.pk)

    assert draining.drain() == {"sent": 1, "skipped": 2}

    assert device.read(service.requests[0])["title"] == "2 insights were held"
    stream.mark_many_read(trader.pk, [row.pk for row in others])
    assert webpush.WebPush().needless(InsightNotification.objects.get(pk=read.pk)) == webpush.READ


def test_two_push_services_get_tokens_of_their_own(
    notify: Notify, service: Receiver, trader: User, settings: Any
) -> None:
    with receiving(settings) as other:
        add_device(trader, other, "laptop")
        notify()

        assert draining.drain() == {"sent": 2}

        verify_vapid(service.requests[0], audience=service.url)
        verify_vapid(other.requests[0], audience=other.url)


@pytest.mark.parametrize(("priority", "urgency"), [("high", "high"), ("medium", "normal"), ("low", "low")])
def test_urgency_follows_the_priority(notify: Notify, service: Receiver, priority: str, urgency: str) -> None:
    notify(priority=priority)
    draining.drain()

    assert service.requests[0].headers["urgency"] == urgency


@pytest.mark.parametrize("text", ["x" * 9000, "ü" * 9000, "🟢" * 9000, '"\\' * 5000])
def test_a_long_text_is_cut_between_characters(notify: Notify, service: Receiver, device: Device, text: str) -> None:
    notify(snippet=text)
    draining.drain()

    body = device.read(service.requests[0])["body"]
    assert text.startswith(body.removesuffix("…"))
    assert body.endswith("…")
    assert 2500 < len(webpush.payload(InsightNotification.objects.get())) <= webpush.MAX_PAYLOAD_BYTES
    assert len(service.requests[0].body) < 4096


@pytest.mark.parametrize("status", [404, 410])
def test_a_subscription_that_the_browser_ended_is_gone_and_forgotten(
    notify: Notify, service: Receiver, status: int
) -> None:
    log = notify()
    service.reply = lambda request: Reply(status)

    assert draining.drain() == {"gone": 1}

    log.refresh_from_db()
    assert log.success is False
    assert not PushSubscription.objects.exists()


@pytest.mark.parametrize("status", [413, 400, 403, 307])
def test_what_the_service_refuses_is_not_sent_again_and_the_device_stays(
    notify: Notify, service: Receiver, status: int
) -> None:
    notify()
    service.reply = lambda request: Reply(status, {"Location": service.url})

    assert draining.drain() == {"failed": 1}

    assert PushSubscription.objects.get().failing_since is not None
    assert len(service.requests) == 1, "a redirect is followed nowhere"


@pytest.mark.parametrize("status", [429, 500])
def test_a_busy_service_is_asked_again(notify: Notify, service: Receiver, status: int) -> None:
    log = notify()
    service.reply = lambda request: Reply(status, {"Retry-After": "120"})

    assert draining.drain() == {"pending": 1}

    log.refresh_from_db()
    assert log.next_attempt_at is not None
    assert 118 < (log.next_attempt_at - timezone.now()).total_seconds() <= 120


def test_a_service_that_does_not_answer_costs_one_timeout(
    notify: Notify, service: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = notify()
    released = threading.Event()
    service.reply = lambda request: Reply(wait=released)
    post = outgoing.post
    monkeypatch.setattr(outgoing, "post", lambda *args, **options: post(*args, timeout_s=0.2, **options))

    assert draining.drain() == {"pending": 1}

    released.set()
    log.refresh_from_db()
    assert "did not answer within" in log.error_message


def test_the_address_is_checked_again_when_it_is_used(notify: Notify, service: Receiver, settings: Any) -> None:
    log = notify()
    settings.OUTGOING_TRUSTED_HOSTS = []

    assert draining.drain() == {"failed": 1}

    log.refresh_from_db()
    assert "https" in log.error_message
    assert service.requests == []


# --- Not to those who look ------------------------------------------------------------------------------------------


def test_a_push_waits_ten_seconds(notify: Notify, trader: User) -> None:
    before = timezone.now()
    log = notify(next_attempt_at=None)

    assert log.next_attempt_at is not None
    assert dt.timedelta(seconds=10) <= log.next_attempt_at - before < dt.timedelta(seconds=15)


def test_what_was_read_meanwhile_is_not_pushed(notify: Notify, service: Receiver, trader: User) -> None:
    log = notify()
    stream.mark_read(trader.pk, log.notification_id)

    assert draining.drain() == {"skipped": 1}

    log.refresh_from_db()
    assert (log.error_message, service.requests) == (webpush.READ, [])


@pytest.mark.parametrize(
    ("acknowledged_by", "pushed"),
    [((), True), ((False,), True), ((None,), True), ((True,), False), ((False, True), False)],
)
def test_only_a_tab_in_view_spares_the_push(
    notify: Notify, service: Receiver, trader: User, acknowledged_by: tuple[bool | None, ...], pushed: bool
) -> None:
    """A locked desk or an abandoned tab acknowledges too; and it may do so before the tab that somebody looks at."""
    log = notify()
    seq = log.notification.seq or 0
    for visible in acknowledged_by:
        stream.acknowledge(trader.pk, after=seq - 1, up_to=seq, visible=visible)

    draining.drain()

    log.refresh_from_db()
    assert log.state == (DeliveryState.SENT if pushed else DeliveryState.SKIPPED)
    assert len(service.requests) == pushed
    if not pushed:
        assert log.error_message == webpush.SEEN


def test_what_was_asked_for_again_is_pushed_although_it_was_seen(
    notify: Notify, service: Receiver, trader: User
) -> None:
    log = notify()
    seq = log.notification.seq or 0
    stream.acknowledge(trader.pk, after=seq - 1, up_to=seq, visible=True)
    pending.write_again(log.notification, [Channel.PUSH], attempt_group=2)

    assert draining.drain() == {"skipped": 1, "sent": 1}


# --- The site's keys ------------------------------------------------------------------------------------------------


def test_the_command_prints_a_pair_that_fits(capsys: pytest.CaptureFixture[str], settings: Any) -> None:
    call_command("generate_vapid_keys")

    lines = dict(line.split("=", 1) for line in capsys.readouterr().out.split())
    settings.VAPID_PUBLIC_KEY, settings.VAPID_PRIVATE_KEY = lines["VAPID_PUBLIC_KEY"], lines["VAPID_PRIVATE_KEY"]
    assert vapid.problem() == ""
    assert vapid.public_key() == lines["VAPID_PUBLIC_KEY"]


def test_without_a_configured_pair_one_is_made_once_and_kept_from_others(settings: Any, tmp_path: Any) -> None:
    settings.VAPID_PUBLIC_KEY = settings.VAPID_PRIVATE_KEY = ""
    settings.VAPID_KEY_FILE = tmp_path / "sub" / "vapid"

    first = vapid.public_key()
    vapid._private_key.cache_clear()

    assert vapid.public_key() == first
    assert settings.VAPID_KEY_FILE.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(
    ("public", "private"),
    [("", "x"), ("x", ""), ("x", "!"), (vapid.generate()[0], vapid.generate()[1])],
    ids=["no public one", "no private one", "neither", "of two pairs"],  # keys differ from process to process
)
def test_half_a_pair_or_two_halves_are_named_by_the_checks(settings: Any, public: str, private: str) -> None:
    settings.VAPID_PUBLIC_KEY, settings.VAPID_PRIVATE_KEY = public, private

    assert [message.id for message in checks.check_settings(None)] == ["notifications.E012"]


# --- What there is --------------------------------------------------------------------------------------------------


@pytest.fixture(autouse=True)
def hosts_of_this_test(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(draining, "_hosts", Hosts())


@pytest.fixture(autouse=True)
def keys(settings: Any) -> None:
    settings.VAPID_PUBLIC_KEY, settings.VAPID_PRIVATE_KEY = vapid.generate()
    settings.VAPID_SUBJECT = "mailto:desk@example.org"


@pytest.fixture
def service(settings: Any) -> Iterator[Receiver]:
    with receiving(settings) as receiver:
        yield receiver


@pytest.fixture
def trader() -> User:
    alice = User.objects.create_user("alice")
    NotificationPreference.objects.filter(user=alice).update(push_enabled=True)
    return alice


@pytest.fixture
def device(trader: User, service: Receiver) -> Device:
    return add_device(trader, service)


@pytest.fixture
def notify(trader: User, device: Device, make_signal: Callable[..., Signal]) -> Notify:
    """Store a notification with its pending pushes; the ten seconds have passed unless `next_attempt_at` is None."""

    def make(**fields: Any) -> NotificationDeliveryLog:
        waits = "next_attempt_at" in fields
        fields.pop("next_attempt_at", None)
        notification = store_notification(trader, make_signal(trader), **fields)
        pending.write([], {Channel.PUSH: [notification.pk]})
        logs = NotificationDeliveryLog.objects.filter(notification=notification, channel=Channel.PUSH)
        if not waits:
            logs.update(next_attempt_at=timezone.now())
        return logs.order_by("pk")[0]

    return make
