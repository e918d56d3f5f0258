"""The threads in which sockets do their database work."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

from channels.db import database_sync_to_async

P = ParamSpec("P")
T = TypeVar("T")

# Bounded, so that a burst of commands queues here instead of opening a connection each (PostgreSQL's pool has 16 a
# process, and HTTP and the worker need theirs). Not the one thread-sensitive thread: there a slow query of one socket
# delays every other socket of the process.
DATABASE_THREADS = ThreadPoolExecutor(max_workers=8, thread_name_prefix="sockets-database")


async def in_database(function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
    """Run a function that queries the database in one of the sockets' threads."""
    run = database_sync_to_async(function, thread_sensitive=False, executor=DATABASE_THREADS)
    result: T = await run(*args, **kwargs)
    return result
