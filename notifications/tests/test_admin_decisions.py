"""The admin tells one decision whole: every rule, every channel, as it was and as it would be now."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable
from typing import Any

import pytest
import time_machine
from django.contrib.auth.models import Permission, User
from django.db.models import Model
from django.test import Client
from django.urls import reverse

from notifications import quieting
from notifications.admin.decisions import PERMISSIONS
from notifications.models import (
    InsightDispatch,
    InsightNotification,
    NotificationPreference,
    PreferenceVersion,
    SuppressedInsight,
)
from notifications.preferences import Channel, MuteKind
from notifications.tests.test_admin import change
from signals.models import Signal

MakeInsight = Callable[..., Signal]
NOON = dt.datetime(2026, 3, 4, 12, tzinfo=dt.UTC)
STANDINGS = re.compile(r'data-standing="(\w+)"')

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def trader(alice: User) -> User:
    """Alice, who has been here for long."""
    User.objects.filter(pk=alice.pk).update(date_joined=NOON - dt.timedelta(days=9))
    PreferenceVersion.objects.filter(user=alice).update(valid_from=NOON - dt.timedelta(days=9))
    alice.refresh_from_db()
    return alice


def ask(browser: Client, user: User | None = None, signal: Signal | None = None) -> Any:
    query = {"user": user and user.pk, "signal": signal and signal.pk}
    return browser.get(reverse("admin:notifications_decision"), {name: value for name, value in query.items() if value})


def told(browser: Client, user: User, signal: Signal) -> dict[str, dict[str, list[str]]]:
    """By story and rule, how the rule stood to each channel's decision."""
    page = ask(browser, user, signal).content.decode()
    stories = re.findall(r'data-decision="(as-it-was|now)">(.*?)</table>', page, re.DOTALL)
    return {
        name: {
            rule: STANDINGS.findall(row) for rule, row in re.findall(r'data-rule="(\w+)">(.*?)</tr>', story, re.DOTALL)
        }
        for name, story in stories
    }


@pytest.fixture
def staff(ada: User) -> Client:
    client = Client()
    client.force_login(ada)
    return client


@pytest.mark.parametrize("owned", [True, False])
def test_it_tells_each_rule_as_it_was_and_as_it_would_be_now(
    trader: User, ada: User, make_insight: MakeInsight, owned: bool
) -> None:
    with time_machine.travel(NOON, tick=True) as traveller:
        preference = NotificationPreference.objects.get(user=trader)
        preference.min_confidence, preference.push_enabled = 90, False
        preference.save()
        traveller.shift(1)
        signal = make_insight(trader if owned else None, truth_index=82, received_at=NOON)
        traveller.shift(60)
        preference.min_confidence = 70
        preference.save()
        quieting.mute(trader, MuteKind.SYMBOL, signal.symbol, None)
        client = Client()
        client.force_login(ada)
        story = told(client, trader, signal)
        page = ask(client, trader, signal).content.decode()

    web = list(Channel).index(Channel.WEBSOCKET)
    push = list(Channel).index(Channel.PUSH)
    then, now = story["as-it-was"], story["now"]
    assert [rule for rule, standings in then.items() if standings[web] == "decided"] == ["below_min_confidence"]
    assert [rule for rule, standings in then.items() if standings[web] == "passed"] == [
        "channel_off", "paused", "muted", "not_high_priority",
    ]  # fmt: skip
    assert [rule for rule, standings in then.items() if standings[web] == "not_reached"] == [
        "strategy_not_chosen", "symbol_not_chosen", "quiet_hours",
    ]  # fmt: skip
    assert [rule for rule, standings in then.items() if standings[push] == "decided"] == ["channel_off"]
    assert [rule for rule, standings in now.items() if standings[web] == "decided"] == ["muted"]
    assert "AI confidence 82 &lt; your 90" in page
    assert "2026-03-04 12:00:0" in page
    on_record = "Kept back: Below the minimum confidence" if owned else "No notification"
    assert on_record in page


