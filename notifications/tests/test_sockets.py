"""The registry of a process's sockets and its tick: what no hint brought is found."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import OperationalError

from notifications import hub, lifecycle, outbox, realtime, sockets, stream
from notifications.hub import Hub
from notifications.manager import NotificationManager
from notifications.models import Inbox, InsightNotification
from notifications.stream import Place
from notifications.tests import tabs
from notifications.tests.conftest import NewInsight, OpenTab
from notifications.tests.rows import store_notification
from signals.models import Signal

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.services]


def registry() -> sockets.Registry:
    present = sockets.current()
    assert present is not None
    return present


async def test_the_poll_delivers_what_another_process_wrote(
    alice: User, open_tab: OpenTab, new_insight: NewInsight, other_process: None
) -> None:
    tab = await open_tab(alice)
    made = [await new_insight(alice, symbol=symbol) for symbol in ("EURUSD", "GBPUSD")]
    await tab.settled()
    await registry().poll()
    received = await tab.frames(2)
    assert [frame["type"] for frame in received] == ["new_notification"] * 2
    assert [frame["notification"]["id"] for frame in received] == [notification.pk for notification in made]
    assert [(frame["seq"], frame["unread_count"], frame["toast"]) for frame in received] == [(1, 2, True), (2, 2, True)]
    assert received[0]["notification"]["unread_count"] == 2

    await registry().poll()
    await tab.settled()


async def test_the_poll_tells_of_what_another_process_read(
    alice: User, open_tab: OpenTab, new_insight: NewInsight, monkeypatch: pytest.MonkeyPatch
) -> None:
    tab = await open_tab(alice)
    made = [await new_insight(alice, symbol=symbol) for symbol in ("EURUSD", "GBPUSD")]
    await tab.frames(2)
    monkeypatch.setattr(realtime, "publish", lambda events: True)
    await tabs.in_thread(stream.mark_all_read, alice.pk)
    await registry().poll()
    received = await tab.frames(2)
    assert [(frame["type"], frame["seq"], frame["unread_count"]) for frame in received] == [
        ("notification_updated", 3, 0)
    ] * 2
    assert {frame["notification"]["id"] for frame in received} == {notification.pk for notification in made}
    assert all(frame["notification"]["read"] and "toast" not in frame for frame in received)
    await registry().poll()
    await tab.settled()


async def test_the_poll_tells_of_what_expired(
    alice: User, open_tab: OpenTab, new_insight: NewInsight, other_process: None
) -> None:
    tab = await open_tab(alice)
    notification = await new_insight(alice)
    await tabs.in_thread(lifecycle.expire_old, notification.expires_at)
    await registry().poll()
    frame = await tab.frame()
    assert (frame["type"], frame["seq"], frame["unread_count"]) == ("notification_updated", 2, 0)
    await tab.settled()


async def test_the_poll_sends_each_socket_what_that_socket_lacks(
    alice: User, bob: User, open_tab: OpenTab, new_insight: NewInsight, other_process: None
) -> None:
    early, bobs = await open_tab(alice), await open_tab(bob)
    await new_insight(alice)
    late = await open_tab(alice)
    await new_insight(alice, symbol="GBPUSD")
    await registry().poll()
    assert [frame["seq"] for frame in await early.frames(2)] == [1, 2]
    assert (await late.frame())["seq"] == 2
    for tab in (early, late, bobs):
        await tab.settled()


async def test_the_poll_fills_a_gap_and_repeats_nothing(
    alice: User, open_tab: OpenTab, new_insight: NewInsight, monkeypatch: pytest.MonkeyPatch
) -> None:
    tab = await open_tab(alice)
    with monkeypatch.context() as lost:
        lost.setattr(realtime, "publish", lambda events: True)
        await new_insight(alice)
    await new_insight(alice, symbol="GBPUSD")
    assert (await tab.frame())["seq"] == 2
    await registry().poll()
    assert (await tab.frame())["seq"] == 1
    await tab.settled()


async def test_the_poll_leaves_alone_what_its_hint_brings_in_time(
    alice: User, open_tab: OpenTab, new_insight: NewInsight, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The hint arrives after the poll has seen that the socket is behind, within its grace."""
    tab = await open_tab(alice)
    hints: list[Any] = []
    publish = realtime.publish
    with monkeypatch.context() as held_back:
        held_back.setattr(realtime, "publish", hints.extend)
        notification = await new_insight(alice)
        await tabs.in_thread(stream.mark_read, alice.pk, notification.pk)

    async def hints_arrive() -> None:
        await tabs.in_thread(publish, hints)
        received = {frame["type"] for frame in await tab.frames(2)}  # in any order: a layer need not keep it
        assert received == {"new_notification", "notification_read"}

    monkeypatch.setattr(sockets, "_wait_for_hints", hints_arrive)
    await registry().poll()
    await tab.settled()


