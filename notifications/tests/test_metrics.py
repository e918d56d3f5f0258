"""What is counted on an insight's way, and when."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import transaction

from notifications import metrics, realtime, stream
from notifications.models import NotificationPreference
from signals.models import Signal

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.services]

MakeInsight = Callable[..., Signal]
Counted = Callable[[], dict[str, float]]


def numbers() -> dict[str, float]:
    """Every sample of the notifications' own counters, by name and label."""
    families = (
        *(metrics.NOTIFICATIONS_CREATED, metrics.NOTIFICATIONS_SENT, metrics.NOTIFICATIONS_ACKNOWLEDGED),
        *(metrics.INSIGHTS_SUPPRESSED, metrics.HINTS_DROPPED),
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
