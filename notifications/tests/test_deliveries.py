"""The outbox: what is sent, when it is tried again, and what becomes of each delivery."""

from __future__ import annotations

import datetime as dt
import logging
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db.models import F
from django.utils import timezone

from notifications.delivery import draining, hosts, pending
from notifications.delivery.hosts import Hosts
from notifications.delivery.registry import CHANNELS
from notifications.models import (
    DeliveryState,
    InsightNotification,
    NotificationDeliveryLog,
    NotificationPreference,
    OutgoingWebhook,
)
from notifications.preferences import Channel
from notifications.tests.receivers import Receiver, Reply, receiving
from notifications.tests.rows import store_notification
from signals.models import Signal

MakeSignal = Callable[..., Signal]
Notify = Callable[..., NotificationDeliveryLog]

pytestmark = [pytest.mark.services, pytest.mark.django_db]


def test_a_pending_delivery_is_sent_once(notify: Notify, receiver: Receiver) -> None:
    log = notify()

    assert draining.drain() == {"sent": 1}
    assert draining.drain() == {}

    log.refresh_from_db()
    assert (log.state, log.success, log.attempts, log.lease_until) == (DeliveryState.SENT, True, 1, None)
    assert len(receiver.requests) == 1


def test_what_is_not_due_yet_waits(notify: Notify, receiver: Receiver) -> None:
    notify(next_attempt_at=timezone.now() + dt.timedelta(seconds=10))

    assert draining.drain() == {}
    assert receiver.requests == []


# --- Failures -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [500, 503, 408, 429])
def test_a_failure_that_may_pass_is_tried_again_later(notify: Notify, receiver: Receiver, status: int) -> None:
    log = notify()
    receiver.reply = lambda request: Reply(status)

    assert draining.drain() == {"pending": 1}

    log.refresh_from_db()
    assert log.next_attempt_at is not None
    assert 10 < (log.next_attempt_at - timezone.now()).total_seconds() <= 14
    assert log.error_message == f"Your address answered {status}."
    assert log.lease_until is None


@pytest.mark.parametrize("status", [302, 400, 403, 413])
def test_a_failure_that_stays_is_not_tried_again(
    notify: Notify, receiver: Receiver, caplog: pytest.LogCaptureFixture, status: int
) -> None:
    log = notify()
    receiver.reply = lambda request: Reply(status, {"Location": receiver.url})

    assert draining.drain() == {"failed": 1}

    [line] = [record for record in caplog.records if "delivery failed" in record.message]
    assert vars(line)["notification_id"] == log.notification_id, "a field by which a search finds it"
    assert vars(line)["user_id"] == log.notification.user_id
    log.refresh_from_db()
    assert (log.success, log.error_message) == (False, f"Your address answered {status}.")


@pytest.mark.parametrize("asked", ["300", "date"])
def test_retry_after_is_honoured(notify: Notify, receiver: Receiver, asked: str) -> None:
    log = notify()
    later = (timezone.now() + dt.timedelta(seconds=301)).strftime("%a, %d %b %Y %H:%M:%S GMT")
    receiver.reply = lambda request: Reply(429, {"Retry-After": later if asked == "date" else asked})

    draining.drain()

    log.refresh_from_db()
    assert log.next_attempt_at is not None
    assert 298 < (log.next_attempt_at - timezone.now()).total_seconds() <= 301


@pytest.mark.parametrize(
    "asked", ["Mon, 01 Jan 99999 00:00:00 GMT", f"Mon, 01 Jan 2030 00:00:00 +{'9' * 400}", "soon", ""]
)
def test_a_retry_after_that_names_no_moment_is_passed_over(notify: Notify, receiver: Receiver, asked: str) -> None:
    log = notify()
    receiver.reply = lambda request: Reply(503, {"Retry-After": asked})

    assert draining.drain() == {"pending": 1}

    log.refresh_from_db()
    assert log.error_message == "Your address answered 503."


