"""What all commands promise alike: help that teaches, exit codes, a stop between two steps, one at a time."""

from __future__ import annotations

import logging
import multiprocessing
import os
import shlex
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command, get_commands, load_command_class
from django.db import connection
from django.utils import timezone

from notifications import changes, lifecycle, restoring, retention, stamping
from notifications.delivery import draining
from notifications.models import ChangeKind, Inbox
from notifications.reconcile import reconcile
from notifications.tests.rows import store_notification
from signals.models import Signal, TradeValidation
from zenithedge import locks
from zenithedge.commands import Command, Exit, StopRequest

MakeSignal = Callable[..., Signal]
OURS = sorted(name for name, app in get_commands().items() if app in ("notifications", "signals"))
README = (Path(settings.BASE_DIR) / "README.md").read_text(encoding="utf-8")


def command(name: str) -> Command:
    loaded = load_command_class(get_commands()[name], name)
    assert isinstance(loaded, Command), f"{name} has another base"
    return loaded


# --- Help -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", OURS)
def test_help_says_what_it_does_when_to_run_it_with_examples_and_every_exit_code(name: str) -> None:
    text = command(name).create_parser("manage.py", name).format_help()

    assert len(command(name).help) > 60
    for part in ("when to run it:\n", f"examples:\n  manage.py {name}", "exit codes:\n", "  0  ", "  1  ", "  2  "):
        assert part in text
    assert ("  3  " in text) == (bool(command(name).alone_because) or name == "sending_brake")
    assert max(map(len, text.splitlines())) <= 120


@pytest.mark.parametrize("name", OURS)
def test_each_example_is_understood(name: str) -> None:
    for example in command(name).examples:
        arguments = shlex.split(example.split(" | ")[0].split(">>")[0])
        command(name).create_parser("manage.py", name).parse_args(arguments)


@pytest.mark.parametrize("name", OURS)
def test_the_readme_lists_it(name: str) -> None:
    assert f"| `{name}" in README


