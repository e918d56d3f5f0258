"""NotificationManager: what views, shells and commands call."""

import datetime as dt
from collections.abc import Callable
from decimal import Decimal

import pytest
from django.contrib.auth.models import AnonymousUser, User
from django.db import transaction
from django.utils import timezone

from notifications import stream
from notifications.manager import NotificationManager
from notifications.models import (
    DeliveryState,
    InsightDispatch,
    InsightNotification,
    NotificationDeliveryLog,
    NotificationPreference,
    SuppressedInsight,
)
from notifications.priority import Priority
from signals.models import Signal, TradeValidation

MakeSignal = Callable[..., Signal]


def bulk_insight(make_signal: MakeSignal, user: User | None, truth_index: float = 82, **fields: object) -> Signal:
    """An insight that no receiver has seen, so that the test itself pushes it."""
    signal = make_signal(user, **fields)
    TradeValidation.objects.bulk_create(
        [TradeValidation(signal=signal, truth_index=Decimal(str(truth_index)), status="approved")]
    )
    return signal


class TestPush:
    def test_brings_an_owned_signal_to_its_owner_only(self, alice: User, bob: User, make_signal: MakeSignal) -> None:
        signal = bulk_insight(make_signal, alice)

        assert NotificationManager.push(signal) is True

        assert [row.user for row in InsightNotification.objects.all()] == [alice]

    def test_brings_a_house_signal_to_every_active_trader(
        self, alice: User, bob: User, ada: User, make_signal: MakeSignal
    ) -> None:
        User.objects.create_user("idle", is_active=False)

        assert NotificationManager.push(bulk_insight(make_signal, None)) is True

        assert {row.user for row in InsightNotification.objects.all()} == {alice, bob}

    def test_brings_a_house_signal_to_staff_who_opted_in(self, ada: User, make_signal: MakeSignal) -> None:
        NotificationPreference.objects.filter(user=ada).update(house_insights_for_staff=True)

        assert NotificationManager.push(bulk_insight(make_signal, None)) is True

        assert InsightNotification.objects.get().user == ada

    def test_twice_makes_one_row(self, alice: User, make_signal: MakeSignal) -> None:
        signal = bulk_insight(make_signal, alice)

        assert [NotificationManager.push(signal), NotificationManager.push(signal)] == [True, True]

        assert InsightNotification.objects.count() == 1
        assert stream.position(alice.pk).last_seq == 1

    def test_of_a_house_signal_to_one_user_leaves_the_others_to_the_dispatch(
        self, alice: User, bob: User, make_signal: MakeSignal
    ) -> None:
        signal = bulk_insight(make_signal, None)

        assert NotificationManager.push(signal, bob) is True
        assert NotificationManager.push(signal) is True

        assert sorted(row.user.username for row in InsightNotification.objects.all()) == ["alice", "bob"]

    def test_says_false_when_the_preferences_suppress_it(self, alice: User, make_signal: MakeSignal) -> None:
        signal = bulk_insight(make_signal, alice, truth_index=40)

        assert NotificationManager.push(signal) is False

        assert InsightNotification.objects.count() == 0
        assert SuppressedInsight.objects.get().reason == "below_min_confidence"

    def test_works_before_any_validation_and_the_insight_replaces_it(
        self, alice: User, make_signal: MakeSignal
    ) -> None:
        signal = make_signal(alice, confidence=90)
        assert NotificationManager.push(signal) is True

        bulk = TradeValidation(signal=signal, truth_index=Decimal(82), status="approved")
        TradeValidation.objects.bulk_create([bulk])
        NotificationManager.reconcile()

        early, insight = InsightNotification.objects.order_by("revision")
        assert (early.revision, insight.revision) == (0, 1)
        assert early.superseded_by == insight
        assert NotificationManager.get_unread_count(alice) == 1

    def test_writes_the_delivery_with_the_notification(self, alice: User, make_signal: MakeSignal) -> None:
        NotificationManager.push(bulk_insight(make_signal, alice))

        log = NotificationDeliveryLog.objects.get()
        assert (log.channel, log.success, log.notification.user) == ("websocket", None, alice)


class TestCreateNotification:
    def test_needs_a_user_for_a_house_signal(self, make_signal: MakeSignal) -> None:
        with pytest.raises(ValueError, match="no owner"):
            NotificationManager.create_notification(make_signal(None))

    def test_stores_what_the_message_and_the_rules_say(self, alice: User, make_signal: MakeSignal) -> None:
        signal = bulk_insight(make_signal, alice, truth_index=88)

        notification = NotificationManager.create_notification(signal)

        assert notification is not None
        assert notification.title == "🟢 New Insight – EURUSD (1H)"
        assert notification.snippet.startswith("🎯 High confidence (88%).")
        assert (notification.priority, notification.reason) == (Priority.HIGH, "all_rules_passed")
        assert notification.expires_at == signal.received_at + dt.timedelta(hours=3)
        assert (notification.read, notification.delivered) == (False, False)

    def test_returns_none_when_suppressed(self, alice: User, make_signal: MakeSignal) -> None:
        assert NotificationManager.create_notification(bulk_insight(make_signal, alice, truth_index=40)) is None


