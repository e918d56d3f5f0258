"""The one module that talks to the channel layer.

The layer is a fast hint, at most once: a lost message is healed by the client's `sync` and by the server's own tick.
So publishing never raises, costs its caller at most PUBLISH_TIMEOUT_S, and after a failure is skipped for a while.
"""

from __future__ import annotations

import asyncio
import atexit
import json
import logging
import os
import threading
import time
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

from channels.layers import InMemoryChannelLayer, get_channel_layer
from django.db import transaction

from notifications import metrics, publishing
from notifications.frame_templates import FrameText
from notifications.payloads import Frame

logger = logging.getLogger(__name__)

Event = tuple[int, Frame | FrameText]  # for the sockets of this user

# One type for ever, kinds inside: during a rolling deploy an unknown type would raise in every receiving consumer.
EVENT_TYPE = "notification.event"

PUBLISH_TIMEOUT_S = 1.0  # what a caller may lose to a layer that hangs
BREAKER_S = 5.0  # how long after a failure hints are skipped, so that not every caller pays that second
CONCURRENT_SENDS = 100


def group_name(user_id: int) -> str:
    return f"user_{user_id}_notifications"


def event_message(user_id: int, frame: Frame | FrameText) -> dict[str, Any]:
    """What travels over the layer: plain JSON types, and the frame as the text that goes to the browser.

    `seq` is the frame's position, null for a frame without one. Who receives it neither parses nor writes JSON.
    Raises TypeError or ValueError for a frame that is not plain JSON.
    """
    seq = frame.seq if isinstance(frame, FrameText) else frame.get("seq")
    text = frame.text if isinstance(frame, FrameText) else json.dumps(frame, allow_nan=False, separators=(",", ":"))
    return {"type": EVENT_TYPE, "user_id": user_id, "seq": seq, "frame": text}


def recheck_message(user_id: int) -> dict[str, Any]:
    """Asks every server to check the sign-ins behind this user's sockets now."""
    return {"type": EVENT_TYPE, "user_id": user_id, "recheck": True}


async def new_channel() -> str:
    """A channel that `receive` brings the messages of."""
    name: str = await _layer().new_channel()
    return name


async def receive(channel_name: str) -> dict[str, Any]:
    """Wait for the next message. Raises whatever the layer raises."""
    message: dict[str, Any] = await _layer().receive(channel_name)
    return message


async def join(user_id: int, channel_name: str) -> None:
    """Add a channel to a user's group; again and again is fine, and keeps it there past the layer's group expiry."""
    await _layer().group_add(group_name(user_id), channel_name)


async def leave(user_id: int, channel_name: str) -> None:
    await _layer().group_discard(group_name(user_id), channel_name)


async def join_beats(channel_name: str) -> None:
    """Have what `beat` says come back on this channel, through a group as hints do."""
    await _layer().group_add(_beat_group(channel_name), channel_name)


async def leave_beats(channel_name: str) -> None:
    await _layer().group_discard(_beat_group(channel_name), channel_name)


async def beat(channel_name: str) -> None:
    await _layer().group_send(_beat_group(channel_name), {"type": EVENT_TYPE, "beat": True})


def register_loop(loop: asyncio.AbstractEventLoop) -> None:
    """Tell which loop this process's sockets live on.

    Threads publish through it. The in-memory layer's queues belong to that loop and are not thread-safe; on Redis it
    saves a new connection for each call.
    """
    global _sockets_loop
    _sockets_loop = loop


def publish(events: Sequence[Event]) -> bool:
    """Hint frames to their users' sockets, many in one call. True when the layer took all of them. Never raises."""
    try:
        messages = [(group_name(user_id), event_message(user_id, frame)) for user_id, frame in events]
    except (TypeError, ValueError):
        logger.exception("delivery failed: %d hints can't be written as JSON", len(events))
        return False
    return _send(messages)


def publish_after_commit(events: Sequence[Event], then: Callable[[bool], None] | None = None) -> None:
    """Publish when the current transaction commits (at once without one); a rollback sends nothing.

    `then` is told whether the layer took the events.
    """

    def hint() -> None:
        taken = publish(events)
        if then is not None:
            then(taken)

    transaction.on_commit(hint, robust=True)


