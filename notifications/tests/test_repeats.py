"""Repeats of one symbol, side and strategy within ten minutes are one entry, whichever way they are written."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone

from notifications import lifecycle
from notifications.models import InsightNotification, NotificationPreference
from signals.models import Signal

MakeSignal = Callable[..., Signal]
Hints = list[tuple[int, dict[str, Any]]]

pytestmark = [pytest.mark.services, pytest.mark.django_db(transaction=True)]

OWNERS = pytest.mark.parametrize("owned", [True, False])


@pytest.fixture
def noon() -> dt.datetime:
    return timezone.now().replace(microsecond=0)


def groups(user: User) -> list[int | None]:
    """For each of the user's notifications, in order, the number of the first of its entry; None for a first one."""
    rows = list(InsightNotification.objects.filter(user=user).order_by("id"))
    numbers = {row.pk: number for number, row in enumerate(rows)}
    return [None if row.repeat_of is None else numbers[row.repeat_of] for row in rows]


@OWNERS
def test_repeats_join_the_entry_of_the_first_whose_window_begins_with_it(
    alice: User, make_insight: MakeSignal, hints: Hints, noon: dt.datetime, owned: bool
) -> None:
    for minutes in (0, 6, 9.9, 10, 12):
        make_insight(alice if owned else None, bar_time=noon + dt.timedelta(minutes=minutes))

    assert groups(alice) == [None, 0, 0, None, 3]
    first = InsightNotification.objects.earliest("id")
    assert [frame["notification"]["group"] for _, frame in hints][:3] == [None, first.pk, first.pk]
    assert hints[-1][1]["unread_count"] == 5, "the badge counts rows, as ever"


@OWNERS
def test_repeats_of_one_transaction_are_one_entry(
    alice: User, make_insight: MakeSignal, noon: dt.datetime, owned: bool
) -> None:
    with transaction.atomic():
        for _ in range(3):
            make_insight(alice if owned else None, received_at=noon)
        make_insight(alice if owned else None, received_at=noon, symbol="GBPUSD")

    assert groups(alice) == [None, 0, 0, None]


@OWNERS
@pytest.mark.parametrize(
    "changes", [{"symbol": "GBPUSD"}, {"strategy": "SMC"}, {"side": "sell", "sl": 2, "tp": 1, "price": None}]
)
def test_what_says_something_else_is_an_entry_of_its_own(
    alice: User, make_insight: MakeSignal, noon: dt.datetime, changes: dict[str, Any], owned: bool
) -> None:
    make_insight(alice if owned else None, bar_time=noon)
    make_insight(alice if owned else None, bar_time=noon, **changes)

    assert groups(alice) == [None, None]


def test_a_traders_own_alert_may_repeat_one_of_the_house_but_nobody_elses(
    alice: User, bob: User, make_insight: MakeSignal, noon: dt.datetime
) -> None:
    make_insight(bob, bar_time=noon)
    make_insight(None, bar_time=noon)
    make_insight(alice, bar_time=noon)

    assert (groups(alice), groups(bob)) == ([None, 0], [None, None])


@OWNERS
def test_held_ones_are_grouped_when_they_come_out(
    alice: User, make_insight: MakeSignal, noon: dt.datetime, owned: bool
) -> None:
    NotificationPreference.objects.filter(user=alice).update(
        quiet_hours_enabled=True, quiet_start_time=dt.time(0), quiet_end_time=dt.time(0)
    )
    for _ in range(2):
        make_insight(alice if owned else None, bar_time=noon)

    lifecycle.release_held(noon + dt.timedelta(days=1, minutes=1))

    assert groups(alice) == [None, 0]


@OWNERS
def test_a_rescored_repeat_stays_in_its_entry(
    alice: User, make_insight: MakeSignal, noon: dt.datetime, owned: bool
) -> None:
    first, second = (make_insight(alice if owned else None, bar_time=noon, truth_index=66) for _ in range(2))
    for insight in (first, second):
        insight.validation.truth_index = 90
        insight.validation.status = "approved"
        insight.validation.save()

    assert groups(alice) == [None, 0, 0, 0]
