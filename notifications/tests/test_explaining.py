"""Why an insight came, with the figures of that time, wherever it is shown."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from notifications import payloads
from notifications.explaining import why
from notifications.models import InsightNotification, NotificationPreference
from notifications.preferences import Chosen, Reason
from notifications.tests.rows import store_notification
from signals.models import Signal

MakeInsight = Callable[..., Signal]
CHOSEN = Chosen.SYMBOL | Chosen.STRATEGY


@pytest.mark.parametrize(
    ("kept", "words"),
    [
        ({"min_confidence": Decimal(75)}, "AI confidence 88.5 ≥ your 75"),
        (
            {"min_confidence": Decimal("75.50"), "chosen": CHOSEN},
            "AI confidence 88.5 ≥ your 75.5; symbol in your list; strategy in your list",
        ),
        (
            {"min_confidence": Decimal(0), "chosen": Chosen.HIGH_PRIORITY},
            "AI confidence 88.5 ≥ your 0; high priority",
        ),
        (
            {"min_confidence": Decimal(75), "reason": Reason.QUIET_HOURS},
            "AI confidence 88.5 ≥ your 75; held in your quiet hours",
        ),
        ({"reason": Reason.URGENT_IN_QUIET_HOURS}, "high priority, which you let through your quiet hours"),
        ({}, "it passed every rule of your preferences"),
    ],
)
def test_it_is_said_with_the_figures_that_were_kept(kept: dict[str, Any], words: str) -> None:
    assert why(InsightNotification(confidence=Decimal("88.50"), **kept)) == words


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("owned", [True, False])
def test_it_stays_as_it_was_when_the_preferences_change(alice: User, make_insight: MakeInsight, owned: bool) -> None:
    preference = NotificationPreference.objects.get(user=alice)
    preference.min_confidence, preference.symbols_filter = 75, ["EURUSD", "GBPUSD"]
    preference.save()
    make_insight(alice if owned else None, symbol="EURUSD", truth_index=88)
    preference.min_confidence, preference.symbols_filter = 10, []
    preference.save()

    notification = InsightNotification.objects.get()

    assert why(notification) == "AI confidence 88 ≥ your 75; symbol in your list"
    payload = payloads.notification_payload(notification)
    assert (payload["min_confidence"], payload["chosen"]) == (75.0, 1)


@pytest.mark.django_db
def test_it_is_shown_on_the_insights_page_in_the_history_and_in_the_bell(
    alice: User, make_signal: Callable[..., Signal]
) -> None:
    kept: dict[str, Any] = {"min_confidence": Decimal(75), "chosen": CHOSEN, "confidence": Decimal(88)}
    notification = store_notification(alice, make_signal(alice), **kept)
    browser = Client()
    browser.force_login(alice)
    words = "I confidence 88 ≥ your 75; symbol in your list; strategy in your list"

    assert words in browser.get(notification.get_absolute_url()).content.decode()
    history = browser.get("/notifications/").content.decode()
    assert history.count(words) == 2, "in the list and in the bell"
