"""`manage.py notify_canary`, against a server of its own: which stage it names, and that it leaves nothing behind."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.core.management import CommandError, call_command
from django.db import OperationalError
from prometheus_client.parser import text_string_to_metric_families

from notifications import dispatching, probe_traders, realtime, stream, tasks
from notifications.canary_stages import Stage
from notifications.models import InsightNotification, SendingBrake
from notifications.tests.live_server import live_server
from signals import webhook
from signals.models import Signal, WebhookSource
from signals.webhook import RefusalError
from signals.webhook_client import WebhookClient
from zenithedge import health

pytestmark = pytest.mark.django_db(transaction=True)

Break = Callable[[pytest.MonkeyPatch], None]


@pytest.fixture
def site() -> Iterator[str]:
    with live_server() as address:
        yield address


@pytest.fixture
def broker(settings: Any, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """A broker whose worker is a thread of ours; what was handed to it."""
    settings.CELERY_BROKER_URL = "redis://broker.invalid/0"
    handed: list[int] = []

    def work(dispatch_id: int) -> bool:
        handed.append(dispatch_id)
        threading.Thread(target=dispatching.run, args=(dispatch_id,)).start()
        return True

    monkeypatch.setattr(tasks, "enqueue_dispatch", work)
    return handed


def run(site: str, *options: str) -> str:
    output = StringIO()
    call_command("notify_canary", "--url", site, *options, stdout=output)
    return output.getvalue()


def what_is_left() -> list[int]:
    return [model._default_manager.count() for model in (User, Session, Signal, WebhookSource, InsightNotification)]


@pytest.mark.services
def test_measures_each_stage_and_leaves_nothing_behind(alice: User, site: str, broker: list[int]) -> None:
    said = run(site)
    assert [line.split()[0] for line in said.splitlines()] == [*Stage, "signal"]
    assert len(broker) == 1
    assert what_is_left() == [1, 0, 0, 0, 0]


def test_without_a_broker_it_says_that_there_is_no_worker_to_try(site: str) -> None:
    assert "no Celery worker to try" in run(site)


# --- What is broken -------------------------------------------------------------------------------------------------


def breaks(module: object, name: str, replacement: Any) -> Break:
    return lambda monkeypatch: monkeypatch.setattr(module, name, replacement)


def away(*args: Any, **options: Any) -> Any:
    raise OperationalError("connection refused\nmore of it")


def refuse(*args: Any, **options: Any) -> Any:
    raise RefusalError(403, "paused", "on purpose")


BROKEN: dict[str, tuple[Stage, Break, str]] = {
    "database": (Stage.DATABASE, breaks(probe_traders, "_make", away), "does not answer this command (connection"),
    "database of the server": (Stage.DATABASE, breaks(health, "_database_answers", lambda: False), "answer the server"),
    "database at the webhook": (Stage.DATABASE, breaks(webhook, "_take", away), "cannot store an alert (503)"),
    "channel layer": (Stage.CHANNEL_LAYER, breaks(realtime, "layer_answers", lambda: False), "Redis does not answer"),
    "socket": (Stage.SOCKET, breaks(stream, "catch_up", away), "No socket could be opened (403)"),
    "webhook": (Stage.WEBHOOK, breaks(webhook, "_take", refuse), "refuses a good alert with 403"),
    "dispatch": (Stage.DISPATCH, breaks(dispatching, "run_together", lambda *_, **__: None), "its dispatch is open"),
    "hint": (Stage.HINT, breaks(realtime, "publish", lambda events: False), "could not be handed to the channel layer"),
    "hint that is lost": (Stage.HINT, breaks(realtime, "publish", lambda events: True), "no hint brought it"),
    "acknowledgement": (Stage.ACKNOWLEDGEMENT, breaks(stream, "acknowledge", lambda *_, **__: 0), "does not record"),
    "worker": (Stage.WORKER, breaks(tasks, "enqueue_dispatch", lambda dispatch_id: True), "No Celery worker has done"),
    "broker": (Stage.CHANNEL_LAYER, breaks(tasks, "enqueue_dispatch", lambda dispatch_id: False), "take a task"),
}  # fmt: skip


@pytest.mark.parametrize(("stage", "break_it", "sentence"), BROKEN.values(), ids=BROKEN)
def test_names_what_is_broken_by_its_exit_code_and_cleans_up(
    site: str, broker: list[int], monkeypatch: pytest.MonkeyPatch, stage: Stage, break_it: Break, sentence: str
) -> None:
    break_it(monkeypatch)
    with pytest.raises(CommandError) as broken:
        run(site, "--timeout", "1.5")
    assert sentence in str(broken.value)
    assert broken.value.returncode == stage.exit_code
    assert what_is_left() == [0, 0, 0, 0, 0]


def test_names_the_server_when_nobody_answers() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and does not listen
        with pytest.raises(CommandError, match="The site cannot be reached") as broken:
            run(f"http://127.0.0.1:{taken.getsockname()[1]}")
    assert broken.value.returncode == Stage.SERVER.exit_code
    assert what_is_left() == [0, 0, 0, 0, 0]


def test_each_stage_has_an_exit_code_of_its_own_that_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        call_command("notify_canary", "--help")
    told = capsys.readouterr().out
    assert [stage.exit_code for stage in Stage] == list(range(10, 20))
    assert all(f"{stage.exit_code:<5}broken: {stage}" in told for stage in Stage)


def test_with_the_brake_engaged_it_goes_as_far_as_the_dispatch(site: str, ada: User) -> None:
    SendingBrake.objects.create(engaged_by=ada, reason="on purpose")
    said = run(site)
    assert "dispatch" in said
    assert "hint" not in said
    assert "The brake is engaged" in said


def test_is_told_of_no_house_insight(make_insight: Callable[..., Signal], bob: User) -> None:
    with probe_traders.traders(probe_traders.CANARY, 1) as [trader]:
        make_insight(None)
        assert list(InsightNotification.objects.values_list("user", flat=True)) == [bob.pk]
        assert trader.user_id != bob.pk


def test_cleans_up_when_it_is_stopped(site: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def stopped(*args: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(WebhookClient, "post", stopped)
    with pytest.raises(SystemExit) as stop:
        run(site)
    assert stop.value.code == 130
    assert what_is_left() == [0, 0, 0, 0, 0]


# --- For Prometheus -------------------------------------------------------------------------------------------------


def figures(path: Path) -> dict[str, float]:
    return {
        " ".join([sample.name.removeprefix("zenithedge_canary_"), *sample.labels.values()]): sample.value
        for family in text_string_to_metric_families(path.read_text())
        for sample in family.samples
    }


def test_writes_what_it_found_for_prometheus(site: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "zenithedge.prom"
    run(site, "--metrics-file", str(path))
    good = figures(path)
    monkeypatch.setattr(health, "_database_answers", lambda: False)
    with pytest.raises(CommandError):
        run(site, "--metrics-file", str(path))
    bad = figures(path)

    assert (good["success"], bad["success"]) == (1, 0)
    assert (good["broken database"], bad["broken database"], bad["broken worker"]) == (0, 1, 0)
    assert good["stage_seconds webhook"] > 0
    assert "stage_seconds webhook" not in bad
    assert bad["last_run_timestamp_seconds"] >= good["last_run_timestamp_seconds"] > 1e9
    assert [file.name for file in tmp_path.iterdir()] == ["zenithedge.prom"]


def test_says_when_it_cannot_write_the_file(site: str, tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="cannot be written"):
        run(site, "--metrics-file", str(tmp_path / "no" / "such" / "file.prom"))
