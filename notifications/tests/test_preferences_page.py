"""The preferences page: complete without JavaScript."""

import datetime as dt
import re
from decimal import Decimal
from html.parser import HTMLParser
from typing import Any

import pytest
import time_machine
from django.contrib.auth.models import User
from django.http import QueryDict
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django.asserts import assertContains, assertNotContains, assertRedirects

from notifications.forms import PreferenceForm
from notifications.models import Mute, NotificationPreference, PreferenceVersion, QuietWindow
from notifications.preference_views import SHOWN_SUGGESTIONS, USUAL_SYMBOLS
from notifications.preferences import UNTIL_TURNED_ON, MuteKind
from notifications.quieting import MAX_WINDOWS

Fields = dict[str, list[str]]


class FormReader(HTMLParser):
    """What a browser would post if the page's preferences form were sent as it stands, and each field's errors."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.fields: Fields = {}
        self.errors: Fields = {}
        self._inside = False
        self._error_of = ""
        self._select = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        named = {name: value or "" for name, value in attributes}
        if tag in {"form", "template"}:
            self._inside = "data-preferences" in named
        if tag == "input" and self._inside and "name" in named:
            self._read_input(named)
        if tag == "select" and self._inside:
            self._select = named["name"]
        if tag == "option" and self._inside and "selected" in named:
            self.fields[self._select] = [named["value"]]
        if tag == "div":
            self._error_of = named.get("data-field-error", self._error_of)

    def handle_endtag(self, tag: str) -> None:
        if tag == "div":
            self._error_of = ""
        self._inside = (self._inside or tag == "template") and tag != "form"

    def handle_data(self, text: str) -> None:
        if self._error_of and text.strip():
            self.errors.setdefault(self._error_of, []).append(text.strip())

    def _read_input(self, named: dict[str, str]) -> None:
        tickable = named.get("type") in {"checkbox", "radio"}
        if not tickable or "checked" in named:
            self.fields.setdefault(named["name"], []).append(named.get("value", "on" if tickable else ""))


@pytest.fixture
def page(client: Client, alice: User) -> Client:
    """Alice's browser."""
    client.force_login(alice)
    return client


def shown(page: Client) -> Fields:
    return FormReader(page.get(reverse("preferences")).content.decode()).fields


def post(page: Client, changes: dict[str, Any], **options: Any) -> Any:
    """Send the form as the page shows it, with these fields filled in differently; None is an unticked box."""
    fields = {name: values for name, values in (shown(page) | changes).items() if values is not None}
    return page.post(reverse("preferences"), fields, **options)


def message(response: Any) -> str:
    """What the page says at its top."""
    (said,) = response.context["messages"]
    return str(said)


def stored(user: User) -> NotificationPreference:
    return NotificationPreference.objects.get(user=user)


UNUSUAL: dict[str, Any] = {
    "web_enabled": False,
    "push_enabled": True,
    "email_digest_enabled": True,
    "min_confidence": Decimal("79.99"),
    "strategies_filter": ["SMC", "Own, with comma", 'Quote"d <b>'],
    "symbols_filter": ["EURUSD", "BRK.B"],
    "high_priority_only": True,
    "quiet_hours_enabled": True,
    "quiet_start_time": dt.time(21, 30),
    "quiet_end_time": dt.time(6, 15, 30),
    "quiet_weekdays": [0, 6],
    "quiet_mode": "skip",
    "urgent_bypasses_quiet": True,
    "time_zone": "Asia/Kathmandu",
    "language": "en",
    "sound": True,
    "sound_high": "chime",
    "sound_medium": "tick",
    "sound_low": "none",
    "digest_time": dt.time(8),
    "paused_until": dt.datetime(2026, 3, 1, 14, 30, 15, tzinfo=dt.UTC),
}


def set_all(preference: NotificationPreference, values: dict[str, Any]) -> None:
    for name, value in values.items():
        setattr(preference, name, value)
    preference.save()


# --- Seeing ---------------------------------------------------------------------------------------------------------


