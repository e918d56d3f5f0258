"""What becomes of an insight reaches everybody who holds it, live, each once; on every database in the same way."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection, transaction
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from notifications import changes, dispatching, lifecycle, realtime, stamping, stream, worker
from notifications.frame_templates import FrameText
from notifications.models import ChangeKind, Inbox, InsightChange, InsightDispatch, InsightNotification
from notifications.tests.rows import store_notification
from signals import outcomes, reversals
from signals.models import Outcome, Signal

MakeSignal = Callable[..., Signal]
Hints = list[tuple[int, dict[str, Any]]]

pytestmark = [pytest.mark.services, pytest.mark.django_db(transaction=True)]

SELL = {"side": "sell", "price": Decimal("1.0850"), "sl": Decimal("1.0900"), "tp": Decimal("1.0750")}


@pytest.fixture
def traders(db: None) -> list[User]:
    return [User.objects.create_user(f"trader{number}") for number in range(7)]


@pytest.fixture
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stamping, "CHUNK_USERS", 3)


def updates(hints: Hints) -> list[tuple[int, int, dict[str, Any]]]:
    return [
        (user_id, frame["seq"], frame["notification"])
        for user_id, frame in hints
        if frame["type"] == "notification_updated"
    ]


class TestEveryHolder:
    def test_sees_a_reversal_live_and_once(
        self, traders: list[User], make_insight: MakeSignal, hints: Hints, small_chunks: None
    ) -> None:
        older = make_insight()
        newer = make_insight(**SELL)
        hints.clear()

        reversals.reverse(newer)
        reversals.reverse(newer)
        changes.finish_open()

        told = updates(hints)
        assert [user_id for user_id, _, _ in told] == [user.pk for user in traders]
        assert {seq for _, seq, _ in told} == {3}
        assert {notification["reversed_by"] for *_, notification in told} == {newer.pk}
        assert {notification["signal_id"] for *_, notification in told} == {older.pk}
        assert set(Inbox.objects.values_list("last_seq", flat=True)) == {3}

    def test_sees_a_win_live_and_once(
        self, traders: list[User], make_insight: MakeSignal, make_signal: MakeSignal, hints: Hints, small_chunks: None
    ) -> None:
        make_insight(symbol="XAUUSD", received_at=timezone.now() - dt.timedelta(minutes=1))
        hints.clear()

        newer = make_signal(symbol="XAUUSD", price=Decimal("1.1"), tp=Decimal("1.2"))
        outcomes.settle(newer)
        outcomes.settle(newer)

        assert [(user_id, seq) for user_id, seq, _ in updates(hints)] == [(user.pk, 2) for user in traders]
        assert {notification["outcome"] for *_, notification in updates(hints)} == {Outcome.WIN}

    def test_of_an_owned_insight_is_told_of_several_in_one_transaction(
        self, alice: User, make_insight: MakeSignal, hints: Hints
    ) -> None:
        older = [make_insight(alice) for _ in range(2)]
        newer = make_insight(alice, **SELL)
        hints.clear()

        reversals.reverse(newer)

        assert [(seq, row["signal_id"]) for _, seq, row in updates(hints)] == [(4, older[0].pk), (5, older[1].pk)]
        assert InsightChange.objects.count() == 1

    def test_gets_it_with_a_sync_when_the_hint_is_lost(
        self, alice: User, make_insight: MakeSignal, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        make_insight(alice)
        newer = make_insight(alice, **SELL)
        present = stream.position(alice.pk)
        monkeypatch.setattr(realtime, "publish", lambda events: False)

        reversals.reverse(newer)

        answer = stream.catch_up(alice.pk, since=present.last_seq, epoch=present.epoch)
        assert [row["reversed_by"] for row in answer.notifications] == [newer.pk]
        assert answer.unread_count == 2, "a reversed insight stays unread, marked"

    def test_who_has_it_held_hears_of_it_with_the_release(
        self, alice: User, make_signal: MakeSignal, hints: Hints
    ) -> None:
        older, newer = make_signal(alice), make_signal(alice, **SELL)
        held = store_notification(alice, older, seq=None, held_until=timezone.now())

        reversals.reverse(newer)
        assert hints == []

        lifecycle.release_held()
        held.refresh_from_db()
        [(_, brief)] = hints
        assert (brief["type"], brief["reversed"], held.seq) == ("brief", 1, 1)


class TestTheRecord:
    def test_is_written_with_the_change_or_not_at_all(self, alice: User, make_insight: MakeSignal) -> None:
        make_insight(alice)
        newer = make_insight(alice, **SELL)

        with transaction.atomic():
            reversals.reverse(newer)
            assert InsightChange.objects.get().finished_at is None, (
                "nobody's inbox is locked in a stranger's transaction"
            )
            transaction.set_rollback(True)

        assert not InsightChange.objects.exists()

    def test_that_fails_costs_the_market_nothing(
        self, alice: User, make_insight: MakeSignal, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        older, newer = make_insight(alice), make_insight(alice, **SELL)

        def poison(*args: Any, **kwargs: Any) -> list[int]:
            with connection.cursor() as cursor:
                cursor.execute("SELECT 1 FROM nowhere")
            return []

        monkeypatch.setattr(changes, "record", poison)

        assert reversals.reverse(newer) == 1
        older.refresh_from_db()
        assert older.reversed_by == newer
        assert "could not be recorded" in caplog.text

    def test_is_resumed_where_a_killed_process_left_it(
        self, traders: list[User], make_insight: MakeSignal, hints: Hints, small_chunks: None
    ) -> None:
        insight = make_insight()
        [change_id] = changes.record(ChangeKind.SETTLED, [insight.pk], owner_id=None)
        assert not changes.run(change_id, budget_s=0), "one chunk, and no time for the next"
        hints.clear()

        assert changes.finish_open() == 1
        assert changes.finish_open() == 0
        assert changes.run(change_id), "what is finished is finished"

        assert [user_id for user_id, *_ in updates(hints)] == [user.pk for user in traders[3:]]
        assert set(Inbox.objects.values_list("last_seq", flat=True)) == {2}

    def test_waits_for_a_fan_out_that_may_have_read_the_insight_before(
        self, traders: list[User], make_insight: MakeSignal, monkeypatch: pytest.MonkeyPatch, hints: Hints
    ) -> None:
        monkeypatch.setattr(dispatching, "CHUNK_USERS", 3)
        with monkeypatch.context() as patch:
            patch.setattr(worker, "INLINE_BUDGET_S", 0)
            insight = make_insight()  # a chunk of it
        hints.clear()
        [change_id] = changes.record(ChangeKind.SETTLED, [insight.pk], owner_id=None)

        assert changes.run(change_id)
        assert updates(hints) == []

        dispatching.run(InsightDispatch.objects.get().pk)
        assert changes.finish_open() == 1
        assert len(updates(hints)) == len(traders)

    def test_that_always_fails_keeps_no_other_waiting(
        self, alice: User, make_insight: MakeSignal, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        bad, good = (changes.record(ChangeKind.SETTLED, [make_insight(alice).pk], owner_id=1)[0] for _ in range(2))
        run_chunk = changes._run_chunk

        def fail_for_the_first(change_id: int) -> bool:
            if change_id == bad:
                raise ValueError("poisoned")
            return run_chunk(change_id)

        monkeypatch.setattr(changes, "_run_chunk", fail_for_the_first)

        assert changes.finish_open() == 1
        assert InsightChange.objects.unfinished().get().pk == bad
        assert f"Change {bad} could not be told" in caplog.text
        assert good


class TestExpiring:
    def test_many_holders_and_several_insights_are_marked_in_chunks(
        self, traders: list[User], make_insight: MakeSignal, hints: Hints, small_chunks: None
    ) -> None:
        for _ in range(2):
            make_insight()
        hints.clear()

        assert lifecycle.expire_old(timezone.now() + dt.timedelta(hours=3)) == 2 * len(traders)

        assert [(user_id, seq) for user_id, seq, _ in updates(hints)] == [
            (user.pk, seq) for user in traders for seq in (3, 4)
        ]
        assert {frame["unread_count"] for _, frame in hints} == {0}

    def test_a_chunk_that_fails_keeps_no_other_waiting(
        self,
        traders: list[User],
        make_insight: MakeSignal,
        small_chunks: None,
        monkeypatch: pytest.MonkeyPatch,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        make_insight()
        stamp = stamping.stamp

        def fail_for_the_first(change: stamping.Change, user_ids: list[int]) -> Any:
            if traders[0].pk in user_ids:
                raise ValueError("poisoned")
            return stamp(change, user_ids)

        monkeypatch.setattr(stamping, "stamp", fail_for_the_first)

        assert lifecycle.expire_old(timezone.now() + dt.timedelta(hours=3)) == len(traders) - 3
        assert f"users {traders[0].pk} to {traders[2].pk}" in caplog.text

    def test_in_turns_leaves_the_rest_for_the_next(
        self, traders: list[User], make_insight: MakeSignal, small_chunks: None, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        make_insight(received_at=timezone.now())
        InsightNotification.objects.update(expires_at=timezone.now())
        monkeypatch.setattr(lifecycle, "TURN_S", 0)

        assert [lifecycle.expire_for_a_turn() for _ in range(4)] == [False, False, False, True]
        assert not InsightNotification.objects.filter(expired_at__isnull=True).exists()


# --- Both ways of writing it ----------------------------------------------------------------------------------------

NOW = dt.datetime(2026, 3, 4, 12, tzinfo=dt.UTC)
STATES: list[dict[str, Any]] = [
    {},
    {"read": True},
    {"seq": None},
    {"seq": None, "held_until": NOW},
    {"expired_at": NOW - dt.timedelta(hours=1)},
    {"expires_at": NOW},
    {"expires_at": NOW + dt.timedelta(microseconds=1)},
    {"expires_at": NOW - dt.timedelta(days=1), "reason": "urgent_in_quiet_hours", "news_headline": 'a "b" \\'},
    {"expires_at": NOW, "read": True, "earlier_confidence": Decimal("71.50"), "new_status": "approved"},
    {"expires_at": NOW, "released_at": NOW, "repeat_of": 5},
]
held_rows = st.lists(st.tuples(st.integers(0, 1), st.sampled_from(STATES)), max_size=5)


@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite has the one way only")
@given(population=st.lists(held_rows, min_size=1, max_size=6), expire=st.booleans())
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_population_is_stamped_together_as_one_by_one(
    traders: list[User], make_signal: MakeSignal, population: list[list[tuple[int, dict[str, Any]]]], expire: bool
) -> None:
    with transaction.atomic():
        signals = [make_signal(), make_signal(traders[0], outcome=Outcome.LOSS)]
        for trader, rows in zip(traders, population, strict=False):
            for number, (which, fields) in enumerate(rows, start=1):
                store_notification(trader, signals[which], revision=number, **fields)
        change = stamping.Expired(NOW) if expire else stamping.Touched([signals[0].pk])
        user_ids = [trader.pk for trader in traders]

        assert outcome(together, change, user_ids) == outcome(one_by_one, change, user_ids)

        transaction.set_rollback(True)


def together(change: stamping.Change, user_ids: list[int]) -> Any:
    stream.lock_inboxes(user_ids)
    return stamping._stamp_together(change, user_ids)


def one_by_one(change: stamping.Change, user_ids: list[int]) -> Any:
    return stamping._stamp_each(change, {inbox.user_id: inbox for inbox in stream.lock_inboxes(user_ids)})


def outcome(stamp: Callable[..., Any], change: stamping.Change, user_ids: list[int]) -> Any:
    """The frames, and what is stored afterwards; it is undone."""
    with transaction.atomic():
        events = [
            (user_id, json.loads(frame.text if isinstance(frame, FrameText) else json.dumps(frame)))
            for user_id, frame in stamp(change, user_ids)
        ]
        found = (
            events,
            list(InsightNotification.objects.order_by("id").values()),
            dict(Inbox.objects.values_list("user_id", "last_seq")),
        )
        transaction.set_rollback(True)
    return found
