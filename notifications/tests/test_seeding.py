"""A filled database keeps every rule that the code relies on, and can be emptied of it again."""

from __future__ import annotations

import datetime as dt
from collections import Counter, defaultdict
from typing import Any

import pytest
import time_machine
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.db import connection
from django.db.models import Count, F, Q

from notifications import lifecycle, stream
from notifications.models import (
    DeliveryState,
    Inbox,
    InsightDispatch,
    InsightNotification,
    NotificationDeliveryLog,
    NotificationPreference,
    PreferenceVersion,
    SuppressedInsight,
)
from notifications.preferences import Channel
from notifications.reconcile import Reconciled, reconcile
from notifications.seeding import filling, planning, removing
from notifications.tests.rows import stored_rows
from zenithedge.commands import Exit

USERS, NOTIFICATIONS = 30, 900
NOW = dt.datetime(2026, 11, 19, 23, 30, tzinfo=dt.UTC)  # a Thursday; in Europe it is quiet

pytestmark = [pytest.mark.services, pytest.mark.django_db]


def fill(*, seed: int = 1, **plan: Any) -> planning.Plan:
    with time_machine.travel(NOW, tick=False):
        made = planning.plan(**{"users": USERS, "notifications": NOTIFICATIONS, "days": 6, "seed": seed} | plan)
        filling.fill(made, lambda what, rows: None)
    return made


def test_a_filled_database_keeps_what_the_code_relies_on(hints: list[object]) -> None:
    fill()
    rows = InsightNotification.objects.all()

    assert rows.count() == NOTIFICATIONS
    assert User.objects.count() == Inbox.objects.count() == NotificationPreference.objects.count() == USERS
    connection.check_constraints()  # the keys, which are looked at when a transaction ends
    for inbox in Inbox.objects.all():
        of_user = rows.filter(user_id=inbox.user_id)
        positions = Counter(of_user.on_web_stream().values_list("seq", flat=True))
        assert max(map(int, filter(None, positions)), default=0) == inbox.last_seq, (
            "the last change is that of some row"
        )
        for position, together in positions.items():
            if together > 1:  # one brief told of them all
                assert of_user.filter(seq=position).values("released_at").distinct().count() == 1
    assert not rows.filter(superseded_by__isnull=False, superseded_by__revision__lte=F("revision")).exists()
    assert not rows.filter(superseded_by__isnull=False).exclude(superseded_by__signal=F("signal")).exists()

    _expect_every_state(rows)
    _expect_counts_of_dispatches()
    _expect_versions_of_preferences()
    with time_machine.travel(NOW, tick=False):
        assert lifecycle.expire_old() == lifecycle.release_held() == 0, "nothing is overdue"
        assert reconcile() == Reconciled(), "nothing is left open"
    assert hints == []


def _expect_every_state(rows: Any) -> None:
    for state in (
        Q(read=True),
        Q(held_until__isnull=False),
        Q(expired_at__isnull=False),
        Q(released_at__isnull=False),
        Q(superseded_by__isnull=False),
        Q(repeat_of__isnull=False),
        Q(delivered=False),
    ):
        assert rows.filter(state).exists(), state
    assert sum(stream.unread_counts(User.objects.values_list("pk", flat=True)).values()) == rows.unread().count() > 0
    assert set(rows.values_list("priority", flat=True)) == {"high", "medium", "low"}
    logs = NotificationDeliveryLog.objects.all()
    assert set(logs.values_list("channel", flat=True)) >= {Channel.WEBSOCKET, Channel.PUSH}
    assert logs.filter(state=DeliveryState.FAILED).exclude(error_message="").exists()
    assert not rows.filter(delivered=True).exclude(delivery_logs__state=DeliveryState.ACKNOWLEDGED).exists()
    assert SuppressedInsight.objects.exists()


def _expect_counts_of_dispatches() -> None:
    of_revision = InsightNotification.objects.values_list("signal", "revision").annotate(rows=Count("*")).order_by()
    stored = {(signal, revision): number for signal, revision, number in of_revision}
    for dispatch in InsightDispatch.objects.all():
        verdicts = dispatch.counts["verdicts"]
        told = verdicts.get("send", 0) + verdicts.get("hold", 0)
        assert stored.get((dispatch.signal_id, dispatch.revision), 0) == told
        assert sum(dispatch.counts["reasons"].values()) == sum(verdicts.values())


def _expect_versions_of_preferences() -> None:
    latest: defaultdict[int, Any] = defaultdict(dict)
    latest.update(PreferenceVersion.objects.order_by("valid_from").values_list("user_id", "snapshot"))
    for preference in NotificationPreference.objects.all():
        assert preference.rules().as_json() == latest[preference.user_id]


def test_the_same_seed_makes_the_same_data_and_another_one_other_data() -> None:
    def made(seed: int) -> list[Any]:
        fill(seed=seed, users=6, notifications=40)
        rows = InsightNotification.objects.order_by("user__username", "created_at", "pk")
        data = list(rows.values_list("user__username", "title", "snippet", "seq", "created_at", "read_at"))
        removing.remove(lambda what, rows: None)
        return data

    first = made(1)
    assert len(first) == 40
    assert made(1) == first
    assert made(2) != first


def test_what_was_made_is_removed_and_nothing_else(alice: User, make_insight: Any) -> None:
    make_insight(alice)
    make_insight(None)  # of the house, as most of what is made
    before = stored_rows()
    fill(users=6, notifications=60)

    call_command("seed_notifications", "--remove")

    assert stored_rows() == before


@pytest.mark.parametrize(
    "like",
    [
        {"username": "seeded-by-hand", "email": "ada@example.org"},
        {"username": "ada-too", "email": "seeded-ada@seeded.invalid"},
        {"username": "seeded-00001", "email": "seeded-00001@seeded.invalid", "is_staff": True},
    ],
)
def test_an_account_that_only_looks_alike_is_not_removed(like: dict[str, Any]) -> None:
    User.objects.create_user(**like)

    call_command("seed_notifications", "--remove")

    assert User.objects.get().username == like["username"]


def test_stopped_halfway_it_leaves_nothing_that_cannot_be_removed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(filling, "PEOPLE_AT_ONCE", 2)
    before = stored_rows()
    made = planning.plan(users=6, notifications=60, days=5, seed=1)
    done: Counter[str] = Counter()

    def report(what: str, rows: int) -> None:
        done[what] += rows

    assert not filling.fill(made, report, should_stop=lambda: done["notifications"] > 0)

    assert 0 < InsightNotification.objects.count() == done["notifications"] < made.notifications
    assert removing.remove(report)
    assert stored_rows() == before


def test_a_database_in_use_is_left_alone(alice: User) -> None:
    before = stored_rows()
    with pytest.raises(CommandError, match="1 accounts") as refused:
        call_command("seed_notifications", "--users", "5", "--notifications", "10")

    assert refused.value.returncode == Exit.MISUSED
    assert stored_rows() == before

    call_command("seed_notifications", "--users", "5", "--notifications", "10", "--yes-into-this-database")
    assert InsightNotification.objects.count() == 10
    with pytest.raises(CommandError, match="filled already"):
        call_command("seed_notifications", "--yes-into-this-database")
