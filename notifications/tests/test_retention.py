"""What is deleted after how long, what is kept, and that nothing comes back."""

import datetime as dt
import threading
from collections.abc import Callable
from typing import Any

import pytest
import time_machine
from django.contrib.auth.models import User
from django.db import connection
from django.utils import timezone

from notifications import retention
from notifications.manager import NotificationManager
from notifications.models import (
    DigestRun,
    DispatchState,
    InsightChange,
    InsightDispatch,
    InsightNotification,
    Mute,
    NotificationDeliveryLog,
    SuppressedInsight,
)
from notifications.preferences import Channel, MuteKind, Reason
from notifications.retention import Rows
from notifications.tests.rows import store_notification
from signals.models import Signal, Verdict, WebhookRequest, WebhookSource

MakeSignal = Callable[..., Signal]


def store_suppression(user: User, signal: Signal, days_old: float) -> SuppressedInsight:
    return SuppressedInsight.objects.create(
        user=user,
        signal=signal,
        revision=1,
        channel=Channel.WEBSOCKET,
        reason=Reason.QUIET_HOURS,
        created_at=timezone.now() - dt.timedelta(days=days_old),
    )


def store_webhook_request(user: User, days_old: float) -> WebhookRequest:
    source, _ = WebhookSource.objects.get_or_create(user=user, defaults={"token_hash": "0" * 64})
    return WebhookRequest.objects.create(
        source=source,
        body_digest="0" * 64,
        verdict=Verdict.REFUSED,
        status_code=400,
        received_at=timezone.now() - dt.timedelta(days=days_old),
    )


def test_a_read_notification_goes_with_its_logs_when_it_is_older_than_the_days(
    alice: User, make_signal: MakeSignal
) -> None:
    store_notification(alice, make_signal(), days_old=31, read=True)
    young = store_notification(alice, make_signal(), days_old=29, read=True)

    deleted = retention.delete_old(days=30)

    assert deleted == Rows(notifications=1, delivery_logs=1)
    assert InsightNotification.objects.get() == young
    assert NotificationDeliveryLog.objects.get().notification == young


def test_a_mute_goes_when_it_has_ended(alice: User) -> None:
    for name, until in (("EURUSD", -1), ("GBPUSD", 1), ("XAUUSD", None)):
        end = timezone.now() + dt.timedelta(hours=until) if until else None
        Mute.objects.create(user=alice, kind=MuteKind.SYMBOL, name=name, until=end)

    assert retention.count_old() == retention.delete_old() == Rows(ended_mutes=1)
    assert set(Mute.objects.values_list("name", flat=True)) == {"GBPUSD", "XAUUSD"}


@pytest.mark.django_db
def test_records_of_what_became_of_insights_go_after_14_days() -> None:
    now = timezone.now()
    for days in (13, 15):
        InsightChange.objects.create(kind="settled", signal_ids=[days], finished_at=now - dt.timedelta(days=days))
    InsightChange.objects.create(kind="settled", signal_ids=[99], opened_at=now - dt.timedelta(days=99))

    assert retention.count_old() == retention.delete_old() == Rows(changes=1)
    assert InsightChange.objects.count() == 2


def test_what_became_of_digests_goes_after_30_days(alice: User) -> None:
    now = timezone.now()
    for days in (29, 31):
        at = now - dt.timedelta(days=days)
        DigestRun.objects.create(user=alice, local_date=at.date(), due_at=at, created_at=at, message_id=f"<{days}@x>")

    assert retention.count_old() == retention.delete_old() == Rows(digest_runs=1)
    assert DigestRun.objects.get().message_id == "<29@x>"


@time_machine.travel(dt.datetime(2026, 3, 31, 12, tzinfo=dt.UTC), tick=False)
def test_exactly_as_old_as_the_days_is_not_older(alice: User, make_signal: MakeSignal) -> None:
    store_notification(alice, make_signal(), days_old=30, read=True)
    assert retention.delete_old(days=30).notifications == 0

    with time_machine.travel(timezone.now() + dt.timedelta(milliseconds=1), tick=False):
        assert retention.delete_old(days=30).notifications == 1


def test_unread_and_held_ones_are_kept_unless_they_are_included(alice: User, make_signal: MakeSignal) -> None:
    store_notification(alice, make_signal(), days_old=31)
    held_until = timezone.now() + dt.timedelta(days=1)
    store_notification(alice, make_signal(), days_old=31, seq=None, held_until=held_until)

    assert retention.delete_old().notifications == 0
    assert retention.delete_old(include_unread=True).notifications == 2


@pytest.mark.parametrize(
    "settled",
    [
        pytest.param({"expired_at": timezone.now()}, id="expired"),
        pytest.param({"seq": None}, id="other channels only"),
    ],
)
def test_what_no_badge_counts_any_more_goes_though_nobody_read_it(
    alice: User, make_signal: MakeSignal, settled: dict[str, Any]
) -> None:
    store_notification(alice, make_signal(), days_old=31, **settled)

    assert retention.delete_old().notifications == 1


@pytest.mark.services
@pytest.mark.django_db(transaction=True)  # foreign keys are checked when a transaction commits
def test_a_chain_of_superseded_ones_goes_though_a_batch_ends_within_it(alice: User, make_signal: MakeSignal) -> None:
    signal = make_signal()
    latest = store_notification(alice, signal, days_old=31, revision=3, read=True)
    middle = store_notification(alice, signal, days_old=32, revision=2, superseded_by=latest)
    store_notification(alice, signal, days_old=33, revision=1, superseded_by=middle)

    deleted = retention.delete_old(batch_size=1)

    assert deleted == Rows(notifications=3, delivery_logs=3)


