"""The worker thread: wakes on a dispatch, keeps the schedule, survives what fails."""

import threading
from collections.abc import Callable

import pytest
from django.contrib.auth.models import User
from django.db import connection, transaction

from notifications import changes, dispatching, worker
from notifications.models import DispatchState, InsightDispatch, InsightNotification
from notifications.schedule import JOBS, Job
from signals.events import insights_settled
from signals.models import Signal

MakeInsight = Callable[..., Signal]
WAIT_S = 20


def test_runs_each_job_when_it_is_due_and_again_after_a_fault() -> None:
    calls: list[int] = []
    three_times = threading.Event()

    def fail() -> None:
        calls.append(1)
        if len(calls) == 3:
            three_times.set()
        raise RuntimeError("the job failed")

    thread = worker.Worker((Job("failing", 0.001, 0, fail),))
    thread.start()

    assert three_times.wait(WAIT_S)
    thread.stop()
    assert not thread.is_alive()


def test_a_job_that_has_more_to_do_is_called_again_at_once() -> None:
    calls: list[int] = []
    three_times = threading.Event()

    def work_in_turns() -> bool:
        calls.append(1)
        if len(calls) == 3:
            three_times.set()
        return len(calls) >= 3

    thread = worker.Worker((Job("in turns", 3600, 0, work_in_turns),))
    thread.start()

    assert three_times.wait(WAIT_S)
    thread.stop()
    assert len(calls) == 3


@pytest.mark.django_db(transaction=True)
def test_tells_of_a_change_as_soon_as_it_is_committed(
    alice: User, make_insight: MakeInsight, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = threading.Event()
    run = changes.run

    def run_and_tell(change_id: int, *, budget_s: float | None = None) -> bool:
        finished = run(change_id, budget_s=budget_s)
        connection.close()
        done.set()
        return finished

    insight = make_insight(alice)
    monkeypatch.setattr(changes, "run", run_and_tell)
    thread = worker.Worker(())
    monkeypatch.setattr(worker, "_worker", thread)
    thread.start()
    insights_settled.send(Signal, signal_ids=[insight.pk], owner_id=alice.pk)

    assert done.wait(WAIT_S)
    thread.stop()
    assert InsightNotification.objects.get().seq == 2


@pytest.mark.django_db(transaction=True)
def test_runs_a_dispatch_as_soon_as_its_insight_is_committed(
    alice: User, make_insight: MakeInsight, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = threading.Event()
    seen_by: list[str] = []
    run = dispatching.run

    def run_and_tell(dispatch_id: int, *, budget_s: float | None = None) -> bool:
        finished = run(dispatch_id, budget_s=budget_s)
        seen_by.append(threading.current_thread().name)
        connection.close()
        done.set()
        return finished

    monkeypatch.setattr(dispatching, "run", run_and_tell)
    thread = worker.Worker(())
    monkeypatch.setattr(worker, "_worker", thread)
    thread.start()
    with transaction.atomic():
        make_insight(alice)
        assert not done.is_set()

    assert done.wait(WAIT_S)
    thread.stop()
    assert seen_by == ["notifications-worker"]
    assert InsightNotification.objects.get().user == alice


@pytest.mark.django_db(transaction=True)
def test_takes_turns_so_that_a_long_fan_out_does_not_keep_the_next_insight_waiting(
    make_insight: MakeInsight, monkeypatch: pytest.MonkeyPatch
) -> None:
    order: list[int] = []
    finished = threading.Event()

    def run(dispatch_id: int, *, budget_s: float | None = None) -> bool:
        order.append(dispatch_id)
        if order.count(2):
            finished.set()
        return dispatch_id == 2 or order.count(1) == 2

    monkeypatch.setattr(dispatching, "run", run)
    thread = worker.Worker(())
    thread.wake(1)
    thread.wake(2)
    thread.start()

    assert finished.wait(WAIT_S)
    thread.stop()
    assert order[:2] == [1, 2]


@pytest.mark.django_db(transaction=True)
def test_a_fan_out_found_half_done_by_the_sweep_keeps_the_next_insight_waiting_no_longer_than_a_turn(
    alice: User, make_insight: MakeInsight, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "wake", lambda dispatch_id: None)
    house, own = make_insight(None).dispatches.get(), make_insight(alice).dispatches.get()
    turns: list[int] = []
    finished = threading.Event()

    def run(dispatch_id: int, *, budget_s: float | None = None) -> bool:
        turns.append(dispatch_id)
        assert budget_s is not None, "the sweep would keep everybody waiting until it is finished"
        if dispatch_id == own.pk:
            InsightDispatch.objects.all().update(state=DispatchState.DONE)
            connection.close()
            finished.set()
        return dispatch_id == own.pk

    monkeypatch.setattr(dispatching, "run", run)
    thread = worker.Worker(JOBS[:1])
    thread.start()

    assert finished.wait(WAIT_S)
    thread.stop()
    assert turns[:2] == [house.pk, own.pk]


def test_a_dispatch_that_waits_already_is_not_queued_again(monkeypatch: pytest.MonkeyPatch) -> None:
    turns: list[int] = []
    last_is_done = threading.Event()

    def run(dispatch_id: int, *, budget_s: float | None = None) -> bool:
        turns.append(dispatch_id)
        if dispatch_id == 2:
            last_is_done.set()
        return True

    monkeypatch.setattr(dispatching, "run", run)
    thread = worker.Worker(())
    for dispatch_id in (1, 1, 2):
        thread.wake(dispatch_id)
    thread.start()

    assert last_is_done.wait(WAIT_S)
    thread.stop()
    assert turns == [1, 2]


@pytest.mark.django_db(transaction=True)
def test_a_long_fan_out_lets_another_writer_in_after_each_chunk(
    make_insight: MakeInsight, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(3):
        User.objects.create_user(f"trader{number}")
    pauses: list[bool] = []
    monkeypatch.setattr("notifications.dispatching.time.sleep", lambda _: pauses.append(connection.in_atomic_block))
    monkeypatch.setattr(dispatching, "CHUNK_USERS", 1)

    make_insight(None)

    # Elsewhere rows are locked, not the whole database.
    assert pauses == ([False, False, False] if connection.vendor == "sqlite" else [])
    assert InsightNotification.objects.count() == 3


@pytest.mark.django_db(transaction=True)
def test_without_a_worker_the_saving_process_runs_the_dispatch_itself_within_bounds(
    make_insight: MakeInsight, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(3):
        User.objects.create_user(f"trader{number}")
    monkeypatch.setattr(dispatching, "CHUNK_USERS", 1)
    monkeypatch.setattr(worker, "INLINE_BUDGET_S", 0)

    make_insight(None)

    assert InsightNotification.objects.count() == 1
    assert InsightDispatch.objects.get().state == DispatchState.RUNNING


def test_the_schedule_sweeps_every_ten_seconds_from_the_start() -> None:
    [sweep] = [job for job in JOBS if job.name == "reconcile"]
    assert (sweep.every_s, sweep.first_after_s) == (10, 0)