def test_what_came_is_told_by_the_figures_of_its_notification(
    staff: Client, trader: User, make_insight: MakeInsight
) -> None:
    signal = make_insight(trader, truth_index=82)
    type(signal.validation).objects.update(truth_index=10)

    page = ask(staff, trader, signal).content.decode()

    assert "A notification: Every rule passed" in page
    assert "AI confidence 82 ≥ your 65" in page
    assert "AI confidence 10 &lt; your 65" in page


def test_what_hinders_before_any_rule_is_told(
    staff: Client, trader: User, bob: User, ada: User, make_insight: MakeInsight
) -> None:
    def hindrances(user: User, signal: Signal) -> list[str]:
        return list(ask(staff, user, signal).context["before_any_rule"])

    assert hindrances(trader, make_insight(bob)) == ["It is another user's own insight."]
    house = make_insight()
    assert hindrances(trader, house) == []
    assert hindrances(ada, house) == ["House insights go to staff only when they opt in."]
    late = User.objects.create_user("late", is_active=False)
    assert hindrances(late, house) == ["The account is not active.", "It came before the account was made."]
    InsightDispatch.objects.filter(signal=house).delete()
    assert hindrances(trader, house) == ["It has not been handed out yet."]


def test_asking_changes_nothing(staff: Client, trader: User, make_insight: MakeInsight) -> None:
    signal = make_insight(trader)
    models: list[type[Model]] = [InsightNotification, SuppressedInsight, PreferenceVersion, InsightDispatch]
    before = [list(model._default_manager.values()) for model in models]

    assert ask(staff, trader, signal).status_code == 200

    assert [list(model._default_manager.values()) for model in models] == before


def test_nothing_chosen_shows_the_form_and_a_stranger_id_an_error(staff: Client, trader: User) -> None:
    assert "stories" not in ask(staff).context
    wrong = staff.get(reverse("admin:notifications_decision"), {"user": trader.pk, "signal": 123456})
    assert wrong.context["form"].errors.keys() == {"signal"}


@pytest.mark.parametrize("nonsense", ["x", "NaN", "\0", str(2**63), "9" * 5000], ids=lambda text: text[:8])
def test_what_is_no_id_is_refused(staff: Client, trader: User, nonsense: str) -> None:
    for name in ("user", "signal"):
        assert staff.get(reverse("admin:notifications_decision"), {name: nonsense}).status_code == 400
    assert staff.get(reverse("admin:notifications_audience"), {"signal": nonsense}).status_code == 400


def test_words_that_no_database_holds_find_nothing(staff: Client, trader: User) -> None:
    found = staff.get(reverse("admin:notifications_decision"), {"q": f"{trader.username}\0"})

    assert (found.status_code, found.context["users"], found.context["signals"]) == (200, [], [])


def test_it_is_linked_from_preferences_notifications_and_dispatches(
    staff: Client, trader: User, make_insight: MakeInsight
) -> None:
    make_insight(trader)
    decision = reverse("admin:notifications_decision")

    for row in (
        NotificationPreference.objects.get(user=trader),
        InsightNotification.objects.get(),
        InsightDispatch.objects.get(),
    ):
        assert decision in staff.get(change(row)).content.decode()


@pytest.mark.parametrize("lacking", PERMISSIONS)
def test_it_is_for_who_may_see_all_that_it_tells_of(
    trader: User, bob: User, make_insight: MakeInsight, lacking: str
) -> None:
    User.objects.filter(pk=bob.pk).update(is_staff=True)
    codenames = [name.partition(".")[2] for name in PERMISSIONS if name != lacking]
    bob.user_permissions.set(Permission.objects.filter(codename__in=codenames))
    client = Client()
    client.force_login(bob)
    signal = make_insight(trader)

    assert ask(client, trader, signal).status_code == 403

    bob.user_permissions.add(Permission.objects.get(codename=lacking.partition(".")[2]))
    assert ask(client, trader, signal).status_code == 200