def test_every_field_is_on_the_page(page: Client, alice: User) -> None:
    set_all(stored(alice), UNUSUAL | {"web_enabled": True})

    assert set(PreferenceForm.Meta.fields) - set(shown(page)) == {"house_insights_for_staff"}


def test_staff_see_the_switch_for_house_insights(client: Client, ada: User) -> None:
    client.force_login(ada)

    assertContains(client.get(reverse("preferences")), 'name="house_insights_for_staff"')


def test_traders_do_not_see_the_switch_for_house_insights(page: Client) -> None:
    assertNotContains(page.get(reverse("preferences")), "house_insights_for_staff")


def test_the_page_says_which_choice_has_no_effect_at_first(page: Client) -> None:
    response = page.get(reverse("preferences"))

    assertContains(response, "A short tone. Browsers allow it once you have clicked or typed on the page.")


def test_what_has_been_seen_is_suggested(page: Client, alice: User, bob: User, make_signal: Any) -> None:
    make_signal(alice, symbol="XAUUSD", strategy="Own")
    make_signal(None, symbol="USDJPY")
    make_signal(bob, symbol="SECRET", strategy="Secret")

    context = page.get(reverse("preferences")).context

    assert context["symbols"]["picks"] == [*USUAL_SYMBOLS, "XAUUSD"]
    assert context["strategies"]["picks"] == ["ZenithEdge", "SMC", "TrendFollower", "MeanReversion", "Own"]


def test_what_is_chosen_stands_first_and_what_is_too_much_comes_up_while_typing(
    page: Client, alice: User, make_signal: Any
) -> None:
    set_all(stored(alice), {"symbols_filter": ["CHOSEN", "GBPUSD"]})
    for number in range(SHOWN_SUGGESTIONS):
        make_signal(alice, symbol=f"SEEN{number}")

    symbols = page.get(reverse("preferences")).context["symbols"]

    assert symbols["picks"][:3] == ["CHOSEN", "GBPUSD", "EURUSD"]
    assert len(symbols["picks"]) == 2 + SHOWN_SUGGESTIONS
    assert set(symbols["more"]) == {f"SEEN{number}" for number in range(len(USUAL_SYMBOLS) - 1)}
    assert shown(page)["symbols_filter"][:2] == ["CHOSEN", "GBPUSD"]


def test_names_stay_text(page: Client, alice: User) -> None:
    set_all(stored(alice), {"strategies_filter": ["<script>alert(1)</script>"]})

    response = page.get(reverse("preferences"))

    assertNotContains(response, "<script>alert(1)")
    assertContains(response, "&lt;script&gt;alert(1)")


def test_numbers_and_times_are_shown_plainly(page: Client) -> None:
    fields = shown(page)

    assert fields["min_confidence"] == ["65"]
    assert [fields[name] for name in ("quiet_start_time", "digest_time")] == [["22:00"], ["07:00"]]


def test_a_pause_stands_at_the_top_until_it_is_over(page: Client, alice: User) -> None:
    now = timezone.now()
    set_all(stored(alice), {"paused_until": now - dt.timedelta(minutes=1)})
    assertNotContains(page.get(reverse("preferences")), "Everything is paused")

    set_all(stored(alice), {"paused_until": now + dt.timedelta(hours=1)})
    assertContains(page.get(reverse("preferences")), "Everything is paused")


def test_looking_changes_nothing(page: Client, alice: User) -> None:
    NotificationPreference.objects.all().delete()

    assert page.get(reverse("preferences")).status_code == 200
    assert not NotificationPreference.objects.exists()


@pytest.mark.django_db
def test_who_is_signed_out_is_asked_to_sign_in(client: Client) -> None:
    response = client.get(reverse("preferences"))

    assertRedirects(response, f"{reverse('login')}?next={reverse('preferences')}", fetch_redirect_response=False)


