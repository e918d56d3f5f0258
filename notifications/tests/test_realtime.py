"""The hint: one format, bounded in time, never a fault for its caller."""

import asyncio
import json
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import msgpack
import pytest
from django.contrib.auth.models import User
from django.db import connection, transaction

from notifications import realtime
from notifications.models import DeliveryState, InsightNotification, NotificationDeliveryLog
from signals.models import Signal

MakeInsight = Callable[..., Signal]
FRAME: Any = {"type": "notification_read", "seq": 1, "unread_count": 0, "ids": [1]}


class BrokenLayer:
    """A layer whose every call fails, and which counts them."""

    def __init__(self, error: Exception) -> None:
        self.error, self.calls = error, 0

    async def group_send(self, group: str, message: dict[str, Any]) -> None:
        self.calls += 1
        raise self.error


class FrozenLayer:
    async def group_send(self, group: str, message: dict[str, Any]) -> None:
        await asyncio.Event().wait()


class RecordingLayer:
    def __init__(self) -> None:
        self.sent: list[tuple[str, dict[str, Any]]] = []
        self.threads: set[int] = set()

    async def group_send(self, group: str, message: dict[str, Any]) -> None:
        self.sent.append((group, message))
        self.threads.add(threading.get_ident())


@pytest.fixture
def use_layer(monkeypatch: pytest.MonkeyPatch) -> Callable[[Any], Any]:
    def use(layer: Any) -> Any:
        monkeypatch.setattr(realtime, "get_channel_layer", lambda: layer)
        return layer

    return use


def test_each_user_has_one_group_with_the_agreed_name() -> None:
    assert realtime.group_name(7) == "user_7_notifications"


def test_a_hint_is_plain_types_that_every_layer_can_carry(use_layer: Callable[[Any], Any]) -> None:
    layer = use_layer(RecordingLayer())

    assert realtime.publish([(7, FRAME)]) is True

    [(group, message)] = layer.sent
    assert group == "user_7_notifications"
    assert message == realtime.event_message(7, FRAME)
    assert msgpack.unpackb(msgpack.packb(message)) == message


def test_a_hint_carries_the_frame_as_the_text_that_the_browser_gets() -> None:
    message = realtime.event_message(7, FRAME)
    assert json.loads(message.pop("frame")) == FRAME
    assert message == {"type": "notification.event", "user_id": 7, "seq": 1}
    assert realtime.event_message(7, {"type": "unread_count", "count": 1})["seq"] is None  # type: ignore[arg-type]


def test_a_frame_that_is_not_json_is_not_published(use_layer: Callable[[Any], Any]) -> None:
    layer = use_layer(RecordingLayer())
    poisons: list[Any] = [{**FRAME, "ids": {1}}, {**FRAME, "unread_count": float("nan")}]
    for poison in poisons:
        assert realtime.publish([(7, poison)]) is False
    assert layer.sent == []


def test_a_failing_layer_costs_no_exception_and_opens_the_breaker(
    use_layer: Callable[[Any], Any], caplog: pytest.LogCaptureFixture
) -> None:
    layer = use_layer(BrokenLayer(ConnectionError("refused")))

    assert [realtime.publish([(7, FRAME)]) for _ in range(3)] == [False, False, False]

    assert layer.calls == 1, "after a failure hints are skipped"
    assert "delivery failed" in caplog.text


def test_the_breaker_closes_again(use_layer: Callable[[Any], Any], monkeypatch: pytest.MonkeyPatch) -> None:
    use_layer(BrokenLayer(ConnectionError("refused")))
    realtime.publish([(7, FRAME)])
    layer = use_layer(RecordingLayer())
    assert realtime.publish([(7, FRAME)]) is False

    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now + realtime.BREAKER_S)

    assert realtime.publish([(7, FRAME)]) is True
    assert len(layer.sent) == 1


def test_a_frozen_layer_costs_a_bounded_time(
    use_layer: Callable[[Any], Any], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    use_layer(FrozenLayer())
    monkeypatch.setattr(realtime, "PUBLISH_TIMEOUT_S", 0.01)

    assert realtime.publish([(7, FRAME)]) is False
    assert "TimeoutError" in caplog.text


def test_a_thread_publishes_on_the_loop_that_the_sockets_live_on(
    use_layer: Callable[[Any], Any], server_loop: asyncio.AbstractEventLoop
) -> None:
    layer = use_layer(RecordingLayer())

    assert realtime.publish([(7, FRAME)]) is True

    assert threading.get_ident() not in layer.threads


def test_a_frozen_layer_costs_the_same_through_the_sockets_loop(
    use_layer: Callable[[Any], Any], server_loop: asyncio.AbstractEventLoop, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_layer(FrozenLayer())
    monkeypatch.setattr(realtime, "PUBLISH_TIMEOUT_S", 0.01)

    assert realtime.publish([(7, FRAME)]) is False


@pytest.mark.services
@pytest.mark.django_db(transaction=True)
async def test_the_configured_layer_takes_and_brings_a_hint() -> None:
    layer = realtime._layer()
    channel = await layer.new_channel()
    await realtime.join(7, channel)

    await asyncio.to_thread(realtime.publish, [(7, FRAME)])

    assert await layer.receive(channel) == realtime.event_message(7, FRAME)
    await realtime.leave(7, channel)


@pytest.mark.django_db(transaction=True)
def test_a_failing_layer_neither_fails_nor_undoes_the_saving_of_an_insight(
    alice: User, make_insight: MakeInsight, use_layer: Callable[[Any], Any]
) -> None:
    use_layer(BrokenLayer(ConnectionError("refused")))

    signal = make_insight(alice)

    assert InsightNotification.objects.get().signal == signal
    log = NotificationDeliveryLog.objects.get()
    assert (log.state, log.attempts, log.success) == (DeliveryState.PENDING, 1, None)
    assert "next sync" in log.error_message


@pytest.mark.django_db(transaction=True)
def test_hints_wait_for_the_commit_and_die_with_a_rollback(hints: list[tuple[int, Any]]) -> None:
    with transaction.atomic():
        realtime.publish_after_commit([(7, FRAME)])
        realtime.request_recheck(7)
        assert hints == []
    assert [frame["type"] for _, frame in hints] == ["notification_read", "recheck"]

    with transaction.atomic():
        realtime.publish_after_commit([(8, FRAME)])
        transaction.set_rollback(True)
    assert len(hints) == 2
    assert connection.in_atomic_block is False


@pytest.fixture
def server_loop(monkeypatch: pytest.MonkeyPatch) -> Iterator[asyncio.AbstractEventLoop]:
    """A loop that runs in another thread, as a server's does, registered as the sockets' loop."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    monkeypatch.setattr(realtime, "_sockets_loop", loop)
    yield loop
    # As a server does: what a caller gave up is still about to be cancelled, over several turns of the loop.
    realtime._end_loop(loop, thread)
