"""A server, a Chromium, and tabs that report what went wrong in them."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Page,
    WebError,
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

    def __init__(self, context: BrowserContext, site: Site, width: int = WIDE) -> None:
        self._context = context
        self.width = width
        self.site = site
        self.faults: list[str] = []
        self.has_own_ways = False
        self._expected: re.Pattern[str] | None = None
        context.set_default_timeout(PATIENCE_MS)
        context.on("console", self._hear)
        context.on("weberror", self._hear_error)

    @property
    def context(self) -> BrowserContext:
        """For a test that does something to it, which nobody else is to find: it is not used again."""
        self.has_own_ways = True
        return self._context

    def leave(self) -> BrowserContext:
        """Close the tabs and forget everything that the site has stored in the browser."""
        *others, last = self._context.pages or [self._context.new_page()]
        for page in others:
            page.close()
        last.goto("about:blank")  # so that nothing is stored while it is cleared
        stored = {"origin": self.site.url, "storageTypes": "all"}
        self._context.new_cdp_session(last).send("Storage.clearDataForOrigin", stored)
        last.close()
        self._context.clear_cookies()
        self._context.remove_listener("console", self._hear)
        self._context.remove_listener("weberror", self._hear_error)
        return self._context

    def sign_in(self, name: str = "alice", path: str = "/") -> Page:
        """A tab of somebody who has signed in before: through the form it takes longer than most of what follows."""
        self.take_session(name)
        return self.open_tab(path)

    def take_session(self, name: str = "alice") -> None:
        cookie = {"name": "sessionid", "value": self.site.sessions[name], "url": self.site.url, "httpOnly": True}
        self._context.add_cookies([cookie])  # type: ignore[list-item]  # a plain dict

    def open_tab(self, path: str = "/") -> Page:
        page = self._context.new_page()
        page.goto(f"{self.site.url}{path}")
        return page

    @contextmanager
    def expecting(self, complaints: re.Pattern[str]) -> Iterator[None]:
        """Within it these complaints of the browser's own are no faults."""
        self._expected = complaints
        yield
        self._expected = None

    def _hear_error(self, error: WebError) -> None:
        self.faults.append(str(error.error))

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


@pytest.fixture(scope="package")
def used_contexts(browser: Browser) -> dict[int, list[BrowserContext]]:
    """By the width of their screens: to make one and to fill its cache takes longer than most of what is done in it."""
    return defaultdict(list)


@pytest.fixture
def new_trader(
    browser: Browser, site: Site, used_contexts: dict[int, list[BrowserContext]]
) -> Iterator[Callable[..., Trader]]:
    """A person at a browser that knows nothing of the site; at the end no tab may have had a fault."""
    traders: list[Trader] = []

    def make(*, width: int = WIDE, **options: Any) -> Trader:
        """With the options of Playwright's `new_context`. Without a service worker, unless one is asked for: what a
        page gets then comes from the server itself, and a server that is away is away.
        """
        if not options and used_contexts[width]:
            traders.append(Trader(used_contexts[width].pop(), site, width))
            return traders[-1]
        context = browser.new_context(
            viewport={"width": width, "height": 900},
            has_touch=width == NARROW,
            **{"service_workers": "block", **options},
        )
        traders.append(Trader(context, site, width))
        traders[-1].has_own_ways = bool(options)
        return traders[-1]

    yield make
    for trader in traders:
        if trader.has_own_ways:
            trader.context.close()
        else:
            used_contexts[trader.width].append(trader.leave())
    assert [fault for trader in traders for fault in trader.faults] == []


@pytest.fixture
def width() -> int:
    """Of the trader's screen, in pixels."""
    return WIDE


@pytest.fixture
def trader(new_trader: Callable[..., Trader], width: int) -> Trader:
    return new_trader(width=width)