def test_a_superseded_one_goes_while_its_unread_successor_is_kept(alice: User, make_signal: MakeSignal) -> None:
    signal = make_signal()
    successor = store_notification(alice, signal, days_old=31, revision=2)
    store_notification(alice, signal, days_old=32, revision=1, superseded_by=successor)

    assert retention.delete_old().notifications == 1
    assert InsightNotification.objects.get() == successor


def test_suppressions_go_after_14_days_and_raw_requests_after_30(alice: User, make_signal: MakeSignal) -> None:
    store_suppression(alice, make_signal(alice), days_old=15)
    kept_suppression = store_suppression(alice, make_signal(alice), days_old=13)
    store_webhook_request(alice, days_old=31)
    kept_request = store_webhook_request(alice, days_old=29)

    assert retention.delete_old(days=365) == Rows(suppressions=1, webhook_requests=1)
    assert SuppressedInsight.objects.get() == kept_suppression
    assert WebhookRequest.objects.get() == kept_request


def test_many_batches_delete_each_row_once(alice: User, make_signal: MakeSignal) -> None:
    signal = make_signal()
    for revision in range(1, 8):
        store_notification(alice, signal, days_old=31, read=True, revision=revision)
    batches: list[int] = []

    deleted = retention.delete_old(batch_size=3, after_batch=lambda gone: batches.append(gone.notifications))

    assert deleted.notifications == 7
    assert [count for count in batches if count] == [3, 3, 1]


def test_it_stops_between_two_batches_when_asked(alice: User, make_signal: MakeSignal) -> None:
    signal = make_signal()
    for revision in range(1, 5):
        store_notification(alice, signal, days_old=31, read=True, revision=revision)
    asked = iter([False, True])

    deleted = retention.delete_old(batch_size=3, should_stop=lambda: next(asked))

    assert deleted.notifications == 3
    assert InsightNotification.objects.count() == 1


def test_counting_says_what_deleting_does_and_deletes_nothing(alice: User, make_signal: MakeSignal) -> None:
    store_notification(alice, make_signal(), days_old=31, read=True)
    store_notification(alice, make_signal(), days_old=31)
    store_suppression(alice, make_signal(alice), days_old=15)
    store_webhook_request(alice, days_old=31)

    counted = retention.count_old(days=30)

    assert counted == Rows(notifications=1, delivery_logs=1, suppressions=1, webhook_requests=1)
    assert InsightNotification.objects.count() == 2
    assert retention.delete_old(days=30) == counted


@pytest.mark.django_db
@pytest.mark.parametrize("limits", [{"days": 0}, {"days": -1}, {"batch_size": 0}, {"batch_size": 30_001}])
def test_limits_out_of_range_are_refused(limits: dict[str, Any]) -> None:
    with pytest.raises(retention.RetentionError):
        retention.delete_old(**limits)


def test_the_manager_tells_how_many_notifications_went(alice: User, make_signal: MakeSignal) -> None:
    store_notification(alice, make_signal(), days_old=8, read=True)
    store_suppression(alice, make_signal(alice), days_old=15)

    assert NotificationManager.cleanup_old_notifications(days=7) == 1


def test_every_relation_to_a_deleted_row_is_deleted_with_it() -> None:
    """Rows are deleted without Django's look for children, so a new relation has to be added to `retention`."""
    children = {
        (model, relation.related_model, relation.field.name)
        for model in (InsightNotification, SuppressedInsight, WebhookRequest)
        for relation in model._meta.related_objects
    }

    assert children == {
        (InsightNotification, InsightNotification, "superseded_by"),
        (InsightNotification, NotificationDeliveryLog, "notification"),
    }


@pytest.mark.services
@pytest.mark.django_db
@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite checks foreign keys its own way")
def test_the_database_deletes_what_belongs_to_a_notification() -> None:
    """Whatever makes one of these foreign keys anew has to keep ON DELETE CASCADE, or cleaning up gets slow again."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT conrelid::regclass::text, confdeltype::text FROM pg_constraint "
            "WHERE contype = 'f' AND confrelid = 'notifications_insightnotification'::regclass"
        )
        on_delete = dict(cursor.fetchall())

    assert on_delete == {"notifications_insightnotification": "c", "notifications_notificationdeliverylog": "c"}


@pytest.mark.services
@pytest.mark.django_db(transaction=True)
def test_a_deleted_notification_does_not_come_back(alice: User, make_insight: MakeSignal) -> None:
    signal = make_insight(alice, timeframe="1w")  # long enough that its life is not over
    InsightNotification.objects.update(read=True, read_at=timezone.now(), created_at=timezone.now() - dt.timedelta(2))
    assert retention.delete_old(days=1).notifications == 1

    NotificationManager.reconcile()
    signal.validation.save()

    assert not InsightNotification.objects.exists()
    assert InsightDispatch.objects.get().state == DispatchState.DONE


@pytest.mark.services
@pytest.mark.django_db(transaction=True)
def test_two_copies_at_once_delete_everything_once(alice: User, make_signal: MakeSignal) -> None:
    signal = make_signal()
    for revision in range(1, 61):
        store_notification(alice, signal, days_old=31, read=True, revision=revision)
    start = threading.Barrier(2)
    deleted: list[Rows] = []

    def copy() -> None:
        start.wait(timeout=10)
        try:
            deleted.append(retention.delete_old(batch_size=7))
        finally:
            connection.close()

    copies = [threading.Thread(target=copy) for _ in range(2)]
    for thread in copies:
        thread.start()
    for thread in copies:
        thread.join(timeout=30)

    assert sum(rows.notifications for rows in deleted) == 60
    assert sum(rows.delivery_logs for rows in deleted) == 60
    assert not InsightNotification.objects.exists()