# --- Saving ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("values", [{}, UNUSUAL], ids=["defaults", "unusual"])
def test_sending_the_page_as_it_is_changes_nothing(page: Client, alice: User, values: dict[str, Any]) -> None:
    set_all(stored(alice), values)
    before = NotificationPreference.objects.filter(user=alice).values(*PreferenceForm.Meta.fields).get()

    response = post(page, {}, follow=True)

    assert NotificationPreference.objects.filter(user=alice).values(*PreferenceForm.Meta.fields).get() == before
    assert message(response) == "Saved.\nNothing was different from before."


def test_a_saved_form_leads_back_to_the_page_which_says_what_was_saved(page: Client, alice: User) -> None:
    response = post(
        page,
        {
            "min_confidence": "80",
            "symbols_filter": ["eur/usd", "EURUSD", ""],
            "web_enabled": None,
            "quiet_weekdays": ["5", "6"],
            "quiet_mode": "skip",
        },
        follow=True,
    )

    assertRedirects(response, reverse("preferences"))
    assert message(response).splitlines() == [
        "Saved.",
        "In the browser: on → off",
        "Minimum AI confidence: 65 → 80",
        "Symbols: every symbol → EURUSD",
        "On these days: every day → Saturday, Sunday",
        "What comes in quiet hours is: held until they end → skipped",
    ]
    preference = stored(alice)
    assert (preference.web_enabled, preference.min_confidence) == (False, Decimal(80))
    assert (preference.symbols_filter, preference.quiet_weekdays) == (["EURUSD"], [5, 6])


def test_an_emptied_input_removes_its_name(page: Client, alice: User) -> None:
    set_all(stored(alice), {"symbols_filter": ["EURUSD", "GBPUSD"]})

    post(page, {"symbols_filter": ["", "GBPUSD", "", ""]})

    assert stored(alice).symbols_filter == ["GBPUSD"]


def test_no_day_ticked_means_no_day(page: Client, alice: User) -> None:
    post(page, {"quiet_weekdays": None})

    assert stored(alice).quiet_weekdays == []


@pytest.mark.parametrize("typed", ["2026-03-01T14:30", "2026-03-01 14:30:00"])
def test_a_pause_is_read_by_the_users_clock(page: Client, alice: User, typed: str) -> None:
    response = post(page, {"paused_until": typed, "time_zone": "Asia/Kathmandu"}, follow=True)

    assert stored(alice).paused_until == dt.datetime(2026, 3, 1, 8, 45, tzinfo=dt.UTC)
    assert shown(page)["paused_until"] == ["2026-03-01T14:30:00"]
    assert "Pause everything until: no pause → 1 Mar 2026, 14:30" in message(response)


def test_the_version_names_who_saved(page: Client, alice: User) -> None:
    post(page, {"min_confidence": "80"})

    assert PreferenceVersion.objects.filter(user=alice).latest("id").changed_by == alice


