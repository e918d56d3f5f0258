"""docs/openapi.yaml against the running site: every operation, every status that it names, nothing left out."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
import yaml
from django.conf import settings
from django.contrib.auth.models import User
from django.db import OperationalError
from django.test import Client
from jsonschema import Draft202012Validator
from openapi_spec_validator import validate
from pytest_django import Settings
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

from notifications import hidden_views, preference_views, realtime
from notifications.delivery import webpush
from notifications.forms import PreferenceForm
from notifications.models import InsightNotification, Mute
from notifications.preferences import MuteKind, Reason
from notifications.priority import Priority
from notifications.tests.rows import store_notification
from notifications.tests.test_access import EVERY_ADDRESS
from signals import intake
from signals.models import Side, Signal, Timeframe, WebhookSource

DOCUMENT: dict[str, Any] = yaml.safe_load((settings.BASE_DIR / "docs" / "openapi.yaml").read_text())
REGISTRY: Registry[Any] = Registry().with_resource(
    "urn:api", Resource.from_contents(DOCUMENT, default_specification=DRAFT202012)
)
SCHEMAS = DOCUMENT["components"]["schemas"]

LIST = "/notifications/api/list/"
UNREAD_COUNT = "/notifications/api/unread-count/"
MARK_READ = "/notifications/api/mark-read/{notification_id}/"
MARK_MANY_READ = "/notifications/api/mark-read/"
MARK_UNREAD = "/notifications/api/mark-unread/{notification_id}/"
MARK_ALL_READ = "/notifications/api/mark-all-read/"
UNDO = "/notifications/api/mark-all-read/undo/"
UPDATE_PREFERENCES = "/notifications/api/update-preferences/"
PREVIEW = "/notifications/api/preview-preferences/"
WEBHOOK = "/signals/webhook/{token}/"
LIVEZ, READYZ = "/livez", "/readyz"
HIDDEN = "/notifications/api/hidden/"
PAUSE = "/notifications/api/pause/"
MUTES = "/notifications/api/mutes/"
MUTE = "/notifications/api/mutes/{mute_id}/"
PUSH = "/notifications/api/push-subscriptions/"
PUSH_RENEWAL = "/notifications/api/push-subscriptions/renew/"
PUSH_READ = "/notifications/api/push-read/"
API_POSTS = (MARK_READ, MARK_MANY_READ, MARK_UNREAD, MARK_ALL_READ, UNDO, UPDATE_PREFERENCES, PAUSE, MUTES, PUSH)

SUBSCRIPTION = DOCUMENT["paths"][PUSH]["post"]["requestBody"]["content"]["application/json"]["example"]
ALERT = DOCUMENT["paths"][WEBHOOK]["post"]["requestBody"]["content"]["application/json"]["example"]
TOO_LARGE = json.dumps({"x": "x" * 70_000})


@dataclass
class World:
    """Alice signed in, her notification, her webhook."""

    alice: Client
    nobody: Client
    without_csrf_token: Client
    notification: InsightNotification
    mute: Mute
    token: str
    source: WebhookSource
    settings: Settings
    monkeypatch: pytest.MonkeyPatch

    def address(self, path: str) -> str:
        return path.format(notification_id=self.notification.pk, token=self.token, mute_id=self.mute.pk)

    def post(
        self, path: str, body: object = None, *, client: Client | None = None, headers: dict[str, str] | None = None
    ) -> Any:
        text = body if isinstance(body, str) else json.dumps(body or {})
        sender = client or self.alice
        return sender.post(self.address(path), text, content_type="application/json", headers=headers)

    def close_database(self) -> None:
        def fail(*args: object, **kwargs: object) -> None:
            raise OperationalError("the database is away")

        self.monkeypatch.setattr(intake, "receive", fail)


@pytest.fixture
def world(
    alice: User, make_signal: Callable[..., Signal], settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> World:
    source = WebhookSource(user=alice)
    token = source.rotate_token()
    source.save()
    signed_in, without_csrf_token = Client(), Client(enforce_csrf_checks=True)
    for client in (signed_in, without_csrf_token):
        client.force_login(alice)
    notification = store_notification(alice, make_signal(alice), news_headline="ECB holds rates")
    mute = Mute.objects.create(user=alice, kind=MuteKind.STRATEGY, name="SMC")
    return World(signed_in, Client(), without_csrf_token, notification, mute, token, source, settings, monkeypatch)


Ask = Callable[[World], Any]


def duplicate(world: World) -> Any:
    world.post(WEBHOOK, ALERT)
    return world.post(WEBHOOK, ALERT)


def paused(world: World) -> Any:
    WebhookSource.objects.update(paused=True)
    return world.post(WEBHOOK, ALERT)


def too_many(world: World) -> Any:
    world.settings.WEBHOOK_REQUESTS_PER_MINUTE = 0
    return world.post(WEBHOOK, ALERT)


def too_many_previews(world: World) -> Any:
    world.monkeypatch.setattr(preference_views, "PREVIEWS_A_MINUTE", 0)
    return world.post(PREVIEW, {})


def too_many_looks(world: World) -> Any:
    world.monkeypatch.setattr(hidden_views, "LOOKS_A_MINUTE", 0)
    return world.alice.get(HIDDEN)


def database_away(world: World) -> Any:
    world.close_database()
    return world.post(WEBHOOK, ALERT)


def layer_away(world: World) -> Any:
    world.monkeypatch.setattr(realtime, "layer_answers", lambda: False)
    return world.nobody.get(READYZ)


def refusals_of_post(path: str) -> dict[tuple[str, str, int], Ask]:
    """What every POST of the API refuses in the same way."""
    return {
        ("post", path, 400): lambda world: world.post(path, {"nonsense": 1}),
        ("post", path, 401): lambda world: world.post(path, client=world.nobody),
        ("post", path, 403): lambda world: world.post(path, client=world.without_csrf_token),
        ("post", path, 405): lambda world: world.alice.get(world.address(path)),
        ("post", path, 413): lambda world: world.post(path, TOO_LARGE),
        ("post", path, 415): lambda world: world.alice.post(world.address(path), "{}", content_type="text/plain"),
    }


def refusals_of_get(path: str) -> dict[tuple[str, str, int], Ask]:
    return {
        ("get", path, 400): lambda world: world.alice.get(path, {"nonsense": 1}),
        ("get", path, 401): lambda world: world.nobody.get(path),
        ("get", path, 405): lambda world: world.alice.post(path),
    }


def refusals_by_token(path: str) -> dict[tuple[str, str, int], Ask]:
    """What is refused where nobody has to be signed in."""
    return {
        ("post", path, 400): lambda world: world.post(path, {"nonsense": 1}, client=world.nobody),
        ("post", path, 405): lambda world: world.nobody.get(path),
        ("post", path, 413): lambda world: world.post(path, TOO_LARGE, client=world.nobody),
        ("post", path, 415): lambda world: world.nobody.post(path, "{}", content_type="text/plain"),
    }


def subscribed(world: World) -> dict[str, str]:
    """The body that names the subscription that Alice has now."""
    world.post(PUSH, SUBSCRIPTION)
    return {"endpoint": SUBSCRIPTION["endpoint"]}


def deleted(world: World, body: object, *, client: Client | None = None, kind: str = "application/json") -> Any:
    text = body if isinstance(body, str) else json.dumps(body)
    return (client or world.alice).delete(PUSH, text, kind)


def renewed(world: World, old: str) -> Any:
    return world.post(PUSH_RENEWAL, SUBSCRIPTION | {"old_endpoint": old}, client=world.nobody)


# How each documented answer is brought about.
ANSWERS: dict[tuple[str, str, int], Ask] = {
    ("get", LIST, 200): lambda world: world.alice.get(LIST),
    ("get", UNREAD_COUNT, 200): lambda world: world.alice.get(UNREAD_COUNT),
    ("post", MARK_READ, 200): lambda world: world.post(MARK_READ),
    ("post", MARK_READ, 404): lambda world: world.post(MARK_READ.format(notification_id=123456)),
    ("post", MARK_MANY_READ, 200): lambda world: world.post(MARK_MANY_READ, {"ids": [world.notification.pk]}),
    ("post", MARK_UNREAD, 200): lambda world: world.post(MARK_UNREAD),
    ("post", MARK_UNREAD, 404): lambda world: world.post(MARK_UNREAD.format(notification_id=123456)),
    ("post", MARK_ALL_READ, 200): lambda world: world.post(MARK_ALL_READ, {"up_to_seq": 1}),
    ("post", UNDO, 200): lambda world: world.post(UNDO, {"seq": 1}),
    ("post", UPDATE_PREFERENCES, 200): lambda world: world.post(UPDATE_PREFERENCES, {"sound": True}),
    **refusals_of_get(LIST),
    **refusals_of_get(UNREAD_COUNT),
    ("get", HIDDEN, 200): lambda world: world.alice.get(HIDDEN),
    ("get", HIDDEN, 429): too_many_looks,
    **refusals_of_get(HIDDEN),
    **refusals_of_post(MARK_READ),
    **refusals_of_post(MARK_MANY_READ),
    **refusals_of_post(MARK_UNREAD),
    **refusals_of_post(MARK_ALL_READ),
    **refusals_of_post(UNDO),
    **refusals_of_post(UPDATE_PREFERENCES),
    ("post", PREVIEW, 200): lambda world: world.post(PREVIEW, {"min_confidence": 99}),
    ("post", PREVIEW, 429): too_many_previews,
    **refusals_of_post(PREVIEW),
    ("post", PAUSE, 200): lambda world: world.post(PAUSE, {"for": "until_tomorrow"}),
    ("post", MUTES, 200): lambda world: world.post(MUTES, {"kind": "symbol", "name": "EURUSD", "for_h": None}),
    **refusals_of_post(PAUSE),
    **refusals_of_post(MUTES),
    ("delete", MUTE, 200): lambda world: world.alice.delete(world.address(MUTE)),
    ("delete", MUTE, 400): lambda world: world.alice.delete(world.address(MUTE), "{]", "application/json"),
    ("delete", MUTE, 401): lambda world: world.nobody.delete(world.address(MUTE)),
    ("delete", MUTE, 403): lambda world: world.without_csrf_token.delete(world.address(MUTE)),
    ("delete", MUTE, 404): lambda world: world.alice.delete(MUTE.format(mute_id=123456)),
    ("delete", MUTE, 405): lambda world: world.alice.get(world.address(MUTE)),
    ("delete", MUTE, 413): lambda world: world.alice.delete(world.address(MUTE), TOO_LARGE, "application/json"),
    ("delete", MUTE, 415): lambda world: world.alice.delete(world.address(MUTE), "{}", "text/plain"),
    ("post", PUSH, 200): lambda world: world.post(PUSH, SUBSCRIPTION),
    **refusals_of_post(PUSH),
    ("post", PUSH, 405): lambda world: world.alice.get(PUSH),
    ("delete", PUSH, 200): lambda world: deleted(world, subscribed(world)),
    ("delete", PUSH, 400): lambda world: deleted(world, "{]"),
    ("delete", PUSH, 401): lambda world: deleted(world, {}, client=world.nobody),
    ("delete", PUSH, 403): lambda world: deleted(world, {}, client=world.without_csrf_token),
    ("delete", PUSH, 404): lambda world: deleted(world, {"endpoint": "https://fcm.googleapis.com/another"}),
    ("delete", PUSH, 405): lambda world: world.alice.put(PUSH),
    ("delete", PUSH, 413): lambda world: deleted(world, TOO_LARGE),
    ("delete", PUSH, 415): lambda world: deleted(world, "{}", kind="text/plain"),
    ("post", PUSH_RENEWAL, 200): lambda world: renewed(world, subscribed(world)["endpoint"]),
    ("post", PUSH_RENEWAL, 404): lambda world: renewed(world, "https://fcm.googleapis.com/another"),
    **refusals_by_token(PUSH_RENEWAL),
    ("post", PUSH_READ, 200): lambda world: world.post(
        PUSH_READ, {"token": webpush.read_token(world.notification)}, client=world.nobody
    ),
    ("post", PUSH_READ, 404): lambda world: world.post(
        PUSH_READ, {"token": webpush.read_token(InsightNotification(user_id=1, pk=123456))}, client=world.nobody
    ),
    **refusals_by_token(PUSH_READ),
    ("post", WEBHOOK, 201): lambda world: world.post(WEBHOOK, ALERT),
    ("post", WEBHOOK, 200): duplicate,
    ("post", WEBHOOK, 400): lambda world: world.post(WEBHOOK, ALERT | {"sl": "x"}),
    ("post", WEBHOOK, 401): lambda world: world.post(WEBHOOK, ALERT, headers={"X-Signature": "0" * 64}),
    ("post", WEBHOOK, 403): paused,
    ("post", WEBHOOK, 404): lambda world: world.post(WEBHOOK.format(token="nobodys"), ALERT),
    ("post", WEBHOOK, 405): lambda world: world.nobody.get(world.address(WEBHOOK)),
    ("post", WEBHOOK, 413): lambda world: world.post(WEBHOOK, TOO_LARGE),
    ("post", WEBHOOK, 429): too_many,
    ("post", WEBHOOK, 503): database_away,
    ("get", LIVEZ, 200): lambda world: world.nobody.get(LIVEZ),
    ("get", READYZ, 200): lambda world: world.nobody.get(READYZ),
    ("get", READYZ, 503): layer_away,
}


def resolved(thing: dict[str, Any]) -> dict[str, Any]:
    """What a `$ref` within the document points at."""
    while "$ref" in thing:
        found: Any = DOCUMENT
        for step in thing["$ref"].removeprefix("#/").split("/"):
            found = found[step]
        thing = found
    return thing


def assert_fits(value: object, schema: dict[str, Any]) -> None:
    """Every `$ref` is relative to the document."""
    absolute = json.loads(json.dumps(schema).replace('"#/', '"urn:api#/'))
    checker = Draft202012Validator.FORMAT_CHECKER
    Draft202012Validator(absolute, registry=REGISTRY, format_checker=checker).validate(value)


def documented() -> set[tuple[str, str, int]]:
    return {
        (method, path, int(status))
        for path, operations in DOCUMENT["paths"].items()
        for method, operation in operations.items()
        if method != "parameters"
        for status in operation["responses"]
        if status != "default"
    }


def test_the_document_is_valid_openapi() -> None:
    validate(DOCUMENT)


def test_the_document_names_every_address_of_the_api_and_no_other() -> None:
    elsewhere = {"notifications/api/<path:rest>", "signals/webhook/<str:token>"}  # 404; the same without its slash
    api = ("notifications/api/", "signals/webhook/", "livez", "readyz")
    routed = {address for address in EVERY_ADDRESS if address.startswith(api)} - elsewhere

    assert {"/" + re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", address) for address in routed} == set(DOCUMENT["paths"])


def test_every_documented_answer_is_asked_for_here() -> None:
    assert ANSWERS.keys() == documented()


@pytest.mark.parametrize("answer", ANSWERS, ids=lambda answer: "{} {} {}".format(*answer))
def test_the_site_answers_as_documented(world: World, answer: tuple[str, str, int]) -> None:
    method, path, status = answer
    promised = resolved(DOCUMENT["paths"][path][method]["responses"][str(status)])

    response = ANSWERS[answer](world)

    assert (response.status_code, response["Content-Type"]) == (status, "application/json")
    assert_fits(response.json(), promised["content"]["application/json"]["schema"])
    for name, header in promised.get("headers", {}).items():
        value = response[name]
        assert_fits(int(value) if header["schema"]["type"] == "integer" else value, header["schema"])


@pytest.mark.parametrize("path", [path for path in API_POSTS if path not in {MARK_READ, MARK_UNREAD}])
def test_an_example_fits_its_schema_and_is_taken(world: World, path: str) -> None:
    body = DOCUMENT["paths"][path]["post"]["requestBody"]["content"]["application/json"]

    assert_fits(body["example"], body["schema"])
    assert world.post(path, body["example"]).status_code == 200


def test_the_example_of_an_alert_fits_its_schema() -> None:
    assert_fits(ALERT, SCHEMAS["Alert"])


def test_the_documents_vocabularies_are_those_of_the_code() -> None:
    assert SCHEMAS["Priority"]["enum"] == list(Priority.values)
    assert SCHEMAS["Reason"]["enum"] == list(Reason.values)
    assert SCHEMAS["MuteKind"]["enum"] == list(MuteKind.values)
    assert SCHEMAS["Timeframe"]["enum"] == list(Timeframe.values)
    assert SCHEMAS["Side"]["enum"] == list(Side.values)
    assert set(SCHEMAS["Preferences"]["properties"]) == set(PreferenceForm.Meta.fields) | {"quiet_windows"}


def test_an_unknown_address_of_the_api_answers_with_the_documented_error(world: World) -> None:
    response = world.alice.get("/notifications/api/nowhere/")

    assert response.status_code == 404
    assert_fits(response.json(), SCHEMAS["Error"])
