"""manage.py cleanup_notifications, reconcile_insights and the other jobs of the schedule, as they are typed."""

import datetime as dt
import os
import signal as process_signal
from collections.abc import Callable
from io import StringIO

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.utils import timezone

from notifications import changes, retention
from notifications.models import ChangeKind, InsightNotification, NotificationDeliveryLog
from notifications.tests.rows import store_notification
from signals.models import Signal, TradeValidation

MakeSignal = Callable[..., Signal]


def run(*arguments: str) -> str:
    output = StringIO()
    call_command(*arguments, stdout=output)
    return output.getvalue()


@pytest.fixture
def old_notifications(alice: User, make_signal: MakeSignal) -> list[InsightNotification]:
    """Seven old ones, the last of them unread."""
    signal = make_signal()
    return [
        store_notification(alice, signal, days_old=31, read=revision < 7, revision=revision) for revision in range(1, 8)
    ]


def test_it_names_each_sort_of_row_with_its_count(old_notifications: list[InsightNotification]) -> None:
    said = run("cleanup_notifications")

    assert said.splitlines() == [
        "notifications: 6 deleted",
        "delivery logs: 6 deleted",
        "suppressions: 0 deleted",
        "webhook requests: 0 deleted",
        "ended mutes: 0 deleted",
        "digest runs: 0 deleted",
        "changes: 0 deleted",
        "health figures: 0 deleted",
    ]
    assert InsightNotification.objects.get() == old_notifications[-1]


def test_a_dry_run_says_the_same_and_deletes_nothing(old_notifications: list[InsightNotification]) -> None:
    said = run("cleanup_notifications", "--dry-run", "--include-unread")

    assert "notifications: 7 to delete" in said
    assert InsightNotification.objects.count() == NotificationDeliveryLog.objects.count() == 7


def test_unread_ones_go_when_they_are_included(old_notifications: list[InsightNotification]) -> None:
    run("cleanup_notifications", "--include-unread")

    assert not InsightNotification.objects.exists()


def test_days_are_counted_from_now(old_notifications: list[InsightNotification]) -> None:
    assert "notifications: 0 deleted" in run("cleanup_notifications", "--days", "32")
    assert "notifications: 6 deleted" in run("cleanup_notifications", "--days", "30")


@pytest.mark.parametrize("limit", [("--days", "0"), ("--days", "-5"), ("--batch-size", "0"), ("--days", "x")])
@pytest.mark.parametrize("dry_run", [(), ("--dry-run",)])
def test_limits_that_make_no_sense_are_refused(
    limit: tuple[str, str], dry_run: tuple[str, ...], old_notifications: list[InsightNotification]
) -> None:
    with pytest.raises(CommandError):
        run("cleanup_notifications", *limit, *dry_run)

    assert InsightNotification.objects.count() == 7


@pytest.mark.parametrize(
    ("number", "exit_code"), [(process_signal.SIGTERM, 143), (process_signal.SIGINT, 130)], ids=["SIGTERM", "SIGINT"]
)
def test_a_signal_lets_the_running_batch_end_and_then_stops(
    number: process_signal.Signals,
    exit_code: int,
    old_notifications: list[InsightNotification],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    handlers = process_signal.getsignal(process_signal.SIGTERM), process_signal.getsignal(process_signal.SIGINT)
    delete_batch = retention._delete_batch

    def delete_batch_and_be_stopped(*args: object, **kwargs: object) -> object:
        os.kill(os.getpid(), number)
        return delete_batch(*args, **kwargs)  # type: ignore[arg-type]  # handed through as they came

    monkeypatch.setattr(retention, "_delete_batch", delete_batch_and_be_stopped)
    output = StringIO()
    with pytest.raises(SystemExit) as exit_:
        call_command("cleanup_notifications", "--batch-size", "2", stdout=output)

    assert exit_.value.code == exit_code
    assert "notifications: 2 deleted" in output.getvalue()
    assert "Stopped before the end" in output.getvalue()
    assert InsightNotification.objects.count() == NotificationDeliveryLog.objects.count() == 5
    assert (process_signal.getsignal(process_signal.SIGTERM), process_signal.getsignal(process_signal.SIGINT)) == (
        handlers
    )


@pytest.mark.django_db(transaction=True)
def test_reconcile_insights_says_what_it_found(alice: User, make_signal: MakeSignal) -> None:
    TradeValidation.objects.bulk_create(
        [TradeValidation(signal=make_signal(alice), truth_index=82, status="approved", context_summary="Bullish.")]
    )

    said = run("reconcile_insights")

    assert {"opened: 1", "run: 1", "failed: 0"} <= set(said.splitlines())
    assert InsightNotification.objects.get().user == alice


@pytest.mark.django_db(transaction=True)
def test_release_held_lets_out_what_is_due(alice: User, make_signal: MakeSignal) -> None:
    now = timezone.now()
    held = store_notification(
        alice,
        make_signal(alice),
        seq=None,
        held_until=now - dt.timedelta(minutes=1),
        expires_at=now + dt.timedelta(hours=3),
    )

    assert run("release_held") == "released: 1\n"

    held.refresh_from_db()
    assert held.unread


@pytest.mark.django_db(transaction=True)
def test_expire_notifications_takes_what_is_past_its_time_off_the_badge(alice: User, make_signal: MakeSignal) -> None:
    past = store_notification(alice, make_signal(alice), expires_at=timezone.now() - dt.timedelta(minutes=1))

    assert run("expire_notifications") == "expired: 1\n"

    past.refresh_from_db()
    assert past.expired_at is not None
    assert not past.unread


@pytest.mark.django_db(transaction=True)
def test_tell_of_changes_tells_what_was_left_open(alice: User, make_insight: MakeSignal) -> None:
    changes.record(ChangeKind.SETTLED, [make_insight(alice).pk], owner_id=alice.pk)

    assert run("tell_of_changes") == "told: 1\n"

    assert InsightNotification.objects.get().seq == 2
