"""Who drains the outbox, and when."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from notifications.delivery import waking
from notifications.schedule import JOBS

WAIT_S = 20


@pytest.fixture
def drained(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    done = threading.Event()

    def drain() -> bool:
        done.set()
        return True

    monkeypatch.setattr(waking, "drain", drain)
    return done


@pytest.fixture
def thread(drained: threading.Event, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A delivery thread that has drained once, as it does when it starts."""
    monkeypatch.setattr(waking, "SWEEP_EVERY_S", 3600.0)
    thread = waking.DeliveryThread()
    monkeypatch.setattr(waking, "_thread", thread)
    thread.start()
    assert drained.wait(WAIT_S)
    drained.clear()
    yield thread
    thread.stop()


def test_the_thread_drains_when_something_is_due(thread: Any, drained: threading.Event) -> None:
    waking.wake(3600)
    assert not drained.is_set()

    waking.wake(0.01)

    assert drained.wait(WAIT_S)


def test_a_fault_does_not_end_the_thread(
    thread: Any, drained: threading.Event, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    failed = threading.Event()
    drain_well = waking.drain

    def fail() -> bool:
        monkeypatch.setattr(waking, "drain", drain_well)
        failed.set()
        raise OSError("the database is away")

    monkeypatch.setattr(waking, "drain", fail)
    waking.wake(0)
    assert failed.wait(WAIT_S)
    waking.wake(0)

    assert drained.wait(WAIT_S)
    assert "the next sweep tries again" in caplog.text


def test_what_is_left_after_a_turn_goes_on_in_the_next(
    thread: Any, drained: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    turns: list[int] = []

    def drain() -> bool:
        turns.append(1)
        if len(turns) == 3:
            drained.set()
        return len(turns) == 3

    monkeypatch.setattr(waking, "drain", drain)
    waking.wake(0)

    assert drained.wait(WAIT_S)


def test_the_sweep_wakes_the_thread_or_drains_itself(thread: Any, drained: threading.Event) -> None:
    assert waking.sweep()
    assert drained.wait(WAIT_S)


def test_without_a_thread_the_sweep_drains_itself(drained: threading.Event) -> None:
    assert waking.sweep()
    assert drained.is_set()


def test_the_schedule_sweeps_every_ten_seconds() -> None:
    [job] = [job for job in JOBS if job.function is waking.sweep]
    assert job.every_s == 10


def test_with_a_broker_the_workers_are_told_once_a_second(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from notifications import tasks

    told: list[float] = []
    settings.CELERY_BROKER_URL = "redis://nobody"
    monkeypatch.setattr(waking, "_enqueued_at", -waking.ENQUEUE_EVERY_S)
    monkeypatch.setattr(tasks, "enqueue_deliveries", told.append)

    for _ in range(100):
        waking.wake(10.0)

    assert told == [10.0]
