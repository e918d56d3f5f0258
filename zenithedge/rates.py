"""Counts of what somebody did in the present window of time, for limits: cheap, and never in anybody's way.

All processes share the counts through Redis when there is one; else, and while it does not answer, each counts for
itself. Asking costs one round trip, at most 2 × REDIS_TIMEOUT_S, and after a failure nothing for BREAKER_S.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from functools import lru_cache

import redis
from django.conf import settings
from redis.backoff import NoBackoff
from redis.retry import Retry

logger = logging.getLogger(__name__)

MINUTE_S = 60
HOUR_S = 60 * 60
DAY_S = 24 * HOUR_S

NAMESPACE = "rate"
REDIS_TIMEOUT_S = 0.2
BREAKER_S = 5.0
# A flood from very many addresses may cost this process so many entries; then it forgets and counts anew.
MAX_OWN_COUNTS = 20_000


def add(what: str, who: str | None, window_s: int) -> int:
    """Count one more; return how many `who` has in this window, this one included."""
    return _count(_key(what, who, window_s), 1, window_s)


def count(what: str, who: str | None, window_s: int) -> int:
    """How many `who` has in this window."""
    return _count(_key(what, who, window_s), 0, window_s)


def next_window_s(window_s: int) -> int:
    """Whole seconds until the counts begin anew: what `Retry-After` says."""
    return max(1, math.ceil(window_s - time.time() % window_s))


_own: dict[str, int] = {}
_lock = threading.Lock()
_skip_redis_until = 0.0  # time.monotonic()


def _key(what: str, who: str | None, window_s: int) -> str:
    return f"{settings.REDIS_PREFIX}:{NAMESPACE}:{what}:{who or 'unix'}:{int(time.time() // window_s)}"


def _count(key: str, more: int, window_s: int) -> int:
    global _skip_redis_until
    if settings.REDIS_URL and time.monotonic() >= _skip_redis_until:
        try:
            return _count_in_redis(key, more, window_s)
        except (redis.RedisError, OSError, ValueError):
            _skip_redis_until = time.monotonic() + BREAKER_S
            logger.warning("Redis did not count a request; for %.0f s each process counts for itself", BREAKER_S)
    return _count_here(key, more)


def _count_in_redis(key: str, more: int, window_s: int) -> int:
    pipeline = _redis(settings.REDIS_URL).pipeline(transaction=False)
    if more:
        pipeline.incr(key, more)
        pipeline.expire(key, window_s)
    else:
        pipeline.get(key)
    return int(pipeline.execute()[0] or 0)


def _count_here(key: str, more: int) -> int:
    with _lock:
        if len(_own) >= MAX_OWN_COUNTS:
            _own.clear()
        present = _own.get(key, 0) + more
        if more:
            _own[key] = present
    return present


@lru_cache(maxsize=1)
def _redis(url: str) -> redis.Redis:
    """Not Django's cache: under ASGI that makes a new connection for each request."""
    return redis.Redis.from_url(
        url,
        socket_timeout=REDIS_TIMEOUT_S,
        socket_connect_timeout=REDIS_TIMEOUT_S,
        retry=Retry(NoBackoff(), 0),
        decode_responses=True,
    )
