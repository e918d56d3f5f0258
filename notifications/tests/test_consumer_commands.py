"""What a client may say: each command right and wrong, and frames that are no command at all."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import OperationalError

from notifications import commands, stream
from notifications.models import DeliveryState, InsightNotification, NotificationDeliveryLog
from notifications.tests import tabs
from notifications.tests.conftest import NewInsight, OpenTab
from notifications.tests.tabs import Tab

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.services]


async def stored(notification: InsightNotification) -> InsightNotification:
    return await InsightNotification.objects.aget(pk=notification.pk)


async def delivery_of(notification: InsightNotification) -> NotificationDeliveryLog:
    return await NotificationDeliveryLog.objects.aget(notification=notification, channel="websocket")


# --- mark_read ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["id", "notification_id"])
async def test_alice_marks_a_notification_read(
    name: str, alice: User, open_tab: OpenTab, new_insight: NewInsight
) -> None:
    notification = await new_insight(alice)
    tab = await open_tab(alice)
    assert await tab.ask("mark_read", **{name: notification.pk}) == {
        "type": "mark_read_response",
        "success": True,
        "notification_id": notification.pk,
        "unread_count": 0,
    }
    assert await tab.frame() == {"type": "notification_read", "seq": 2, "unread_count": 0, "ids": [notification.pk]}
    assert (await stored(notification)).read


async def test_marking_read_twice_succeeds_and_changes_nothing(
    alice: User, open_tab: OpenTab, new_insight: NewInsight
) -> None:
    notification = await new_insight(alice)
    tab = await open_tab(alice)
    await tab.ask("mark_read", id=notification.pk)
    await tab.frame()
    first_read_at = (await stored(notification)).read_at
    assert (await tab.ask("mark_read", id=notification.pk))["success"] is True
    await tab.settled()
    assert (await stored(notification)).read_at == first_read_at


async def test_bob_cannot_mark_alices_notification_read(
    alice: User, bob: User, open_tab: OpenTab, new_insight: NewInsight
) -> None:
    alices, bobs = await new_insight(alice), await new_insight(bob)
    tab = await open_tab(bob)
    refusal = {"type": "mark_read_response", "success": False, "notification_id": alices.pk, "unread_count": 1}
    assert await tab.ask("mark_read", id=alices.pk) == refusal
    assert not (await stored(alices)).read
    assert (await tab.ask("mark_read", id=bobs.pk))["success"] is True


async def test_an_unknown_notification_is_answered_like_a_strangers(alice: User, open_tab: OpenTab) -> None:
    tab = await open_tab(alice)
    answer = await tab.ask("mark_read", id=commands.MAX_POSITION)
    assert (answer["success"], answer["unread_count"]) == (False, 0)


async def test_what_one_tab_reads_shows_in_the_other(alice: User, open_tab: OpenTab, new_insight: NewInsight) -> None:
    notification = await new_insight(alice)
    first, second = await open_tab(alice), await open_tab(alice)
    await first.send(command="mark_read", id=notification.pk)
    assert await second.frame() == {"type": "notification_read", "seq": 2, "unread_count": 0, "ids": [notification.pk]}


# --- mark_all_read --------------------------------------------------------------------------------------------------


async def test_mark_all_read_without_a_position_goes_up_to_what_this_socket_was_sent(
    alice: User, open_tab: OpenTab, new_insight: NewInsight, other_process: None
) -> None:
    await new_insight(alice)
    await new_insight(alice, symbol="GBPUSD")
    tab = await open_tab(alice)
    arrived_during_the_click = await new_insight(alice, symbol="USDJPY")
    assert await tab.ask("mark_all_read") == {
        "type": "mark_all_read_response",
        "success": True,
        "count": 2,
        "up_to_seq": 2,
        "unread_count": 1,
        "seq": 4,
    }
    assert (await stored(arrived_during_the_click)).unread


async def test_mark_all_read_up_to_a_position_leaves_what_came_later(
    alice: User, open_tab: OpenTab, new_insight: NewInsight
) -> None:
    first = await new_insight(alice)
    await new_insight(alice, symbol="GBPUSD")
    first_tab, second_tab = await open_tab(alice), await open_tab(alice)
    answer = await first_tab.ask("mark_all_read", up_to_seq=first.seq)
    assert (answer["count"], answer["up_to_seq"], answer["unread_count"]) == (1, 1, 1)
    assert await second_tab.frame() == {"type": "notification_read", "seq": 3, "unread_count": 1, "up_to_seq": 1}


async def test_mark_all_read_includes_what_was_sent_beyond_a_gap(
    alice: User, open_tab: OpenTab, new_insight: NewInsight, monkeypatch: pytest.MonkeyPatch
) -> None:
    tab = await open_tab(alice)
    with monkeypatch.context() as lost:
        lost.setattr("notifications.realtime.publish", lambda events: True)
        await new_insight(alice)
    await new_insight(alice, symbol="GBPUSD")
    assert (await tab.frame())["seq"] == 2
    assert (await tab.ask("mark_all_read"))["up_to_seq"] == 2


# --- get_unread_count, ping, visible --------------------------------------------------------------------------------


async def test_alice_asks_for_her_unread_count(alice: User, open_tab: OpenTab, new_insight: NewInsight) -> None:
    await new_insight(alice)
    tab = await open_tab(alice)
    assert await tab.ask("get_unread_count") == {"type": "unread_count", "count": 1}


async def test_a_ping_is_answered(alice: User, open_tab: OpenTab) -> None:
    tab = await open_tab(alice)
    assert await tab.ask("ping", sent_at="a key of a newer client") == {"type": "pong"}


# --- ack ------------------------------------------------------------------------------------------------------------


async def test_an_acknowledged_notification_is_delivered(
    alice: User, open_tab: OpenTab, new_insight: NewInsight
) -> None:
    tab = await open_tab(alice)
    notification = await new_insight(alice)
    await tab.frame()
    await tab.send(command="ack", seq=1, visible=True)
    await tab.settled()
    assert (await stored(notification)).delivered
    log = await delivery_of(notification)
    assert (log.state, log.success, log.acknowledged_visible) == (DeliveryState.ACKNOWLEDGED, True, True)


async def test_a_sent_notification_without_an_acknowledgement_is_not_delivered(
    alice: User, open_tab: OpenTab, new_insight: NewInsight
) -> None:
    tab = await open_tab(alice)
    notification = await new_insight(alice)
    await tab.frame()
    await tab.settled()
    assert not (await stored(notification)).delivered
    assert (await delivery_of(notification)).success is None


async def test_an_acknowledgement_counts_only_for_what_was_sent(
    alice: User, open_tab: OpenTab, new_insight: NewInsight, other_process: None
) -> None:
    tab = await open_tab(alice)
    never_sent = await new_insight(alice)
    await tab.send(command="ack", seq=never_sent.seq, visible=True)
    await tab.settled()
    assert not (await stored(never_sent)).delivered


async def test_a_fresh_socket_cannot_acknowledge_what_came_before_it(
    alice: User, open_tab: OpenTab, new_insight: NewInsight
) -> None:
    earlier = await new_insight(alice)
    tab = await open_tab(alice)
    later = await new_insight(alice, symbol="GBPUSD")
    await tab.frame()
    await tab.send(command="ack", seq=later.seq)
    await tab.settled()
    assert not (await stored(earlier)).delivered
    assert (await stored(later)).delivered


async def test_what_a_catch_up_brought_can_be_acknowledged(
    alice: User, open_tab: OpenTab, new_insight: NewInsight
) -> None:
    missed = await new_insight(alice)
    position = await tabs.in_thread(stream.position, alice.pk)
    tab = await open_tab(alice, since=0, epoch=position.epoch)
    assert (await tab.frame())["type"] == "missed_notifications"
    await tab.send(command="ack", seq=missed.seq)
    await tab.settled()
    assert (await stored(missed)).delivered


async def test_an_acknowledgement_beyond_a_gap_waits_for_the_gap(
    alice: User, open_tab: OpenTab, new_insight: NewInsight, monkeypatch: pytest.MonkeyPatch
) -> None:
    tab = await open_tab(alice)
    with monkeypatch.context() as lost:
        lost.setattr("notifications.realtime.publish", lambda events: True)
        await new_insight(alice)
    beyond = await new_insight(alice, symbol="GBPUSD")
    await tab.frame()
    await tab.send(command="ack", seq=beyond.seq)
    await tab.settled()
    assert not (await stored(beyond)).delivered

    await tab.ask("sync", since=0, epoch=tab.welcome["epoch"])
    await tab.send(command="ack", seq=beyond.seq)
    await tab.settled()
    assert (await stored(beyond)).delivered


async def test_a_repeated_acknowledgement_asks_nothing_of_the_database(
    alice: User, open_tab: OpenTab, new_insight: NewInsight, monkeypatch: pytest.MonkeyPatch
) -> None:
    tab = await open_tab(alice)
    await new_insight(alice)
    await tab.frame()
    await tab.send(command="ack", seq=1)
    await tab.settled()
    calls: list[Any] = []
    monkeypatch.setattr(stream, "acknowledge", lambda *args, **kwargs: calls.append(args))
    await tab.send(command="ack", seq=1)
    await tab.settled()
    assert calls == []


async def test_the_visibility_last_told_goes_for_an_acknowledgement_that_tells_none(
    alice: User, open_tab: OpenTab, new_insight: NewInsight
) -> None:
    tab = await open_tab(alice)
    notification = await new_insight(alice)
    await tab.frame()
    await tab.send(command="visible", visible=False)
    await tab.send(command="ack", seq=1)
    await tab.settled()
    assert (await delivery_of(notification)).acknowledged_visible is False


# --- What is no command ---------------------------------------------------------------------------------------------


async def lives(tab: Tab, alice: User, new_insight: NewInsight) -> bool:
    """Whether the socket still answers and still brings notifications."""
    await tab.settled()
    await new_insight(alice)
    frame = await tab.frame()
    return bool(frame["type"] == "new_notification")


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "not_json"),
        ("ping", "not_json"),
        ('{"command": "ping"', "not_json"),
        ('{"command": "mark_read", "id": NaN}', "not_json"),
        ('{"command": "ack", "seq": Infinity}', "not_json"),
        ("[]", "not_an_object"),
        ('["command", "ping"]', "not_an_object"),
        ("null", "not_an_object"),
        ('"ping"', "not_an_object"),
        ('{"command": "ping", "padding": "' + "x" * commands.MAX_FRAME_BYTES + '"}', "too_large"),
        ('{"command": "ping", "padding": "' + "🟢" * 1020 + '"}', "too_large"),
        ("[" * 4000, "too_deep"),
        ('{"command": "ping", "deep": ' + "[" * 1000 + "]" * 1000 + "}", "too_deep"),
        ('{"command": "ping", "deep": ' + '{"a":' * 9 + "1" + "}" * 9 + "}", "too_deep"),
        ("{}", "bad_value"),
        ('{"command": 5}', "bad_value"),
        ('{"command": ["ping"]}', "bad_value"),
        ('{"command": "sell_everything"}', "unknown_command"),
        ('{"command": "\\ud800"}', "unknown_command"),
    ],
)
async def test_a_bad_frame_gets_an_error_and_the_socket_lives(
    text: str, code: str, alice: User, open_tab: OpenTab, new_insight: NewInsight
) -> None:
    tab = await open_tab(alice)
    await tab.send_raw(text=text)
    answer = await tab.frame()
    assert (answer["type"], answer["code"]) == ("error", code)
    assert answer["message"]
    assert await lives(tab, alice, new_insight)


async def test_a_binary_frame_gets_an_error_and_the_socket_lives(
    alice: User, open_tab: OpenTab, new_insight: NewInsight
) -> None:
    tab = await open_tab(alice)
    await tab.send_raw(binary=b'{"command": "ping"}')
    assert (await tab.frame())["code"] == "not_text"
    assert await lives(tab, alice, new_insight)


@pytest.mark.parametrize(
    ("message", "key"),
    [
        ({"command": "mark_read"}, "id"),
        ({"command": "mark_read", "id": "5"}, "id"),
        ({"command": "mark_read", "id": True}, "id"),
        ({"command": "mark_read", "id": 5.0}, "id"),
        ({"command": "mark_read", "id": -1}, "id"),
        ({"command": "mark_read", "id": 2**63}, "id"),
        ({"command": "mark_read", "id": None}, "id"),
        ({"command": "mark_read", "id": [5]}, "id"),
        ({"command": "mark_all_read", "up_to_seq": "9"}, "up_to_seq"),
        ({"command": "mark_all_read", "up_to_seq": False}, "up_to_seq"),
        ({"command": "sync"}, "since"),
        ({"command": "sync", "since": 0}, "epoch"),
        ({"command": "sync", "since": 0, "epoch": 7}, "epoch"),
        ({"command": "sync", "since": 0, "epoch": "x" * 65}, "epoch"),
        ({"command": "sync", "since": None, "epoch": ""}, "since"),
        ({"command": "ack"}, "seq"),
        ({"command": "ack", "seq": 1.5}, "seq"),
        ({"command": "ack", "seq": 1, "visible": 1}, "visible"),
        ({"command": "visible"}, "visible"),
        ({"command": "visible", "visible": "yes"}, "visible"),
    ],
    ids=str,
)
async def test_a_wrong_value_is_named_and_the_socket_lives(
    message: dict[str, Any], key: str, alice: User, open_tab: OpenTab, new_insight: NewInsight
) -> None:
    tab = await open_tab(alice)
    await tab.send(**message)
    answer = await tab.frame()
    assert (answer["type"], answer["code"], answer["command"]) == ("error", "bad_value", message["command"])
    assert f"`{key}`" in answer["message"]
    assert await lives(tab, alice, new_insight)


async def test_too_many_messages_close_the_socket(alice: User, open_tab: OpenTab) -> None:
    tab = await open_tab(alice)
    for _ in range(commands.FLOOD_MESSAGES):
        await tab.settled()
    await tab.send(command="ping")
    assert await tab.close_code() == 4429
    await tab.send(command="ping")
    assert await tab.communicator.receive_nothing()


@pytest.mark.parametrize(
    ("function", "message"),
    [
        ("mark_read", {"command": "mark_read", "id": 1}),
        ("mark_all_read", {"command": "mark_all_read"}),
        ("unread_count", {"command": "get_unread_count"}),
        ("catch_up", {"command": "sync", "since": 0, "epoch": "x"}),
        ("acknowledge", {"command": "ack", "seq": 1}),
    ],
)
@pytest.mark.parametrize(
    ("fault", "code"),
    [(OperationalError("could not connect"), "unavailable"), (RuntimeError("a mistake"), "internal")],
    ids=["database", "mistake"],
)
async def test_a_fault_in_a_command_is_an_error_frame_and_the_socket_lives(
    function: str,
    message: dict[str, Any],
    fault: Exception,
    code: str,
    alice: User,
    open_tab: OpenTab,
    new_insight: NewInsight,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    tab = await open_tab(alice)
    await new_insight(alice)
    await tab.frame()

    def failing(*args: Any, **kwargs: Any) -> None:
        raise fault

    with monkeypatch.context() as broken, caplog.at_level(logging.CRITICAL, logger="notifications"):
        broken.setattr(stream, function, failing)
        await tab.send(**message)
        answer = await tab.frame()
    assert (answer["type"], answer["code"], answer["command"]) == ("error", code, message["command"])
    assert str(fault) not in answer["message"]
    assert (await tab.ask("mark_all_read"))["count"] == 1
