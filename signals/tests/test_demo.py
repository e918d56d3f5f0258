"""The demo's accounts and webhooks, and the life of its processes."""

import contextlib
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.contrib.auth import authenticate
from django.contrib.auth.models import User

from signals import demo, demo_processes
from signals.models import WebhookSource

SLEEPER = [sys.executable, "-c", "import time; print('ready', flush=True); time.sleep(60)"]


@pytest.fixture
def secrets_file(tmp_path: Path) -> Path:
    return tmp_path / "demo.json"


@pytest.mark.django_db
def test_the_first_run_makes_two_traders_and_an_admin_who_can_sign_in(secrets_file: Path) -> None:
    secrets = demo.prepare(secrets_file)

    for name in ("alice", "bob", "ada"):
        assert authenticate(username=name, password=secrets.passwords[name]) is not None
    assert set(User.objects.filter(is_staff=True).values_list("username", flat=True)) == {"ada"}


@pytest.mark.django_db
def test_each_trader_and_the_house_get_a_webhook(secrets_file: Path) -> None:
    secrets = demo.prepare(secrets_file)

    owners = {name: WebhookSource.objects.for_token(token) for name, token in secrets.tokens.items()}
    assert {name: source and source.user and source.user.username for name, source in owners.items()} == {
        "alice": "alice",
        "bob": "bob",
        "house": None,
    }


@pytest.mark.django_db
def test_the_second_run_keeps_passwords_and_webhooks(secrets_file: Path) -> None:
    first = demo.prepare(secrets_file)

    assert demo.prepare(secrets_file) == first
    assert (User.objects.count(), WebhookSource.objects.count()) == (3, 3)


@pytest.mark.django_db
def test_what_is_printed_is_true_after_a_password_or_a_token_was_changed(secrets_file: Path) -> None:
    first = demo.prepare(secrets_file)
    alice = User.objects.get(username="alice")
    alice.set_password("changed-by-alice")
    alice.save()
    WebhookSource.objects.filter(user=alice).delete()

    second = demo.prepare(secrets_file)

    assert authenticate(username="alice", password=second.passwords["alice"]) is not None
    assert second.tokens["alice"] != first.tokens["alice"]
    assert WebhookSource.objects.for_token(second.tokens["alice"]) is not None


@pytest.mark.django_db
def test_only_the_owner_of_the_file_can_read_the_passwords(secrets_file: Path) -> None:
    demo.prepare(secrets_file)

    assert secrets_file.stat().st_mode & 0o777 == 0o600
    assert list(secrets_file.parent.iterdir()) == [secrets_file]


@pytest.mark.django_db
def test_an_account_that_is_not_the_demos_is_left_alone(alice: User, secrets_file: Path) -> None:
    with pytest.raises(demo.DemoError, match="alice"):
        demo.prepare(secrets_file)

    assert authenticate(username="alice", password="alice-password") == alice
    assert not secrets_file.exists()


@pytest.mark.django_db
@pytest.mark.parametrize("content", ["not JSON", "[]", '{"colour": "green"}', '{"passwords": [], "tokens": {}}'])
def test_a_damaged_file_is_named(secrets_file: Path, content: str) -> None:
    secrets_file.write_text(content)

    with pytest.raises(demo.DemoError, match=r"demo\.json"):
        demo.prepare(secrets_file)


def test_a_taken_port_is_passed_over() -> None:
    with contextlib.ExitStack() as stack:
        port = demo_processes.free_port()
        listener = stack.enter_context(socket.socket())
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((demo_processes.HOST, port))
        listener.listen()

        assert demo_processes.free_port() > port


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(SLEEPER, stdout=subprocess.PIPE) as process:
        assert process.stdout
        assert process.stdout.readline() == b"ready\n"
        yield process
        process.kill()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_asks_for_the_end(sleeper: subprocess.Popen[bytes], number: signal.Signals) -> None:
    with demo_processes.StopRequest() as stop:
        signal.raise_signal(number)

        demo_processes.watch(sleeper, sleeper, stop, on_replay_end=lambda: None)

    assert sleeper.poll() is None


def test_a_server_that_ends_by_itself_is_an_error(sleeper: subprocess.Popen[bytes]) -> None:
    sleeper.kill()
    sleeper.wait()

    with demo_processes.StopRequest() as stop, pytest.raises(demo_processes.ProcessError, match="signal 9"):
        demo_processes.watch(sleeper, sleeper, stop, on_replay_end=lambda: None)


def test_the_end_of_the_replay_is_told_once_and_the_server_goes_on(sleeper: subprocess.Popen[bytes]) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    told = []

    with demo_processes.StopRequest() as stop:

        def tell() -> None:
            told.append(ended.returncode)
            signal.raise_signal(signal.SIGTERM)

        demo_processes.watch(sleeper, ended, stop, on_replay_end=tell)

    assert told == [0]
