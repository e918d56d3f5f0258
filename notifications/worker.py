"""Who runs a dispatch the moment it is committed; and the worker thread of a server process, with the schedule.

With a broker there is no such thread: an owned insight is dispatched by the process that saved it, which is quickest;
one for everybody by the Celery workers. All of it only speeds up what the rows guarantee: whatever it does not get to
is found by the next sweep, of any process.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Literal, NamedTuple

from django.conf import settings
from django.db import close_old_connections, transaction

from notifications import changes, dispatching
from notifications.delivery import waking
from notifications.schedule import JOBS, Job

logger = logging.getLogger(__name__)

# A long fan-out gives way to the next dispatch after this long, so that one trader's alert does not wait for 100,000.
TURN_S = 0.5
# Without a worker in this process a caller pays at most this much; the rest of a long fan-out is the sweep's.
INLINE_BUDGET_S = 1.0
# Insights of one transaction that are dispatched in one: bounds how long their owners' inboxes are held.
MOST_TOGETHER = 100


class _Errand(NamedTuple):
    """A committed record to run: what it is one of, and its id."""

    what: Literal["dispatch", "change"]
    id: int

    def run(self) -> bool:
        """For a turn; False when there is more of it."""
        run = dispatching.run if self.what == "dispatch" else changes.run
        return run(self.id, budget_s=TURN_S)

    def __str__(self) -> str:
        return f"{self.what} {self.id}"


class Worker(threading.Thread):
    """Takes errands from a queue, in turns, and runs what is due of the schedule in between."""

    def __init__(self, jobs: tuple[Job, ...] = JOBS, *, name: str = "notifications-worker") -> None:
        super().__init__(name=name, daemon=True)
        self._errands: queue.SimpleQueue[_Errand | None] = queue.SimpleQueue()
        self._waiting: set[_Errand] = set()  # what is in the queue, so that the sweep adds nothing twice
        started = time.monotonic()
        self._due_at = {job: started + job.first_after_s for job in jobs}
        self._stopping = False

    def wake(self, dispatch_id: int) -> None:
        self._add(_Errand("dispatch", dispatch_id))

    def wake_change(self, change_id: int) -> None:
        self._add(_Errand("change", change_id))

    def stop(self) -> None:
        """End after the running step and wait for it."""
        self._stopping = True
        self._errands.put(None)
        self.join()

    def run(self) -> None:
        while not self._stopping:
            errand = self._next_errand()
            close_old_connections()
            if errand is not None:
                _guarded(str(errand), partial(self._take_turn, errand))
            self._run_due_jobs()
            close_old_connections()

    def _add(self, errand: _Errand) -> None:
        if errand not in self._waiting:
            self._waiting.add(errand)
            self._errands.put(errand)

    def _next_errand(self) -> _Errand | None:
        wait_s = max(0.0, min(self._due_at.values(), default=time.monotonic() + 1) - time.monotonic())
        try:
            return self._errands.get(timeout=wait_s)
        except queue.Empty:
            return None

    def _take_turn(self, errand: _Errand) -> None:
        self._waiting.discard(errand)  # before it runs: who wakes it from now on means what comes after
        if not errand.run():
            self._add(errand)

    def _run_due_jobs(self) -> None:
        for job, due_at in self._due_at.items():
            if not self._stopping and due_at <= time.monotonic():
                function = partial(job.run, self.wake) if job.leaves_dispatches else job.run
                more = _guarded(job.name, function) is False
                self._due_at[job] = time.monotonic() + (0 if more else job.every_s)


_worker: Worker | None = None


def start() -> None:
    """Start this process's worker, once, and beside it the threads that talk to servers which are not ours."""
    global _worker
    if _worker is None:
        _worker = Worker(tuple(job for job in JOBS if not job.waits_for_others))
        _worker.start()
        for job in JOBS:
            if job.waits_for_others:
                Worker((job,), name=f"notifications-{job.name.replace(' ', '-')}").start()
        waking.start()


def wake(*dispatch_ids: int) -> None:
    """Have committed dispatches run: by this process's worker at once, else here and now within a bounded time."""
    if _worker is not None and _worker.is_alive():
        for dispatch_id in dispatch_ids:
            _worker.wake(dispatch_id)
    else:
        dispatching.run_together(dispatch_ids, budget_s=INLINE_BUDGET_S)


class _Gathering(threading.local):
    """What this thread's transaction has recorded so far. What is rolled back stays in it, and is found to be none."""

    def __init__(self) -> None:
        self.dispatch_ids: list[int] = []


_gathering = _Gathering()


def wake_after_commit(dispatch_id: int) -> None:
    """`wake` once the present transaction is committed; together with the others that it recorded."""
    if len(_gathering.dispatch_ids) >= MOST_TOGETHER:
        _gathering.dispatch_ids = []
    _gathering.dispatch_ids.append(dispatch_id)
    transaction.on_commit(partial(_wake_gathered, _gathering.dispatch_ids), robust=True)


def _wake_gathered(dispatch_ids: list[int]) -> None:
    """The first of their hooks to run takes them all: a savepoint that was rolled back took some of the hooks away."""
    gathered = tuple(dispatch_ids)
    dispatch_ids.clear()
    if gathered:
        wake(*gathered)


def wake_for_everyone(dispatch_id: int) -> None:
    """Have a committed dispatch of a house signal run: by the Celery workers, or as `wake` where there is no broker."""
    if settings.CELERY_BROKER_URL:
        from notifications import tasks  # a site without a broker never loads Celery

        tasks.enqueue_dispatch(dispatch_id)
    else:
        wake(dispatch_id)


def wake_change(change_id: int, *, house: bool) -> None:
    """Have a committed change of insights told to their holders, by whoever would dispatch them."""
    if house and settings.CELERY_BROKER_URL:
        from notifications import tasks  # a site without a broker never loads Celery

        tasks.enqueue_change(change_id)
    elif _worker is not None and _worker.is_alive():
        _worker.wake_change(change_id)
    else:
        changes.run(change_id, budget_s=INLINE_BUDGET_S)


def _guarded(what: str, function: Callable[[], object]) -> object:
    """What it returns; a fault is logged and ends nothing: the row is still open, and the sweep tries again."""
    try:
        return function()
    except Exception:
        logger.exception("%s failed; the next sweep tries again", what)
        return None
