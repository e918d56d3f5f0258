"""Many hints to the Redis pub/sub layer in one round trip.

The layer itself has a call for one message only, on an event loop. This module, and no other, knows the names of its
channels and how it writes a message; a test that listens through the layer fails when channels-redis changes either.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import cache
from typing import Any

from channels_redis.pubsub import RedisPubSubChannelLayer
from django.conf import settings
from redis import ConnectionError as RedisConnectionError
from redis import ConnectionPool, Redis
from redis.backoff import NoBackoff
from redis.retry import Retry

MESSAGES_PER_ROUND_TRIP = 1000
# Together less than the second that a hint may cost its caller.
CONNECT_TIMEOUT_S = 0.3
ANSWER_TIMEOUT_S = 0.5


def takes(layer: Any) -> bool:
    """Whether this is a layer that `publish` can publish to: Redis pub/sub on one server, given by its address."""
    return isinstance(layer, RedisPubSubChannelLayer) and len(_config().get("hosts", [])) == 1


def publish(layer: Any, messages: Sequence[tuple[str, dict[str, Any]]], *, timeout_s: float) -> None:
    """Send each message to its group. Raises redis.RedisError, or TimeoutError when there is no time for the rest."""
    deadline = time.monotonic() + timeout_s
    for start in range(0, len(messages), MESSAGES_PER_ROUND_TRIP):
        if start and time.monotonic() > deadline - ANSWER_TIMEOUT_S:
            raise TimeoutError(f"{len(messages) - start} of {len(messages)} hints were left")
        with _client().pipeline(transaction=False) as pipeline:
            for group, message in messages[start : start + MESSAGES_PER_ROUND_TRIP]:
                pipeline.publish(channel_of(group), layer.serialize(message))
            pipeline.execute()


def channel_of(group: str) -> str:
    """The Redis channel to which the layer subscribes for a group."""
    return f"{_config()['prefix']}__group__{group}"


@cache
def _client() -> Redis:
    """A pool of its own: the layer's is for the event loop and waits far longer. Safe across threads and forks."""
    [host] = _config()["hosts"]
    pool = ConnectionPool.from_url(
        host["address"],
        socket_connect_timeout=CONNECT_TIMEOUT_S,
        socket_timeout=ANSWER_TIMEOUT_S,
        # A connection that the server has closed meanwhile is opened again, once and at once; a time-out is final.
        retry=Retry(NoBackoff(), 1, supported_errors=(RedisConnectionError,)),
    )
    return Redis(connection_pool=pool)


def _config() -> dict[str, Any]:
    config: dict[str, Any] = settings.CHANNEL_LAYERS["default"]["CONFIG"]
    return config
