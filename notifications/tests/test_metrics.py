"""What is counted on an insight's way, and when."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Callable
from decimal import Decimal
from io import StringIO
from typing import Any

import pytest
import time_machine
from django.contrib.auth.models import User
from django.core.management import call_command
from django.db import transaction
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from prometheus_client import CollectorRegistry

from notifications import metrics, realtime, stream
from notifications.models import InsightNotification, NotificationDeliveryLog, NotificationPreference
from notifications.reconcile import reconcile
from notifications.schedule import Job
from notifications.tests.tabs import knock, stream_path
from signals.metrics import WEBHOOK_ANSWERS
from signals.models import Signal, TradeValidation
from zenithedge import sign_in
from zenithedge.shared_values import WeighedHistogram

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.services]

MakeInsight = Callable[..., Signal]
Counted = Callable[[], dict[str, float]]


def numbers() -> dict[str, float]:
    """Every sample of the notifications' own counters, by name and label."""
    families = (
        *(metrics.NOTIFICATIONS_CREATED, metrics.NOTIFICATIONS_SENT, metrics.NOTIFICATIONS_ACKNOWLEDGED),
        *(metrics.NOTIFICATIONS_HELD, metrics.INSIGHTS_SUPPRESSED, metrics.HINTS_DROPPED),
    )
    return {
        " ".join(
            [sample.name.removeprefix("zenithedge_").removesuffix("_total"), *sample.labels.values()]
        ): sample.value
        for metric in families
        for family in metric.collect()
        for sample in family.samples
        if sample.name.endswith("_total")
    }


@pytest.fixture
def counted() -> Counted:
    """What has been added since the start of the test."""
    before = numbers()
    return lambda: {name: value - before.get(name, 0) for name, value in numbers().items() if value != before.get(name)}


def set_preferences(user: User, **fields: Any) -> None:
    NotificationPreference.objects.filter(user=user).update(**fields)


def test_a_notification_is_counted_when_made_when_hinted_and_when_acknowledged(
    alice: User, make_insight: MakeInsight, hints: list[Any], counted: Counted
) -> None:
    make_insight(alice)
    assert counted() == {"notifications_created high": 1, "notifications_sent": 1}
    assert stream.acknowledge(alice.pk, after=0, up_to=1, visible=True) == 1
    stream.acknowledge(alice.pk, after=0, up_to=1, visible=True)
    assert counted()["notifications_acknowledged"] == 1


def test_what_is_kept_back_is_counted_by_its_rule_and_what_is_held_as_made(
    alice: User, bob: User, ada: User, make_insight: MakeInsight, hints: list[Any], counted: Counted
) -> None:
    quiet = {"quiet_hours_enabled": True, "quiet_start_time": "00:00", "quiet_end_time": "00:00"}
    set_preferences(alice, min_confidence=Decimal(99))
    set_preferences(bob, **quiet)
    set_preferences(ada, **quiet, quiet_mode="skip", house_insights_for_staff=True)
    make_insight(None)
    assert counted() == {
        "notifications_created high": 1,
        "notifications_held": 1,
        "insights_suppressed below_min_confidence": 1,
        "insights_suppressed quiet_hours": 1,
    }


def test_a_rollback_counts_nothing(alice: User, make_insight: MakeInsight, hints: list[Any], counted: Counted) -> None:
    with transaction.atomic():
        make_insight(alice)
        transaction.set_rollback(True)
    assert counted() == {}


def test_hints_that_the_layer_did_not_take_are_counted_by_cause(
    alice: User, make_insight: MakeInsight, monkeypatch: pytest.MonkeyPatch, counted: Counted
) -> None:
    def away(messages: list[Any]) -> None:
        raise ConnectionError("on purpose")

    monkeypatch.setattr(realtime, "_run", away)
    make_insight(alice)
    make_insight(alice)
    dropped = counted()
    assert (dropped["hints_dropped layer_failed"], dropped["hints_dropped breaker"]) == (1, 1)
    assert "notifications_sent" not in dropped


