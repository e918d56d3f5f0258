"""POST /notifications/api/update-preferences/: what it takes, what it answers, and each way to be refused."""

import datetime as dt
import json
import threading
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.urls import reverse

from notifications.forms import PreferenceForm
from notifications.models import NotificationPreference, PreferenceVersion

Post = Callable[..., Any]


def post_json(client: Client, body: Any, content_type: str = "application/json", **extra: Any) -> Any:
    content = body if isinstance(body, str | bytes) else json.dumps(body)
    return client.post(reverse("api_update_preferences"), content, content_type=content_type, **extra)


@pytest.fixture
def update(client: Client, alice: User) -> Post:
    """Post a body as Alice."""
    client.force_login(alice)
    return lambda body, **extra: post_json(client, body, **extra)


def stored(user: User) -> NotificationPreference:
    return NotificationPreference.objects.get(user=user)


EVERYTHING: dict[str, Any] = {
    "web_enabled": False,
    "push_enabled": True,
    "email_digest_enabled": True,
    "min_confidence": 79.99,
    "strategies_filter": ["ZenithEdge", "SMC"],
    "symbols_filter": ["EURUSD", "BRK.B"],
    "high_priority_only": True,
    "quiet_hours_enabled": True,
    "quiet_start_time": "21:30",
    "quiet_end_time": "06:15:30",
    "quiet_weekdays": [0, 6],
    "quiet_mode": "skip",
    "urgent_bypasses_quiet": True,
    "time_zone": "Asia/Kathmandu",
    "language": "de",
    "sound": True,
    "sound_high": "chime",
    "sound_medium": "tick",
    "sound_low": "none",
    "digest_time": "08:00",
    "paused_until": "2026-03-01T14:30:00.000Z",
    "quiet_windows": [{"start": "12:00", "end": "13:30", "weekdays": [0, 4]}],
}


# --- What it takes --------------------------------------------------------------------------------------------------


def test_every_field_is_saved_and_answered_in_the_types_in_which_it_was_sent(update: Post, alice: User) -> None:
    response = update(EVERYTHING)

    assert response.status_code == 200
    assert response.json() == {"success": True, "preferences": EVERYTHING}
    preference = stored(alice)
    assert preference.min_confidence == Decimal("79.99")
    assert preference.quiet_end_time == dt.time(6, 15, 30)
    assert preference.paused_until == dt.datetime(2026, 3, 1, 14, 30, tzinfo=dt.UTC)


def test_the_answer_can_be_sent_back_as_it_is(update: Post) -> None:
    answered = update({}).json()["preferences"]

    assert update(answered).json()["preferences"] == answered


def test_fields_that_are_not_sent_stay_as_they_are(update: Post, alice: User) -> None:
    update(EVERYTHING)

    response = update({"min_confidence": 70})

    assert response.json()["preferences"] == EVERYTHING | {"min_confidence": 70}


@pytest.mark.parametrize(
    ("sent", "saved"),
    [
        ({"symbols_filter": ["EUR / USD", "OANDA: gbpusd"]}, {"symbols_filter": ["EURUSD", "GBPUSD"]}),
        ({"symbols_filter": ["eur/usd", "EURUSD", " "]}, {"symbols_filter": ["EURUSD"]}),
        ({"strategies_filter": ["smc", "Own, with comma"]}, {"strategies_filter": ["SMC", "Own, with comma"]}),
        ({"time_zone": "europe/london"}, {"time_zone": "Europe/London"}),
        ({"quiet_weekdays": [6, 0, 6]}, {"quiet_weekdays": [0, 6]}),
        ({"quiet_weekdays": []}, {"quiet_weekdays": []}),
        ({"strategies_filter": []}, {"strategies_filter": []}),
        ({"min_confidence": 0}, {"min_confidence": 0}),
        ({"min_confidence": 100}, {"min_confidence": 100}),
        ({"paused_until": "2026-03-01T14:30:00+05:45"}, {"paused_until": "2026-03-01T08:45:00.000Z"}),
        ({"paused_until": None}, {"paused_until": None}),
        ({"symbols_filter": [f"S{n}" for n in range(100)]}, {"symbols_filter": [f"S{n}" for n in range(100)]}),
        ({"strategies_filter": ["s" * 64]}, {"strategies_filter": ["s" * 64]}),
    ],
)
def test_what_is_sent_is_saved_in_canonical_form(update: Post, sent: dict[str, Any], saved: dict[str, Any]) -> None:
    update(EVERYTHING)

    assert update(sent).json()["preferences"] == EVERYTHING | saved