@pytest.mark.parametrize("name", OURS)
def test_what_it_does_not_know_ends_with_2(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ending:
        command(name).run_from_argv(["manage.py", name, "--no-such-option"])

    assert ending.value.code == Exit.MISUSED
    assert "usage: manage.py" in capsys.readouterr().err


@pytest.mark.django_db
@pytest.mark.parametrize(
    "arguments",
    [
        ("cleanup_notifications", "--days", "0"),
        ("send_digests", "--user", "nobody"),
        ("webhook_token",),
        ("webhook_token", "nobody"),
        ("sending_brake", "on"),
        ("replay_market",),
    ],
)
def test_what_makes_no_sense_ends_with_2(arguments: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ZENITHEDGE_WEBHOOK_TOKEN", raising=False)
    with pytest.raises(CommandError) as refused:
        call_command(*arguments)

    assert refused.value.returncode == Exit.MISUSED


# --- Stopping -------------------------------------------------------------------------------------------------------


class Steps(Command):
    """Three steps; the second one is sent a signal."""

    help, when, examples = "", "", ()

    def __init__(self, number: signal.Signals, *, interrupted: bool = False, until_stopped: bool = False) -> None:
        super().__init__(stdout=StringIO())
        self.number, self.done, self.until_stopped = number, 0, until_stopped
        self.interrupted = interrupted  # type: ignore[misc]  # of this one only

    def work(self, **options: Any) -> Mapping[str, int]:
        for step in range(3):
            if self.stop.requested:
                break
            if step == 1:
                os.kill(os.getpid(), self.number)
            self.done += 1
        return {"steps": self.done}

    def ends_well_when_stopped(self, **options: Any) -> bool:
        return self.until_stopped


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_stop_lets_the_step_in_hand_end_says_what_is_left_and_is_the_exit_code(
    number: signal.Signals, code: int, caplog: pytest.LogCaptureFixture
) -> None:
    before = signal.getsignal(number)
    steps = Steps(number)
    with pytest.raises(SystemExit) as ending, caplog.at_level(logging.INFO, "zenithedge.commands"):
        steps.handle()

    assert ending.value.code == code
    assert steps.done == 2
    assert "the next run goes on" in steps.stdout._out.getvalue()  # type: ignore[attr-defined]  # Django's wrapper
    assert f"ended with {code}" in caplog.messages[-1]
    assert "steps 2" in caplog.messages[-1]
    assert signal.getsignal(number) is before


def test_what_has_no_steps_is_broken_into() -> None:
    steps = Steps(signal.SIGTERM, interrupted=True)
    with pytest.raises(SystemExit) as ending:
        steps.handle()

    assert ending.value.code == 143
    assert steps.done == 1


def test_what_was_to_go_on_until_it_is_stopped_has_done_its_work() -> None:
    Steps(signal.SIGTERM, until_stopped=True).handle()


def test_a_thread_which_is_sent_no_signals_runs_a_command_too() -> None:
    done = Steps(signal.SIGTERM)
    done.number = signal.Signals(signal.SIGCHLD)  # ignored by itself
    thread = threading.Thread(target=done.handle)
    thread.start()
    thread.join()

    assert done.done == 3


@pytest.mark.parametrize(("verbosity", "shown"), [(0, False), (1, False), (2, True)])
def test_progress_is_shown_where_nobody_watches_a_terminal_when_asked_for(
    verbosity: int, shown: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    with Steps(signal.SIGTERM).progress(10, "row", verbosity=verbosity) as bar:
        bar.update(10)

    assert ("10/10" in capsys.readouterr().err) == shown


def stop_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The signal comes with the first question whether it has come."""
    monkeypatch.setattr(StopRequest, "requested", property(lambda stop: stop._remember(signal.SIGTERM, None) is None))


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("name", "arguments", "step"),
    [
        ("cleanup_notifications", (), (retention, "_delete_batch")),
        ("renew_epochs", (), (restoring, "_renew_batch")),
        ("deliver_notifications", (), (draining._Drain, "begin_calls")),
        ("seed_notifications", ("--yes-into-this-database", "--users", "5", "--notifications", "9"), None),
        ("send_digests", (), None),
        ("expire_notifications", (), None),
        ("release_held", (), None),
        ("reconcile_insights", (), None),
        ("tell_of_changes", (), None),
        ("roll_up_figures", (), None),
    ],
)
def test_each_command_with_steps_asks_between_them(
    name: str, arguments: tuple[str, ...], step: tuple[Any, str] | None, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    def must_not_begin(*args: object, **kwargs: object) -> None:
        raise AssertionError("another step")

    if step is not None:
        monkeypatch.setattr(*step, must_not_begin)
    stop_at_once(monkeypatch)
    with pytest.raises(SystemExit) as ending:
        call_command(name, *arguments, stdout=StringIO())

    assert ending.value.code == 143


@pytest.mark.django_db(transaction=True)
class TestLoops:
    """Asked to stop, each ends after the chunk in hand, and the next run does the rest."""

    @pytest.fixture
    def both(self, alice: User, bob: User) -> list[User]:
        return [alice, bob]

    def test_expiring(self, both: list[User], make_signal: MakeSignal, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(stamping, "CHUNK_USERS", 1)
        for user in both:
            store_notification(user, make_signal(user), days_old=1)

        assert [lifecycle.expire_old(should_stop=lambda: True) for _ in range(3)] == [1, 1, 0]

    def test_releasing(self, both: list[User], make_signal: MakeSignal, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(lifecycle, "RELEASED_TOGETHER", 1)
        for user in both:
            store_notification(user, make_signal(user), seq=None, held_until=timezone.now())

        assert [lifecycle.release_held(should_stop=lambda: True) for _ in range(3)] == [1, 1, 0]

    def test_reconciling(self, both: list[User], make_signal: MakeSignal) -> None:
        validations = [TradeValidation(signal=make_signal(user), truth_index=82, status="approved") for user in both]
        TradeValidation.objects.bulk_create(validations)

        assert reconcile(should_stop=lambda: True).run == 0
        assert reconcile().run == 2

    def test_telling_of_changes(self, alice: User, make_signal: MakeSignal) -> None:
        changes.record(ChangeKind.SETTLED, [make_signal(alice).pk], owner_id=alice.pk)

        assert changes.finish_open(should_stop=lambda: True) == 0
        assert changes.finish_open() == 1

    def test_renewing_epochs(self, both: list[User], monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(restoring, "INBOXES_PER_BATCH", 1)
        done: list[int] = []

        assert restoring.renew_epochs(after_batch=done.append, should_stop=lambda: bool(done)) == 1


# --- One at a time --------------------------------------------------------------------------------------------------


@pytest.fixture
def held_elsewhere() -> Iterator[Callable[[str], None]]:
    """Another connection, as another process has it, holds the lock of this name until the test is over."""
    with ExitStack() as stack:
        yield lambda name: stack.enter_context(locks.in_database(name))


ALONE = [name for name in OURS if command(name).alone_because and name != "replay_market"]


@pytest.mark.services
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("name", ALONE)
def test_a_second_copy_does_nothing_and_ends_with_3(
    name: str,
    held_elsewhere: Callable[[str], None],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    held_elsewhere(name)
    monkeypatch.setattr(type(command(name)), "work", lambda self, **options: pytest.fail("it ran"))
    with pytest.raises(CommandError, match="Another copy") as refused:
        call_command(name)

    assert refused.value.returncode == Exit.BUSY
    assert [record.name for record in caplog.records] == ["zenithedge.commands"]


@pytest.mark.services
@pytest.mark.django_db(transaction=True)
def test_other_commands_are_not_kept_waiting_and_the_lock_ends_with_its_holder(alice: User) -> None:
    with locks.in_database("renew_epochs"):
        call_command("expire_notifications", stdout=StringIO())
    before = Inbox.objects.get().epoch

    call_command("renew_epochs", stdout=StringIO())

    assert Inbox.objects.get().epoch != before
    assert not connection.in_atomic_block


def test_who_is_killed_leaves_no_lock_behind(tmp_path: Path) -> None:
    path = tmp_path / "some.lock"
    holding = multiprocessing.get_context("fork").Event()

    def hold() -> None:
        with locks.in_file(path):
            holding.set()
            signal.pause()

    holder = multiprocessing.get_context("fork").Process(target=hold)
    holder.start()
    try:
        assert holding.wait(30)
        with pytest.raises(locks.HeldError), locks.in_file(path):
            pass
    finally:
        holder.kill()
        holder.join()

    with locks.in_file(path):
        pass


def test_a_real_process_that_is_sent_sigterm_ends_with_143_and_has_finished_what_it_began(tmp_path: Path) -> None:
    """Into a database of its own, which has no tables: the replay asks none, and waits between two alerts."""
    environment = os.environ | {"ZENITHEDGE_WEBHOOK_TOKEN": "none", "DATABASE_URL": f"sqlite:///{tmp_path}/db.sqlite3"}
    arguments = ["--url", "http://127.0.0.1:9", "--position", str(tmp_path / "position.json")]
    with subprocess.Popen(
        [sys.executable, "manage.py", "replay_market", *arguments],
        cwd=settings.BASE_DIR,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        assert process.stdout
        assert "trying again" in process.stdout.readline()
        process.terminate()
        said = process.stdout.read()

    assert process.returncode == 143
    assert "Replay: 0 accepted" in said
