"""A server, a Chromium, and tabs that report what went wrong in them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Page,
    expect,
    sync_playwright,
)

from notifications.tests.browser.chromium import launch
from notifications.tests.browser.site import Site

# A busy machine is no failure; what is expected ends the wait.
PATIENCE_MS = 20_000
expect.set_options(timeout=PATIENCE_MS)

WIDE, NARROW = 1440, 390
# What is laid out otherwise on a telephone.
AT_BOTH_WIDTHS = pytest.mark.parametrize("width", [WIDE, NARROW])
# What is done alike on both: `make test` does it at a desk, `make test-all` on a telephone.
WIDE_THEN_NARROW = pytest.mark.parametrize("width", [WIDE, pytest.param(NARROW, marks=pytest.mark.narrow)])

# What Chromium itself writes when nobody listens at the server's address: the page cannot prevent it.
NO_SERVER = re.compile(
    r"^WebSocket connection to 'ws://127\.0\.0\.1:\d+/stream/insights/\d+/\?[^']*' failed: .*"
    r"(ERR_CONNECTION_REFUSED|ERR_CONNECTION_RESET|Connection closed before receiving a handshake response)"
    r"|^Failed to load resource: net::ERR_(CONNECTION_REFUSED|CONNECTION_RESET|EMPTY_RESPONSE)$"
)
# What Playwright writes when a page registers the worker that `new_trader` leaves out.
NO_WORKER = "Service Worker registration blocked by Playwright"
# What it writes when a page asks whether anybody is still signed in, and nobody is.
SIGNED_OUT = re.compile(r"^Failed to load resource: the server responded with a status of 401 ")


class Trader:
    """One person at one browser, with any number of tabs; whatever goes wrong in a tab is kept in `faults`."""

    def __init__(self, context: BrowserContext, site: Site) -> None:
        self.context = context
        self.site = site
        self.faults: list[str] = []
        self._expected: re.Pattern[str] | None = None
        context.set_default_timeout(PATIENCE_MS)
        context.on("console", self._hear)
        context.on("weberror", lambda error: self.faults.append(str(error.error)))

    def sign_in(self, name: str = "alice", path: str = "/") -> Page:
        """A tab of somebody who has signed in before: through the form it takes longer than most of what follows."""
        self.take_session(name)
        return self.open_tab(path)

    def take_session(self, name: str = "alice") -> None:
        cookie = {"name": "sessionid", "value": self.site.sessions[name], "url": self.site.url, "httpOnly": True}
        self.context.add_cookies([cookie])  # type: ignore[list-item]  # a plain dict

    def open_tab(self, path: str = "/") -> Page:
        page = self.context.new_page()
        page.goto(f"{self.site.url}{path}")
        return page

    @contextmanager
    def expecting(self, complaints: re.Pattern[str]) -> Iterator[None]:
        """Within it these complaints of the browser's own are no faults."""
        self._expected = complaints
        yield
        self._expected = None

    def _hear(self, message: ConsoleMessage) -> None:
        if message.type not in ("error", "warning") or message.text == NO_WORKER:
            return
        if self._expected and self._expected.match(message.text):
            return
        self.faults.append(f"{message.type}: {message.text} ({message.page.url if message.page else 'no page'})")


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """Not for the session: while Playwright runs, its event loop runs in the main thread, where other tests make calls
    that no running loop allows.
    """
    with sync_playwright() as playwright:
        browser = launch(playwright)
        yield browser
        browser.close()


@pytest.fixture(scope="package")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """One for all tests of this process."""
    site = Site(tmp_path_factory.mktemp("site"))
    site.found()
    yield site
    site.kill()


@pytest.fixture
def site(server: Site) -> Site:
    """A server that has its cast, and nothing else; whatever the test before has left behind is gone."""
    server.begin_anew()
    server.start()
    return server


@pytest.fixture
def new_trader(browser: Browser, site: Site) -> Iterator[Callable[..., Trader]]:
    """A person with a fresh browser profile; at the end no tab may have had a fault."""
    traders: list[Trader] = []

    def make(*, width: int = WIDE, **options: Any) -> Trader:
        """With the options of Playwright's `new_context`. Without a service worker, unless one is asked for: what a
        page gets then comes from the server itself, and a server that is away is away.
        """
        options = {"service_workers": "block", **options}
        context = browser.new_context(viewport={"width": width, "height": 900}, has_touch=width == NARROW, **options)
        traders.append(Trader(context, site))
        return traders[-1]

    yield make
    for trader in traders:
        trader.context.close()
    assert [fault for trader in traders for fault in trader.faults] == []


@pytest.fixture
def width() -> int:
    """Of the trader's screen, in pixels."""
    return WIDE


@pytest.fixture
def trader(new_trader: Callable[..., Trader], width: int) -> Trader:
    return new_trader(width=width)
