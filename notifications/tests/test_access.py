"""Walks every address of the site: nobody gets at another's object, and nobody signed out gets in.

A new address with an id in it fails here until it has its line in OBJECT_ADDRESSES.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver
from django.urls.resolvers import RoutePattern

from notifications.models import InsightNotification, Mute, PushSubscription
from notifications.preferences import MuteKind
from notifications.tests.rows import store_notification, stored_rows
from signals.models import Signal, WebhookSource

PARAMETER = re.compile(r"<[^>]+>")


def addresses(resolver: URLResolver | None = None, prefix: str = "") -> Iterator[str]:
    """Every route of the site, such as `notifications/<int:notification_id>/read/`."""
    for pattern in (resolver or get_resolver()).url_patterns:
        if isinstance(pattern, URLResolver):
            yield from addresses(pattern, prefix + str(pattern.pattern))
        elif isinstance(pattern, URLPattern) and isinstance(pattern.pattern, RoutePattern):
            yield prefix + str(pattern.pattern)


EVERY_ADDRESS = list(addresses())
ADMIN_ADDRESSES = [address for address in EVERY_ADDRESS if address.startswith("admin/")]
SITE_ADDRESSES = [address for address in EVERY_ADDRESS if address not in ADMIN_ADDRESSES]

# Whose object it is, by the method that the address is asked with.
OBJECT_ADDRESSES: dict[str, tuple[str, type[Any]]] = {
    "notifications/<int:notification_id>/read/": ("POST", InsightNotification),
    "notifications/api/mark-read/<int:notification_id>/": ("POST", InsightNotification),
    "notifications/api/mark-unread/<int:notification_id>/": ("POST", InsightNotification),
    "notifications/mutes/<int:mute_id>/delete/": ("POST", Mute),
    "notifications/api/mutes/<int:mute_id>/": ("DELETE", Mute),
    "notifications/devices/<int:device_id>/remove/": ("POST", PushSubscription),
    "notifications/devices/<int:device_id>/test/": ("POST", PushSubscription),
    "signals/insight/<int:signal_id>/": ("GET", Signal),
    "signals/insight/<int:signal_id>/closes/": ("GET", Signal),
    "signals/connect/<int:source_id>/rename/": ("POST", WebhookSource),
    "signals/connect/<int:source_id>/rotate/": ("POST", WebhookSource),
    "signals/connect/<int:source_id>/pause/": ("POST", WebhookSource),
    "signals/connect/<int:source_id>/resume/": ("POST", WebhookSource),
    "signals/connect/<int:source_id>/delete/": ("POST", WebhookSource),
}

# What has a parameter that is no object's id: a secret that is itself the permission, or anything at all.
OTHER_PARAMETERS = {
    "signals/webhook/<str:token>/",
    "signals/webhook/<str:token>",
    "accounts/reset/<uidb64>/<token>/",
    "notifications/api/<path:rest>",
    "notifications/digest/unsubscribe/<str:token>/",
}

PUBLIC = {
    # Their body is the permission: who has it may do that one thing (test_devices.py).
    "notifications/api/push-subscriptions/renew/",
    "notifications/api/push-read/",
    "admin/login/",
    "admin/logout/",
    "accounts/login/",
    "accounts/logout/",
    "accounts/password_reset/",
    "accounts/password_reset/done/",
    "accounts/reset/<uidb64>/<token>/",
    "accounts/reset/done/",
    "livez",
    "readyz",
    "sw.js",
    "manifest.webmanifest",
    "offline/",
}


@pytest.fixture
def alices_objects(alice: User, make_signal: Callable[..., Signal]) -> dict[type[Any], int]:
    """An id of each sort of object, all of them Alice's."""
    signal = make_signal(alice)
    source = WebhookSource.objects.create(user=alice, token_hash="0" * 64)
    return {
        Signal: signal.pk,
        InsightNotification: store_notification(alice, signal).pk,
        WebhookSource: source.pk,
        PushSubscription: PushSubscription.objects.create(user=alice, endpoint="https://a.example/1").pk,
        Mute: Mute.objects.create(user=alice, kind=MuteKind.SYMBOL, name="EURUSD").pk,
    }


def ask(user: User | None, method: str, address: str, id_: object) -> Any:
    client = Client()
    if user is not None:
        client.force_login(user)
    return client.generic(method, "/" + PARAMETER.sub(str(id_), address))


def test_every_address_with_a_parameter_is_known_here() -> None:
    with_parameter = {address for address in SITE_ADDRESSES if PARAMETER.search(address)}

    assert with_parameter == OBJECT_ADDRESSES.keys() | OTHER_PARAMETERS


