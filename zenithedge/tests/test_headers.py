"""Every page allows its own files only, and needs nothing else."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.auth.models import User
from django.test import AsyncClient, Client
from django.urls import URLPattern, URLResolver, get_resolver, reverse

from notifications.tests.rows import store_notification
from signals.models import Signal, WebhookRequest, WebhookSource
from zenithedge.headers import CONTENT_SECURITY_POLICY, PERMISSIONS_POLICY

POLICY = {
    "default-src 'self'",
    "img-src 'self' data:",
    "connect-src 'self'",
    "object-src 'none'",
    "form-action 'self'",
    "frame-ancestors 'none'",
    "base-uri 'none'",
}
HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "Permissions-Policy": PERMISSIONS_POLICY,
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
}


class InlineReader(HTMLParser):
    """Everything in a page that the policy would not let run or apply."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self._in_script = False
        self.feed(page)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        named = {name: value or "" for name, value in attributes}
        self.found += [f"<{tag} {name}>" for name in named if name == "style" or name.startswith("on")]
        self.found += [f"<{tag} {value}>" for value in named.values() if value.lower().startswith("javascript:")]
        if tag == "style":
            self.found.append("<style>")
        data_block = named.get("type") in {"application/json", "text/plain"}
        self._in_script = tag == "script" and not data_block

    def handle_endtag(self, tag: str) -> None:
        self._in_script = False

    def handle_data(self, text: str) -> None:
        if self._in_script and text.strip():
            self.found.append(f"<script>{text.strip()[:40]}")


@pytest.fixture
def addresses(ada: User, alice: User, make_insight: Callable[..., Signal]) -> list[str]:
    """One address for each route of the site, with Alice's rows behind those that name a row."""
    signal = make_insight(alice)
    store_notification(alice, signal)
    source = WebhookSource.objects.create(user=alice, name="Mine", token_hash="x" * 64)
    WebhookRequest.objects.create(source=source, body="<b>", verdict="refused", status_code=400, reason="No.")
    found = [
        reverse(name, kwargs={argument: value_for(name, argument) for argument in pattern.pattern.regex.groupindex})
        for name, pattern in routes(get_resolver().url_patterns)
    ]
    return [*found, "/nowhere/", "/notifications/?before=nonsense", "/static/css/zenithedge.css"]


OF_NO_MODEL = {"app_label": "signals", "uidb64": "MQ", "token": "none", "rest": "nothing"}


def value_for(name: str, argument: str) -> Any:
    """What stands in an address for this argument: the newest row of the model that the route is about."""
    models = {f"admin:{model._meta.app_label}_{model._meta.model_name}": model for model in admin.site._registry}
    model = models.get(name.rpartition("_")[0])
    row = model._base_manager.order_by("-pk").first() if model else None
    return OF_NO_MODEL.get(argument, row.pk if row else 1)


def routes(patterns: list[Any], namespace: str = "") -> Iterator[tuple[str, URLPattern]]:
    """Every named address of the site, with its pattern."""
    for pattern in patterns:
        if isinstance(pattern, URLResolver):
            yield from routes(
                pattern.url_patterns, f"{namespace}{pattern.namespace}:" if pattern.namespace else namespace
            )
        elif pattern.name:
            yield namespace + pattern.name, pattern


def signed_in(user: User) -> Client:
    client = Client(raise_request_exception=False)
    client.force_login(user)
    return client


def test_the_policy_says_what_it_has_to_and_nothing_unsafe() -> None:
    assert set(CONTENT_SECURITY_POLICY.split("; ")) == POLICY


@pytest.mark.parametrize("who", ["alice", "ada"])
def test_every_answer_has_the_headers_and_no_page_needs_what_they_forbid(
    request: pytest.FixtureRequest, addresses: list[str], who: str
) -> None:
    user = request.getfixturevalue(who)
    wrong: dict[str, list[str]] = {}
    pages = 0
    for address in addresses:
        response = signed_in(user).get(address)  # anew each time: one of the addresses signs out
        wrong[address] = [name for name, value in HEADERS.items() if response.headers.get(name) != value]
        if response.headers.get("Content-Type", "").startswith("text/html"):
            pages += 1
            wrong[address] += InlineReader(response.content.decode()).found
    assert {address: faults for address, faults in wrong.items() if faults} == {}
    assert pages > 20


def test_the_reader_of_pages_finds_what_the_policy_forbids() -> None:
    page = (
        '<p style="a"><style>b</style><script>c()</script><a onclick="d()" href="javascript:e()">'
        '<script src="f.js"></script><script type="application/json">{}</script>'
    )
    assert InlineReader(page).found == [
        "<p style>",
        "<style>",
        "<script>c()",
        "<a onclick>",
        "<a javascript:e()>",
    ]


def test_a_page_that_broke_has_the_headers_too(alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*args: object) -> None:
        raise RuntimeError("on purpose")

    monkeypatch.setattr("notifications.preference_views._page", broken)
    response = signed_in(alice).get(reverse("preferences"))
    assert response.status_code == 500
    assert response.headers["Content-Security-Policy"] == CONTENT_SECURITY_POLICY
    assert InlineReader(response.content.decode()).found == []


@pytest.mark.django_db
def test_a_request_for_a_foreign_host_is_refused_with_the_headers() -> None:
    response = Client(headers={"host": "elsewhere.example"}).get("/")
    assert response.status_code == 400
    assert response.headers["Content-Security-Policy"] == CONTENT_SECURITY_POLICY


async def test_answers_of_the_asynchronous_stack_have_the_headers() -> None:
    response = await AsyncClient().get(reverse("livez"))
    assert response.headers["Content-Security-Policy"] == CONTENT_SECURITY_POLICY


@pytest.mark.django_db
@pytest.mark.parametrize(("debug", "has_policy"), [(True, False), (False, True)])
def test_djangos_debug_pages_keep_their_own_look(settings: Any, debug: bool, has_policy: bool) -> None:
    settings.DEBUG = debug
    assert ("Content-Security-Policy" in Client().get("/nowhere/").headers) is has_policy
