"""A trader can find out why an insight did not reach them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from notifications.models import (
    InsightDispatch,
    InsightNotification,
    NotificationPreference,
    PreferenceVersion,
    SuppressedInsight,
)
from notifications.reasons import WhyNot, why_not_notified
from signals.models import Signal

MakeInsight = Callable[..., Signal]
pytestmark = pytest.mark.django_db(transaction=True)  # the dispatch runs after the commit

MIN_CONFIDENCE = "/notifications/preferences/#id_min_confidence"


def below(confidence: int, minimum: int) -> WhyNot:
    words = f"Your preferences kept it back: AI confidence {confidence} < your {minimum}."
    return WhyNot(words, MIN_CONFIDENCE)


@pytest.fixture
def choosy(alice: User) -> User:
    """Alice, who wants to hear of nothing below 90."""
    preference = NotificationPreference.objects.get(user=alice)
    preference.min_confidence = 90
    preference.save()
    return alice


def test_the_rule_that_kept_ones_own_insight_back_is_named(choosy: User, make_insight: MakeInsight) -> None:
    assert why_not_notified(choosy, make_insight(choosy, truth_index=82)) == below(82, 90)


def test_it_is_said_on_the_insights_page(choosy: User, make_insight: MakeInsight) -> None:
    client = Client()
    client.force_login(choosy)

    page = client.get(reverse("insight", args=[make_insight(choosy, truth_index=82).pk])).content.decode()

    assert "AI confidence 82 &lt; your 90" in page
    assert f'href="{MIN_CONFIDENCE}"' in page


def test_the_rule_that_kept_a_house_insight_back_is_that_of_the_time(choosy: User, make_insight: MakeInsight) -> None:
    signal = make_insight(truth_index=82)
    preference = NotificationPreference.objects.get(user=choosy)
    preference.min_confidence = 0
    preference.save()

    assert why_not_notified(choosy, signal) == below(82, 90)


def test_a_user_without_any_preferences_has_the_defaults(alice: User, make_insight: MakeInsight) -> None:
    NotificationPreference.objects.filter(user=alice).delete()
    PreferenceVersion.objects.filter(user=alice).delete()

    assert why_not_notified(alice, make_insight(truth_index=61)) == below(61, 65)


def test_a_notification_that_was_deleted_is_said_to_be(alice: User, make_insight: MakeInsight) -> None:
    signal = make_insight()
    assert InsightNotification.objects.filter(user=alice, signal=signal).delete()[0]

    assert why_not_notified(alice, signal) == WhyNot("Your notification of it has been deleted since.")


def test_an_account_that_came_later_is_told_so(make_insight: MakeInsight) -> None:
    signal = make_insight()
    late = User.objects.create_user("late")

    assert why_not_notified(late, signal) == WhyNot("It came before your account was made.")


def test_staff_are_told_that_they_have_to_opt_in(ada: User, make_insight: MakeInsight) -> None:
    assert "opt in" in why_not_notified(ada, make_insight()).words


def test_an_insight_that_came_too_late_for_anybody_is_told_to_be(alice: User, make_insight: MakeInsight) -> None:
    signal = make_insight(alice, timeframe="1m", received_at=timezone.now() - dt.timedelta(days=1))

    assert why_not_notified(alice, signal) == WhyNot("It had lost its meaning before anybody could be notified.")


def test_an_insight_that_is_being_handed_out_is_told_to_be(alice: User, make_signal: Callable[..., Signal]) -> None:
    signal = make_signal(alice)
    assert why_not_notified(alice, signal) == WhyNot("It has not been handed out yet.")

    InsightDispatch.objects.create(signal=signal, revision=1, fingerprint="approved:buy:Solid")

    assert why_not_notified(alice, signal) == WhyNot("It has not been handed out yet.")


def test_a_reason_is_on_record_for_14_days_only(choosy: User, make_insight: MakeInsight) -> None:
    signal = make_insight(choosy)
    SuppressedInsight.objects.all().delete()

    assert why_not_notified(choosy, signal) == WhyNot("The reason is no longer on record.")
