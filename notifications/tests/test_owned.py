"""Insights of single owners that one transaction committed: dispatched together, and as each alone would be."""

import datetime as dt
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import OperationalError, connection, transaction

from notifications import brake, dispatching, owned, realtime, stream, worker
from notifications.manager import NotificationManager
from notifications.models import (
    DispatchState,
    Inbox,
    InsightDispatch,
    InsightNotification,
    Mute,
    NotificationDeliveryLog,
    NotificationPreference,
    QuietWindow,
    SuppressedInsight,
)
from notifications.preferences import QuietMode
from notifications.tests.test_dispatching import in_threads
from signals.models import Signal

MakeInsight = Callable[..., Signal]
Hints = list[tuple[int, dict[str, Any]]]

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def unrun(make_insight: MakeInsight, monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """Make an insight whose dispatch nobody runs; the id of the dispatch."""

    def make(owner: User, **fields: Any) -> int:
        with monkeypatch.context() as asleep:
            asleep.setattr(worker, "wake", lambda *dispatch_ids: None)
            return make_insight(owner, **fields).dispatches.get().pk

    return make


def test_each_owner_is_told_once_and_in_order(alice: User, bob: User, make_insight: MakeInsight, hints: Hints) -> None:
    with transaction.atomic():
        for symbol, owner in (("AUDUSD", alice), ("EURUSD", bob), ("GBPUSD", alice)):
            make_insight(owner, symbol=symbol)

    told = [(user_id, frame["notification"]["symbol"], frame["seq"], frame["unread_count"]) for user_id, frame in hints]
    assert told == [(alice.pk, "AUDUSD", 1, 1), (bob.pk, "EURUSD", 1, 1), (alice.pk, "GBPUSD", 2, 2)]
    assert stream.last_seqs([alice.pk, bob.pk]) == {alice.pk: 2, bob.pk: 1}
    assert set(InsightDispatch.objects.values_list("state", flat=True)) == {DispatchState.DONE}
    assert set(NotificationDeliveryLog.objects.values_list("state", "attempts")) == {("sent", 1)}


@pytest.mark.services
@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite takes them one by one")
def test_all_of_a_commit_are_one_publish(
    alice: User, bob: User, make_insight: MakeInsight, monkeypatch: pytest.MonkeyPatch
) -> None:
    published: list[int] = []
    monkeypatch.setattr(realtime, "_run", lambda messages: published.append(len(messages)))

    with transaction.atomic():
        for owner in (alice, bob, alice):
            make_insight(owner)

    assert published == [3]


def test_one_that_fails_keeps_none_of_the_others(
    alice: User, bob: User, make_insight: MakeInsight, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from notifications import announcing

    calculate = announcing.calculate_priority

    def fail_for_poison(signal: Signal) -> Any:
        if signal.strategy == "Poison":
            raise ValueError("poisoned")
        return calculate(signal)

    monkeypatch.setattr(announcing, "calculate_priority", fail_for_poison)
    with transaction.atomic():
        make_insight(alice, strategy="Poison")
        make_insight(bob)

    assert InsightNotification.objects.get().user == bob
    assert InsightDispatch.objects.unfinished().get().signal.user == alice
    assert "poisoned" in caplog.text


def test_a_savepoint_that_is_rolled_back_takes_only_its_own_with_it(
    alice: User, bob: User, make_insight: MakeInsight
) -> None:
    with transaction.atomic():
        for owner, keep in ((alice, False), (bob, True)):
            with transaction.atomic():
                make_insight(owner)
                transaction.set_rollback(not keep)

    assert InsightNotification.objects.get().user == bob


def test_what_a_transaction_rolled_back_does_not_come_with_the_next_commit(
    alice: User, bob: User, make_insight: MakeInsight
) -> None:
    with transaction.atomic():
        make_insight(alice)
        transaction.set_rollback(True)

    make_insight(bob)

    assert InsightNotification.objects.get().user == bob


def test_more_than_one_run_holds_are_all_dispatched(
    alice: User, make_insight: MakeInsight, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "MOST_TOGETHER", 2)

    with transaction.atomic():
        for _ in range(5):
            make_insight(alice)

    assert set(InsightNotification.objects.values_list("seq", flat=True)) == {1, 2, 3, 4, 5}


def test_twice_changes_nothing(alice: User, unrun: Callable[..., int], hints: Hints) -> None:
    dispatch_id = unrun(alice)

    for _ in range(2):
        dispatching.run_together([dispatch_id], budget_s=1)

    assert len(hints) == 1
    assert Inbox.objects.get(user=alice).last_seq == 1


@pytest.mark.services
def test_from_two_threads_and_the_sweep_at_once_tells_each_once_and_leaves_no_hole(
    alice: User, bob: User, unrun: Callable[..., int]
) -> None:
    ids = [unrun(owner) for owner in (alice, bob, alice, bob)]

    in_threads(
        lambda: dispatching.run_together(ids, budget_s=1),
        lambda: dispatching.run_together(ids[::-1], budget_s=1),
        NotificationManager.reconcile,
    )

    assert InsightNotification.objects.count() == 4
    assert set(Inbox.objects.values_list("last_seq", flat=True)) == {2}
    assert not InsightDispatch.objects.unfinished().exists()


@pytest.mark.services
@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite locks the whole database")
def test_the_inbox_is_locked_from_its_reading_on(
    alice: User, unrun: Callable[..., int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or what is marked read at that moment would take the same position."""
    decide = owned._decide
    refused: list[OperationalError] = []

    def take_it() -> None:
        with transaction.atomic():
            try:
                Inbox.objects.select_for_update(nowait=True).get(user=alice)
            except OperationalError as error:
                refused.append(error)
                transaction.set_rollback(True)

    def decide_while_somebody_tries(*values: Any) -> Any:
        in_threads(take_it)
        return decide(*values)

    monkeypatch.setattr(owned, "_decide", decide_while_somebody_tries)

    assert owned.run([unrun(alice)]) == []

    assert len(refused) == 1


QUIET = {"quiet_hours_enabled": True, "quiet_start_time": dt.time(0), "quiet_end_time": dt.time(0)}


@pytest.mark.services
@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite takes them one by one")
@pytest.mark.parametrize(
    "wanted",
    [
        {},
        QUIET,
        QUIET | {"quiet_mode": QuietMode.SKIP},
        {"web_enabled": False},
        {"symbols_filter": ["XAUUSD"]},
        {"symbols_filter": ["EURUSD"], "strategies_filter": ["SMC", "ZenithEdge"], "min_confidence": 70},
        {"symbols_filter": [["EURUSD"]]},  # no list of names: the defaults decide
        {"min_confidence": 95},
        {"mutes": [{"kind": "symbol", "name": "EURUSD"}]},
        {"mutes": [{"kind": "strategy", "name": "EURUSD"}, {"kind": "symbol", "name": "XAUUSD"}]},
        {"mutes": [{"kind": "symbol", "name": "EURUSD", "until": dt.datetime(2026, 1, 1, tzinfo=dt.UTC)}]},
        {"mutes": [{"kind": "symbol", "name": "EURUSD", "until": dt.datetime(2150, 1, 1, tzinfo=dt.UTC)}]},
        QUIET | {"quiet_weekdays": [], "windows": [{"start": dt.time(0), "end": dt.time(0)}]},
        {"windows": [{"start": dt.time(0), "end": dt.time(0)}]},  # quiet hours are off
        *({"brake": True} | each for each in ({}, QUIET, {"web_enabled": False, "push_enabled": True})),
        {"brake": True, "min_confidence": 95},
    ],
)
def test_together_is_as_each_alone(
    alice: User, bob: User, unrun: Callable[..., int], hints: Hints, wanted: dict[str, Any]
) -> None:
    windows, mutes = wanted.get("windows", []), wanted.get("mutes", [])
    for preference in NotificationPreference.objects.filter(user__in=[alice, bob]):
        fields = {name: value for name, value in wanted.items() if name not in ("windows", "mutes", "brake")}
        NotificationPreference.objects.filter(pk=preference.pk).update(**{"web_enabled": True} | fields)
        for window in windows:
            QuietWindow.objects.create(preference=preference, **window)
        for mute in mutes:
            Mute.objects.create(user=preference.user, **mute)

    if "brake" in wanted:
        brake.engage("A source went mad", by=None, name="ada")

    assert owned.run([unrun(alice, news_headline="Rates unchanged")]) == []
    dispatching.run(unrun(bob, news_headline="Rates unchanged"))

    assert left_behind(alice, hints) == left_behind(bob, hints)


def left_behind(user: User, hints: Hints) -> list[Any]:
    """Everything that a dispatch left for its owner, without ids and times."""
    frames = [frame for user_id, frame in hints if user_id == user.pk]
    for frame in frames:
        for name in ("id", "signal_id", "url", "created_at", "expires_at"):
            del frame["notification"][name]
    rows = InsightNotification.objects.filter(user=user)
    return [
        frames,
        list(rows.values_list("revision", "title", "snippet", "confidence", "priority", "news_headline", "reason")),
        list(rows.values_list("min_confidence", "chosen")),
        [(row.seq, row.held_until, row.expires_at - row.signal.received_at) for row in rows],
        list(
            NotificationDeliveryLog.objects.filter(notification__user=user).values_list("state", "attempts", "target")
        ),
        list(SuppressedInsight.objects.filter(user=user).values_list("revision", "channel", "reason")),
        list(InsightDispatch.objects.filter(signal__user=user).values_list("state", "cursor", "counts", "last_error")),
        Inbox.objects.get(user=user).last_seq,
    ]


@pytest.mark.services
@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite takes them one by one")
def test_what_is_not_plain_is_left_to_be_run_alone(
    alice: User, bob: User, ada: User, make_insight: MakeInsight, unrun: Callable[..., int]
) -> None:
    without_inbox, without_preferences = unrun(alice), unrun(bob)
    Inbox.objects.filter(user=alice).delete()
    NotificationPreference.objects.filter(user=bob).delete()
    told = unrun(ada)
    NotificationManager.push(InsightDispatch.objects.get(pk=told).signal, ada)

    ids = [without_inbox, without_preferences, told]
    assert owned.run(ids) == ids
    dispatching.run_together(ids, budget_s=1)

    assert InsightNotification.objects.count() == 3
    assert set(Inbox.objects.values_list("last_seq", flat=True)) == {1}


def test_an_owner_who_was_deactivated_meanwhile_gets_nothing(alice: User, unrun: Callable[..., int]) -> None:
    dispatch_id = unrun(alice)
    User.objects.update(is_active=False)

    dispatching.run_together([dispatch_id], budget_s=1)

    assert InsightNotification.objects.count() == 0
    assert InsightDispatch.objects.get().state == DispatchState.DONE


@pytest.mark.services
@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite has no such setting")
def test_no_more_than_the_record_of_what_was_sent_goes_without_waiting_for_the_disk(
    alice: User, make_insight: MakeInsight
) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET synchronous_commit = 'local'")
        make_insight(alice)
        cursor.execute("SHOW synchronous_commit")
        [afterwards] = cursor.fetchone()
        cursor.execute("RESET synchronous_commit")

    assert NotificationDeliveryLog.objects.get().state == "sent"
    assert afterwards == "local"
