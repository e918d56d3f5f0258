"""A server, a Chromium, and tabs that report what went wrong in them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Page,
    StorageState,
    expect,
    sync_playwright,
)

from notifications.tests.browser.chromium import launch
from notifications.tests.browser.site import PASSWORD, Site

# A busy machine is no failure; what is expected ends the wait.
PATIENCE_MS = 20_000
expect.set_options(timeout=PATIENCE_MS)

# What Chromium itself writes when nobody listens at the server's address: the page cannot prevent it.
NO_SERVER = re.compile(
    r"^WebSocket connection to 'ws://127\.0\.0\.1:\d+/stream/insights/\d+/\?[^']*' failed: .*"
    r"(ERR_CONNECTION_REFUSED|ERR_CONNECTION_RESET|Connection closed before receiving a handshake response)"
    r"|^Failed to load resource: net::ERR_(CONNECTION_REFUSED|CONNECTION_RESET|EMPTY_RESPONSE)$"
)
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

    def sign_in(self, name: str = "alice") -> Page:
        page = self.context.new_page()
        page.goto(f"{self.site.url}/")
        page.get_by_label("Username").fill(name)
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Sign in").click()
        return page

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
        if message.type not in ("error", "warning") or (self._expected and self._expected.match(message.text)):
            return
        self.faults.append(f"{message.type}: {message.text} ({message.page.url if message.page else 'no page'})")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Not for the session: while Playwright runs, its event loop runs in the main thread, where other tests make calls
    that no running loop allows.
    """
    with sync_playwright() as playwright:
        browser = launch(playwright)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def founded_site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    site = Site(tmp_path_factory.mktemp("site"))
    site.found()
    return site


@pytest.fixture(scope="session")
def shared_site(founded_site: Site, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """One server for all tests that only look at pages; it has some insights, and may have got more since."""
    site = founded_site.copy(tmp_path_factory.mktemp("shared_site"))
    site.make_insights("EURUSD", "GBPUSD", "AUDUSD", "USDJPY", side="buy")
    site.make_insights("NZDUSD", "USDCAD", side="sell", sl="1.0900", tp="1.0750", news_headline="Oil falls")
    site.start()
    yield site
    site.kill()


@pytest.fixture(scope="module")
def alices_session(browser: Browser, shared_site: Site) -> StorageState:
    """What a browser keeps after alice has signed in: start other contexts with it, and do not sign out in them."""
    context = browser.new_context()
    Trader(context, shared_site).sign_in("alice")
    state = context.storage_state()
    context.close()
    return state


@pytest.fixture
def site(founded_site: Site, tmp_path: Path) -> Iterator[Site]:
    site = founded_site.copy(tmp_path)
    site.start()
    yield site
    site.kill()


@pytest.fixture
def new_trader(browser: Browser, site: Site) -> Iterator[Callable[..., Trader]]:
    """A person with a fresh browser profile; at the end no tab may have had a fault."""
    traders: list[Trader] = []

    def make(*, java_script_enabled: bool = True, width: int = 1440) -> Trader:
        viewport = {"width": width, "height": 900}
        context = browser.new_context(java_script_enabled=java_script_enabled, viewport=viewport)  # type: ignore[arg-type]  # a plain dict
        traders.append(Trader(context, site))
        return traders[-1]

    yield make
    for trader in traders:
        trader.context.close()
    assert [fault for trader in traders for fault in trader.faults] == []


@pytest.fixture
def trader(new_trader: Callable[..., Trader]) -> Trader:
    return new_trader()
