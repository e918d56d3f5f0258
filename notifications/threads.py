"""The threads in which sockets do their database work."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Generic, ParamSpec, TypeVar

from channels.db import database_sync_to_async

P = ParamSpec("P")
T = TypeVar("T")
Question = TypeVar("Question")
Answer = TypeVar("Answer")

# Bounded, so that a burst of commands queues here instead of opening a connection each (PostgreSQL's pool has 16 a
# process, and HTTP and the worker need theirs). Not the one thread-sensitive thread: there a slow query of one socket
# delays every other socket of the process.
DATABASE_THREADS = ThreadPoolExecutor(max_workers=8, thread_name_prefix="sockets-database")


# Questions answered in one go: beyond it the first ones would wait for the last.
MAX_AT_ONCE = 200


async def in_database(function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
    """Run a function that queries the database in one of the sockets' threads."""
    run = database_sync_to_async(function, thread_sensitive=False, executor=DATABASE_THREADS)
    result: T = await run(*args, **kwargs)
    return result


class Together(Generic[Question, Answer]):
    """Asks the database one question for all sockets that want to know the same at the same time.

    `answer` takes a set of questions and returns an answer for each. While one set is being answered, the next gathers:
    a socket on its own does not wait, and a thousand that return together cost a handful of queries.
    """

    def __init__(self, answer: Callable[[set[Question]], Mapping[Question, Answer]]) -> None:
        self._answer = answer
        self._gathering: dict[asyncio.AbstractEventLoop, dict[Question, asyncio.Future[Answer]]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def ask(self, question: Question) -> Answer:
        """Raises what `answer` raises."""
        loop = asyncio.get_running_loop()
        if loop not in self._gathering:
            self._gathering[loop] = {}
            task = loop.create_task(self._answer_all(loop))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        future = self._gathering[loop].setdefault(question, loop.create_future())
        return await asyncio.shield(future)  # who stops waiting does not stop it for the others

    async def _answer_all(self, loop: asyncio.AbstractEventLoop) -> None:
        gathering = self._gathering[loop]
        try:
            while gathering:
                some = list(gathering)[:MAX_AT_ONCE]
                await self._answer_some({question: gathering.pop(question) for question in some})
        finally:
            del self._gathering[loop]

    async def _answer_some(self, waiting: Mapping[Question, asyncio.Future[Answer]]) -> None:
        try:
            answers = await in_database(self._answer, set(waiting))
        except Exception as fault:
            for future in waiting.values():
                future.set_exception(fault)
        else:
            for question, future in waiting.items():
                future.set_result(answers[question])
