"""Which pages may open a socket."""

from __future__ import annotations

from typing import Any

import pytest

from notifications.origins import SiteOriginValidator


async def no_application(scope: Any, receive: Any, send: Any) -> None:
    raise AssertionError("only `allows` is asked here")


def allows(origin: str | None, *, host: str = "127.0.0.1:8000", scheme: str = "ws") -> bool:
    headers = [(b"host", host.encode())]
    if origin is not None:
        headers.append((b"origin", origin.encode("latin-1")))
    return SiteOriginValidator(no_application).allows({"type": "websocket", "headers": headers, "scheme": scheme})


@pytest.fixture
def site(settings: Any) -> Any:
    settings.SITE_URL = "https://hub.example"
    settings.CSRF_TRUSTED_ORIGINS = ["https://hub.example", "https://desk.example:8443", "https://*.traders.example"]
    settings.ALLOWED_HOSTS = ["127.0.0.1", "localhost", "hub.example", "[::1]"]
    return settings


@pytest.mark.parametrize(
    "origin",
    [
        "https://hub.example",
        "https://hub.example:443",
        "HTTPS://HUB.EXAMPLE",
        "https://desk.example:8443",
        "https://london.traders.example",
        "http://127.0.0.1:8000",
        None,
    ],
)
def test_the_sites_own_pages_may(origin: str | None, site: Any) -> None:
    assert allows(origin)


@pytest.mark.parametrize(
    "origin",
    [
        "http://hub.example",
        "https://hub.example:8443",
        "https://desk.example",
        "https://hub.example.evil.example",
        "https://evilhub.example",
        "https://sub.hub.example",
        "https://hub.example@evil.example",
        "https://evil.example@hub.example",
        "https://hub.example/",
        "https://hub.example?page",
        "https://hub.example/page",
        "https://eviltraders.example",
        "http://london.traders.example",
        "http://127.0.0.1",
        "http://127.0.0.1:8001",
        "https://127.0.0.1:8000",
        "http://localhost:8000",
        "http://127.0.0.1:port",
        "http://[::1",
        "ws://127.0.0.1:8000",
        "file://",
        "null",
        "",
        "hub.example",
        "//hub.example",
        "https://",
        "https://hüb.example",
    ],
)
def test_any_other_page_may_not(origin: str, site: Any) -> None:
    assert not allows(origin)


@pytest.mark.parametrize(
    ("origin", "host"),
    [
        ("http://localhost:18431", "localhost:18431"),
        ("http://[::1]:9000", "[::1]:9000"),
        ("http://127.0.0.1", "127.0.0.1"),
    ],
)
def test_a_bare_server_takes_its_own_pages_on_any_port(origin: str, host: str, site: Any) -> None:
    assert allows(origin, host=host)


def test_a_host_that_is_not_allowed_makes_no_page_its_own(site: Any) -> None:
    assert not allows("http://rebound.example:8000", host="rebound.example:8000")


def test_the_requests_own_scheme_counts(site: Any) -> None:
    assert allows("https://localhost:8000", host="localhost:8000", scheme="wss")
    assert not allows("http://localhost:8000", host="localhost:8000", scheme="wss")


def test_each_of_several_origins_must_be_the_sites_own(site: Any) -> None:
    own, foreign = (b"origin", b"https://hub.example"), (b"origin", b"https://evil.example")
    validator = SiteOriginValidator(no_application)
    assert validator.allows({"type": "websocket", "headers": [own]})
    assert not validator.allows({"type": "websocket", "headers": [own, foreign]})
    assert not validator.allows({"type": "websocket", "headers": [foreign, own]})


def test_a_subdomain_pattern_does_not_make_every_host_an_own_one(site: Any) -> None:
    site.ALLOWED_HOSTS = ["*"]
    assert allows("http://anything.example", host="anything.example")
    assert not allows("http://else.example", host="anything.example")
