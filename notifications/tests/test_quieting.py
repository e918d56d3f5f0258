"""Asking for quiet with one click: by form and over the API, and what it then does."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

import pytest
import time_machine
from django.contrib.auth.models import User
from django.contrib.messages import get_messages
from django.db import IntegrityError, transaction
from django.test import Client

from notifications import quieting
from notifications.models import (
    InsightNotification,
    Mute,
    NotificationPreference,
    PreferenceVersion,
    QuietWindow,
    SuppressedInsight,
)
from notifications.preferences import UNTIL_TURNED_ON, MuteKind, MuteRule, Rules
from notifications.quiet import Window
from notifications.quieting import PauseFor
from signals.models import Signal

MakeSignal = Callable[..., Signal]
NOON = dt.datetime(2026, 3, 4, 12, tzinfo=dt.UTC)
NIGHT = dt.datetime(2026, 3, 4, 23, 30, tzinfo=dt.UTC)
EVERY_DAY = frozenset(range(7))

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def browser(alice: User) -> Client:
    client = Client()
    client.force_login(alice)
    return client


def stored(user: User) -> NotificationPreference:
    return NotificationPreference.objects.get(user=user)


def latest_rules(user: User) -> Rules:
    return Rules.from_json(PreferenceVersion.objects.filter(user=user).order_by("-pk")[0].snapshot)


def api(browser: Client, address: str, body: Any) -> Any:
    return browser.post(f"/notifications/api/{address}/", body, content_type="application/json")


# --- A pause --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wanted", "paused_until", "without_end"),
    [
        ("1h", "2026-03-04T13:00:00.000Z", False),
        ("until_tomorrow", "2026-03-04T18:15:00.000Z", False),  # midnight in Kathmandu
        ("until_i_turn_it_on", "2199-12-31T00:00:00.000Z", True),
        ("off", None, False),
    ],
)
def test_a_pause_lasts_as_long_as_was_asked_for(
    alice: User, wanted: str, paused_until: str | None, without_end: bool
) -> None:
    NotificationPreference.objects.filter(user=alice).update(time_zone="Asia/Kathmandu", paused_until=NOON)
    with time_machine.travel(NOON, tick=False):
        browser = Client()
        browser.force_login(alice)
        answer = api(browser, "pause", {"for": wanted}).json()

    assert answer == {"success": True, "paused_until": paused_until, "until_turned_on": without_end}
    kept = stored(alice).paused_until
    assert (kept and kept.isoformat()) == (paused_until and paused_until.replace(".000Z", "+00:00"))


def test_tomorrow_begins_though_the_clock_jumps_over_midnight(alice: User) -> None:
    NotificationPreference.objects.filter(user=alice).update(time_zone="Africa/Cairo")
    the_evening_before = dt.datetime(2026, 4, 23, 18, tzinfo=dt.UTC)

    until = quieting.pause(alice, PauseFor.UNTIL_TOMORROW, the_evening_before)

    assert until == dt.datetime(2026, 4, 23, 22, tzinfo=dt.UTC)


def test_what_comes_during_a_pause_is_suppressed(alice: User, browser: Client, make_insight: MakeSignal) -> None:
    api(browser, "pause", {"for": "until_i_turn_it_on"})
    make_insight(alice)

    assert SuppressedInsight.objects.get().reason == "paused"
    api(browser, "pause", {"for": "off"})
    make_insight(alice)
    assert InsightNotification.objects.count() == 1


def test_what_is_held_comes_out_after_the_pause(alice: User, make_insight: MakeSignal) -> None:
    NotificationPreference.objects.filter(user=alice).update(quiet_hours_enabled=True, time_zone="UTC")
    with time_machine.travel(NIGHT, tick=False):
        make_insight(alice, timeframe="4h", received_at=NIGHT)
        quieting.pause(alice, PauseFor.UNTIL_TURNED_ON, NIGHT)
        held_until = InsightNotification.objects.get().held_until
        assert held_until is not None
        assert held_until >= UNTIL_TURNED_ON

        quieting.pause(alice, PauseFor.OFF, NIGHT)
        assert InsightNotification.objects.get().held_until == NIGHT + dt.timedelta(hours=7, minutes=30)


def test_a_pause_without_an_end_survives_the_form_of_the_preferences(alice: User, browser: Client) -> None:
    quieting.pause(alice, PauseFor.UNTIL_TURNED_ON, NOON)
    for zone in ("Pacific/Kiritimati", "Etc/GMT+12"):
        NotificationPreference.objects.filter(user=alice).update(time_zone=zone)
        form = browser.get("/notifications/preferences/").context["form"]
        browser.post("/notifications/preferences/", {name: form[name].value() or "" for name in form.fields})

        assert stored(alice).paused_until == UNTIL_TURNED_ON


@pytest.mark.parametrize("wanted", ["2h", "", None, 1, ["1h"], {"1h": 1}, True])
def test_any_other_pause_is_refused(alice: User, browser: Client, wanted: Any) -> None:
    response = api(browser, "pause", {"for": wanted})

    assert response.status_code == 400
    assert response.json()["error"]["fields"] == {"for": ["Give one of 1h, until_tomorrow, until_i_turn_it_on, off."]}
    assert stored(alice).paused_until is None


# --- Mutes ----------------------------------------------------------------------------------------------------------


@time_machine.travel(NOON, tick=False)
def test_a_symbol_is_muted_for_hours_and_a_strategy_for_good(alice: User) -> None:
    browser = Client()
    browser.force_login(alice)

    symbol = api(browser, "mutes", {"kind": "symbol", "name": "eur/usd", "for_h": 4}).json()["mute"]
    strategy = api(browser, "mutes", {"kind": "strategy", "name": "smc", "for_h": None}).json()["mute"]

    ids = dict(Mute.objects.values_list("name", "pk"))
    until = "2026-03-04T16:00:00.000Z"
    assert symbol == {"id": ids["EURUSD"], "kind": "symbol", "name": "EURUSD", "until": until}
    assert strategy == {"id": ids["SMC"], "kind": "strategy", "name": "SMC", "until": None}
    assert latest_rules(alice).mutes == (
        MuteRule(MuteKind.STRATEGY, "SMC"),
        MuteRule(MuteKind.SYMBOL, "EURUSD", NOON + dt.timedelta(hours=4)),
    )


def test_what_is_muted_is_suppressed_until_it_is_taken_back(
    alice: User, browser: Client, make_insight: MakeSignal
) -> None:
    muted = api(browser, "mutes", {"kind": "symbol", "name": "EURUSD", "for_h": None}).json()["mute"]
    make_insight(alice, symbol="EURUSD")
    make_insight(alice, symbol="GBPUSD")
    assert [row.signal.symbol for row in InsightNotification.objects.all()] == ["GBPUSD"]
    assert SuppressedInsight.objects.get().reason == "muted"

    assert browser.delete(f"/notifications/api/mutes/{muted['id']}/").json() == {"success": True}

    assert latest_rules(alice).mutes == ()
    make_insight(alice, symbol="EURUSD")
    assert InsightNotification.objects.count() == 2


def test_muting_the_same_again_gives_it_another_end(alice: User, browser: Client) -> None:
    for hours in (4, None):
        api(browser, "mutes", {"kind": "symbol", "name": "EURUSD", "for_h": hours})

    assert Mute.objects.get().until is None


@time_machine.travel(NOON, tick=False)
@pytest.mark.parametrize("hours", [24, None])
def test_undoing_gives_a_mute_the_end_back_that_it_had(alice: User, hours: int | None) -> None:
    browser = Client()
    browser.force_login(alice)
    eurusd = {"kind": "symbol", "name": "EURUSD"}
    assert api(browser, "mutes", eurusd | {"for_h": hours}).json()["replaced"] is None
    before = Mute.objects.get().until

    changed = api(browser, "mutes", eurusd | {"for_h": 4}).json()
    api(browser, "mutes", eurusd | changed["replaced"])

    assert Mute.objects.get().until == before


@time_machine.travel(NOON, tick=False)
def test_a_mute_that_had_ended_is_nothing_to_go_back_to(alice: User) -> None:
    quieting.mute(alice, MuteKind.SYMBOL, "EURUSD", NOON)
    browser = Client()
    browser.force_login(alice)

    assert api(browser, "mutes", {"kind": "symbol", "name": "EURUSD", "for_h": 4}).json()["replaced"] is None


def test_a_mute_that_has_ended_is_not_listed(alice: User) -> None:
    quieting.mute(alice, MuteKind.SYMBOL, "EURUSD", NOON)
    quieting.mute(alice, MuteKind.SYMBOL, "GBPUSD", NOON + dt.timedelta(microseconds=1))
    quieting.mute(alice, MuteKind.STRATEGY, "SMC", None)

    assert [mute.name for mute in quieting.mutes_in_force(alice, NOON)] == ["SMC", "GBPUSD"]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"kind": "user", "name": "EURUSD", "for_h": 4}, "kind"),
        ({"kind": 1, "name": "EURUSD", "for_h": 4}, "kind"),
        ({"name": "EURUSD", "for_h": 4}, "kind"),
        ({"kind": "symbol", "name": "", "for_h": 4}, "name"),
        ({"kind": "symbol", "name": 5, "for_h": 4}, "name"),
        ({"kind": "symbol", "name": "not a symbol", "for_h": 4}, "name"),
        ({"kind": "strategy", "name": "x" * 65, "for_h": 4}, "name"),
        ({"kind": "strategy", "name": "\0", "for_h": 4}, "name"),
        ({"kind": "symbol", "name": "EURUSD"}, "for_h"),
        ({"kind": "symbol", "name": "EURUSD", "for_h": 0}, "for_h"),
        ({"kind": "symbol", "name": "EURUSD", "for_h": 721}, "for_h"),
        ({"kind": "symbol", "name": "EURUSD", "for_h": True}, "for_h"),
        ({"kind": "symbol", "name": "EURUSD", "for_h": "4"}, "for_h"),
        ({"kind": "symbol", "name": "EURUSD", "until": 5}, "until"),
        ({"kind": "symbol", "name": "EURUSD", "until": "tomorrow"}, "until"),
        ({"kind": "symbol", "name": "EURUSD", "until": "2026-03-04T16:00:00"}, "until"),
        ({"kind": "symbol", "name": "EURUSD", "until": "2999-03-04T16:00:00Z"}, "until"),
        ({"kind": "symbol", "name": "EURUSD", "until": None, "for_h": 4}, "until"),
    ],
)
def test_a_mute_that_makes_no_sense_is_refused_by_the_name_of_its_field(
    alice: User, browser: Client, body: dict[str, Any], field: str
) -> None:
    response = api(browser, "mutes", body)

    assert response.status_code == 400
    assert set(response.json()["error"]["fields"]) == {field}
    assert not Mute.objects.exists()


def test_more_mutes_than_anybody_needs_are_refused(
    alice: User, browser: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quieting, "MAX_MUTES", 1)
    for name, status in (("EURUSD", 200), ("GBPUSD", 400), ("EURUSD", 200)):
        assert api(browser, "mutes", {"kind": "symbol", "name": name, "for_h": 1}).status_code == status


def test_the_database_refuses_what_python_could_not_read(alice: User) -> None:
    with pytest.raises(IntegrityError, match="mute_kind_known"), transaction.atomic():
        Mute.objects.bulk_create([Mute(user=alice, kind="other", name="EURUSD")])
    with pytest.raises(IntegrityError, match="mute_until_known"), transaction.atomic():
        Mute.objects.bulk_create(
            [Mute(user=alice, kind="symbol", name="EURUSD", until=UNTIL_TURNED_ON + dt.timedelta(days=1))]
        )


# --- Windows of quiet -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", ["one", "all"])
def test_a_further_window_keeps_a_version_and_moves_what_is_held(
    alice: User, make_insight: MakeSignal, way: str
) -> None:
    NotificationPreference.objects.filter(user=alice).update(quiet_hours_enabled=True, time_zone="UTC")
    with time_machine.travel(NIGHT, tick=False):
        make_insight(alice, timeframe="4h", received_at=NIGHT)
        if way == "one":
            window = QuietWindow.objects.create(preference=stored(alice), start="06:00", end="09:30")
        else:
            quieting.save(stored(alice), [Window(dt.time(6), dt.time(9, 30), EVERY_DAY)], changed_by=alice)
        assert InsightNotification.objects.get().held_until == NIGHT + dt.timedelta(hours=10)
        assert latest_rules(alice).quiet_windows == (Window(dt.time(6), dt.time(9, 30), EVERY_DAY),)

        if way == "one":
            window.delete()
        else:
            quieting.save(stored(alice), [], changed_by=alice)
    assert InsightNotification.objects.get().held_until == NIGHT + dt.timedelta(hours=7, minutes=30)
    assert latest_rules(alice).quiet_windows == ()


def test_weekdays_come_back_as_they_were_given(alice: User) -> None:
    for weekdays in ([], [6], [4, 0], list(range(7))):
        window = QuietWindow.objects.create(preference=stored(alice), start="12:00", end="13:00", weekdays=weekdays)
        window.refresh_from_db()
        assert window.weekdays == sorted(weekdays)


def test_more_windows_than_anybody_needs_are_refused(alice: User) -> None:
    windows = [Window(dt.time(hour), dt.time(hour, 30), EVERY_DAY) for hour in range(quieting.MAX_WINDOWS + 1)]

    with pytest.raises(quieting.TooManyError):
        quieting.save(stored(alice), windows, changed_by=alice)


def test_an_account_goes_with_its_mutes_and_windows(alice: User) -> None:
    quieting.mute(alice, MuteKind.SYMBOL, "EURUSD", None)
    quieting.save(stored(alice), [Window(dt.time(6), dt.time(9, 30), EVERY_DAY)], changed_by=alice)

    alice.delete()

    assert not Mute.objects.exists()
    assert not QuietWindow.objects.exists()


# --- Forms ----------------------------------------------------------------------------------------------------------


def said(response: Any) -> list[str]:
    return [str(message) for message in get_messages(response.wsgi_request)]


def test_every_click_works_as_a_form_and_leads_back(alice: User, browser: Client) -> None:
    NotificationPreference.objects.filter(user=alice).update(time_zone="UTC")
    steps = [
        ("pause/", {"for": "until_i_turn_it_on"}, "Notifications are paused until you turn them on."),
        ("pause/", {"for": "off"}, "Notifications are on again."),
        ("pause/", {"for": "never"}, "Give one of 1h, until_tomorrow, until_i_turn_it_on, off."),
        ("mutes/", {"kind": "symbol", "name": "eurusd"}, "EURUSD is muted until you take it back."),
        ("mutes/", {"kind": "symbol", "name": "eurusd", "for_h": "x"}, "Enter a whole number."),
    ]
    for address, form, words in steps:
        response = browser.post(f"/notifications/{address}", form | {"next": "/notifications/preferences/"})
        assert (response.status_code, response["Location"]) == (302, "/notifications/preferences/")
        assert said(response)[-1] == words

    response = browser.post(f"/notifications/mutes/{Mute.objects.get().pk}/delete/", {"next": "https://evil.example/"})
    assert response["Location"] == "/notifications/"
    assert said(response)[-1] == "EURUSD is no longer muted."
    assert not Mute.objects.exists()


def test_a_time_is_said_by_the_users_own_clock(alice: User) -> None:
    NotificationPreference.objects.filter(user=alice).update(time_zone="Asia/Kathmandu")
    with time_machine.travel(NOON, tick=False):
        browser = Client()
        browser.force_login(alice)
        paused = browser.post("/notifications/pause/", {"for": "1h"})
        muted = browser.post("/notifications/mutes/", {"kind": "strategy", "name": "smc", "for_h": "4"})

    assert said(paused) == ["Notifications are paused until 2026-03-04 18:45."]
    assert said(muted)[-1] == "SMC is muted until 2026-03-04 21:45."