# --- How long it took -----------------------------------------------------------------------------------------------


Took = Callable[[], dict[str, tuple[float, float]]]


@pytest.fixture
def took() -> Took:
    """By stage, how many notifications took how many seconds together since the start of the test."""

    def so_far() -> dict[str, tuple[float, float]]:
        [family] = metrics.STAGES.collect()
        found: dict[str, dict[str, float]] = defaultdict(dict)
        for sample in family.samples:
            if sample.name.endswith(("_count", "_sum")):
                found[sample.labels["stage"]][sample.name.rpartition("_")[2]] = sample.value
        return {stage: (values["count"], values["sum"]) for stage, values in found.items()}

    before = so_far()
    return lambda: {
        stage: (count - before[stage][0], round(seconds - before[stage][1], 3))
        for stage, (count, seconds) in so_far().items()
        if count != before[stage][0]
    }


def test_each_stage_of_a_notifications_way_is_timed(
    alice: User, make_insight: MakeInsight, hints: list[Any], took: Took
) -> None:
    now = timezone.now()
    make_insight(alice, received_at=now - dt.timedelta(seconds=2))
    assert took()["received_committed"] == pytest.approx((1, 2), abs=0.9)
    assert took()["committed_sent"] == pytest.approx((1, 0), abs=0.9)
    NotificationDeliveryLog.objects.update(attempted_at=timezone.now() - dt.timedelta(seconds=1))
    stream.acknowledge(alice.pk, after=0, up_to=1, visible=True)
    stream.acknowledge(alice.pk, after=0, up_to=1, visible=True)
    assert took()["sent_acknowledged"] == pytest.approx((1, 1), abs=0.9)
    assert took()["received_acknowledged"] == pytest.approx((1, 2), abs=0.9)


def test_each_notification_of_a_house_insight_counts(
    alice: User, bob: User, make_insight: MakeInsight, hints: list[Any], took: Took
) -> None:
    make_insight(None)
    assert (took()["received_committed"][0], took()["committed_sent"][0]) == (2, 2)


def test_the_way_of_what_waited_for_its_user_is_not_timed(
    alice: User, make_insight: MakeInsight, hints: list[Any], took: Took, counted: Counted
) -> None:
    make_insight(alice)
    NotificationDeliveryLog.objects.update(attempted_at=timezone.now() - dt.timedelta(minutes=2))
    stream.acknowledge(alice.pk, after=0, up_to=1, visible=True)
    assert counted()["notifications_acknowledged"] == 1
    assert {"sent_acknowledged", "received_acknowledged"}.isdisjoint(took())


def test_the_way_of_what_was_read_in_a_list_is_not_timed(
    alice: User, make_insight: MakeInsight, hints: list[Any], took: Took, counted: Counted
) -> None:
    make_insight(alice)
    stream.mark_all_read(alice.pk)
    stream.acknowledge(alice.pk, after=1, up_to=2, visible=True)
    assert counted()["notifications_acknowledged"] == 1
    assert {"sent_acknowledged", "received_acknowledged"}.isdisjoint(took())


def test_the_way_of_a_later_revision_is_not_timed_from_the_alert(
    alice: User, make_insight: MakeInsight, hints: list[Any], took: Took
) -> None:
    signal = make_insight(alice, received_at=timezone.now() - dt.timedelta(hours=1))
    stream.acknowledge(alice.pk, after=0, up_to=1, visible=True)
    before = took()
    signal.validation.truth_index = Decimal(90)
    signal.validation.save()
    stream.acknowledge(alice.pk, after=1, up_to=9, visible=True)
    assert InsightNotification.objects.filter(revision=2, delivered=True).exists()
    assert {name: took()[name] for name in ("received_committed", "received_acknowledged")} == {
        name: before[name] for name in ("received_committed", "received_acknowledged")
    }