async def test_an_acknowledgement_of_what_the_poll_sent_counts(
    alice: User, open_tab: OpenTab, new_insight: NewInsight, other_process: None
) -> None:
    tab = await open_tab(alice)
    notification = await new_insight(alice)
    await registry().poll()
    await tab.frame()
    await tab.send(command="ack", seq=1)
    await tab.settled()
    assert (await InsightNotification.objects.aget(pk=notification.pk)).delivered


async def test_more_than_300_changes_send_the_client_to_the_list(
    alice: User, open_tab: OpenTab, make_signal: Callable[..., Signal], other_process: None
) -> None:
    signal = await tabs.in_thread(make_signal)
    tab = await open_tab(alice)
    await tabs.in_thread(store_301, alice, signal)
    await registry().poll()
    frame = await tab.frame()
    assert (frame["type"], frame["recovered"], frame["notifications"], frame["more"]) == (
        "missed_notifications",
        False,
        [],
        False,
    )
    assert (frame["last_seq"], frame["unread_count"]) == (301, 301)
    await registry().poll()
    await tab.settled()


def store_301(user: User, signal: Signal) -> None:
    for revision in range(1, 302):
        store_notification(user, signal, revision=revision)


async def test_after_a_restore_from_a_backup_the_poll_starts_the_socket_anew(
    alice: User, open_tab: OpenTab, new_insight: NewInsight
) -> None:
    tab = await open_tab(alice)
    for symbol in ("EURUSD", "GBPUSD", "USDJPY"):
        await new_insight(alice, symbol=symbol)
    await tab.frames(3)
    await InsightNotification.objects.filter(user=alice, seq__gt=1).adelete()
    await Inbox.objects.filter(user=alice).aupdate(last_seq=1, epoch="restored")
    await registry().poll()
    frame = await tab.frame()
    assert (frame["recovered"], frame["last_seq"], frame["epoch"]) == (False, 1, "restored")
    await new_insight(alice, symbol="USDCHF")
    assert (await tab.frame())["seq"] == 2


async def test_a_second_process_is_seen_by_the_clock(
    alice: User,
    open_tab: OpenTab,
    new_insight: NewInsight,
    other_process: None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sockets, "POLL_LOCAL_S", 0.01)
    monkeypatch.setattr(sockets, "POLL_SHARED_S", 0.01)
    tab = await open_tab(alice)
    await new_insight(alice)
    assert (await tab.frame())["seq"] == 1


def test_another_process_is_seen_within_two_seconds_on_the_in_memory_layer() -> None:
    assert sockets.POLL_LOCAL_S + sockets.HINT_GRACE_S < 2


def test_a_lost_sign_in_is_found_within_thirty_seconds() -> None:
    assert 2 * sockets.CHECK_S < 30
    assert sockets.CHECK_ROUND < 1


