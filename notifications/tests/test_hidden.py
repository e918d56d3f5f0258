"""What a user's preferences kept back: each insight once, with its reason, by the preferences of its time."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
import time_machine
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from notifications import quieting
from notifications.hidden import Hidden, count_by_reason, hidden_since, in_words
from notifications.models import (
    InsightDispatch,
    InsightNotification,
    NotificationPreference,
    PreferenceVersion,
    SuppressedInsight,
)
from notifications.preferences import MuteKind, QuietMode, Reason
from notifications.quieting import PauseFor
from signals.models import Signal

MakeInsight = Callable[..., Signal]
NOON = dt.datetime(2026, 3, 4, 12, tzinfo=dt.UTC)
HOUR = dt.timedelta(hours=1)

pytestmark = pytest.mark.django_db(transaction=True)  # the dispatches run after the commit


@pytest.fixture
def at_noon() -> Any:
    with time_machine.travel(NOON, tick=True) as traveller:
        yield traveller


@pytest.fixture
def alice(alice: User) -> User:
    User.objects.filter(pk=alice.pk).update(date_joined=NOON - 30 * dt.timedelta(days=1))
    PreferenceVersion.objects.filter(user=alice).update(valid_from=NOON - 30 * dt.timedelta(days=1))
    NotificationPreference.objects.filter(user=alice).update(time_zone="UTC")
    alice.refresh_from_db()
    return alice


def want(user: User, **wanted: Any) -> None:
    preference = NotificationPreference.objects.get(user=user)
    for name, value in wanted.items():
        setattr(preference, name, value)
    preference.save()


def of_today(user: User) -> list[tuple[int, str]]:
    return [(one.signal_id, str(one.reason)) for one in hidden_since(user, NOON - HOUR)]


@pytest.mark.parametrize("owned", [True, False])
def test_each_rule_is_named_by_the_preferences_of_the_time(
    at_noon: Any, alice: User, make_insight: MakeInsight, owned: bool
) -> None:
    owner = alice if owned else None
    expected = []

    def hide(reason: str, **fields: Any) -> None:
        expected.append((make_insight(owner, received_at=timezone.now(), **fields).pk, reason))
        at_noon.shift(1)

    hide("below_min_confidence", truth_index=61)
    want(alice, symbols_filter=["GBPUSD"])
    hide("symbol_not_chosen")
    quieting.mute(alice, MuteKind.SYMBOL, "EURUSD", None)
    hide("muted")
    quieting.pause(alice, PauseFor.UNTIL_TURNED_ON, timezone.now())
    hide("paused")
    want(alice, web_enabled=False)
    hide("channel_off")
    want(
        alice,
        web_enabled=True,
        symbols_filter=[],
        paused_until=None,
        quiet_hours_enabled=True,
        quiet_start_time="00:00",
        quiet_end_time="00:00",
        quiet_mode=QuietMode.SKIP,
    )
    hide("quiet_hours", symbol="GBPUSD")
    want(alice, quiet_hours_enabled=False)
    make_insight(owner, symbol="GBPUSD", received_at=timezone.now())  # comes through

    assert of_today(alice) == expected[::-1]


def test_the_words_have_the_figures_of_that_time(at_noon: Any, alice: User, make_insight: MakeInsight) -> None:
    make_insight(truth_index=61, received_at=NOON)
    at_noon.shift(1)
    want(alice, min_confidence=80)
    at_noon.shift(1)
    make_insight(alice, truth_index=79, received_at=NOON)

    assert [one.explanation for one in hidden_since(alice, NOON - HOUR)] == [
        "AI confidence 79 < your 80",
        "AI confidence 61 < your 65",
    ]


def test_an_owned_insight_that_was_scored_again_keeps_its_reason_without_the_new_figures(
    at_noon: Any, alice: User, make_insight: MakeInsight
) -> None:
    signal = make_insight(alice, truth_index=61, received_at=NOON)
    type(signal.validation).objects.update(truth_index=90)  # past the receivers

    [one] = hidden_since(alice, NOON - HOUR)

    assert (one.reason, one.explanation) == (Reason.BELOW_MIN_CONFIDENCE, "below the minimum confidence")


@pytest.mark.parametrize("owned", [True, False])
def test_who_is_reached_over_another_channel_only_is_told_the_rule_of_that(
    at_noon: Any, alice: User, make_insight: MakeInsight, owned: bool
) -> None:
    want(alice, web_enabled=False, push_enabled=True)
    at_noon.shift(1)
    for truth_index in (61, 88):
        make_insight(alice if owned else None, truth_index=truth_index, received_at=timezone.now())

    assert [one.explanation for one in hidden_since(alice, NOON - HOUR)] == ["AI confidence 61 < your 65"]


def test_what_came_through_in_another_revision_is_not_hidden(
    at_noon: Any, alice: User, make_insight: MakeInsight
) -> None:
    scores = {61: "conditional", 90: "approved"}
    for owner in (alice, None):
        for first, then in ((61, 90), (90, 61)):
            validation = make_insight(owner, truth_index=first, received_at=NOON).validation
            validation.truth_index, validation.status = Decimal(then), scores[then]
            validation.save()

    assert InsightDispatch.objects.filter(revision=2, state="done").count() == 4
    assert InsightNotification.objects.filter(user=alice).count() == 4
    assert of_today(alice) == []


def test_others_insights_and_held_ones_and_earlier_ones_are_not_hidden(
    at_noon: Any, alice: User, bob: User, make_insight: MakeInsight
) -> None:
    make_insight(bob, truth_index=61, received_at=NOON)
    want(alice, quiet_hours_enabled=True, quiet_start_time="00:00", quiet_end_time="00:00")
    make_insight(received_at=NOON)
    SuppressedInsight.objects.all()
    earlier = make_insight(alice, truth_index=61, received_at=NOON)
    SuppressedInsight.objects.filter(signal=earlier).update(created_at=NOON - 2 * HOUR)

    assert of_today(alice) == []


def test_house_insights_of_the_time_before_the_account_are_not_hidden(make_insight: MakeInsight) -> None:
    with time_machine.travel(NOON, tick=False):
        make_insight(truth_index=61, received_at=NOON)
        late = User.objects.create_user("late", date_joined=NOON + dt.timedelta(seconds=1))
    with time_machine.travel(NOON + HOUR, tick=False):
        mine = make_insight(truth_index=61, received_at=NOON)

        assert of_today(late) == [(mine.pk, "below_min_confidence")]


def test_staff_who_did_not_opt_in_miss_nothing_of_the_house(at_noon: Any, ada: User, make_insight: MakeInsight) -> None:
    make_insight(truth_index=61, received_at=NOON)
    assert of_today(ada) == []

    want(ada, house_insights_for_staff=True)
    assert len(of_today(ada)) == 1


def test_many_cost_as_many_queries_as_few(at_noon: Any, alice: User, make_insight: MakeInsight) -> None:
    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            assert all(one.explanation for one in hidden_since(alice, NOON - HOUR))
        return len(captured)

    want(alice, min_confidence=90)
    for owner in (alice, None):
        make_insight(owner, received_at=NOON)
    few = queries()
    for number in range(5):
        want(alice, min_confidence=91 + number)
        for owner in (alice, None):
            make_insight(owner, received_at=NOON)

    assert queries() == few


# --- Counts and words -----------------------------------------------------------------------------------------------


def some(reason: Reason, minimum: int, number: int) -> list[Hidden]:
    rules = NotificationPreference(min_confidence=Decimal(minimum)).rules()
    return [Hidden(1, reason, NOON, rules, None)] * number


def test_the_foot_of_the_panel_is_worded_by_reason() -> None:
    hidden = [
        *some(Reason.MUTED, 75, 1),
        *some(Reason.BELOW_MIN_CONFIDENCE, 75, 7),
        *some(Reason.QUIET_HOURS, 75, 4),
    ]

    assert in_words(count_by_reason(hidden)) == "12 hidden today: 7 below 75%, 4 quiet hours, 1 muted"
    assert in_words(count_by_reason([])) == "Nothing hidden today"
    other_minimum = some(Reason.BELOW_MIN_CONFIDENCE, 80, 1)
    assert count_by_reason(hidden + other_minimum)[0].label == "below your minimum"


@pytest.mark.parametrize("reason", [reason for reason in Reason if reason not in  # the brake holds, and hides nothing
                                    (Reason.ALL_RULES_PASSED, Reason.URGENT_IN_QUIET_HOURS, Reason.BRAKE)])  # fmt: skip
def test_every_rule_that_keeps_back_has_words_and_a_setting(reason: Reason) -> None:
    from notifications.reasons import setting_url

    assert in_words(count_by_reason(some(reason, 65, 2))).startswith("2 hidden today: 2 ")
    assert setting_url(reason).startswith("/notifications/preferences/#")


# --- The page and the API -------------------------------------------------------------------------------------------


@pytest.fixture
def browser(at_noon: Any, alice: User) -> Client:
    client = Client()
    client.force_login(alice)
    return client


def test_the_api_counts_since_the_users_own_midnight(
    at_noon: Any, alice: User, browser: Client, make_insight: MakeInsight
) -> None:
    with time_machine.travel(NOON - 19 * HOUR, tick=False):  # 17:00 the day before in London, 22:45 in Kathmandu
        make_insight(truth_index=61, received_at=NOON - 19 * HOUR)
    with time_machine.travel(NOON - 17 * HOUR, tick=False):  # 00:45 of this day in Kathmandu
        make_insight(truth_index=61, received_at=NOON - 17 * HOUR)
    assert browser.get("/notifications/api/hidden/").json()["count"] == 0

    NotificationPreference.objects.filter(user=alice).update(time_zone="Asia/Kathmandu")

    assert browser.get("/notifications/api/hidden/").json() == {
        "count": 1,
        "by_reason": [{"reason": "below_min_confidence", "label": "below 65%", "count": 1}],
        "text": "1 hidden today: 1 below 65%",
        "url": "/notifications/hidden/",
    }


def test_the_page_lists_each_with_its_reason_and_the_way_to_its_setting(
    at_noon: Any, alice: User, browser: Client, make_insight: MakeInsight
) -> None:
    signal = make_insight(truth_index=61, received_at=NOON)
    quieting.mute(alice, MuteKind.STRATEGY, "SMC", None)
    make_insight(alice, strategy="SMC", received_at=NOON)

    page = browser.get("/notifications/hidden/").content.decode()

    assert "AI confidence 61 &lt; your 65" in page
    assert 'href="/notifications/preferences/#id_min_confidence"' in page
    assert "You muted the strategy SMC until you take it back" in page
    assert 'href="/notifications/preferences/#mutes"' in page
    assert f'href="/signals/insight/{signal.pk}/"' in page
    narrowed = browser.get("/notifications/hidden/", {"reason": "muted"})
    assert [str(row.hidden.reason) for row in narrowed.context["rows"]] == ["muted"]


def test_another_day_is_looked_at_by_its_date(at_noon: Any, browser: Client, make_insight: MakeInsight) -> None:
    with time_machine.travel(NOON - 24 * HOUR, tick=False):
        make_insight(truth_index=61, received_at=NOON - 24 * HOUR)

    assert browser.get("/notifications/hidden/").context["total"] == 0
    page = browser.get("/notifications/hidden/", {"day": "2026-03-03"})
    assert (page.context["total"], page.context["later"]) == (1, dt.date(2026, 3, 4))


@pytest.mark.parametrize("query", [{"day": "x"}, {"day": "2026-03-05"}, {"day": "2026-02-17"}, {"reason": "x"}])
def test_what_is_no_day_or_reason_is_refused(browser: Client, query: dict[str, str]) -> None:
    assert browser.get("/notifications/hidden/", query).status_code == 400


def test_who_looks_too_often_is_told_when_to_come_back(browser: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("notifications.hidden_views.LOOKS_A_MINUTE", 2)

    answers = [browser.get(address) for address in 2 * ("/notifications/hidden/", "/notifications/api/hidden/")]

    assert [answer.status_code for answer in answers] == [200, 200, 429, 429]
    assert [1 <= int(answer["Retry-After"]) <= 60 for answer in answers[2:]] == [True, True]


def test_in_german_the_day_stands_before_the_month(at_noon: Any, browser: Client) -> None:
    page = browser.get("/notifications/hidden/", headers={"Accept-Language": "de"}).content.decode()

    assert "am Mittwoch, 4. März, von" in page
    assert "Di 3. März" in page


def test_a_long_day_is_in_pages(browser: Client, make_insight: MakeInsight, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("notifications.hidden_views.PER_PAGE", 2)
    for _ in range(3):
        make_insight(truth_index=61, received_at=NOON)

    pages = [browser.get("/notifications/hidden/", {"page": number}) for number in (1, 2)]

    assert [len(page.context["rows"]) for page in pages] == [2, 1]
    assert InsightDispatch.objects.count() == 3