@pytest.mark.parametrize("address", OBJECT_ADDRESSES)
def test_bob_gets_404_for_alices_object_and_changes_nothing(
    alice: User, bob: User, alices_objects: dict[type[Any], int], address: str
) -> None:
    method, model = OBJECT_ADDRESSES[address]
    bob_client = Client()
    bob_client.force_login(bob)
    before = stored_rows()

    response = bob_client.generic(method, "/" + PARAMETER.sub(str(alices_objects[model]), address))

    assert response.status_code == 404
    assert stored_rows() == before
    assert ask(alice, method, address, alices_objects[model]).status_code in (200, 302)


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("address", [address for address in SITE_ADDRESSES if address not in PUBLIC])
def test_nobody_gets_in_without_signing_in(alices_objects: dict[type[Any], int], method: str, address: str) -> None:
    id_ = alices_objects.get(OBJECT_ADDRESSES.get(address, ("", Signal))[1])
    before = stored_rows()

    response = ask(None, method, address, id_)

    to_sign_in = response.status_code == 302 and "/login/" in response["Location"]
    assert to_sign_in or response.status_code in (401, 403, 404, 405)
    assert stored_rows() == before


@pytest.mark.parametrize("who", ["bob", "nobody"])
def test_without_being_staff_nobody_gets_into_the_admin(bob: User, who: str) -> None:
    client = Client()
    if who == "bob":
        client.force_login(bob)

    for address in sorted(set(ADMIN_ADDRESSES) - PUBLIC):
        response = client.get("/" + PARAMETER.sub("1", address))
        assert response.status_code == 302, address
        assert response["Location"].startswith("/admin/login/"), address


# Regular expressions, which the walk above cannot fill in: the admin's lists of an app, and its 404 for the rest.
OTHER_PATTERNS = {"admin/^(?P<app_label>auth|signals|notifications|axes)/$", "admin/(?P<url>.*)$"}


def test_no_address_is_written_in_a_way_that_the_walk_passes_over() -> None:
    def others(resolver: URLResolver, prefix: str = "") -> Iterator[str]:
        for pattern in resolver.url_patterns:
            route = prefix + str(pattern.pattern)
            if isinstance(pattern, URLResolver):
                yield from others(pattern, route)
            elif not isinstance(pattern.pattern, RoutePattern):
                yield route

    assert set(others(get_resolver())) == OTHER_PATTERNS


@pytest.mark.parametrize("who", ["nobody", "bob", "staff without any right"])
def test_no_form_of_the_admin_takes_anything_from_who_has_no_right_to_it(
    bob: User, alices_objects: dict[type[Any], int], who: str
) -> None:
    """Every address of the admin is posted to, with the fields that its forms and actions ask for."""
    if who.startswith("staff"):
        User.objects.filter(pk=bob.pk).update(is_staff=True)
    client = Client()
    if who != "nobody":
        client.force_login(bob)
    form = {"post": "yes", "_save": "1", "action": "delete_selected", "_selected_action": ["1"], "username": "forged"}
    before = stored_rows()

    answers = {
        address: client.post("/" + PARAMETER.sub("1", address), form)
        for address in ADMIN_ADDRESSES
        if address not in {"admin/login/", "admin/logout/", "admin/password_change/"}
    }

    refused = {302, 403, 404, 405} if who.startswith("staff") else {302}
    may_be_read = {"admin/", "admin/password_change/done/", "admin/jsi18n/"} if who.startswith("staff") else set()
    assert {a: r.status_code for a, r in answers.items() if r.status_code not in refused and a not in may_be_read} == {}
    assert stored_rows() == before


# Where an id of somebody else's object can be named beside the address itself.
NAMED_INSIDE = [
    ("GET", "notifications/api/list/?before={notification}", "", {400}),
    ("GET", "notifications/?before={notification}", "", {200, 400, 404}),
    ("GET", "notifications/export.csv?before={notification}", "", {200, 400, 404}),
    ("POST", "notifications/api/mark-read/", '{{"ids": [{notification}]}}', {200}),
    ("POST", "notifications/api/mark-all-read/", '{{"up_to_seq": 999}}', {200}),
    ("POST", "notifications/api/mark-all-read/undo/", '{{"seq": {seq}}}', {200}),
    ("POST", "notifications/api/update-preferences/", '{{"user": {user}, "min_confidence": 1}}', {400}),
    ("POST", "notifications/api/update-preferences/", '{{"user_id": {user}}}', {400}),
]


@pytest.mark.parametrize(("method", "address", "body", "statuses"), NAMED_INSIDE)
def test_naming_alices_ids_in_a_query_or_a_body_shows_and_changes_nothing_of_hers(
    alice: User, bob: User, alices_objects: dict[type[Any], int], method: str, address: str, body: str,
    statuses: set[int],
) -> None:  # fmt: skip
    names = {"notification": alices_objects[InsightNotification], "seq": 1, "user": alice.pk}
    client = Client()
    client.force_login(bob)
    before = stored_rows()

    response = client.generic(method, "/" + address.format(**names), body.format(**names), "application/json")

    assert response.status_code in statuses
    if not response.streaming:
        assert "New Insight" not in response.content.decode()
    assert stored_rows() == before
