"""From the saving of an insight to its notifications: one transaction, after the commit, once, and reconciled."""

import datetime as dt
import threading
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command
from django.db import DatabaseError, connection, transaction
from django.utils import timezone

from notifications import dispatching, reconcile, stream
from notifications.announcing import Batch
from notifications.manager import NotificationManager
from notifications.models import (
    DispatchState,
    Inbox,
    InsightDispatch,
    InsightNotification,
    NotificationPreference,
)
from signals.models import Signal, TradeValidation

MakeSignal = Callable[..., Signal]
Hints = list[tuple[int, dict[str, Any]]]

pytestmark = pytest.mark.django_db(transaction=True)


def bulk_validate(signal: Signal, truth_index: int = 82) -> None:
    """A validation that no receiver sees."""
    TradeValidation.objects.bulk_create(
        [TradeValidation(signal=signal, truth_index=Decimal(truth_index), status="approved")]
    )


class TestSavingAnInsight:
    def test_notifies_its_owner(self, alice: User, make_insight: MakeSignal, hints: Hints) -> None:
        make_insight(alice)

        assert InsightNotification.objects.get().user == alice
        assert [(user_id, frame["type"], frame["seq"]) for user_id, frame in hints] == [
            (alice.pk, "new_notification", 1)
        ]
        assert InsightDispatch.objects.get().state == DispatchState.DONE

    def test_records_the_dispatch_in_the_same_transaction(self, alice: User, make_insight: MakeSignal) -> None:
        with transaction.atomic():
            make_insight(alice)
            assert InsightDispatch.objects.count() == 1
            transaction.set_rollback(True)

        assert InsightDispatch.objects.count() == 0
        assert Signal.objects.count() == 0

    def test_takes_no_inbox_lock_and_notifies_nobody_before_the_commit(
        self, alice: User, make_insight: MakeSignal, hints: Hints
    ) -> None:
        with transaction.atomic():
            make_insight(alice)
            assert InsightNotification.objects.count() == 0
            assert hints == []

        assert InsightNotification.objects.count() == 1

    def test_survives_a_fault_in_recording_and_the_sweep_notifies(
        self, alice: User, make_insight: MakeSignal, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        def fail(*args: object, **kwargs: object) -> None:
            with connection.cursor() as cursor:
                cursor.execute("SELECT no_such_column FROM no_such_table")

        with monkeypatch.context() as broken:
            broken.setattr(dispatching, "open_revision", fail)
            with transaction.atomic():
                signal = make_insight(alice)
                assert Signal.objects.filter(pk=signal.pk).exists(), "the caller's transaction still works"
        assert InsightNotification.objects.count() == 0
        assert "could not be recorded" in caplog.text

        NotificationManager.reconcile()

        assert InsightNotification.objects.get().signal == signal

    @pytest.mark.services
    def test_says_so_when_the_connection_is_lost_while_recording(
        self, alice: User, make_insight: MakeSignal, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The caller's transaction is lost with it; without a word, the trade would pass for stored."""

        def lose_the_connection(*args: object, **kwargs: object) -> None:
            connection.connection.close()
            raise DatabaseError("the connection was cut")

        with monkeypatch.context() as broken:
            broken.setattr(dispatching, "open_revision", lose_the_connection)
            with pytest.raises(DatabaseError), transaction.atomic():
                make_insight(alice)
        connection.close()

        assert not Signal.objects.exists()

    def test_survives_a_fault_in_dispatching_and_the_sweep_notifies(
        self, alice: User, make_insight: MakeSignal, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        def fail(*args: object) -> None:
            raise DatabaseError("the disk is full")

        with monkeypatch.context() as broken:
            broken.setattr("notifications.announcing.calculate_priority", fail)
            signal = make_insight(alice)
        assert InsightDispatch.objects.get().state == DispatchState.OPEN
        assert "the disk is full" in caplog.text

        NotificationManager.reconcile()

        assert InsightNotification.objects.get().signal == signal

    def test_again_without_a_change_is_no_new_revision(self, alice: User, make_insight: MakeSignal) -> None:
        make_insight(alice).validation.save()

        assert InsightDispatch.objects.count() == 1

    def test_with_a_new_status_tells_again_and_replaces_the_earlier_one(
        self, alice: User, make_insight: MakeSignal, hints: Hints
    ) -> None:
        validation = make_insight(alice, truth_index=71).validation
        hints.clear()
        validation.truth_index, validation.status = Decimal(88), "approved"

        validation.save()

        earlier, updated = InsightNotification.objects.order_by("revision")
        assert updated.title.startswith("🟢 Insight updated")
        assert earlier.superseded_by == updated
        assert stream.unread_count(alice.pk) == 1
        assert [(frame["type"], frame["seq"], frame["unread_count"]) for _, frame in hints] == [
            ("new_notification", 2, 1),
            ("notification_updated", 3, 1),
        ]

    def test_of_a_fixture_is_history(self, alice: User, tmp_path: Path, make_insight: MakeSignal) -> None:
        make_insight(alice)
        dump = tmp_path / "dump.json"
        call_command("dumpdata", "auth.user", "signals", output=str(dump))
        call_command("flush", interactive=False)

        call_command("loaddata", str(dump), verbosity=0)
        NotificationManager.reconcile()

        assert InsightDispatch.objects.get().state == DispatchState.CLOSED
        assert InsightNotification.objects.count() == 0

    def test_of_a_whole_dump_comes_back_as_it_was(self, alice: User, tmp_path: Path, make_insight: MakeSignal) -> None:
        make_insight(alice)
        make_insight(alice)
        before = set(InsightDispatch.objects.values_list("pk", "signal_id", "state"))
        dump = tmp_path / "dump.json"
        call_command("dumpdata", "auth.user", "signals", "notifications", output=str(dump))
        call_command("flush", interactive=False)

        call_command("loaddata", str(dump), verbosity=0)

        assert set(InsightDispatch.objects.values_list("pk", "signal_id", "state")) == before
        assert InsightNotification.objects.count() == 2


class TestRunningADispatch:
    def test_goes_on_at_its_cursor_after_a_kill(
        self, traders: list[User], house_dispatch: InsightDispatch, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(dispatching, "CHUNK_USERS", 2)
        chunks: list[list[int]] = []

        def killed_in_the_second(signal: Signal, revision: int, user_ids: list[int], *, braked: bool) -> Batch:
            chunks.append(user_ids)
            if len(chunks) == 2:
                raise KeyboardInterrupt
            return notify(signal, revision, user_ids, braked=braked)

        notify = dispatching.notify
        monkeypatch.setattr(dispatching, "notify", killed_in_the_second)
        with pytest.raises(KeyboardInterrupt):
            dispatching.run(house_dispatch.pk)
        house_dispatch.refresh_from_db()
        assert (house_dispatch.state, house_dispatch.cursor) == (DispatchState.RUNNING, traders[1].pk)
        assert InsightNotification.objects.count() == 2

        dispatching.run(house_dispatch.pk)

        house_dispatch.refresh_from_db()
        assert house_dispatch.state == DispatchState.DONE
        assert house_dispatch.counts == {"verdicts": {"send": 5}, "reasons": {"all_rules_passed": 5}}
        assert sorted(row.user_id for row in InsightNotification.objects.all()) == [user.pk for user in traders]

    def test_twice_changes_nothing(self, traders: list[User], house_dispatch: InsightDispatch, hints: Hints) -> None:
        dispatching.run(house_dispatch.pk)
        hints.clear()

        dispatching.run(house_dispatch.pk)

        assert InsightNotification.objects.count() == 5
        assert hints == []

    @pytest.mark.services
    def test_from_two_threads_at_once_notifies_each_once_and_leaves_no_hole(
        self, traders: list[User], house_dispatch: InsightDispatch, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(dispatching, "CHUNK_USERS", 2)

        in_threads(lambda: dispatching.run(house_dispatch.pk), lambda: dispatching.run(house_dispatch.pk))

        house_dispatch.refresh_from_db()
        assert house_dispatch.counts["verdicts"] == {"send": 5}
        assert InsightNotification.objects.count() == 5
        assert set(Inbox.objects.values_list("last_seq", flat=True)) == {1}

    @pytest.mark.services
    def test_pushed_by_hand_meanwhile_notifies_each_once_and_leaves_no_hole(
        self, traders: list[User], house_dispatch: InsightDispatch
    ) -> None:
        signal = house_dispatch.signal

        in_threads(
            lambda: dispatching.run(house_dispatch.pk),
            lambda: NotificationManager.push(signal, traders[3]),
            lambda: NotificationManager.push(signal, traders[3]),
        )

        assert InsightNotification.objects.filter(user=traders[3]).count() == 1
        assert set(Inbox.objects.values_list("last_seq", flat=True)) == {1}

    def test_stops_when_its_budget_is_spent(
        self, traders: list[User], house_dispatch: InsightDispatch, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(dispatching, "CHUNK_USERS", 2)

        assert dispatching.run(house_dispatch.pk, budget_s=0) is False
        assert InsightNotification.objects.count() == 2

        assert dispatching.run(house_dispatch.pk) is True
        assert InsightNotification.objects.count() == 5

    def test_leaves_out_who_joined_later(self, traders: list[User], house_dispatch: InsightDispatch) -> None:
        late = User.objects.create_user("late")

        dispatching.run(house_dispatch.pk)

        assert not InsightNotification.objects.filter(user=late).exists()

    def test_past_the_expiry_closes_without_notifying(
        self, traders: list[User], house_dispatch: InsightDispatch
    ) -> None:
        Signal.objects.update(received_at=timezone.now() - dt.timedelta(hours=4))

        dispatching.run(house_dispatch.pk)

        house_dispatch.refresh_from_db()
        assert house_dispatch.state == DispatchState.CLOSED
        assert InsightNotification.objects.count() == 0

    def test_of_an_earlier_revision_closes_when_a_later_one_tells_everyone(
        self, traders: list[User], house_dispatch: InsightDispatch
    ) -> None:
        TradeValidation.objects.get().delete()
        bulk_validate(house_dispatch.signal, 70)
        later_id = dispatching.open_revision(TradeValidation.objects.get())
        assert later_id is not None

        dispatching.run(house_dispatch.pk)
        dispatching.run(later_id)

        house_dispatch.refresh_from_db()
        assert house_dispatch.state == DispatchState.CLOSED
        assert {row.revision for row in InsightNotification.objects.all()} == {2}

    def test_counts_every_decision_with_its_rule(
        self, traders: list[User], house_dispatch: InsightDispatch, hints: Hints
    ) -> None:
        preferences = NotificationPreference.objects
        preferences.filter(user=traders[0]).update(web_enabled=False)
        preferences.filter(user=traders[1]).update(min_confidence=95)
        preferences.filter(user=traders[2]).update(
            quiet_hours_enabled=True, quiet_start_time=dt.time(0), quiet_end_time=dt.time(0)
        )

        dispatching.run(house_dispatch.pk)

        house_dispatch.refresh_from_db()
        assert house_dispatch.counts == {
            "verdicts": {"send": 2, "hold": 1, "suppress": 2},
            "reasons": {"all_rules_passed": 2, "quiet_hours": 1, "channel_off": 1, "below_min_confidence": 1},
        }
        assert {user_id for user_id, _ in hints} == {traders[3].pk, traders[4].pk}

    def test_gives_users_without_a_preference_row_the_defaults(
        self, traders: list[User], house_dispatch: InsightDispatch
    ) -> None:
        NotificationPreference.objects.all().delete()

        dispatching.run(house_dispatch.pk)

        assert InsightNotification.objects.count() == 5

    def test_is_not_stopped_by_one_users_unreadable_preferences(
        self, traders: list[User], house_dispatch: InsightDispatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        NotificationPreference.objects.filter(user=traders[2]).update(symbols_filter=[["EURUSD"]])

        dispatching.run(house_dispatch.pk)

        assert InsightNotification.objects.count() == 5
        assert f"Preferences of user {traders[2].pk} can't be read" in caplog.text


class TestReconcile:
    def test_notifies_of_an_insight_saved_without_its_signal(self, alice: User, make_signal: MakeSignal) -> None:
        bulk_validate(make_signal(alice))

        first, second = NotificationManager.reconcile(), NotificationManager.reconcile()

        assert (first.opened, first.run) == (1, 1)
        assert (second.opened, second.run) == (0, 0)
        assert InsightNotification.objects.count() == 1

    def test_notifies_of_an_update_made_by_sql(self, alice: User, make_insight: MakeSignal) -> None:
        make_insight(alice, truth_index=71)
        TradeValidation.objects.update(truth_index=91, status="approved")

        NotificationManager.reconcile()

        assert list(InsightNotification.objects.order_by("id").values_list("revision", "confidence")) == [
            (1, Decimal(71)),
            (2, Decimal(91)),
        ]

    @pytest.mark.parametrize("truth_index", [0, 59.99, 64.99, 65, 74.99, 75, 84.99, 85, 100])
    def test_knows_each_confidence_label_as_the_receiver_does(
        self, alice: User, make_insight: MakeSignal, truth_index: float
    ) -> None:
        make_insight(alice, truth_index=truth_index)

        assert list(reconcile._without_present_dispatch()) == []

    def test_finishes_a_dispatch_that_a_killed_process_left_open(
        self, traders: list[User], house_dispatch: InsightDispatch
    ) -> None:
        found = NotificationManager.reconcile()

        assert found.run == 1
        assert InsightNotification.objects.count() == 5

    def test_closes_what_is_past_its_expiry_without_notifying(self, alice: User, make_signal: MakeSignal) -> None:
        bulk_validate(make_signal(alice, received_at=timezone.now() - dt.timedelta(hours=4)))

        found = NotificationManager.reconcile()

        assert found.closed == 1
        assert InsightNotification.objects.count() == 0

    def test_validates_a_signal_that_its_validator_failed(self, alice: User, make_signal: MakeSignal) -> None:
        signal = make_signal(alice, received_at=timezone.now() - dt.timedelta(minutes=1))

        found = NotificationManager.reconcile()

        signal.refresh_from_db()
        assert found.validated == 1
        assert signal.validation.breakdown

    def test_one_failing_dispatch_keeps_no_other_waiting(
        self, alice: User, bob: User, make_signal: MakeSignal, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        bulk_validate(make_signal(alice, strategy="Poison"))
        bulk_validate(make_signal(bob))
        notify = dispatching.notify

        def fail_for_poison(signal: Signal, revision: int, user_ids: list[int], *, braked: bool) -> Batch:
            if signal.strategy == "Poison":
                raise ValueError("poisoned")
            return notify(signal, revision, user_ids, braked=braked)

        monkeypatch.setattr(dispatching, "notify", fail_for_poison)

        found = NotificationManager.reconcile()

        assert (found.run, found.failed) == (1, 1)
        assert InsightNotification.objects.get().user == bob
        assert InsightDispatch.objects.unfinished().get().last_error == "ValueError: poisoned"


@pytest.fixture
def traders(db: None) -> list[User]:
    return [User.objects.create_user(f"trader{number}") for number in range(5)]


@pytest.fixture
def house_dispatch(traders: list[User], make_signal: MakeSignal) -> InsightDispatch:
    """An open dispatch of a house insight that nobody has run yet."""
    bulk_validate(make_signal(None))
    dispatching.open_revision(TradeValidation.objects.get())
    return InsightDispatch.objects.get()


def in_threads(*steps: Callable[[], object]) -> None:
    """Run the steps at the same instant, each on a connection of its own; re-raise the first fault."""
    barrier = threading.Barrier(len(steps))
    faults: list[BaseException] = []

    def run(step: Callable[[], object]) -> None:
        try:
            barrier.wait()
            step()
        except BaseException as fault:
            faults.append(fault)
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=(step,)) for step in steps]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if faults:
        raise faults[0]