def test_the_version_names_who_changed_it(update: Post, alice: User) -> None:
    update({"min_confidence": 80})

    version = PreferenceVersion.objects.filter(user=alice).latest("id")
    assert (version.snapshot["min_confidence"], version.changed_by) == (80, alice)


def test_fields_and_windows_changed_together_are_one_version(update: Post, alice: User) -> None:
    before = PreferenceVersion.objects.count()

    update({"min_confidence": 80, "quiet_windows": [{"start": "06:00", "end": "09:30", "weekdays": [0]}]})

    assert PreferenceVersion.objects.count() == before + 1
    version = PreferenceVersion.objects.filter(user=alice).latest("id")
    assert (version.snapshot["min_confidence"], len(version.snapshot["quiet_windows"])) == (80, 1)


def test_an_account_without_a_row_gets_one(update: Post, alice: User) -> None:
    NotificationPreference.objects.all().delete()

    assert update({"min_confidence": 80}).status_code == 200
    assert stored(alice).min_confidence == 80


def test_a_bad_zone_in_the_row_does_not_stop_other_fields_from_being_changed(update: Post, alice: User) -> None:
    NotificationPreference.objects.filter(user=alice).update(time_zone="Mars/Olympus_Mons")

    assert update({"min_confidence": 80}).status_code == 200


def test_alice_changes_nobody_elses_preferences(update: Post, bob: User) -> None:
    update({"min_confidence": 80})

    assert stored(bob).min_confidence == 65


def test_staff_can_opt_in_to_house_insights(client: Client, ada: User) -> None:
    client.force_login(ada)

    response = post_json(client, {"house_insights_for_staff": True})

    assert response.json()["preferences"]["house_insights_for_staff"] is True
    assert stored(ada).house_insights_for_staff


def test_traders_have_no_switch_for_house_insights(update: Post) -> None:
    response = update({"house_insights_for_staff": True})

    assert response.status_code == 400
    assert response.json()["error"]["fields"] == {"house_insights_for_staff": ["Unknown field."]}


@pytest.mark.services
@pytest.mark.django_db(transaction=True)
def test_two_tabs_that_save_different_fields_at_once_both_hold(alice: User) -> None:
    bodies = [{"min_confidence": 80}, {"symbols_filter": ["EURUSD"]}, {"high_priority_only": True}, {"sound": True}]
    together = threading.Barrier(len(bodies))
    statuses: list[int] = []

    def save(body: dict[str, Any]) -> None:
        client = Client()
        client.force_login(alice)
        together.wait()
        statuses.append(post_json(client, body).status_code)
        connection.close()

    threads = [threading.Thread(target=save, args=(body,)) for body in bodies]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert statuses == [200] * len(bodies)
    preference = stored(alice)
    assert preference.min_confidence == 80
    assert preference.symbols_filter == ["EURUSD"]
    assert preference.high_priority_only
    assert preference.sound


# --- Values that are refused ----------------------------------------------------------------------------------------


