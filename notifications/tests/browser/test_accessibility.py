"""No page breaks a rule of axe-core: in both themes, one of them on a wide screen and one on a phone."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, Page

from notifications.tests.browser import axe
from notifications.tests.browser.conftest import PATIENCE_MS, Trader
from notifications.tests.browser.pages import SIGNED_IN, SIGNED_OUT
from notifications.tests.browser.site import Site

pytestmark = [pytest.mark.browser, pytest.mark.axe]

# Colours differ by theme, layout by width: each of both once for each page, not each with each.
WIDTHS = {"dark": 1440, "light": 390}


@pytest.fixture(scope="module")
def shared_site(server: Site) -> Site:
    """For tests that only look at pages; it has some insights, and may have got more since."""
    server.begin_anew()
    server.start()
    server.post_alerts("EURUSD", "GBPUSD", "AUDUSD", "USDJPY", side="buy")
    server.post_alerts("NZDUSD", "USDCAD", side="sell", sl="1.0900", tp="1.0750", news_headline="Oil falls")
    return server


@pytest.fixture(scope="module")
def shared_context(browser: Browser) -> Iterator[BrowserContext]:
    """Nothing moves in it: only colours that stay can be judged. And it lets axe-core in."""
    context = browser.new_context(bypass_csp=True, reduced_motion="reduce", service_workers="block")
    context.set_default_timeout(PATIENCE_MS)
    yield context
    context.close()


@pytest.fixture
def context(shared_context: BrowserContext) -> Iterator[BrowserContext]:
    """With nobody signed in. A browser of its own for each page would take longer than to judge it."""
    shared_context.clear_cookies()
    yield shared_context
    for page in shared_context.pages:
        page.close()


@pytest.mark.parametrize("name", SIGNED_IN)
def test_no_page_of_a_trader_breaks_a_rule(context: BrowserContext, shared_site: Site, name: str) -> None:
    Trader(context, shared_site).take_session()
    page = context.new_page()
    SIGNED_IN[name](page, shared_site)
    assert violations(page) == []


@pytest.mark.parametrize("name", SIGNED_OUT)
def test_no_page_of_a_stranger_breaks_a_rule(context: BrowserContext, shared_site: Site, name: str) -> None:
    page = context.new_page()
    SIGNED_OUT[name](page, shared_site)
    assert violations(page) == []


def violations(page: Page) -> list[str]:
    """In both themes, each as the switch in the account's menu sets it."""
    found = []
    for theme, width in WIDTHS.items():
        page.set_viewport_size({"width": width, "height": 900})
        page.evaluate("(theme) => { document.documentElement.dataset.bsTheme = theme; }", theme)
        found += [f"{theme}, {width} px: {rule}" for rule in axe.violations(page)]
    return found
