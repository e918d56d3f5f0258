import datetime as dt
import io
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from pytest_django.live_server_helper import LiveServer

from signals.management.commands.replay_market import TOKEN_VARIABLE
from signals.models import Outcome, Signal, TradeValidation, ValidationStatus, WebhookSource
from signals.strategies import setups_between
from signals.tests.webhook_server import Reply, WebhookServer, webhook_server

SPRING = ("--from", "2024-02-01", "--to", "2024-04-30")
Replay = Callable[..., str]


@pytest.fixture
def server() -> Iterator[WebhookServer]:
    with webhook_server() as running:
        yield running


@pytest.fixture
def replay_market(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Replay:
    """Run the command with one token, as fast as the server takes it; return what it printed."""
    monkeypatch.setenv(TOKEN_VARIABLE, "secret-1")

    def run(*arguments: str) -> str:
        output = io.StringIO()
        position = str(tmp_path / "position.json")
        try:
            call_command("replay_market", "--per-minute", "0", "--position", position, *arguments, stdout=output)
        finally:
            run.printed = output.getvalue()  # type: ignore[attr-defined]  # what was printed before an error
        return output.getvalue()

    return run


def printed(replay_market: Replay) -> str:
    return str(replay_market.printed)  # type: ignore[attr-defined]  # set by each run


def in_spring(symbols: tuple[str, ...] = ("EURUSD", "GBPUSD")) -> int:
    return len(setups_between(dt.date(2024, 2, 1), dt.date(2024, 4, 30), symbols))


def test_list_prints_the_setups_and_sends_nothing(
    replay_market: Replay, server: WebhookServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(TOKEN_VARIABLE)
    lines = replay_market("--list", "--from", "2024-01-02", "--to", "2024-01-02", "--url", server.url).splitlines()
    assert lines == [
        "2024-01-02 AUDNZD TrendFollower buy 1.08200 stop 1.07970 target 1.08660 Breakout 67.8 %",
        "2024-01-02 EURAUD TrendFollower sell 1.61470 stop 1.62206 target 1.59998 Breakout 70.7 %",
        "2024-01-02 GBPJPY TrendFollower sell 179.676 stop 180.829 target 177.370 Breakout 56.6 %",
        "3 setups.",
    ]
    assert server.requests == []


def test_a_reader_who_has_seen_enough_of_the_list_gets_no_traceback() -> None:
    command = [sys.executable, "manage.py", "replay_market", "--list"]
    with subprocess.Popen(command, cwd=settings.BASE_DIR, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as listing:
        assert listing.stdout
        assert listing.stderr
        listing.stdout.readline()
        listing.stdout.close()
        assert listing.stderr.read() == b""
    assert listing.returncode == 0


def test_only_the_symbols_asked_for_are_sent(replay_market: Replay, server: WebhookServer) -> None:
    replay_market(*SPRING, "--symbols", "eurusd, GBPUSD", "--url", server.url)
    assert {request.message["symbol"] for request in server.requests} == {"FX:EURUSD", "FX:GBPUSD"}
    assert len(server.requests) == in_spring()


def test_every_alert_has_a_plain_line_and_the_end_a_summary(replay_market: Replay, server: WebhookServer) -> None:
    lines = replay_market(*SPRING, "--symbols", "EURUSD,GBPUSD", "--url", server.url).splitlines()
    assert len(lines) == in_spring() + 1
    assert lines[0].endswith(": approved 81.50")
    assert lines[-1] == f"Replay: {in_spring()} accepted, 0 already known, 0 refused."


def test_a_second_run_sends_only_what_the_first_did_not(replay_market: Replay, server: WebhookServer) -> None:
    replay_market("--from", "2024-01-01", "--to", "2024-01-10", "--url", server.url)
    first = list(server.alert_ids)
    replay_market("--from", "2024-01-01", "--to", "2024-01-20", "--url", server.url)
    assert len(set(server.alert_ids)) == len(server.alert_ids) > len(first) > 0


def test_a_run_with_nothing_left_says_so(replay_market: Replay, server: WebhookServer) -> None:
    replay_market(*SPRING, "--url", server.url)
    sent = len(server.requests)
    assert "--restart or --loop" in replay_market(*SPRING, "--url", server.url)
    assert len(server.requests) == sent


def test_days_without_a_setup_are_said_to_have_none(replay_market: Replay, server: WebhookServer) -> None:
    assert "no setup" in replay_market("--from", "2024-01-06", "--to", "2024-01-07", "--url", server.url)


def test_restart_begins_with_the_first_day_again(replay_market: Replay, server: WebhookServer) -> None:
    for _ in range(2):
        replay_market(*SPRING, "--restart", "--url", server.url)
    half = len(server.alert_ids) // 2
    assert server.alert_ids[:half] == server.alert_ids[half:]


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_the_replay_after_the_alert_that_is_under_way(
    replay_market: Replay, server: WebhookServer, number: signal.Signals, code: int
) -> None:
    server.on_request = lambda: os.kill(os.getpid(), number) if len(server.requests) == 2 else None
    before = signal.getsignal(number)
    with pytest.raises(SystemExit) as ending:
        replay_market(*SPRING, "--url", server.url)
    assert ending.value.code == code
    assert printed(replay_market).splitlines()[-1] == "Replay: 2 accepted, 0 already known, 0 refused."
    assert signal.getsignal(number) is before


def test_after_a_signal_the_next_run_goes_on_with_the_next_alert(replay_market: Replay, server: WebhookServer) -> None:
    server.on_request = lambda: os.kill(os.getpid(), signal.SIGTERM) if len(server.requests) == 2 else None
    with pytest.raises(SystemExit):
        replay_market(*SPRING, "--url", server.url)
    replay_market(*SPRING, "--url", server.url)
    assert len(set(server.alert_ids)) == len(server.alert_ids)


def test_refused_setups_make_the_command_fail_at_its_end(replay_market: Replay, server: WebhookServer) -> None:
    server.replies = [Reply(400, {"error": {"fields": {"sl": ["Must be below the price."]}}})]
    with pytest.raises(CommandError, match="refused some setups"):
        replay_market(*SPRING, "--url", server.url)
    assert "Must be below the price." in printed(replay_market)


def test_a_wrong_token_fails_without_showing_it(replay_market: Replay, server: WebhookServer) -> None:
    server.replies = [Reply(404)]
    with pytest.raises(CommandError, match="No token is left") as failure:
        replay_market(*SPRING, "--url", server.url)
    assert "secret" not in str(failure.value) + printed(replay_market)


def test_without_a_token_in_the_environment_the_command_says_how_to_get_one(
    replay_market: Replay, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(TOKEN_VARIABLE, " , ")
    with pytest.raises(CommandError, match="webhook_token"):
        replay_market()


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("--symbols", "EURUSD,XYZ"), "No rates for XYZ"),
        (("--symbols", ","), "No rates for nothing"),
        (("--from", "yesterday"), "'yesterday' is no day"),
        (("--per-minute", "-1"), "'-1' is no whole number"),
        (("--url", "localhost:8000"), "no address like"),
    ],
)
def test_a_wrong_argument_is_refused_by_name(replay_market: Replay, arguments: tuple[str, str], complaint: str) -> None:
    with pytest.raises(CommandError, match=complaint):
        replay_market(*arguments)


# --- Against the real webhook ---------------------------------------------------------------------------------------


@pytest.fixture
def token(alice: User, monkeypatch: pytest.MonkeyPatch) -> str:
    """The token of Alice's webhook, in the environment."""
    source = WebhookSource(user=alice)
    token = source.rotate_token()
    source.save()
    monkeypatch.setenv(TOKEN_VARIABLE, token)
    return token


@pytest.mark.django_db(transaction=True)
def test_a_replay_against_the_real_webhook_makes_validated_signals_with_outcomes(
    replay_market: Replay, token: str, alice: User, live_server: LiveServer
) -> None:
    symbols = ("EURUSD", "USDJPY", "EURGBP")
    replay_market(*SPRING, "--symbols", ",".join(symbols), "--url", live_server.url)
    assert Signal.objects.filter(user=alice, source="webhook").count() == in_spring(symbols) > 10
    assert not Signal.objects.unvalidated().exists()
    assert Signal.objects.filter(outcome=Outcome.WIN).exists()
    assert Signal.objects.filter(outcome=Outcome.LOSS).exists()
    assert set(TradeValidation.objects.values_list("status", flat=True)) <= set(ValidationStatus.values)
    assert token not in printed(replay_market)


@pytest.mark.django_db(transaction=True)
def test_a_replay_again_from_the_start_doubles_nothing(
    replay_market: Replay, token: str, live_server: LiveServer
) -> None:
    for _ in range(2):
        summary = replay_market(*SPRING, "--symbols", "EURUSD", "--restart", "--url", live_server.url)
    count = in_spring(("EURUSD",))
    assert summary.splitlines()[-1] == f"Replay: 0 accepted, {count} already known, 0 refused."
    assert Signal.objects.count() == count


@pytest.mark.django_db(transaction=True)
def test_a_rate_limit_is_waited_out_and_nothing_is_lost(
    replay_market: Replay, token: str, live_server: LiveServer, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.WEBHOOK_REQUESTS_PER_MINUTE = 2

    def wait(stop: object, timeout: float) -> bool:
        settings.WEBHOOK_REQUESTS_PER_MINUTE += 1
        return False

    monkeypatch.setattr("zenithedge.commands.StopRequest.wait", wait)
    lines = replay_market(*SPRING, "--symbols", "EURUSD", "--url", live_server.url).splitlines()
    assert any(line.startswith("The server is busy (429); trying again in ") for line in lines)
    assert Signal.objects.count() == in_spring(("EURUSD",)) > 2