WRONG: list[tuple[str, Any, str]] = [
    ("min_confidence", True, "Give a number from 0 to 100."),
    ("min_confidence", "80", "Give a number from 0 to 100."),
    ("min_confidence", None, "Give a number from 0 to 100."),
    ("min_confidence", [80], "Give a number from 0 to 100."),
    ("min_confidence", -0.01, "Enter a number from 0 to 100."),
    ("min_confidence", 100.01, "Enter a number from 0 to 100."),
    ("min_confidence", 10**400, "Enter a number from 0 to 100."),
    ("min_confidence", 70.123, "Ensure that there are no more than 2 decimal places."),
    ("web_enabled", "yes", "Give true or false."),
    ("web_enabled", 1, "Give true or false."),
    ("sound", None, "Give true or false."),
    ("sound_high", True, "Give the name of a sound as a string."),
    ("sound_low", "gong", "Choose none, tick, chime or rise."),
    ("symbols_filter", "EURUSD", "Give a list of strings."),
    ("symbols_filter", [1], "Give a list of strings."),
    ("symbols_filter", {"EURUSD": True}, "Give a list of strings."),
    (
        "symbols_filter",
        ["not a symbol!!"],
        "“not a symbol!!” is not a symbol; one looks like EURUSD, EUR/USD or FX:EURUSD.",
    ),
    ("symbols_filter", ["EUR USD?"], "“EUR USD?” is not a symbol; one looks like EURUSD, EUR/USD or FX:EURUSD."),
    ("symbols_filter", ["FX:"], "“FX:” is not a symbol; one looks like EURUSD, EUR/USD or FX:EURUSD."),
    ("symbols_filter", ["E" * 65], f"“{'E' * 64}…” is longer than 64 characters."),
    ("symbols_filter", [f"S{n}" for n in range(101)], "At most 100 symbols; these are 101."),
    ("strategies_filter", ["s" * 65], f"“{'s' * 64}…” is longer than 64 characters."),
    ("strategies_filter", ["a\0b"], "“a�b” contains characters that cannot be shown."),
    ("strategies_filter", None, "Give a list of strings."),
    ("quiet_weekdays", [7], "Choose days from 0 (Monday) to 6 (Sunday); 7 is none."),
    ("quiet_weekdays", [-1], "Choose days from 0 (Monday) to 6 (Sunday); -1 is none."),
    ("quiet_weekdays", [True], "Give a list of whole numbers, 0 (Monday) to 6 (Sunday)."),
    ("quiet_weekdays", ["0"], "Give a list of whole numbers, 0 (Monday) to 6 (Sunday)."),
    ("quiet_weekdays", 0, "Give a list of whole numbers, 0 (Monday) to 6 (Sunday)."),
    ("quiet_start_time", "25:00", "Quiet from: enter a time such as 22:00."),
    ("quiet_end_time", "", "Quiet until: enter a time such as 22:00."),
    ("digest_time", 7, 'Give a time as a string, such as "22:00".'),
    ("quiet_mode", "later", "Choose hold or skip; later is neither."),
    ("quiet_mode", "", "Choose hold or skip."),
    ("time_zone", "Mars/Olympus_Mons", "“Mars/Olympus_Mons” is not a known time zone; one looks like Europe/London."),
    ("time_zone", "localtime", "“localtime” is not a known time zone; one looks like Europe/London."),
    ("time_zone", "", "Enter a time zone such as Europe/London."),
    ("time_zone", 5, "Give the name of a time zone as a string."),
    ("language", "tlh", "This site does not speak “tlh”."),
    ("language", None, "Give the code of a language as a string."),
    ("paused_until", "9999-12-31T23:59:59-12:00", "Enter a date between 2000 and 2199."),
    ("paused_until", "0001-01-01T00:00:00+14:00", "Enter a date between 2000 and 2199."),
]
NO_MOMENT = 'Give null, or a date and time with its offset, such as "2026-03-01T14:30:00Z".'
WRONG += [
    ("paused_until", moment, NO_MOMENT)
    for moment in ("2026-03-01T14:30:00", "2026-03-01", "soon", "", "2026-02-30T10:00:00Z", 1772375400, False)
]


@pytest.mark.parametrize(
    ("name", "value", "message"), WRONG, ids=[f"{name}-{str(value)[:24]!r}" for name, value, _ in WRONG]
)
def test_a_wrong_value_is_refused_by_its_fields_name_and_nothing_is_saved(
    update: Post, alice: User, name: str, value: Any, message: str
) -> None:
    response = update({name: value} | {"high_priority_only": True})

    assert response.status_code == 400
    assert response.json()["error"]["code"] == "invalid_fields"
    assert response.json()["error"]["fields"] == {name: [message]}
    assert not stored(alice).high_priority_only


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity"])
def test_numbers_that_are_not_json_are_refused(update: Post, number: str) -> None:
    response = update(f'{{"min_confidence": {number}}}')

    assert response.status_code == 400
    assert response.json()["error"]["message"] == f"The body is not valid JSON: {number} is not a JSON value."


