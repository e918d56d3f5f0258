"""Publishing past the layer's own call: the same names and the same bytes, in few round trips, within a second."""

import asyncio
import socket
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import redis
from channels.layers import get_channel_layer  # noqa: TID251 - this is about the layer itself
from django.conf import settings

from notifications import publishing, realtime

pytestmark = [
    pytest.mark.services,
    pytest.mark.skipif(settings.CHANNEL_LAYER != "pubsub", reason="other layers are published to by their own call"),
]
FRAME: Any = {"type": "notification_read", "seq": 1, "unread_count": 0, "ids": [1]}
Serve = Callable[[str], None]


@pytest.fixture
def at_address(monkeypatch: pytest.MonkeyPatch) -> Iterator[Serve]:
    """Publish to another Redis."""

    def serve(address: str) -> None:
        config = settings.CHANNEL_LAYERS["default"]["CONFIG"] | {"hosts": [{"address": address}]}
        monkeypatch.setitem(settings.CHANNEL_LAYERS["default"], "CONFIG", config)
        publishing._client.cache_clear()

    yield serve
    publishing._client().close()
    publishing._client.cache_clear()


async def test_the_layer_hears_what_is_published_past_it() -> None:
    """Fails when channels-redis names its channels or writes its messages in another way."""
    layer = get_channel_layer()
    channel = await layer.new_channel()
    await layer.group_add(realtime.group_name(7), channel)

    assert await asyncio.to_thread(realtime.publish, [(7, FRAME)]) is True

    async with asyncio.timeout(5):
        assert await layer.receive(channel) == realtime.event_message(7, FRAME)
    await layer.group_discard(realtime.group_name(7), channel)


def test_a_thousand_hints_are_one_round_trip(monkeypatch: pytest.MonkeyPatch) -> None:
    executed: list[int] = []
    execute = redis.client.Pipeline.execute

    def count(pipeline: Any, *args: Any, **kwargs: Any) -> Any:
        executed.append(len(pipeline.command_stack))
        return execute(pipeline, *args, **kwargs)

    monkeypatch.setattr(redis.client.Pipeline, "execute", count)

    assert realtime.publish([(user_id, FRAME) for user_id in range(2500)]) is True

    assert executed == [1000, 1000, 500]


def test_many_calls_use_one_connection() -> None:
    realtime.publish([(7, FRAME)])
    kept = publishing._client().connection_pool._available_connections
    before = list(kept)  # other tests' threads may have left more than one

    for _ in range(20):
        realtime.publish([(7, FRAME)])

    assert kept == before


def test_a_connection_that_the_server_closed_is_opened_again() -> None:
    realtime.publish([(7, FRAME)])
    own = publishing._client().client_id()
    with redis.Redis.from_url(settings.REDIS_URL) as other:
        other.client_kill_filter(_id=own)

    assert realtime.publish([(7, FRAME)]) is True


def test_a_server_that_refuses_costs_no_exception_and_opens_the_breaker(
    at_address: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        at_address(f"redis://127.0.0.1:{probe.getsockname()[1]}/0")

    assert [realtime.publish([(7, FRAME)]) for _ in range(2)] == [False, False]

    assert "skipped, the channel layer failed a moment ago" in caplog.text


def test_a_frozen_server_is_left_alone_after_one_bounded_wait(
    at_address: Serve, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It takes connections and never answers."""
    assert publishing.CONNECT_TIMEOUT_S + publishing.ANSWER_TIMEOUT_S < realtime.PUBLISH_TIMEOUT_S
    monkeypatch.setattr(publishing, "ANSWER_TIMEOUT_S", 0.01)
    with socket.create_server(("127.0.0.1", 0)) as frozen:
        at_address(f"redis://127.0.0.1:{frozen.getsockname()[1]}/0")

        assert realtime.publish([(7, FRAME)]) is False

    assert "TimeoutError" in caplog.text
    assert realtime._skip_until > time.monotonic()


def test_what_there_is_no_time_for_is_left_and_reported() -> None:
    messages = [(realtime.group_name(7), realtime.event_message(7, FRAME))] * 1001

    with pytest.raises(TimeoutError, match="1 of 1001 hints were left"):
        publishing.publish(get_channel_layer(), messages, timeout_s=0)
