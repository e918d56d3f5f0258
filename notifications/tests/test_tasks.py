"""Celery: who is woken by what, what beat is given, and what a broker that is away costs."""

from __future__ import annotations

import datetime as dt
import socket
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import kombu.pools
import pytest
from celery.beat import Scheduler
from django.conf import settings
from django.contrib.auth.models import User
from django.db import connection

from notifications import changes, dispatching, schedule, tasks, worker
from notifications.models import DispatchState, InsightChange, InsightDispatch, InsightNotification
from notifications.reconcile import reconcile
from notifications.schedule import JOBS, Job
from scripts.processes import Process
from signals.events import insights_settled
from signals.models import Signal
from zenithedge.celery import app

MakeInsight = Callable[..., Signal]
WAIT_S = 30
NEEDS_BROKER = "Celery has work where there is a broker, which is Redis"


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Ids of the dispatches and changes handed to a broker that takes them all and gives them to nobody."""
    handed_over: list[int] = []
    monkeypatch.setattr(settings, "CELERY_BROKER_URL", "redis://taken.example")
    monkeypatch.setattr(tasks, "_send", lambda task, arguments, wait_s: handed_over.append(*arguments))
    return handed_over


@pytest.fixture
def use_broker(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    """Have dispatches sent to the broker at this address."""
    monkeypatch.setattr(tasks, "_skip_until", 0.0)

    def use(url: str) -> None:
        monkeypatch.setattr(settings, "CELERY_BROKER_URL", url)

    yield use
    kombu.pools.reset()  # type: ignore[no-untyped-call]  # kombu types some of itself
    tasks._impatient_connection.cache_clear()


class TestWaking:
    pytestmark = pytest.mark.django_db(transaction=True)

    def test_a_house_insight_is_handed_to_celery(self, alice: User, make_insight: MakeInsight, sent: list[int]) -> None:
        dispatch = make_insight(None).dispatches.get()

        assert sent == [dispatch.pk]
        assert dispatch.state == DispatchState.OPEN

    def test_what_becomes_of_a_house_insight_is_handed_to_celery(
        self, alice: User, make_insight: MakeInsight, sent: list[int]
    ) -> None:
        signal = make_insight(alice)

        insights_settled.send(Signal, signal_ids=[signal.pk], owner_id=None)

        change = InsightChange.objects.get()
        assert sent == [change.pk]
        tasks.run_change(change.pk)
        assert not InsightChange.objects.unfinished().exists()

    def test_an_owned_insight_is_dispatched_by_the_process_that_saved_it(
        self, alice: User, make_insight: MakeInsight, sent: list[int]
    ) -> None:
        dispatch = make_insight(alice).dispatches.get()

        assert sent == []
        assert dispatch.state == DispatchState.DONE

    def test_without_a_broker_a_house_insight_goes_where_the_others_go(
        self, alice: User, make_insight: MakeInsight, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        woken: list[int] = []
        monkeypatch.setattr(worker, "wake", woken.append)

        dispatch = make_insight(None).dispatches.get()

        assert woken == [dispatch.pk]


class TestTasks:
    def test_what_is_left_of_a_dispatch_goes_to_the_end_of_the_queue(
        self, sent: list[int], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(dispatching, "run", lambda dispatch_id, *, budget_s: dispatch_id == 1)

        tasks.run_dispatch(1)
        tasks.run_dispatch(2)

        assert sent == [2]

    def test_what_is_left_of_a_change_goes_to_the_end_of_the_queue(
        self, sent: list[int], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(changes, "run", lambda change_id, *, budget_s: change_id == 1)

        tasks.run_change(1)
        tasks.run_change(2)

        assert sent == [2]

    def test_a_job_that_has_more_to_do_is_called_again(self, monkeypatch: pytest.MonkeyPatch) -> None:
        left = [False, False, True]
        monkeypatch.setattr(tasks, "JOBS", (Job("in turns", 10, 0, lambda: left.pop(0)),))

        tasks.run_job("in turns")

        assert left == []

    def test_a_job_is_called_by_its_name_and_hands_on_what_it_leaves(
        self, sent: list[int], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        calls: list[str] = []

        def sweep(later: Callable[[int], object]) -> None:
            calls.append("sweep")
            later(7)

        jobs = (Job("sweep", 10, 0, sweep, leaves_dispatches=True), Job("other", 10, 0, lambda: calls.append("other")))
        monkeypatch.setattr(tasks, "JOBS", jobs)

        tasks.run_job("other")
        tasks.run_job("sweep")

        assert calls == ["other", "sweep"]
        assert sent == [7]


class TestBeat:
    @pytest.fixture
    def scheduler(self) -> Scheduler:
        app.finalize()
        tasks_of_schedule = tasks.beat_schedule()
        app.conf.beat_schedule = tasks_of_schedule
        return Scheduler(app)

    def test_beat_runs_every_job_of_the_schedule_and_nothing_else(self, scheduler: Scheduler) -> None:
        entries = {name: (entry.schedule.run_every, entry.args) for name, entry in scheduler.schedule.items()}

        assert entries == {job.name: (dt.timedelta(seconds=job.every_s), (job.name,)) for job in JOBS}
        assert {entry.task for entry in scheduler.schedule.values()} == {tasks.run_job.name}

    def test_what_beat_runs_is_what_the_application_was_given(self) -> None:
        app.finalize()

        assert set(app.conf.beat_schedule) == {job.name for job in schedule.JOBS}

    def test_after_a_start_each_job_is_due_when_the_schedule_says(self, scheduler: Scheduler) -> None:
        for job in JOBS:
            is_due, next_s = scheduler.schedule[job.name].is_due()
            assert is_due == (job.first_after_s == 0)
            assert next_s <= (job.first_after_s or job.every_s)

    def test_a_job_that_waits_until_the_next_is_due_is_dropped(self, scheduler: Scheduler) -> None:
        for job in JOBS:
            assert scheduler.schedule[job.name].options["expires"] == job.every_s


class TestBrokerAway:
    pytestmark = pytest.mark.django_db(transaction=True)

    @pytest.fixture
    def silent_address(self) -> Iterator[str]:
        """Takes connections, and never answers: a Redis that is frozen."""
        with socket.create_server(("127.0.0.1", 0), backlog=64) as server:
            yield f"redis://127.0.0.1:{server.getsockname()[1]}/0"

    @pytest.fixture
    def refusing_address(self) -> str:
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]
        return f"redis://127.0.0.1:{port}/0"

    def test_a_frozen_broker_costs_a_save_less_than_a_second(
        self,
        make_insight: MakeInsight,
        use_broker: Callable[[str], None],
        silent_address: str,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        use_broker(silent_address)
        took_s = []
        for _attempt in range(3):  # the machine may be busy with something else, but not three times
            monkeypatch.setattr(tasks, "_skip_until", 0.0)
            started = time.monotonic()
            make_insight(None)
            took_s.append(time.monotonic() - started)

        assert min(took_s) < 1
        assert InsightDispatch.objects.filter(state=DispatchState.OPEN).count() == 3

    def test_after_a_failed_send_the_broker_is_left_alone_for_a_while(
        self, use_broker: Callable[[str], None], refusing_address: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        use_broker(refusing_address)
        assert not tasks.enqueue_dispatch(1)

        tries: list[int] = []
        monkeypatch.setattr(tasks, "_send", lambda task, arguments, wait_s: tries.append(*arguments))

        assert not tasks.enqueue_dispatch(2)
        assert tries == []
        monkeypatch.setattr(tasks, "_skip_until", time.monotonic())
        assert tasks.enqueue_dispatch(3)
        assert tries == [3]

    def test_the_sweep_finishes_what_no_broker_took(
        self, alice: User, make_insight: MakeInsight, use_broker: Callable[[str], None], refusing_address: str
    ) -> None:
        use_broker(refusing_address)
        make_insight(None)
        assert not InsightNotification.objects.exists()

        reconcile()

        assert InsightNotification.objects.get().user == alice


@pytest.mark.services
@pytest.mark.skipif(not settings.REDIS_URL, reason=NEEDS_BROKER)
@pytest.mark.django_db(transaction=True)
class TestRealWorker:
    @pytest.fixture
    def start_worker(self, tmp_path: Path) -> Iterator[Callable[[], Process]]:
        """A Celery worker in a process of its own, on the tests' database."""
        database = connection.settings_dict
        address = f"{database['USER']}@{database['HOST']}:{database['PORT']}/{database['NAME']}"
        process = Process(
            "worker",
            [sys.executable, "-m", "celery", "-A", "zenithedge.celery", "worker", "--pool=solo"],
            tmp_path / "worker.log",
            lambda process: process.has_said(" ready."),
            environment={"DATABASE_URL": f"postgresql://{address}", "LOG_FILE": str(tmp_path / "django.log")},
            directory=settings.BASE_DIR,
        )

        def start() -> Process:
            process.start()
            return process

        yield start
        process.stop()

    def test_a_house_insight_saved_here_is_dispatched_by_a_celery_worker(
        self,
        alice: User,
        make_insight: MakeInsight,
        use_broker: Callable[[str], None],
        start_worker: Callable[[], Process],
    ) -> None:
        use_broker(settings.REDIS_URL)
        start_worker()

        dispatch = make_insight(None).dispatches.get()

        wait_until_done(dispatch.pk)
        assert InsightNotification.objects.get().user == alice

    def test_a_job_that_beat_sends_is_run_by_a_celery_worker(
        self,
        alice: User,
        make_insight: MakeInsight,
        start_worker: Callable[[], Process],
        use_broker: Callable[[str], None],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr(worker, "wake_for_everyone", lambda dispatch_id: None)
        dispatch = make_insight(None).dispatches.get()
        use_broker(settings.REDIS_URL)
        with app.connection_for_write(settings.REDIS_URL) as broker:
            tasks.run_job.apply_async(("reconcile",), connection=broker)

        start_worker()

        wait_until_done(dispatch.pk)


def wait_until_done(dispatch_id: int) -> None:
    deadline = time.monotonic() + WAIT_S
    while not InsightDispatch.objects.filter(pk=dispatch_id, state=DispatchState.DONE).exists():
        assert time.monotonic() < deadline, f"The dispatch was not done within {WAIT_S} s."
        time.sleep(0.05)
