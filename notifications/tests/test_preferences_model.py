"""Preferences as rows: used from a shell, spelled one way, kept in versions, bounded by the database."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
import time_machine
from django.contrib.auth.models import User
from django.db import IntegrityError

from notifications.models import NotificationPreference, PreferenceVersion
from notifications.preferences import Rules
from signals.models import Signal

MakeSignal = Callable[..., Signal]


@pytest.fixture
def prefs(alice: User) -> NotificationPreference:
    return NotificationPreference.objects.get(user=alice)


def test_every_account_has_the_defaults_from_the_start(prefs: NotificationPreference) -> None:
    assert prefs.rules() == NotificationPreference(user=prefs.user).rules()


def test_an_account_without_a_row_counts_with_the_defaults(prefs: NotificationPreference, alice: User) -> None:
    defaults = prefs.rules()
    prefs.delete()

    assert NotificationPreference.of(alice).rules() == defaults


def test_preferences_set_in_a_shell_hold(prefs: NotificationPreference, make_insight: MakeSignal) -> None:
    prefs.min_confidence = 80
    prefs.strategies_filter = ["ZenithEdge", "SMC"]
    prefs.high_priority_only = True
    prefs.save()

    stored = NotificationPreference.objects.get(user=prefs.user)
    assert stored.min_confidence == 80
    assert stored.strategies_filter == ["ZenithEdge", "SMC"]
    assert stored.should_notify(make_insight(strategy="SMC", truth_index=80), "high")
    assert not stored.should_notify(make_insight(strategy="SMC", truth_index=80), "medium")
    assert not stored.should_notify(make_insight(strategy="SMC", truth_index=79.99), "high")
    assert not stored.should_notify(make_insight(strategy="TrendFollower", truth_index=90), "high")


def test_should_notify_takes_a_signal_at_medium_priority_when_none_is_given(
    prefs: NotificationPreference, make_insight: MakeSignal
) -> None:
    signal = make_insight(truth_index=90)

    assert prefs.should_notify(signal)
    prefs.high_priority_only = True
    assert not prefs.should_notify(signal)


def test_should_notify_asks_the_source_of_a_signal_without_a_validation(
    prefs: NotificationPreference, make_signal: MakeSignal
) -> None:
    assert prefs.should_notify(make_signal(confidence=Decimal(65)))
    assert not prefs.should_notify(make_signal(confidence=Decimal("64.99")))


def test_should_notify_is_false_while_hours_are_quiet(prefs: NotificationPreference, make_insight: MakeSignal) -> None:
    prefs.quiet_hours_enabled, prefs.time_zone = True, "Asia/Kathmandu"  # 22:00–07:00 by default
    signal = make_insight()

    with time_machine.travel("2026-03-04T16:14:59Z", tick=False):
        assert prefs.should_notify(signal)
    with time_machine.travel("2026-03-04T16:15:00Z", tick=False):
        assert not prefs.should_notify(signal)


def test_lists_are_stored_in_canonical_spelling(prefs: NotificationPreference) -> None:
    prefs.symbols_filter = ["eur/usd", "EURUSD", "FX:gbpusd"]
    prefs.strategies_filter = ["smc", "SMC", "trendfollower"]
    prefs.save()

    prefs.refresh_from_db()
    assert prefs.symbols_filter == ["EURUSD", "GBPUSD"]
    assert prefs.strategies_filter == ["SMC", "TrendFollower"]


@pytest.mark.parametrize("min_confidence", [Decimal("-0.01"), Decimal("100.01")])
def test_the_database_refuses_a_confidence_outside_0_to_100(
    prefs: NotificationPreference, min_confidence: Decimal
) -> None:
    with pytest.raises(IntegrityError, match="preference_confidence_0_100"):
        NotificationPreference.objects.filter(pk=prefs.pk).update(min_confidence=min_confidence)


@pytest.mark.parametrize("min_confidence", [Decimal(0), Decimal(100)])
def test_the_database_takes_0_and_100(prefs: NotificationPreference, min_confidence: Decimal) -> None:
    assert NotificationPreference.objects.filter(pk=prefs.pk).update(min_confidence=min_confidence) == 1


# --- Versions -------------------------------------------------------------------------------------------------------


def versions(user: User) -> list[PreferenceVersion]:
    return list(PreferenceVersion.objects.filter(user=user).order_by("valid_from", "id"))


def test_each_change_keeps_a_version_with_its_author(prefs: NotificationPreference, ada: User) -> None:
    prefs.min_confidence = Decimal(80)
    prefs.save()
    prefs.symbols_filter = ["EURUSD"]
    prefs.save(changed_by=ada)

    kept = versions(prefs.user)
    assert [version.changed_by for version in kept] == [prefs.user, prefs.user, ada]
    assert [version.snapshot["min_confidence"] for version in kept] == [65, 80, 80]
    assert [version.snapshot["symbols"] for version in kept] == [[], [], ["EURUSD"]]


def test_a_version_gives_back_the_rules_of_its_time(prefs: NotificationPreference) -> None:
    before = prefs.rules()
    prefs.min_confidence = Decimal(80)
    prefs.save()

    assert [Rules.from_json(version.snapshot) for version in versions(prefs.user)] == [before, prefs.rules()]


@pytest.mark.parametrize("same", [65, 65.0, Decimal("65.00"), "65"])
def test_saving_the_same_again_keeps_no_version(prefs: NotificationPreference, same: Any) -> None:
    prefs.min_confidence = same
    prefs.save()

    assert len(versions(prefs.user)) == 1