async def test_the_poll_asks_one_query_for_all_users_when_nothing_changed(
    alice: User, bob: User, open_tab: OpenTab, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = [await open_tab(alice), await open_tab(alice), await open_tab(bob)]
    asked: list[set[int]] = []
    last_seqs = stream.last_seqs

    def counted(user_ids: Any) -> dict[int, int]:
        asked.append(set(user_ids))
        return last_seqs(user_ids)

    monkeypatch.setattr(stream, "last_seqs", counted)
    monkeypatch.setattr(stream, "catch_up_together", None)
    await registry().poll()
    assert asked == [{alice.pk, bob.pk}]
    for tab in opened:
        await tab.settled()


async def test_what_many_users_missed_is_asked_for_together(
    alice: User,
    bob: User,
    open_tab: OpenTab,
    new_insight: NewInsight,
    other_process: None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    opened = [await open_tab(user) for user in (alice, alice, bob)]
    for user in (alice, bob):
        await new_insight(user)
    asked: list[set[int]] = []
    catch_up = stream.catch_up_together

    def counted(places: Sequence[Place]) -> dict[Place, stream.CatchUp]:
        asked.append({place.user_id for place in places})
        return catch_up(places)

    monkeypatch.setattr(stream, "catch_up_together", counted)
    await registry().poll()

    assert asked == [{alice.pk, bob.pk}]
    assert [(await tab.frame())["seq"] for tab in opened] == [1, 1, 1]


async def test_a_fault_for_one_user_keeps_nothing_from_the_others(
    alice: User,
    bob: User,
    open_tab: OpenTab,
    new_insight: NewInsight,
    other_process: None,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    alices, bobs = await open_tab(alice), await open_tab(bob)
    await new_insight(alice)
    await new_insight(bob)
    catch_up = stream.catch_up_together

    def failing_for_alice(places: Sequence[Place]) -> dict[Place, stream.CatchUp]:
        if alice.pk in {place.user_id for place in places}:
            raise OperationalError("deadlock")
        return catch_up(places)

    with monkeypatch.context() as broken, caplog.at_level(logging.CRITICAL, logger="notifications"):
        broken.setattr(stream, "catch_up_together", failing_for_alice)
        await registry().poll()
    assert (await bobs.frame())["seq"] == 1
    await registry().poll()
    assert (await alices.frame())["seq"] == 1


async def test_a_client_that_takes_nothing_does_not_stop_the_tick(
    alice: User, bob: User, open_tab: OpenTab, new_insight: NewInsight, other_process: None
) -> None:
    stuck, well = await open_tab(alice), await open_tab(bob)
    reads = stall(alice)
    await stuck.send(command="ping")
    await new_insight(alice)
    await new_insight(bob)
    await well.settled()
    await registry().poll()
    assert (await well.frame())["seq"] == 1
    reads.set()
    assert await stuck.frame() == {"type": "pong"}
    await registry().poll()
    assert (await stuck.frame())["seq"] == 1


def stall(user: User) -> asyncio.Event:
    """From now on the user's client reads nothing, until the event is set; the server says so by letting us wait."""
    [consumer] = registry().sockets([user.pk])
    reads, box = asyncio.Event(), consumer.outbox  # type: ignore[attr-defined]  # of the consumer, not of the registry
    send = box._send

    async def send_when_read(message: dict[str, Any]) -> None:
        await reads.wait()
        await send(message)

    box._send = send_when_read
    return reads


async def test_hints_dropped_for_a_slow_client_are_found_when_it_reads_again(
    alice: User, bob: User, open_tab: OpenTab, new_insight: NewInsight, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox, "MAX_WAITING_BYTES", 0)
    slow, quick = await open_tab(alice), await open_tab(bob)
    reads = stall(alice)
    made = [(await new_insight(alice, symbol=symbol)).pk for symbol in ("EURUSD", "GBPUSD", "USDJPY")]
    await new_insight(bob)
    assert (await quick.frame())["seq"] == 1
    reads.set()
    assert [(await slow.frame())["notification"]["id"] for _ in made] == made
    await slow.settled()


async def test_a_layer_that_forgot_its_groups_is_joined_again_and_what_was_missed_is_found(
    alice: User, open_tab: OpenTab, new_insight: NewInsight, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub, "BEAT_S", 0.01)
    monkeypatch.setattr(hub, "BEAT_PATIENCE_S", 0.2)
    tab = await open_tab(alice)
    await forget_groups()
    await new_insight(alice)
    assert (await tab.frame())["seq"] == 1
    await tabs.until(lambda: registry().hub.hears)
    await new_insight(alice, symbol="GBPUSD")
    assert (await tab.frame())["seq"] == 2


async def forget_groups() -> None:
    """As a flushed Redis does, and every layer with members that are older than its group expiry."""
    layer = realtime._layer()
    if hasattr(layer, "groups"):
        layer.groups.clear()
    else:
        connection = layer.connection(0)
        await connection.delete(*[key async for key in connection.scan_iter(f"{layer.prefix}:group:*")])


async def test_old_members_are_put_back_into_their_groups(
    alice: User, open_tab: OpenTab, new_insight: NewInsight, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub, "BEAT_S", 0.01)
    monkeypatch.setattr(hub, "REJOIN_S", 0.01)
    tab = await open_tab(alice)
    joined: list[int] = []
    join = realtime.join

    async def counted(user_id: int, channel_name: str) -> None:
        joined.append(user_id)
        await join(user_id, channel_name)

    monkeypatch.setattr(realtime, "join", counted)
    await tabs.until(lambda: joined == [alice.pk] * len(joined) and len(joined) > 1)
    await new_insight(alice)
    assert (await tab.frame())["seq"] == 1


@pytest.mark.parametrize("refuses", ["new_channel", "join", "receive", "beat"])
async def test_while_the_layer_is_away_sockets_are_opened_and_served_from_the_database(
    refuses: str,
    alice: User,
    open_tab: OpenTab,
    new_insight: NewInsight,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    for module, name in [(hub, "BEAT_S"), (hub, "BEAT_PATIENCE_S"), (hub, "RETRY_S"), (sockets, "POLL_LOCAL_S")]:
        monkeypatch.setattr(module, name, 0.05)

    async def away(*arguments: Any) -> None:
        raise ConnectionError("the layer is away")

    with monkeypatch.context() as broken, caplog.at_level(logging.CRITICAL, logger="notifications"):
        broken.setattr(realtime, refuses, away)
        broken.setattr(realtime, "publish", lambda events: False)
        tab = await open_tab(alice)
        await tabs.until(lambda: not registry().hub.hears)
        await new_insight(alice)
        assert (await tab.frame())["seq"] == 1
    await tabs.until(lambda: registry().hub.hears)
    await new_insight(alice, symbol="GBPUSD")
    assert (await tab.frame())["seq"] == 2


async def test_a_frozen_layer_holds_up_no_handshake(
    alice: User, open_tab: OpenTab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub, "JOIN_PATIENCE_S", 0.01)

    async def frozen(*arguments: Any) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(realtime, "join", frozen)
    tab = await open_tab(alice)
    await tab.settled()
    assert not registry().hub.hears


async def test_a_layer_that_turns_the_end_into_a_fault_keeps_no_hub_alive(
    alice: User, open_tab: OpenTab, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def receive(channel_name: str) -> dict[str, Any]:
        try:
            return await asyncio.Event().wait()  # type: ignore[return-value]  # it never ends by itself
        except asyncio.CancelledError as end:
            raise KeyError(channel_name) from end

    monkeypatch.setattr(realtime, "receive", receive)
    tab = await open_tab(alice)
    task = registry().hub._task
    await tab.close()
    await asyncio.wait([task], timeout=tabs.PATIENCE_S)
    assert task.cancelled()


@pytest.fixture
def forgetful_layer(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waits on when it is cancelled for the first and the second time, as Redis's client may."""

    async def receive(channel_name: str) -> dict[str, Any]:
        for _ in range(2):
            with suppress(asyncio.CancelledError):
                await asyncio.Event().wait()
        return await asyncio.Event().wait()  # type: ignore[return-value]  # it never ends by itself

    monkeypatch.setattr(realtime, "receive", receive)


async def test_a_layer_that_forgets_a_cancellation_keeps_no_hub_alive(
    alice: User, open_tab: OpenTab, forgetful_layer: None
) -> None:
    tab = await open_tab(alice)
    task = registry().hub._task
    await tab.close()
    await asyncio.wait([task], timeout=tabs.PATIENCE_S)
    assert task.cancelled()


def test_a_hub_ends_with_its_loop_which_asks_only_once(forgetful_layer: None) -> None:
    async def hear() -> None:
        hub = Hub(take=lambda message: None, look=lambda: None)
        await hub.listen_to(1)
        hub.end()  # the loop closes before it has its turn

    loop = asyncio.new_event_loop()
    loop.run_until_complete(hear())
    tasks = asyncio.all_tasks(loop)
    for task in tasks:
        task.cancel()
    loop.run_until_complete(asyncio.wait(tasks, timeout=tabs.PATIENCE_S))
    assert all(task.cancelled() for task in tasks)
    loop.close()


async def test_the_tick_ends_with_the_last_socket(alice: User, open_tab: OpenTab) -> None:
    tab = await open_tab(alice)
    tasks = [*registry()._tasks, registry().hub._task]
    await tab.close()
    await asyncio.wait(tasks, timeout=tabs.PATIENCE_S)
    assert all(task.cancelled() for task in tasks)


def test_what_a_stopped_server_leaves_behind_is_ended(alice: User) -> None:
    cookie = tabs.cookie_of(tabs.sign_in(alice))
    loop = asyncio.new_event_loop()
    tab = tabs.Tab(tabs.knock(tabs.stream_path(alice), cookie=cookie))
    assert loop.run_until_complete(tab.communicator.connect(tabs.PATIENCE_S)) == (True, None)
    left_over = asyncio.all_tasks(loop)
    assert left_over

    sockets.end_left_over_tasks()
    assert all(task.cancelled() for task in left_over)
    assert asyncio.all_tasks(loop) == set()
    assert loop not in sockets._registries
    loop.close()


async def test_an_insight_sent_again_is_shown_again(alice: User, open_tab: OpenTab, new_insight: NewInsight) -> None:
    tab = await open_tab(alice)
    notification = await new_insight(alice)
    await tab.frame()
    await tabs.in_thread(NotificationManager.deliver_websocket, notification)
    await tab.settled()
    await tabs.in_thread(NotificationManager.send_again, notification)
    frame = await tab.frame()
    assert (frame["seq"], frame["notification"]["id"]) == (2, notification.pk)