def test_many_equal_observations_are_as_many_single_ones() -> None:
    single, many = (WeighedHistogram("x", "y", buckets=(0.1, 1.0), registry=CollectorRegistry()) for _ in range(2))
    for amount, count in ((0.05, 3), (0.1, 1), (0.5, 2), (7.0, 4)):
        many.observe_many(amount, count)
        for _ in range(count):
            single.observe(amount)
    [one], [other] = single.collect(), many.collect()
    assert [(s.name, s.labels) for s in one.samples] == [(s.name, s.labels) for s in other.samples]
    values = ([sample.value for sample in of.samples if not sample.name.endswith("_created")] for of in (one, other))
    assert next(values) == pytest.approx(next(values))


# --- Jobs, refusals, the sweep --------------------------------------------------------------------------------------


def value(metric: Any, suffix: str = "_total", **labels: str) -> float:
    name = f"{metric._name}{suffix}"
    samples = [sample for family in metric.collect() for sample in family.samples if sample.name == name]
    return float(sum(sample.value for sample in samples if labels.items() <= sample.labels.items()))


def test_a_job_counts_as_done_when_it_does_not_raise(monkeypatch: pytest.MonkeyPatch) -> None:
    done = {"task": "of this test"}
    with time_machine.travel(1000.0, tick=False):
        Job("of this test", 10, 0, lambda: 7).run()
    with time_machine.travel(2000.0, tick=False), pytest.raises(ZeroDivisionError):
        Job("of this test", 10, 0, lambda: 1 / 0).run()
    assert value(metrics.JOB_LAST_SUCCESS, "", **done) == 1000
    assert value(metrics.JOB_SECONDS, "_count", **done) == 2


def test_a_command_counts_as_the_job_that_it_is() -> None:
    """For where cron or timers run the schedule. One that only says what it would do has done nothing."""
    job = {"task": "clean up"}
    with time_machine.travel(3000.0, tick=False):
        call_command("cleanup_notifications", "--dry-run", stdout=StringIO())
    assert value(metrics.JOB_LAST_SUCCESS, "", **job) != 3000
    with time_machine.travel(3000.0, tick=False):
        call_command("cleanup_notifications", stdout=StringIO())
    assert value(metrics.JOB_LAST_SUCCESS, "", **job) == 3000


def test_what_the_sweep_finds_is_counted(alice: User, make_signal: MakeInsight, hints: list[Any]) -> None:
    before = [value(metrics.RECONCILED, found=found) for found in ("opened", "run", "failed")]
    TradeValidation.objects.bulk_create([TradeValidation(signal=make_signal(alice), truth_index=90, status="approved")])
    reconcile()
    after = [value(metrics.RECONCILED, found=found) for found in ("opened", "run", "failed")]
    assert [late - early for late, early in zip(after, before, strict=True)] == [1, 1, 0]


def test_a_refused_sign_in_is_counted(client: Client, alice: User) -> None:
    before = value(sign_in.SIGN_INS_REFUSED)
    client.post(reverse("login"), {"username": "alice", "password": "wrong"})
    assert value(sign_in.SIGN_INS_REFUSED) - before == 1


def test_the_webhooks_answers_are_timed_whatever_they_are(client: Client) -> None:
    before = value(WEBHOOK_ANSWERS, "_count")
    client.post("/signals/webhook/unknown/")
    client.get("/signals/webhook/unknown/")
    assert value(WEBHOOK_ANSWERS, "_count") - before == 2


async def test_a_refused_handshake_is_counted_by_its_reason(alice: User) -> None:
    before = value(metrics.SOCKETS_REFUSED, reason="not signed in")
    accepted, _ = await knock(stream_path(alice), cookie=None).connect()
    assert not accepted
    assert value(metrics.SOCKETS_REFUSED, reason="not signed in") - before == 1
