"""Repeats of one symbol, side and strategy within ten minutes are one entry, whichever way they are written."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import transaction
from django.test import Client
from django.utils import timezone

from notifications import lifecycle, listing, stream
from notifications.models import InsightNotification, NotificationPreference
from notifications.tests.rows import store_notification
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


# --- As people see them ---------------------------------------------------------------------------------------------


def entries_of(user: User, **wanted: Any) -> list[tuple[int, int]]:
    """The id and the count of each entry of the list, from the top."""
    rows = listing.read(user.pk, listing.Wanted(as_entries=True, **wanted)).notifications
    return [(row.pk, row.times) for row in rows]  # type: ignore[attr-defined]  # the query adds it


@pytest.fixture
def repeats(alice: User, make_signal: MakeSignal) -> Callable[..., list[int]]:
    """Store an entry of rows with these fields each; their ids."""

    def store(*rows: dict[str, Any]) -> list[int]:
        ids: list[int] = []
        for fields in rows:
            joins = {"repeat_of": ids[0] if ids else None}
            ids.append(store_notification(alice, make_signal(alice), **(joins | fields)).pk)
        return ids

    return store


@pytest.mark.parametrize(
    ("rows", "shown"),
    [
        ([{}, {}, {}], 2),
        ([{"priority": "high"}, {"priority": "low"}, {"priority": "medium"}], 0),
        ([{"priority": "high", "read": True}, {"priority": "low"}], 1),
        ([{"priority": "high", "expired_at": timezone.now()}, {"priority": "low"}], 1),
        ([{"read": True}, {"read": True, "priority": "high"}, {"read": True}], 1),
    ],
)
def test_an_entry_is_shown_as_what_matters_most_of_it(
    alice: User, repeats: Callable[..., list[int]], rows: list[dict[str, Any]], shown: int
) -> None:
    ids = repeats(*rows)
    [alone] = repeats({})

    assert entries_of(alice) == [(alone, 1), (ids[shown], len(ids))]


def test_a_narrowed_list_shows_an_entry_as_what_of_it_matches(alice: User, repeats: Callable[..., list[int]]) -> None:
    high, low = repeats({"priority": "high", "read": True}, {"priority": "low", "read": True})

    assert entries_of(alice, priority="low") == [(low, 2)]
    assert entries_of(alice) == [(high, 2)]
    assert [row.pk for row in listing.read(alice.pk, listing.Wanted(entry=high)).notifications] == [low, high]


def test_a_replaced_revision_is_no_entry_and_not_counted(
    alice: User, make_insight: MakeSignal, noon: dt.datetime
) -> None:
    insight = make_insight(alice, bar_time=noon, truth_index=66)
    insight.validation.truth_index = 90
    insight.validation.save()

    latest = InsightNotification.objects.latest("id")
    assert entries_of(alice) == [(latest.pk, 1)]
    assert [row.pk for rows in listing.latest(alice.pk).values() for row in rows] == [latest.pk]
    assert len(listing.read(alice.pk, listing.Wanted()).notifications) == 2, "the API gives every row, as ever"


def test_the_bell_shows_an_entry_once(alice: User, repeats: Callable[..., list[int]]) -> None:
    first, second = repeats({"read": True, "priority": "high"}, {})

    bell = listing.latest(alice.pk)
    assert ([row.pk for row in bell["unread"]], bell["earlier"]) == ([second], [])
    assert first


@pytest.mark.parametrize("by", ["page", "api", "many"])
def test_marking_an_entry_read_marks_its_rows_in_one_change(
    alice: User, client: Client, repeats: Callable[..., list[int]], hints: Hints, by: str
) -> None:
    ids = repeats({}, {}, {})
    [other] = repeats({})
    client.force_login(alice)
    hints.clear()

    if by == "page":
        client.post(f"/notifications/{ids[2]}/read/")
    elif by == "api":
        client.post(f"/notifications/api/mark-read/{ids[2]}/", {"entry": True}, content_type="application/json")
    else:
        client.post("/notifications/api/mark-read/", {"ids": ids[:1]}, content_type="application/json")

    [(_, frame)] = [hint for hint in hints if hint[1]["type"] == "notification_read"]
    assert (frame["ids"], frame["unread_count"]) == (ids, 1)
    assert InsightNotification.objects.filter(read=False).get().pk == other


def test_a_client_that_marks_one_row_marks_one_row(
    alice: User, client: Client, repeats: Callable[..., list[int]]
) -> None:
    ids = repeats({}, {})
    client.force_login(alice)

    assert client.post(f"/notifications/api/mark-read/{ids[0]}/").json()["unread_count"] == 1
    answer = client.post(f"/notifications/api/mark-read/{ids[0]}/", {"entry": 1}, content_type="application/json")
    assert (answer.status_code, list(answer.json()["error"]["fields"])) == (400, ["entry"])


def test_nobody_marks_anothers_entry(alice: User, bob: User, repeats: Callable[..., list[int]]) -> None:
    first, _ = repeats({}, {})

    assert stream.mark_read(bob.pk, first, whole_entry=True) is None
    assert stream.mark_many_read(bob.pk, [first], whole_entries=True).count == 0
    assert stream.unread_count(alice.pk) == 2