def test_a_number_too_large_for_a_float_is_refused_by_its_fields_name(update: Post) -> None:
    response = update('{"min_confidence": 1e999}')

    assert response.status_code == 400
    assert response.json()["error"]["fields"] == {"min_confidence": ["Enter a number from 0 to 100."]}


def test_every_wrong_field_is_named(update: Post) -> None:
    response = update({"min_confidence": 101, "time_zone": "Nowhere", "sound": True})

    assert set(response.json()["error"]["fields"]) == {"min_confidence", "time_zone"}


def test_unknown_fields_are_errors(update: Post, alice: User) -> None:
    response = update({"min_confidense": 80, "user": 1, "high_priority_only": True})

    assert response.status_code == 400
    assert response.json()["error"]["fields"] == {"min_confidense": ["Unknown field."], "user": ["Unknown field."]}
    assert not stored(alice).high_priority_only


# --- Requests that are refused --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "body",
    [" ", "{", "null", "[]", '"text"', "1", b"\xff", '{"time_zone": "\\ud800"}', '{"sound": true, "sound": false}'],
)
def test_a_body_that_is_no_json_object_is_refused(update: Post, body: str | bytes) -> None:
    response = update(body)

    assert response.status_code == 400
    assert response.json()["error"]["code"] in {"invalid_json", "not_an_object"}


def test_a_body_that_is_nested_too_deeply_is_refused(update: Post) -> None:
    response = update('{"symbols_filter":' + "[" * 20_000 + "]" * 20_000 + "}")

    assert response.status_code == 400
    assert response.json()["error"]["message"] == "The body is not valid JSON: it is nested too deeply."


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded"])
def test_another_content_type_is_refused(update: Post, content_type: str) -> None:
    response = update({"min_confidence": 80}, content_type=content_type)

    assert response.status_code == 415
    assert response.json()["error"]["code"] == "unsupported_media_type"


def test_no_body_at_all_is_refused(update: Post) -> None:
    assert update("").status_code == 415


def test_a_body_that_is_too_large_is_refused(update: Post) -> None:
    response = update("x" * (64 * 1024 + 1))

    assert response.status_code == 413
    assert response.json()["error"]["code"] == "too_large"


def test_a_form_that_is_too_large_is_refused_before_its_token_is_looked_for(alice: User) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(alice)
    client.get(reverse("preferences"))

    response = post_json(client, "x" * (64 * 1024 + 1), content_type="application/x-www-form-urlencoded")

    assert response.status_code == 413
    assert response.json()["error"]["code"] == "too_large"


@pytest.mark.parametrize("method", ["get", "put", "patch", "delete"])
def test_only_post_is_allowed(client: Client, alice: User, method: str) -> None:
    client.force_login(alice)

    response = getattr(client, method)(reverse("api_update_preferences"))

    assert response.status_code == 405
    assert response["Allow"] == "POST"
    assert response.json()["error"]["code"] == "method_not_allowed"


@pytest.mark.parametrize("enforce_csrf_checks", [True, False])
@pytest.mark.django_db
def test_who_is_signed_out_is_told_so_and_not_redirected(enforce_csrf_checks: bool) -> None:
    response = post_json(Client(enforce_csrf_checks=enforce_csrf_checks), {"min_confidence": 80})

    assert response.status_code == 401
    assert response.json() == {"error": {"code": "not_signed_in", "message": "Sign in first."}}


def test_a_request_without_the_csrf_token_is_refused(alice: User) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(alice)

    response = post_json(client, {"min_confidence": 80})

    assert response.status_code == 403
    assert response.json()["error"]["code"] == "csrf_failed"
    assert stored(alice).min_confidence == 65


def test_a_request_with_the_csrf_token_is_taken(alice: User) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(alice)
    client.get(reverse("preferences"))

    response = post_json(client, {"min_confidence": 80}, headers={"X-CSRFToken": client.cookies["csrftoken"].value})

    assert response.status_code == 200


def test_no_answer_is_cached(update: Post) -> None:
    assert "no-store" in update({})["Cache-Control"]
    assert "no-store" in update({"user": 1})["Cache-Control"]


def test_the_field_list_here_is_complete() -> None:
    assert set(EVERYTHING) | {"house_insights_for_staff"} == set(PreferenceForm.Meta.fields) | {"quiet_windows"}