def request_recheck(user_id: int) -> None:
    """After the commit, ask every server to check the sessions of this user's sockets now."""
    transaction.on_commit(
        lambda: _send([(group_name(user_id), recheck_message(user_id))]),
        robust=True,
    )


def layer_is_local() -> bool:
    """Whether hints of other processes can't arrive here, so that the server has to look for itself."""
    return isinstance(_layer(), InMemoryChannelLayer)


def layer_answers() -> bool:
    """Whether the layer takes a message within PUBLISH_TIMEOUT_S."""
    try:
        _run([("readyz", {"type": EVENT_TYPE})])
    except Exception:
        logger.exception("The channel layer does not answer")
        return False
    return True


# --- How a message gets to the layer --------------------------------------------------------------------------------

_sockets_loop: asyncio.AbstractEventLoop | None = None
_skip_until = 0.0  # time.monotonic() at which the breaker closes again


def _send(messages: list[tuple[str, dict[str, Any]]]) -> bool:
    global _skip_until
    if not messages:
        return True
    if time.monotonic() < _skip_until:
        metrics.HINTS_DROPPED.labels("breaker").inc(len(messages))
        logger.warning("delivery failed: %d hints skipped, the channel layer failed a moment ago", len(messages))
        return False
    try:
        _run(messages)
    except Exception:
        # Whatever a layer raises (redis, sockets, time-outs): the rows are stored, the hint is all that is lost.
        _skip_until = time.monotonic() + BREAKER_S
        metrics.HINTS_DROPPED.labels("layer_failed").inc(len(messages))
        logger.exception("delivery failed: %d hints lost, the next %.0f s are skipped", len(messages), BREAKER_S)
        return False
    return True


async def _send_all(messages: list[tuple[str, dict[str, Any]]]) -> None:
    layer = _layer()
    async with asyncio.timeout(PUBLISH_TIMEOUT_S):
        for start in range(0, len(messages), CONCURRENT_SENDS):
            batch = messages[start : start + CONCURRENT_SENDS]
            await asyncio.gather(*(layer.group_send(group, message) for group, message in batch))


def _run(messages: list[tuple[str, dict[str, Any]]]) -> None:
    """Hand the messages to the layer, within PUBLISH_TIMEOUT_S. Raises whatever the layer raises."""
    if publishing.takes(_layer()):
        publishing.publish(_layer(), messages, timeout_s=PUBLISH_TIMEOUT_S)
        return
    future = asyncio.run_coroutine_threadsafe(_send_all(messages), _loop())
    try:
        future.result(PUBLISH_TIMEOUT_S)
    except TimeoutError:
        future.cancel()
        raise


def _loop() -> asyncio.AbstractEventLoop:
    """The loop that this process's sockets live on, else one kept for publishing: the layer's connections are a
    loop's own, and a new loop for each call would open new ones each time."""
    if _sockets_loop is not None and _sockets_loop.is_running():
        return _sockets_loop
    return _publishing_loop(os.getpid())


@cache
def _publishing_loop(process_id: int) -> asyncio.AbstractEventLoop:
    """Threads do not survive a fork, so each process has its own."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="notifications-publishing", daemon=True)
    thread.start()
    atexit.register(_end_publishing_loop, process_id, loop, thread)
    return loop


def _end_publishing_loop(process_id: int, loop: asyncio.AbstractEventLoop, thread: threading.Thread) -> None:
    if os.getpid() == process_id:  # a fork has the loop's memory and not its thread
        _end_loop(loop, thread)


def _end_loop(loop: asyncio.AbstractEventLoop, thread: threading.Thread) -> None:
    """Cancel what nobody waits for any more, and see to it that it ends: else Python complains of destroyed tasks."""
    loop.call_soon_threadsafe(loop.stop)
    thread.join(PUBLISH_TIMEOUT_S)
    if loop.is_running():
        return
    tasks = asyncio.all_tasks(loop)
    for task in tasks:
        task.cancel()
    if tasks:
        loop.run_until_complete(asyncio.wait(tasks, timeout=PUBLISH_TIMEOUT_S))
    loop.close()


def _beat_group(channel_name: str) -> str:
    return f"beat_{channel_name[-12:]}"  # every layer ends its channels' names with letters and digits drawn at random


def _layer() -> Any:
    return get_channel_layer()
