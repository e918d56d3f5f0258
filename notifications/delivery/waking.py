"""Has the outbox drained when something in it is due: by a thread of the server process, or by the Celery workers.

The thread is one of its own, beside the worker's, because a push service that does not answer must keep no insight
waiting. All of it only speeds up what the rows and the sweep of every ten seconds guarantee.
"""

from __future__ import annotations

import logging
import threading
import time

from django.conf import settings
from django.db import close_old_connections

logger = logging.getLogger(__name__)

# A drain gives way after this long, so that who is told to stop does so soon, and no Celery task runs for ever.
TURN_S = 8.0
SWEEP_EVERY_S = 10.0
# A burst of notifications is one message to the broker, not thousands.
ENQUEUE_EVERY_S = 1.0


class DeliveryThread(threading.Thread):
    """Drains when it is woken, and every ten seconds."""

    def __init__(self) -> None:
        super().__init__(name="notifications-deliveries", daemon=True)
        self._changed = threading.Condition()
        self._due_at = time.monotonic()
        self._stopping = False

    def wake(self, wait_s: float) -> None:
        with self._changed:
            self._due_at = min(self._due_at, time.monotonic() + wait_s)
            self._changed.notify()

    def stop(self) -> None:
        """End once the calls under way are recorded, and wait for it."""
        with self._changed:
            self._stopping = True
            self._changed.notify()
        self.join()

    def run(self) -> None:
        while self._wait():
            close_old_connections()
            try:
                if not drain():
                    self.wake(0)
            except Exception:
                logger.exception("Deliveries failed; the next sweep tries again")
            close_old_connections()

    def _wait(self) -> bool:
        """Until something is due; False when it is to stop."""
        with self._changed:
            while not self._stopping and self._due_at > time.monotonic():
                self._changed.wait(self._due_at - time.monotonic())
            self._due_at = time.monotonic() + SWEEP_EVERY_S
            return not self._stopping

    @property
    def stopping(self) -> bool:
        return self._stopping


_thread: DeliveryThread | None = None
_enqueued_at = -ENQUEUE_EVERY_S


def start() -> None:
    """Start this process's delivery thread, once."""
    global _thread
    if _thread is None:
        _thread = DeliveryThread()
        _thread.start()


def wake(wait_s: float) -> None:
    """Something committed is due after so long. Where nobody here delivers, the sweep of another process finds it."""
    if _thread is not None and _thread.is_alive():
        _thread.wake(wait_s)
    elif settings.CELERY_BROKER_URL:
        _enqueue(wait_s)


def drain() -> bool:
    """A turn of draining; False when the time was up before the outbox was empty."""
    from notifications.delivery import draining  # its channels import whoever wakes

    thread, started = _thread, time.monotonic()
    draining.drain(budget_s=TURN_S, should_stop=lambda: thread is not None and thread.stopping)
    return time.monotonic() - started < TURN_S


def sweep() -> bool:
    """The schedule's: by the thread when there is one, else a turn here and now; False when there is more to do."""
    if _thread is not None and _thread.is_alive():
        _thread.wake(0)
        return True
    return drain()


def _enqueue(wait_s: float) -> None:
    global _enqueued_at
    now = time.monotonic()
    if now - _enqueued_at < ENQUEUE_EVERY_S:
        return
    _enqueued_at = now
    from notifications import tasks  # a site without a broker never loads Celery

    tasks.enqueue_deliveries(wait_s)
