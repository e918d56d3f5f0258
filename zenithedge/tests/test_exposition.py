"""What /metrics says, to whom, and that counting harms nobody."""

from __future__ import annotations

import datetime as dt
import logging
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import time_machine
from django.conf import settings as site_settings
from django.contrib.auth.models import User
from django.db import DatabaseError
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from prometheus_client.parser import text_string_to_metric_families

from notifications import dispatching, metrics
from notifications.models import InsightDispatch, NotificationDeliveryLog
from notifications.tests.rows import store_notification
from signals.models import Signal
from zenithedge.exposition import Rows

TOKEN = "t" * 40
MoveOn = Callable[[float], None]

# What a process does that counts, opens a socket, and says when it has; it ends when its input does.
COUNTING_PROCESS = """
import sys
from notifications import metrics
from notifications.health.latency import Stage
metrics.NOTIFICATIONS_SENT.inc(3)
metrics.SOCKETS_OPEN.inc()
metrics.stage_took(Stage.WHOLE, 0.3, 2)
metrics.JOB_LAST_SUCCESS.labels("reconcile").set(1000)
print("counted", flush=True)
sys.stdin.read()
"""
READING_PROCESS = """
from prometheus_client import generate_latest
from notifications import metrics
from zenithedge import shared_values
print(generate_latest(shared_values.collectable()).decode())
"""