class TestPriority:
    def test_counts_repeats_of_owner_and_strategy_by_the_alerts_own_time(
        self, alice: User, bob: User, make_signal: MakeSignal
    ) -> None:
        now = timezone.now()
        for minutes in (1, 2, 3):
            make_signal(alice, bar_time=now - dt.timedelta(minutes=minutes))
        fourth = make_signal(alice, bar_time=now)
        make_signal(bob, bar_time=now)

        assert NotificationManager.calculate_priority(fourth) == "low"
        assert NotificationManager.calculate_priority(Signal.objects.get(user=bob)) == "medium"

    def test_forgets_repeats_older_than_ten_minutes(self, alice: User, make_signal: MakeSignal) -> None:
        now = timezone.now()
        for minutes in (1, 2, 10):
            make_signal(alice, bar_time=now - dt.timedelta(minutes=minutes))

        assert NotificationManager.calculate_priority(make_signal(alice, bar_time=now)) == "medium"

    def test_takes_the_news_of_the_validation(self, alice: User, make_insight: MakeSignal) -> None:
        signal = make_insight(alice, truth_index=70, news_context="n" * 51)

        assert NotificationManager.calculate_priority(signal) == "high"


class TestReading:
    def test_counts_what_is_unread(self, alice: User, make_signal: MakeSignal) -> None:
        for _ in range(3):
            NotificationManager.push(bulk_insight(make_signal, alice))

        assert NotificationManager.get_unread_count(alice) == 3
        assert NotificationManager.get_unread_count(AnonymousUser()) == 0

    def test_mark_all_as_read_says_how_many(self, alice: User, bob: User, make_signal: MakeSignal) -> None:
        NotificationManager.push(bulk_insight(make_signal, alice))
        NotificationManager.push(bulk_insight(make_signal, bob))

        assert NotificationManager.mark_all_as_read(alice) == 1
        assert NotificationManager.mark_all_as_read(alice) == 0

        assert NotificationManager.get_unread_count(alice) == 0
        assert NotificationManager.get_unread_count(bob) == 1

    def test_bob_cannot_mark_alices_notification_read(self, alice: User, bob: User, make_signal: MakeSignal) -> None:
        NotificationManager.push(bulk_insight(make_signal, alice))
        notification = InsightNotification.objects.get()

        assert NotificationManager.mark_read(bob, notification.pk) is None
        notification.refresh_from_db()
        assert notification.read is False

        result = NotificationManager.mark_read(alice, notification.pk)
        assert result is not None
        assert (result.changed, result.unread_count) == (True, 0)


class TestSendAgain:
    def test_opens_a_new_attempt_group_at_a_new_position(self, alice: User, make_signal: MakeSignal) -> None:
        NotificationManager.push(bulk_insight(make_signal, alice))
        notification = InsightNotification.objects.get()

        assert NotificationManager.send_again(notification) is True

        notification.refresh_from_db()
        assert notification.seq == 2
        assert list(
            NotificationDeliveryLog.objects.order_by("attempt_group").values_list("attempt_group", flat=True)
        ) == [1, 2]

    def test_refuses_what_is_held(self, alice: User, make_signal: MakeSignal) -> None:
        keep_quiet(alice)
        NotificationManager.push(bulk_insight(make_signal, alice))

        assert NotificationManager.send_again(InsightNotification.objects.get()) is False


class TestTransactions:
    @pytest.mark.django_db(transaction=True)
    def test_nothing_is_hinted_before_the_commit(
        self, alice: User, make_signal: MakeSignal, hints: list[tuple[int, dict[str, object]]]
    ) -> None:
        signal = bulk_insight(make_signal, alice)

        with transaction.atomic():
            NotificationManager.push(signal)
            assert hints == []

        assert [frame["type"] for _, frame in hints] == ["new_notification"]
        assert NotificationDeliveryLog.objects.get().state == DeliveryState.SENT

    @pytest.mark.django_db(transaction=True)
    def test_a_rollback_stores_and_sends_nothing(
        self, alice: User, make_signal: MakeSignal, hints: list[tuple[int, dict[str, object]]]
    ) -> None:
        signal = bulk_insight(make_signal, alice)

        with transaction.atomic():
            NotificationManager.push(signal)
            transaction.set_rollback(True)

        assert hints == []
        assert InsightNotification.objects.count() == 0
        assert InsightDispatch.objects.count() == 0


def keep_quiet(user: User, **fields: object) -> None:
    """Quiet hours all day, every day."""
    NotificationPreference.objects.filter(user=user).update(
        quiet_hours_enabled=True, quiet_start_time=dt.time(0), quiet_end_time=dt.time(0), **fields
    )