def test_whoever_opens_the_page_again_and_again_is_told_to_wait(page: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("notifications.preference_views.PAGES_A_MINUTE", 1)

    _, refused = [page.get(reverse("preferences")) for _ in range(2)]

    assert (refused.status_code, 1 <= int(refused["Retry-After"]) <= 60) == (429, True)
    assertContains(refused, "This page was loaded very often", status_code=429)
    assertNotContains(refused, "password is refused", status_code=429)


# --- Errors ---------------------------------------------------------------------------------------------------------


def test_errors_stand_beside_their_fields_and_what_was_typed_is_kept(page: Client, alice: User) -> None:
    response = post(
        page,
        {
            "min_confidence": "101",
            "symbols_filter": ["EURUSD", "what?", ""],
            "time_zone": "Nowhere",
            "high_priority_only": "on",
            "digest_time": "08:30",
        },
    )

    read = FormReader(response.content.decode())
    assert response.status_code == 200
    assert read.errors == {
        "min_confidence": ["Enter a number from 0 to 100."],
        "symbols_filter": ["“what?” is not a symbol; one looks like EURUSD, EUR/USD or FX:EURUSD."],
        "time_zone": ["“Nowhere” is not a known time zone; one looks like Europe/London."],
    }
    assert read.fields["min_confidence"] == ["101"]
    assert read.fields["symbols_filter"][:2] == ["EURUSD", "what?"]
    assert read.fields["digest_time"] == ["08:30"]
    assert "high_priority_only" in read.fields
    assert not stored(alice).high_priority_only


def test_the_first_wrong_field_has_the_focus_and_each_names_its_error(page: Client) -> None:
    response = post(page, {"time_zone": "Nowhere", "quiet_start_time": "24:00"})

    html = response.content.decode()
    assert re.findall(r"<input[^>]* autofocus[^>]*>", html) == re.findall(r'<input[^>]*name="time_zone"[^>]*>', html)
    for name in ("time_zone", "quiet_start_time"):
        (field,) = re.findall(rf'<input[^>]*name="{name}"[^>]*>', html)
        assert 'aria-invalid="true"' in field
        assert re.search(rf'aria-describedby="[^"]*\bid_{name}_error\b', field)
        assert f'id="id_{name}_error"' in html


def test_a_wrong_name_is_named_at_the_input_for_another(page: Client) -> None:
    html = post(page, {"symbols_filter": ["what?"], "time_zone": "Nowhere"}).content.decode()

    (entry,) = re.findall(r"<input[^>]* autofocus[^>]*>", html)
    assert 'aria-label="Another symbol"' in entry
    assert 'aria-invalid="true" aria-describedby="id_symbols_filter_error"' in entry


@pytest.mark.parametrize(
    ("name", "typed"),
    [
        ("min_confidence", ""),
        ("min_confidence", "NaN"),
        ("min_confidence", "Infinity"),
        ("min_confidence", "1e5"),
        ("min_confidence", "many"),
        ("quiet_start_time", "24:00"),
        ("quiet_weekdays", ["7"]),
        ("quiet_weekdays", ["x"]),
        ("quiet_mode", "later"),
        ("strategies_filter", ["s" * 65]),
        ("symbols_filter", [f"S{n}" for n in range(101)]),
        ("time_zone", "Europe"),
        ("time_zone", "UTC\0"),
        ("paused_until", "soon"),
        ("paused_until", "0001-01-01T00:00"),
        ("paused_until", "2026-02-30T00:00"),
    ],
)
def test_a_wrong_value_is_refused_beside_its_field(page: Client, alice: User, name: str, typed: Any) -> None:
    response = post(page, {name: typed, "high_priority_only": "on"})

    assert response.status_code == 200
    assert set(FormReader(response.content.decode()).errors) == {name}
    assert not stored(alice).high_priority_only


def test_a_post_without_any_field_is_refused_and_saves_nothing(page: Client, alice: User) -> None:
    before = stored(alice).rules()

    response = page.post(reverse("preferences"), QueryDict())

    assert response.status_code == 200
    assert stored(alice).rules() == before


def test_a_post_without_the_csrf_token_is_refused(alice: User) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(alice)

    assert client.post(reverse("preferences"), {"min_confidence": "80"}).status_code == 403
    assert stored(alice).min_confidence == 65


# --- Quiet windows --------------------------------------------------------------------------------------------------


def windows_of(user: User) -> list[tuple[str, str, list[int]]]:
    further = QuietWindow.objects.filter(preference__user=user)
    return [(f"{window.start:%H:%M}", f"{window.end:%H:%M}", window.weekdays) for window in further]


def press(page: Client, button: str, changes: dict[str, Any] | None = None) -> Fields:
    """Send the form by a button of the windows; what the page that comes back would post."""
    response = post(page, (changes or {}) | {"windows": button})
    assert response.status_code == 200
    return FormReader(response.content.decode()).fields


def save(page: Client, fields: Fields) -> Any:
    return page.post(reverse("preferences"), fields, follow=True)


def test_a_window_is_added_without_a_script_and_saved_with_the_rest(page: Client, alice: User) -> None:
    fields = press(page, "add", {"min_confidence": "72", "quiet_hours_enabled": "on"})
    assert not windows_of(alice)
    assert stored(alice).min_confidence == 65

    versions = PreferenceVersion.objects.count()
    response = save(page, fields | {"windows-0-end": ["13:30"], "windows-0-weekdays": ["0", "4"]})

    assert PreferenceVersion.objects.count() == versions + 1
    assert windows_of(alice) == [("12:00", "13:30", [0, 4])]
    assert stored(alice).min_confidence == 72
    assert "Further quiet windows: none → 12:00–13:30 Mon Fri" in message(response)


def test_a_window_is_removed_by_its_button_and_the_others_stay_as_they_were_typed(page: Client, alice: User) -> None:
    fields = press(page, "add")
    for _ in range(2):
        fields = FormReader(page.post(reverse("preferences"), fields | {"windows": "add"}).content.decode()).fields
    fields |= {"windows-0-start": ["09:00"], "windows-2-start": ["11:11"]}

    after = FormReader(page.post(reverse("preferences"), fields | {"windows": "remove-1"}).content.decode()).fields
    save(page, after)

    assert sorted(start for start, _, _ in windows_of(alice)) == ["09:00", "11:11"]


def test_a_box_to_remove_a_window_does_too(page: Client, alice: User) -> None:
    save(page, press(page, "add"))

    save(page, shown(page) | {"windows-0-DELETE": ["on"]})

    assert windows_of(alice) == []


def test_errors_of_a_window_stand_beside_its_fields(page: Client, alice: User) -> None:
    fields = press(page, "add") | {"windows-0-start": ["24:00"], "high_priority_only": ["on"]}
    del fields["windows-0-weekdays"]

    html = save(page, fields).content.decode()

    assert FormReader(html).errors == {
        "start": ["From: enter a time such as 22:00."],
        "weekdays": ["Choose at least one day, or remove the window."],
    }
    assert 'id="id_windows-0-start_error"' in html
    assert windows_of(alice) == []
    assert not stored(alice).high_priority_only


def test_more_windows_than_anybody_needs_are_refused(page: Client, alice: User) -> None:
    fields = press(page, "add")
    fields["windows-TOTAL_FORMS"] = [str(MAX_WINDOWS + 1)]
    for index in range(MAX_WINDOWS + 1):
        for name in ("start", "end", "weekdays"):
            fields[f"windows-{index}-{name}"] = fields[f"windows-0-{name}"]

    assert save(page, fields).status_code == 200
    assert windows_of(alice) == []


def test_a_preset_fills_in_the_windows_by_the_users_clock_and_turns_them_on(page: Client, alice: User) -> None:
    fields = press(page, "fill-in-sessions", {"time_zone": "America/New_York"})

    assert fields["quiet_hours_enabled"] == ["on"]
    assert (fields["quiet_start_time"], fields["quiet_weekdays"]) == (["17:00"], list("0123456"))
    assert (fields["windows-0-end"], fields["windows-0-weekdays"]) == (["17:00"], ["5", "6"])
    assert fields["time_zone"] == ["America/New_York"]
    save(page, fields)
    assert stored(alice).quiet_hours_enabled
    assert [(end, days) for _, end, days in windows_of(alice)] == [("17:00", [5, 6])]


@pytest.mark.parametrize("button", ["nonsense", "remove-99", "fill-in-nothing", "remove-١"])
def test_an_unknown_button_changes_nothing(page: Client, alice: User, button: str) -> None:
    before = shown(page)

    after = press(page, button)

    formal = {"csrfmiddlewaretoken", "windows-MIN_NUM_FORMS", "windows-MAX_NUM_FORMS"}
    assert {name: after[name] for name in after.keys() - formal} == {
        name: before[name] for name in before.keys() - formal
    }


def test_a_post_without_windows_leaves_them_as_they_are(page: Client, alice: User) -> None:
    save(page, press(page, "add"))
    without = {name: values for name, values in shown(page).items() if not name.startswith("windows")}

    save(page, without)

    assert len(windows_of(alice)) == 1


# --- What takes effect at once --------------------------------------------------------------------------------------


def test_mutes_are_listed_with_their_end_and_can_be_taken_back(page: Client, alice: User) -> None:
    ends = timezone.now().replace(microsecond=0) + dt.timedelta(hours=4)
    mute = Mute.objects.create(user=alice, kind=MuteKind.SYMBOL, name="XAUUSD", until=ends)
    Mute.objects.create(user=alice, kind=MuteKind.STRATEGY, name="SMC")

    response = page.get(reverse("preferences"))

    assertContains(response, f'datetime="{ends.isoformat()}"')
    assertContains(response, "until you take it back")
    back = page.post(reverse("unmute", args=[mute.pk]), {"next": f"{reverse('preferences')}#mutes"})
    assertRedirects(back, f"{reverse('preferences')}#mutes", fetch_redirect_response=False)
    assert [left.name for left in Mute.objects.filter(user=alice)] == ["SMC"]


@pytest.mark.parametrize(
    ("button", "until"),
    [
        ({"for_h": "4"}, dt.datetime(2026, 3, 1, 19, 0, tzinfo=dt.UTC)),
        ({"until_tomorrow": "on"}, dt.datetime(2026, 3, 1, 18, 15, tzinfo=dt.UTC)),
        ({}, None),
    ],
)
def test_a_mute_is_added_by_hand(page: Client, alice: User, button: dict[str, str], until: dt.datetime | None) -> None:
    set_all(stored(alice), {"time_zone": "Asia/Kathmandu"})

    with time_machine.travel(dt.datetime(2026, 3, 1, 15, 0, tzinfo=dt.UTC), tick=False):
        page.post(reverse("mute"), {"kind": "symbol", "name": "xau/usd", **button})

    mute = Mute.objects.get(user=alice)
    assert (mute.kind, mute.name, mute.until) == ("symbol", "XAUUSD", until)


def test_a_pause_without_an_end_is_kept_when_the_form_is_saved(page: Client, alice: User) -> None:
    page.post(reverse("pause"), {"for": "until_i_turn_it_on"})
    assertContains(page.get(reverse("preferences")), "until you turn it on again")

    assert message(post(page, {}, follow=True)) == "Saved.\nNothing was different from before."
    assert stored(alice).paused_until == UNTIL_TURNED_ON


# --- The preview ----------------------------------------------------------------------------------------------------


def test_the_page_shows_what_the_saved_preferences_would_have_done(
    page: Client, alice: User, make_insight: Any
) -> None:
    make_insight(alice, truth_index=90)
    make_insight(alice, truth_index=50, outcome="win")

    response = page.get(reverse("preferences"))

    assertContains(response, "As it is saved: 1 alert in 7 days")
    assertContains(response, "1 winner would be hidden")
    assertContains(response, "1 × Below the minimum confidence")
    assert response.content.decode().count('class="preview-kept"') == 7 + 30


def test_every_setting_can_be_linked_to(page: Client, ada: User) -> None:
    page.force_login(ada)
    html = page.get(reverse("preferences")).content.decode()

    anchors = [f"id_{name}" for name in PreferenceForm.Meta.fields] + ["mutes", "quiet-windows", "preview"]
    assert [anchor for anchor in anchors if html.count(f' id="{anchor}"') != 1] == []


# --- The reliability of the confidence ------------------------------------------------------------------------------


def close_insights(user: User, make_insight: Any, *, won: int, lost: int, truth_index: int) -> None:
    for outcome in ["win"] * won + ["loss"] * lost:
        make_insight(user, truth_index=truth_index, outcome=outcome, closed_at=timezone.now())


def test_the_slider_says_how_many_closed_insights_won(page: Client, alice: User, make_insight: Any) -> None:
    close_insights(alice, make_insight, won=11, lost=10, truth_index=84)
    close_insights(alice, make_insight, won=10, lost=9, truth_index=75)

    response = page.get(reverse("preferences"))

    assertContains(response, "80–89: 52% of 21")
    assertNotContains(response, "of 19")
    assertContains(response, 'class="reliability-bar"', count=1)


def test_without_enough_closed_insights_the_slider_says_nothing_of_them(page: Client) -> None:
    assertNotContains(page.get(reverse("preferences")), "slider-rates")