def numbers(text: str) -> dict[str, float]:
    """Sample → value, with labels as in `name{label}`; those of one label only."""
    return {
        sample.name + "".join(f"{{{value}}}" for value in sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def scrape(token: str = TOKEN) -> Any:
    return Client(headers={"authorization": f"Bearer {token}"}).get(reverse("metrics"))


@pytest.fixture
def metrics_token(settings: Any) -> None:
    settings.METRICS_TOKEN = TOKEN


@pytest.fixture
def move_on() -> Iterator[MoveOn]:
    with time_machine.travel(timezone.now()) as clock:
        yield clock.shift


@pytest.mark.parametrize(("who", "status"), [(None, 401), ("alice", 403), ("ada", 200)])
def test_the_metrics_are_for_staff(request: pytest.FixtureRequest, db: None, who: str | None, status: int) -> None:
    client = Client()
    if who:
        client.force_login(request.getfixturevalue(who))
    assert client.get(reverse("metrics")).status_code == status


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("configured", "brought", "status"),
    [(TOKEN, f"Bearer {TOKEN}", 200), (TOKEN, "Bearer x", 401), (TOKEN, f"Basic {TOKEN}", 401), (TOKEN, "", 401),
     ("", "Bearer ", 401), ("", "Bearer", 401), (TOKEN, "Bearer ü", 401)],
)  # fmt: skip
def test_the_metrics_are_for_who_brings_the_token(settings: Any, configured: str, brought: str, status: int) -> None:
    settings.METRICS_TOKEN = configured
    assert Client(headers={"authorization": brought}).get(reverse("metrics")).status_code == status


@pytest.mark.services
def test_dispatches_not_finished_are_counted_with_the_age_of_the_oldest(
    metrics_token: None,
    make_insight: Callable[..., Signal],
    monkeypatch: pytest.MonkeyPatch,
    move_on: Callable[[float], None],
) -> None:
    monkeypatch.setattr("notifications.signals.worker.wake", lambda dispatch_id: None)
    make_insight()
    move_on(90)
    make_insight()

    found = numbers(scrape().content.decode())

    assert (found["zenithedge_database_up"], found["zenithedge_dispatches_open"]) == (1, 2)
    assert found["zenithedge_dispatch_oldest_age_seconds"] == pytest.approx(90, abs=1)
    for dispatch in InsightDispatch.objects.all():
        dispatching.run(dispatch.pk)
    assert numbers(scrape().content.decode())["zenithedge_dispatches_open"] == 0


@pytest.mark.services
def test_deliveries_that_are_due_are_counted_by_channel_with_the_age_of_the_oldest(
    metrics_token: None, alice: User, make_signal: Callable[..., Signal]
) -> None:
    for seconds in (-60, 60):
        at = timezone.now() + dt.timedelta(seconds=seconds)
        notification = store_notification(alice, make_signal(alice))
        NotificationDeliveryLog.objects.create(notification=notification, channel="push", next_attempt_at=at)

    text = scrape().content.decode()

    assert 'zenithedge_deliveries_due{channel="push"} 1.0' in text
    assert 'zenithedge_deliveries_due{channel="webhook"} 0.0' in text
    [age] = re.findall(r'zenithedge_delivery_oldest_due_seconds\{channel="push"\} ([\d.]+)', text)
    assert float(age) == pytest.approx(60, abs=5)


def test_with_the_database_away_the_counters_are_still_read(
    metrics_token: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(self: object) -> None:
        raise DatabaseError("gone")

    monkeypatch.setattr("notifications.models.InsightDispatchQuerySet.unfinished", away)
    found = numbers(scrape().content.decode())
    assert found["zenithedge_database_up"] == 0
    assert "zenithedge_notifications_sent_total" in found
    assert "zenithedge_dispatches_open" not in found
    assert len(list(Rows().collect())) == 1


@pytest.mark.parametrize(("code", "label"), [(1000, "1000"), (4401, "4401"), (3999, "other"), (None, "other")])
def test_a_client_cannot_make_series_by_its_close_codes(code: int | None, label: str) -> None:
    assert metrics.close_label(code) == label


def test_what_the_core_layer_drops_is_counted() -> None:
    dropped = metrics.HINTS_DROPPED.labels("over_capacity")._value
    before = dropped.get()
    log = logging.getLogger("channels_redis.core")
    log.info("%s of %s channels over capacity in group %s", 7, 9, "user_1_notifications")
    log.info("something else %s", 5)
    assert dropped.get() == before + 7


class TestSeveralProcesses:
    def environment(self, directory: Path) -> dict[str, str]:
        return os.environ | {
            "PROMETHEUS_MULTIPROC_DIR": str(directory),
            "DJANGO_SETTINGS_MODULE": "zenithedge.settings",
            "PYTHONPATH": str(site_settings.BASE_DIR),
        }

    def start(self, directory: Path) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-c", COUNTING_PROCESS],
            env=self.environment(directory), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert process.stdout is not None
        assert process.stdout.readline() == "counted\n"
        return process

    def end(self, process: subprocess.Popen[str], *, killed: bool = False) -> None:
        if killed:
            process.kill()
        process.communicate()

    def read(self, directory: Path) -> dict[str, float]:
        reader = subprocess.run(
            [sys.executable, "-c", READING_PROCESS],
            env=self.environment(directory), check=True, capture_output=True, text=True,
        )  # fmt: skip
        return numbers(reader.stdout)

    def test_add_up_and_a_killed_one_leaves_its_counts_but_no_open_sockets(self, tmp_path: Path) -> None:
        first, second = self.start(tmp_path), self.start(tmp_path)
        together = self.read(tmp_path)
        self.end(first, killed=True)
        afterwards = self.read(tmp_path)
        self.end(second)

        assert together["zenithedge_notifications_sent_total"] == afterwards["zenithedge_notifications_sent_total"] == 6
        assert (together["zenithedge_sockets_open"], afterwards["zenithedge_sockets_open"]) == (2, 1)

    def test_what_ended_ones_have_counted_is_kept_in_one_file_of_each_kind(self, tmp_path: Path) -> None:
        living = self.start(tmp_path)
        for _ in range(2):
            self.end(self.start(tmp_path), killed=True)
        both = [self.read(tmp_path) for _ in range(2)]
        numbers_of_files = {path.stem.rpartition("_")[2] for path in tmp_path.glob("*.db")}
        self.end(living)

        assert {"0", str(living.pid)} < numbers_of_files  # and that of the last reader
        assert len(numbers_of_files) == 3
        for found in both:
            assert found["zenithedge_notifications_sent_total"] == 9
            assert found["zenithedge_stage_seconds_count{received_acknowledged}"] == 6
            assert found["zenithedge_stage_seconds_sum{received_acknowledged}"] == pytest.approx(1.8)
            assert found["zenithedge_job_last_success_timestamp_seconds{reconcile}"] == 1000
            assert found["zenithedge_sockets_open"] == 1

    def test_begin_at_nought_when_all_of_them_have_ended_but_remember_when_jobs_were_done(self, tmp_path: Path) -> None:
        self.end(self.start(tmp_path), killed=True)
        found = self.read(tmp_path)
        assert found["zenithedge_notifications_sent_total"] == 0
        assert found["zenithedge_job_last_success_timestamp_seconds{reconcile}"] == 1000

    def test_a_file_that_is_torn_costs_its_own_numbers_only(self, tmp_path: Path) -> None:
        living = self.start(tmp_path)
        dead = self.start(tmp_path)
        self.end(dead, killed=True)
        (tmp_path / f"counter_{dead.pid}.db").write_bytes(b"\xff\xff\x00\x00torn")
        found = self.read(tmp_path)
        self.end(living)
        assert found["zenithedge_notifications_sent_total"] == 3

    @pytest.mark.parametrize("unusable", ["/proc/no/such", "/dev/null", "/dev/null/below"])
    def test_count_for_themselves_where_the_directory_is_unusable(self, unusable: str) -> None:
        self.end(self.start(Path(unusable)))
        assert self.read(Path(unusable))["zenithedge_notifications_sent_total"] == 0

    def test_survive_the_end_of_the_directory_and_a_fork(self, tmp_path: Path) -> None:
        code = f"""
import os, shutil
from notifications import metrics
shutil.rmtree({str(tmp_path / "gone")!r})
metrics.NOTIFICATIONS_SENT.inc()
child = os.fork()
if child == 0:
    metrics.NOTIFICATIONS_SENT.inc()
    metrics.NOTIFICATIONS_CREATED.labels("high").inc()
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
"""
        subprocess.run([sys.executable, "-c", code], env=self.environment(tmp_path / "gone"), check=True)