def test_eight_attempts_fit_into_half_an_hour_and_no_ninth_is_made(
    notify: Notify, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hosts, "DOWN_AFTER", 100)  # by its own pauses only
    log = notify()
    receiver.reply = lambda request: Reply(500)
    waited = dt.timedelta()

    for _ in range(7):
        before = timezone.now()
        assert draining.drain() == {"pending": 1}
        log.refresh_from_db()
        assert log.next_attempt_at is not None
        waited += log.next_attempt_at - before
        make_due()

    assert draining.drain() == {"failed": 1}
    assert dt.timedelta(minutes=21) < waited < dt.timedelta(minutes=30)
    assert len(receiver.requests) == 8
    make_due()
    assert draining.drain() == {}


def test_a_fault_of_a_channel_is_an_attempt_that_failed(
    notify: Notify, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    log, other = notify(), notify()
    deliver = CHANNELS["webhook"].deliver

    def break_once(notification: InsightNotification, target: Any) -> None:
        if notification.pk == log.notification_id:
            raise KeyError("nobody thought of this")
        deliver(notification, target)

    monkeypatch.setattr(CHANNELS["webhook"], "deliver", break_once)

    with caplog.at_level(logging.ERROR, "notifications"):
        assert draining.drain() == {"pending": 1, "sent": 1}

    log.refresh_from_db()
    other.refresh_from_db()
    assert log.error_message == "A fault of the server: KeyError."
    assert other.state == DeliveryState.SENT


# --- What nobody needs any more -------------------------------------------------------------------------------------


def close_account(log: NotificationDeliveryLog) -> None:
    User.objects.filter(pk=log.notification.user_id).update(is_active=False)


def expire(log: NotificationDeliveryLog) -> None:
    InsightNotification.objects.filter(pk=log.notification_id).update(expires_at=timezone.now())


def replace(log: NotificationDeliveryLog) -> None:
    first = log.notification
    store_notification(first.user, first.signal, revision=first.revision + 1)


def switch_off(log: NotificationDeliveryLog) -> None:
    NotificationPreference.objects.filter(user=log.notification.user_id).update(webhook_enabled=False)


@pytest.mark.parametrize(
    ("happens", "reason"),
    [
        (close_account, draining.NO_ACCOUNT),
        (expire, draining.EXPIRED),
        (replace, draining.REPLACED),
        (switch_off, draining.SWITCHED_OFF),
    ],
)
def test_what_is_out_of_date_is_skipped_with_the_reason(
    notify: Notify, receiver: Receiver, happens: Callable[[NotificationDeliveryLog], None], reason: str
) -> None:
    log = notify()
    happens(log)

    assert draining.drain() == {"skipped": 1}

    log.refresh_from_db()
    assert (log.error_message, log.attempts, log.success) == (reason, 0, None)
    assert receiver.requests == []


def test_a_target_that_was_removed_is_gone(notify: Notify) -> None:
    log = notify()
    OutgoingWebhook.objects.all().delete()

    assert draining.drain() == {"gone": 1}

    log.refresh_from_db()
    assert log.error_message == draining.TARGET_GONE


# --- Order, hosts ---------------------------------------------------------------------------------------------------


def test_high_priority_goes_first_and_then_the_oldest(
    notify: Notify, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hosts, "CALLS_AT_ONCE", 1)
    wanted = [notify(priority=priority).notification_id for priority in ("low", "medium", "high", "high", "medium")]

    draining.drain()

    assert arrived(receiver) == [wanted[place] for place in (2, 3, 1, 4, 0)]


def test_a_host_that_does_not_answer_keeps_only_its_own_waiting(
    notify: Notify, receiver: Receiver, settings: Any, trader: User
) -> None:
    """The slow one has more deliveries, and more urgent ones, than there are threads."""
    released = threading.Event()
    fast_ones = threading.Event()
    slow = [notify(priority="high") for _ in range(draining.CALLS_AT_ONCE + 4)]
    receiver.reply = lambda request: Reply(wait=released)
    with receiving(settings) as other:
        bob = User.objects.create_user("bob")
        NotificationPreference.objects.filter(user=bob).update(webhook_enabled=True)
        OutgoingWebhook.objects.create(user=bob, url=other.url, secret="s")
        fast = [notify(user=bob, priority="low") for _ in range(20)]

        def reply(request: Any) -> Reply:
            if len(other.requests) == len(fast):
                fast_ones.set()
                released.set()
            return Reply()

        other.reply = reply
        drained = draining.drain()

    assert fast_ones.is_set(), "they waited for the slow host"
    assert drained == {"sent": len(slow) + len(fast)}


def test_while_a_host_is_down_its_deliveries_wait_uncounted_and_then_go_in_their_order(
    notify: Notify, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hosts, "CALLS_AT_ONCE", 1)
    monkeypatch.setattr(hosts, "PROBE_AFTER_S", 0.0)
    logs = [notify(priority=priority) for priority in ("low", "medium", "high") for _ in range(10)]
    receiver.reply = lambda request: Reply(503)

    assert draining.drain()["pending"] == len(logs), "with no pause between the probes each is one"
    failed_once = len(receiver.requests)
    receiver.reply = lambda request: Reply()
    receiver.requests.clear()
    first = logs[-1]
    NotificationDeliveryLog.objects.filter(pk=first.pk).update(next_attempt_at=timezone.now())

    assert draining.drain() == {"sent": len(logs)}

    assert failed_once == len(logs)
    order = arrived(receiver)
    by_priority = [log.notification_id for log in (*logs[20:], *logs[10:20], *logs[:10])]
    assert order[0] == first.notification_id, "the one that found out that the host is back"
    assert order[1:] == [id_ for id_ in by_priority if id_ != order[0]]


def test_a_host_that_fails_again_and_again_is_asked_by_one_delivery_at_a_time() -> None:
    known = Hosts()
    for number in range(hosts.DOWN_AFTER):
        assert known.may_be_called("a", 100.0)
        known.called("a")
        known.failed("a", number, 100.0)

    assert not known.may_be_called("a", 100.0)
    assert known.may_be_called("b", 100.0)
    assert known.may_be_called("a", 100.0 + hosts.PROBE_AFTER_S)
    known.called("a")
    assert not known.may_be_called("a", 100.0 + hosts.PROBE_AFTER_S), "one at a time"
    assert known.answered("a") == set(range(hosts.DOWN_AFTER))
    assert known.may_be_called("a", 100.0)


# --- Workers that are killed, and several at once -------------------------------------------------------------------


def test_the_attempt_is_counted_and_leased_before_anything_is_sent(
    notify: Notify, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = notify()
    seen: list[tuple[int, bool]] = []
    submit = ThreadPoolExecutor.submit

    def look(*args: Any) -> Any:
        log.refresh_from_db()
        seen.append((log.attempts, log.lease_until is not None and log.lease_until > timezone.now()))
        return submit(*args)

    monkeypatch.setattr(ThreadPoolExecutor, "submit", look)

    draining.drain()

    assert seen == [(1, True)]


def test_what_another_worker_has_in_hand_is_left_to_it(notify: Notify, receiver: Receiver) -> None:
    notify(attempts=1, lease_until=timezone.now() + dt.timedelta(seconds=30))

    assert draining.drain() == {}
    assert receiver.requests == []


def test_of_two_workers_that_read_the_same_delivery_one_sends_it(
    notify: Notify, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    notify()
    load = draining._load

    def be_overtaken(due: Any) -> Any:
        log = load(due)
        draining._claim(due)
        return log

    monkeypatch.setattr(draining, "_load", be_overtaken)

    assert draining.drain() == {}
    assert receiver.requests == []


def test_what_a_worker_was_killed_at_is_sent_once_more_after_all_others(
    notify: Notify, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hosts, "CALLS_AT_ONCE", 1)
    killed_at = notify(priority="high", attempts=1, lease_until=timezone.now() - dt.timedelta(seconds=1))
    other = notify(priority="low")

    assert draining.drain() == {"sent": 2}

    killed_at.refresh_from_db()
    assert (killed_at.interruptions, killed_at.attempts) == (1, 2)
    assert arrived(receiver) == [other.notification_id, killed_at.notification_id]


def test_what_two_workers_were_killed_at_is_not_sent_a_third_time(notify: Notify, receiver: Receiver) -> None:
    log = notify(attempts=2, interruptions=1, lease_until=timezone.now() - dt.timedelta(seconds=1))

    assert draining.drain() == {"failed": 1}

    log.refresh_from_db()
    assert log.error_message == draining.INTERRUPTED
    assert receiver.requests == []


def test_who_took_longer_than_the_lease_does_not_overwrite_what_the_next_one_does(
    notify: Notify, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = notify()
    record = draining._record

    def be_overtaken(*args: Any) -> str:
        NotificationDeliveryLog.objects.filter(pk=log.pk).update(attempts=F("attempts") + 1)
        return record(*args)

    monkeypatch.setattr(draining, "_record", be_overtaken)

    draining.drain()

    log.refresh_from_db()
    assert log.state == DeliveryState.PENDING


# --- Sent again -----------------------------------------------------------------------------------------------------


def test_each_send_again_is_a_group_of_attempts_of_its_own(notify: Notify, receiver: Receiver) -> None:
    log = notify()
    draining.drain()

    assert pending.write_again(log.notification, [Channel.WEBHOOK], attempt_group=2) == 1
    assert draining.drain() == {"sent": 1}

    groups = NotificationDeliveryLog.objects.filter(channel=Channel.WEBHOOK).order_by("attempt_group")
    assert list(groups.values_list("attempt_group", "attempts", "state")) == [(1, 1, "sent"), (2, 1, "sent")]


# --- What there is --------------------------------------------------------------------------------------------------


@pytest.fixture(autouse=True)
def hosts_of_this_test(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(draining, "_hosts", Hosts())


@pytest.fixture
def receiver(settings: Any) -> Iterator[Receiver]:
    with receiving(settings) as receiver:
        yield receiver


@pytest.fixture
def trader(receiver: Receiver) -> User:
    alice = User.objects.create_user("alice")
    NotificationPreference.objects.filter(user=alice).update(webhook_enabled=True)
    OutgoingWebhook.objects.create(user=alice, url=receiver.url, secret="alices secret")
    return alice


@pytest.fixture
def notify(trader: User, make_signal: MakeSignal) -> Notify:
    """Store a notification of an insight of its own with one pending delivery to the owner's webhook, due now.

    Fields of the notification are `user` and `priority`; all others are the delivery's.
    """

    def make(*, user: User = trader, priority: str = "medium", **fields: Any) -> NotificationDeliveryLog:
        notification = store_notification(user, make_signal(None), priority=priority)
        log = pending_of(notification)
        NotificationDeliveryLog.objects.filter(pk=log.pk).update(**fields)
        log.refresh_from_db()
        return log

    return make


def pending_of(notification: InsightNotification) -> NotificationDeliveryLog:
    assert pending.write([], {Channel.WEBHOOK: [notification.pk]}) == 1
    return NotificationDeliveryLog.objects.get(notification=notification, channel=Channel.WEBHOOK)


def make_due() -> None:
    NotificationDeliveryLog.objects.exclude(next_attempt_at=None).update(next_attempt_at=timezone.now())


def arrived(receiver: Receiver) -> list[int]:
    return [int(request.headers["webhook-id"].removeprefix("notification-")) for request in receiver.requests]
