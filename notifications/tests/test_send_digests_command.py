"""`manage.py send_digests`, also in processes that are killed."""

from __future__ import annotations

import datetime as dt
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import time_machine
from django.conf import settings
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils import timezone

from notifications.digests import runs
from notifications.digests.sending import send_due
from notifications.models import DigestRun, DigestState
from notifications.tests.mail_server import MailServer

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.services]

Subscribe = Callable[..., User]
StartCommand = Callable[[], "subprocess.Popen[bytes]"]
WAIT_S = 60


def run_command(*arguments: str, **options: Any) -> str:
    output = StringIO()
    call_command("send_digests", *arguments, stdout=output, **options)
    return output.getvalue()


def test_it_says_what_came_of_them(mail_server: MailServer, subscribe: Subscribe) -> None:
    subscribe("alice")
    subscribe("bob", insights=0)

    said = run_command()

    assert said == "opened: 2\nsent: 1\nnothing: 1\nskipped: 0\nfailed: 0\nlater: 0\n"
    assert "sent: 0" in run_command()


def test_a_dry_run_says_what_would_be_sent_and_does_nothing(mail_server: MailServer, subscribe: Subscribe) -> None:
    alice = subscribe("alice")
    bob = subscribe("bob")
    runs.open_due(timezone.now(), User.objects.filter(pk=bob.pk))

    said = run_command("--dry-run")

    assert f"user {alice.pk}, {timezone.now().date()}, new: unread 1, best 0" in said
    assert f"user {bob.pk}, {timezone.now().date()}, waits: unread 1" in said
    assert said.endswith("digests: 2; nothing was written or sent\n")
    assert mail_server.connections == 0
    assert DigestRun.objects.get().attempts == 0


def test_it_sends_one_users_only(mail_server: MailServer, subscribe: Subscribe) -> None:
    subscribe("alice")
    subscribe("bob")

    run_command("--user", "bob")

    assert mail_server.recipients == ["bob@example.org"]
    assert DigestRun.objects.get().user.username == "bob"


def test_it_sends_those_of_a_date_to_who_has_none_of_it(mail_server: MailServer, subscribe: Subscribe) -> None:
    alice = subscribe("alice", digest_time=dt.time(23, 59))
    tomorrow = timezone.now().date() + dt.timedelta(days=1)

    run_command("--date", tomorrow.isoformat())
    run_command("--date", tomorrow.isoformat())

    assert mail_server.recipients == ["alice@example.org"]
    assert DigestRun.objects.get(user=alice, state=DigestState.SENT).local_date == tomorrow


@pytest.mark.parametrize(
    ("arguments", "words"), [(("--user", "nobody"), "no user 'nobody'"), (("--date", "soon"), "is no day like")]
)
def test_what_cannot_be_meant_is_refused(db: None, arguments: tuple[str, ...], words: str) -> None:
    with pytest.raises(CommandError, match=words):
        run_command(*arguments)


def test_it_fails_when_a_mail_was_refused_or_the_server_is_away(mail_server: MailServer, subscribe: Subscribe) -> None:
    subscribe("alice")
    mail_server.answers["alice@example.org"] = "451 later"
    with pytest.raises(CommandError, match="1 could not be sent"):
        run_command()

    mail_server.stop()
    with (
        time_machine.travel(timezone.now() + dt.timedelta(minutes=2)),
        pytest.raises(CommandError, match="the rest waits"),
    ):
        run_command()


@pytest.fixture
def start_command(mail_server: MailServer, tmp_path: Path) -> Iterator[StartCommand]:
    """The command in a process of its own, on the tests' database."""
    database = connection.settings_dict
    address = f"sqlite:///{database['NAME']}"
    if connection.vendor == "postgresql":
        address = f"postgresql://{database['USER']}@{database['HOST']}:{database['PORT']}/{database['NAME']}"
    environment = {"DATABASE_URL": address, "EMAIL_URL": mail_server.url, "LOG_FILE": str(tmp_path / "django.log")}

    started: list[subprocess.Popen[bytes]] = []

    def start() -> subprocess.Popen[bytes]:
        command = [sys.executable, "manage.py", "send_digests"]
        variables = os.environ | environment
        process = subprocess.Popen(command, cwd=settings.BASE_DIR, env=variables, stdout=subprocess.PIPE)
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def at_the_third_mail(mail_server: MailServer, started: list[subprocess.Popen[bytes]], number: signal.Signals) -> None:
    """When the server has read the third mail it takes it, and the process gets this signal before it hears so."""
    known = threading.Event()

    def signal_sender(server: Any, envelope: Any) -> None:
        if len(mail_server.envelopes) == 2 and not known.is_set():
            known.set()
            started[0].send_signal(number)
            if number == signal.SIGKILL:
                started[0].wait(WAIT_S)

    mail_server.at_data = signal_sender


def test_killed_between_sending_and_recording_it_repeats_that_mail_only_under_the_same_id(
    mail_server: MailServer, subscribe: Subscribe, start_command: StartCommand
) -> None:
    for number in range(5):
        subscribe(f"trader{number}")
    started: list[subprocess.Popen[bytes]] = []
    at_the_third_mail(mail_server, started, signal.SIGKILL)
    started.append(start_command())
    assert started[0].wait(WAIT_S) == -signal.SIGKILL
    mail_server.wait_until_it_has(3)
    assert DigestRun.objects.filter(state=DigestState.SENT).count() == 2
    assert send_due().done == 0, "another process sent what may still be in the first one's hands"

    with time_machine.travel(timezone.now() + dt.timedelta(minutes=11)):
        assert send_due().sent == 3

    ids = [message["Message-ID"] for message in mail_server.messages]
    assert len(ids) == 6
    assert len(set(ids)) == 5
    assert ids.count(ids[2]) == 2
    assert sorted(set(mail_server.recipients)) == [f"trader{number}@example.org" for number in range(5)]
    assert set(DigestRun.objects.values_list("state", flat=True)) == {DigestState.SENT}


def test_asked_to_end_it_ends_after_the_mail_in_hand_and_leaves_the_rest_for_the_next_run(
    mail_server: MailServer, subscribe: Subscribe, start_command: StartCommand
) -> None:
    for number in range(5):
        subscribe(f"trader{number}")
    started: list[subprocess.Popen[bytes]] = []
    at_the_third_mail(mail_server, started, signal.SIGTERM)
    started.append(start_command())
    output, _ = started[0].communicate(timeout=WAIT_S)

    assert started[0].returncode == 128 + signal.SIGTERM, output
    assert b"Stopped before the end" in output
    assert DigestRun.objects.filter(state=DigestState.SENT).count() == 3
    assert send_due().sent == 2, "what was not tried is not held by a lease"
    assert len(mail_server.recipients) == len(set(mail_server.recipients)) == 5
