"""Who gets a pending delivery, over what, and when: written with the notification, on every database."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from notifications import lifecycle
from notifications.delivery import pending
from notifications.manager import NotificationManager
from notifications.models import (
    Inbox,
    InsightNotification,
    NotificationDeliveryLog,
    NotificationPreference,
    OutgoingWebhook,
    PushSubscription,
    SuppressedInsight,
)
from notifications.tests.rows import store_notification
from signals.models import Signal

MakeInsight = Callable[..., Signal]

pytestmark = [pytest.mark.services, pytest.mark.django_db(transaction=True)]


@pytest.fixture(autouse=True)
def targets(alice: User) -> None:
    """Alice has two devices and a webhook; which channels are on is for each test to say."""
    for name in ("phone", "laptop"):
        PushSubscription.objects.create(user=alice, endpoint=f"https://a.example/{name}")
    OutgoingWebhook.objects.create(user=alice, url="https://a.example/")


def want(user: User, **fields: Any) -> None:
    NotificationPreference.objects.filter(user=user).update(**fields)


def channels(**fields: Any) -> list[str]:
    logs = NotificationDeliveryLog.objects.filter(**fields).order_by("channel", "pk")
    return list(logs.values_list("channel", flat=True))


@pytest.mark.parametrize("house", [False, True])
@pytest.mark.parametrize(
    ("wanted", "written"),
    [
        ({}, ["websocket"]),
        ({"push_enabled": True}, ["push", "push", "websocket"]),
        ({"webhook_enabled": True}, ["webhook", "websocket"]),
        ({"web_enabled": False, "push_enabled": True}, ["push", "push"]),
        ({"web_enabled": False, "webhook_enabled": True}, ["webhook"]),
        ({"web_enabled": False}, []),
        ({"push_enabled": True, "min_confidence": 99}, []),
    ],
)
def test_each_channel_that_is_on_gets_a_delivery_for_each_target(
    alice: User, make_insight: MakeInsight, wanted: dict[str, Any], written: list[str], house: bool
) -> None:
    want(alice, **wanted)

    make_insight(None if house else alice)

    assert channels(notification__user=alice) == written
    assert InsightNotification.objects.filter(user=alice).count() == bool(written)


def test_past_the_web_no_position_moves_and_no_badge_counts(alice: User, make_insight: MakeInsight, hints: Any) -> None:
    want(alice, web_enabled=False, push_enabled=True)

    make_insight(alice)

    notification = InsightNotification.objects.get()
    assert (notification.seq, notification.unread) == (None, False)
    assert Inbox.objects.get(user=alice).last_seq == 0
    assert hints == []
    assert not SuppressedInsight.objects.exists()


def test_what_is_held_goes_out_when_it_is_released(alice: User, make_insight: MakeInsight) -> None:
    want(alice, push_enabled=True, quiet_hours_enabled=True, quiet_start_time="00:00", quiet_end_time="00:00")
    make_insight(alice, timeframe="1w")
    assert channels() == []

    lifecycle.release_held(timezone.now() + dt.timedelta(days=2))

    assert channels() == ["push", "push", "websocket"]


def test_what_expired_while_it_was_held_is_not_pushed(alice: User, make_insight: MakeInsight) -> None:
    want(alice, push_enabled=True, quiet_hours_enabled=True, quiet_start_time="00:00", quiet_end_time="00:00")
    make_insight(alice, timeframe="1m")

    lifecycle.release_held(timezone.now() + dt.timedelta(days=2))

    assert channels() == ["websocket"]


@pytest.mark.parametrize("push", [True, False])
def test_with_the_browser_switched_off_meanwhile_what_was_held_goes_past_it(
    alice: User, make_insight: MakeInsight, push: bool
) -> None:
    want(alice, quiet_hours_enabled=True, quiet_start_time="00:00", quiet_end_time="00:00")
    make_insight(alice, timeframe="1w")
    want(alice, web_enabled=False, push_enabled=push)

    released = lifecycle.release_held(timezone.now() + dt.timedelta(days=2))

    notification = InsightNotification.objects.get()
    assert released == push
    assert channels() == ["push", "push"] * push
    assert (notification.seq, notification.held_until) == (None, None)


def test_send_again_opens_a_group_of_attempts_over_every_channel_that_is_on(
    alice: User, make_signal: Callable[..., Signal]
) -> None:
    want(alice, push_enabled=True)
    notification = store_notification(alice, make_signal(alice))

    assert NotificationManager.send_again(notification)

    assert channels(attempt_group=2) == ["push", "push", "websocket"]
    again = NotificationDeliveryLog.objects.filter(attempt_group=2, channel="push")
    assert all(log.next_attempt_at is not None and log.next_attempt_at <= timezone.now() for log in again)


def test_who_has_nothing_but_the_browser_on_costs_no_statement(django_assert_num_queries: Any) -> None:
    with django_assert_num_queries(0):
        pending.write([1, 2, 3], {"push": [], "webhook": []})


def test_many_notifications_cost_as_many_statements_as_one(
    alice: User, make_signal: Callable[..., Signal], django_assert_num_queries: Any
) -> None:
    want(alice, push_enabled=True)
    ids = [store_notification(alice, make_signal(alice)).pk for _ in range(20)]

    with django_assert_num_queries(1):
        assert pending.write(ids, {"push": ids}) == 40
