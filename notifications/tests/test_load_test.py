"""`manage.py load_test`, against a server of its own."""

from __future__ import annotations

import re
import socket
from collections.abc import Callable, Iterator
from io import StringIO

import pytest
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.core.management import CommandError, call_command

from notifications import load_test, probe_traders
from notifications.load_test import Outcome, percentile
from notifications.stream_state import Frame, StreamState
from notifications.tests.live_server import live_server
from signals.models import Signal, WebhookSource

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def site() -> Iterator[str]:
    with live_server() as address:
        yield address


def run(*options: str) -> str:
    output = StringIO()
    call_command("load_test", *options, stdout=output)
    return output.getvalue()


def what_is_left() -> list[int]:
    return [model._default_manager.count() for model in (User, Session, Signal, WebhookSource)]


@pytest.mark.services
def test_measures_each_insight_and_leaves_nothing_behind(alice: User, site: str) -> None:
    said = run("--insights", "6", "--users", "3", "--url", site, "--slowest", "30")
    assert "posted: 6, on the sockets: 6, lost: 0, doubled: 0, refused: 0" in said
    assert re.search(r"posted → on the socket +\d+ +\d+ +\d+ +\d+", said)
    assert what_is_left() == [1, 0, 0, 0]


def test_says_what_it_does_before_it_does_it(site: str) -> None:
    said = run("--insights", "1", "--users", "1", "--url", site, "--slowest", "30")
    assert said.startswith(f"Making 1 accounts named load-test-…, opening a socket for each at {site}")


def test_fails_when_one_is_too_slow_and_cleans_up(site: str) -> None:
    with pytest.raises(CommandError, match=r"take over 0\.0001 s"):
        run("--insights", "1", "--users", "1", "--url", site, "--slowest", "0.0001")
    assert what_is_left() == [0, 0, 0, 0]


def test_fails_when_one_is_lost(site: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(load_test, "LOST_AFTER_S", 0.0)
    monkeypatch.setattr(StreamState, "receive", take_only_greetings(StreamState.receive))
    with pytest.raises(CommandError, match="Not good enough"):
        run("--insights", "1", "--users", "1", "--url", site)


def take_only_greetings(receive: Callable[[StreamState, Frame], None]) -> Callable[[StreamState, Frame], None]:
    def deaf(state: StreamState, frame: Frame) -> None:
        if frame["type"] == "connection_established":
            receive(state, frame)

    return deaf


def test_fails_when_nobody_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(load_test, "CONNECTED_WITHIN_S", 0.1)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and does not listen
        address = f"http://127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(CommandError, match="0 of 1 sockets were open"):
            run("--insights", "1", "--users", "1", "--url", address)
    assert what_is_left() == [0, 0, 0, 0]


@pytest.mark.parametrize("options", [("--insights", "0"), ("--users", "-1"), ("--users", "many")])
def test_refuses_numbers_that_make_no_sense(options: tuple[str, str]) -> None:
    with pytest.raises(CommandError):
        run(*options)


def test_removes_what_a_killed_run_left_behind_and_nobody_else(alice: User) -> None:
    probe_traders._make(probe_traders.LOAD_TEST, "load-test-of-a-killed-run")
    User.objects.create_user("load-test-fan", "fan@example.org")
    assert run("--remove-left-over") == "removed accounts: 1\n"
    assert set(User.objects.values_list("username", flat=True)) == {"alice", "load-test-fan"}


def test_an_outcome_passes_only_when_all_came_once_and_in_time() -> None:
    assert Outcome(posted=2, shown_s=[0.1, 4.9]).passes(slowest_s=5)
    assert not Outcome(posted=2, shown_s=[0.1, 5.1]).passes(slowest_s=5)
    assert not Outcome(posted=2, shown_s=[0.1]).passes(slowest_s=5)
    assert not Outcome(posted=1, shown_s=[0.1], doubled=1).passes(slowest_s=5)


def test_percentiles_are_values_that_were_measured() -> None:
    assert [percentile([3.0, 1.0, 2.0], percent) for percent in (50, 99, 100)] == [2.0, 3.0, 3.0]
    assert percentile([], 50) == 0.0
