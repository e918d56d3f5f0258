"""Celery's tasks: each a thin call of what the worker thread and a command call too, and safe to run twice.

They only speed up what the rows guarantee: a message that is lost, late or doubled changes nothing in the end.
"""

from __future__ import annotations

import datetime as dt
import logging
import time
from functools import cache
from typing import Any

from celery import Task
from django.conf import settings
from django.utils import timezone
from kombu.connection import Connection
from kombu.pools import producers

from notifications import changes, dispatching
from notifications.delivery import waking
from notifications.schedule import JOBS, Job
from zenithedge.celery import app

logger = logging.getLogger(__name__)

# A long fan-out gives way to the next one in the queue after this long.
TURN_S = 0.5
# By then the sweep has looked for it, more than once.
MESSAGE_LIFE_S = 60
# What a caller's commit may lose to a broker that hangs, in several round trips of at most this much.
BROKER_TIMEOUT_S = 0.4
BREAKER_S = 5.0  # how long after a failed send the sweep is relied on, so that not every caller pays for it

_skip_until = 0.0  # time.monotonic() at which the breaker closes again


@app.task
def run_dispatch(dispatch_id: int) -> None:
    """Run one dispatch for a turn; what is left of it goes to the end of the queue."""
    if not dispatching.run(dispatch_id, budget_s=TURN_S):
        enqueue_dispatch(dispatch_id)


@app.task
def run_change(change_id: int) -> None:
    """Tell of one change for a turn; what is left of it goes to the end of the queue."""
    if not changes.run(change_id, budget_s=TURN_S):
        enqueue_change(change_id)


@app.task
def deliver() -> None:
    """Send what is due of the deliveries for a turn; what is left of it goes to the end of the queue."""
    if not waking.drain():
        enqueue_deliveries(0)


@app.task
def run_job(name: str) -> None:
    """Run one entry of the schedule."""
    [job] = [job for job in JOBS if job.name == name]
    if job.leaves_dispatches:
        job.run(enqueue_dispatch)
    else:
        while job.run() is False:
            pass  # there is more, and nothing else waits for this worker process


def enqueue_dispatch(dispatch_id: int) -> bool:
    """Hand a committed dispatch to the Celery workers. Never raises, and costs at most a second.

    False when the broker did not take it: the row is open, and the sweep finds it.
    """
    return _enqueue(run_dispatch, dispatch_id)


def enqueue_change(change_id: int) -> bool:
    """As `enqueue_dispatch`, a committed change."""
    return _enqueue(run_change, change_id)


def enqueue_deliveries(wait_s: float) -> bool:
    """As `enqueue_dispatch`: have the workers deliver once what was just committed is due."""
    return _enqueue(deliver, wait_s=wait_s)


def beat_schedule() -> dict[str, dict[str, Any]]:
    """The schedule's jobs for beat. One that waits in the queue until the next is due is dropped."""
    return {job.name: _beat_entry(job) for job in JOBS}


def _beat_entry(job: Job) -> dict[str, Any]:
    return {
        "task": run_job.name,
        "args": (job.name,),
        "schedule": job.every_s,
        "options": {"expires": job.every_s},
        # As if it had run then: after each start of beat its first run is due when the schedule says.
        "last_run_at": timezone.now() + dt.timedelta(seconds=job.first_after_s - job.every_s),
    }


def _enqueue(task: Task, *arguments: int, wait_s: float = 0.0) -> bool:
    global _skip_until
    if time.monotonic() < _skip_until:
        return False
    try:
        _send(task, arguments, wait_s)
    except Exception:
        # Whatever a broker's client raises: the message is all that is lost.
        _skip_until = time.monotonic() + BREAKER_S
        logger.exception("%s%s could not be handed to the broker; the sweep will find it", task.name, arguments)
        return False
    return True


def _send(task: Task, arguments: tuple[int, ...], wait_s: float) -> None:
    with producers[_impatient_connection(settings.CELERY_BROKER_URL)].acquire(
        block=True, timeout=BROKER_TIMEOUT_S
    ) as producer:
        task.apply_async(
            arguments, producer=producer, retry=False, countdown=wait_s or None, expires=wait_s + MESSAGE_LIFE_S
        )


@cache
def _impatient_connection(broker_url: str) -> Connection:
    """To the same broker as the workers', but one that gives up: kombu's own retries for ever."""
    options = {"socket_timeout": BROKER_TIMEOUT_S, "socket_connect_timeout": BROKER_TIMEOUT_S, "max_retries": 0}
    connection: Connection = app.connection_for_write(
        broker_url, transport_options=options, connect_timeout=BROKER_TIMEOUT_S
    )
    return connection
