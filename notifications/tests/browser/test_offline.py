"""The site as an app: what a trader sees without a network, and what nobody else does."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from notifications.tests.browser.conftest import NO_SERVER, WIDE_THEN_NARROW, Trader
from notifications.tests.browser.site import PASSWORD, Site

pytestmark = [pytest.mark.browser, pytest.mark.server]

AWAY = re.compile(
    rf"{NO_SERVER.pattern}|^The FetchEvent for .* resulted in a network error|^Failed to load resource"
    r"|^TypeError: Failed to fetch dynamically imported module"  # what came last was to be remarked on
)
IN_CHARGE = "() => navigator.serviceWorker.controller !== null"
LOOK_UNTIL_KEPT = """async (wanted) => {
  const kept = async () => (await caches.match("/offline/kept-list")) !== undefined;
  while ((await kept()) !== wanted) await new Promise((look) => setTimeout(look, 10));
}"""


@pytest.fixture
def trader(new_trader: Callable[..., Trader], width: int) -> Trader:
    return new_trader(width=width, service_workers="allow")


def with_kept_list(trader: Trader, path: str = "/notifications/") -> Page:
    """A tab whose list the worker has kept."""
    page = trader.sign_in(path=path)
    page.wait_for_function(IN_CHARGE)
    page.evaluate(LOOK_UNTIL_KEPT, True)
    return page


def expect_no_list(page: Page) -> None:
    expect(page.get_by_role("heading", name="You are offline")).to_be_visible()
    expect(page.locator("body")).not_to_contain_text("EURUSD")


@WIDE_THEN_NARROW
def test_without_a_network_the_last_list_is_shown_with_its_time(trader: Trader, site: Site) -> None:
    site.post_alerts("EURUSD", "GBPUSD")
    page = with_kept_list(trader)
    site.post_alerts("USDJPY")
    page.reload()
    expect(page.locator("[data-list] > li")).to_have_count(3)
    shown_at = page.locator("[data-list]").get_attribute("data-shown-at")
    site.kill()
    with trader.expecting(AWAY):
        page.goto(f"{site.url}/notifications/preferences/")
        expect(page.get_by_role("heading", name="You are offline")).to_be_visible()
        expect(page.locator("[data-list] > li")).to_have_count(3)
        expect(page.locator("[data-list]")).to_contain_text("USDJPY")
        expect(page.locator("[data-shown-at]")).to_have_text(shown_at or "")
        expect(page.locator("[data-list] > li").first).to_have_css("display", "grid")
        site.start()
        page.get_by_role("link", name="Try again").click()
        expect(page.get_by_role("heading", name="Preferences")).to_be_visible()


def test_after_signing_out_the_device_shows_no_list(trader: Trader, site: Site) -> None:
    site.post_alerts("EURUSD")
    page = with_kept_list(trader)
    page.get_by_label("Account of alice").click()
    page.get_by_role("button", name="Sign out").click()
    expect(page.locator("[data-app]")).to_have_count(0)
    site.kill()
    with trader.expecting(AWAY):
        page.goto(f"{site.url}/")
        expect_no_list(page)


def test_a_session_that_ended_elsewhere_takes_the_list_with_it(trader: Trader, site: Site) -> None:
    """The page hears it by its socket and asks the API, whose 401 the worker sees."""
    site.post_alerts("EURUSD")
    page = with_kept_list(trader)
    expect(page.locator("[data-light-text]")).to_have_text("Live")
    with trader.expecting(re.compile(r"^Failed to load resource: .* 401 ")):
        trader.context.clear_cookies()
        page.evaluate("() => fetch('/notifications/api/unread-count/')")
        page.evaluate(LOOK_UNTIL_KEPT, False)


def test_who_signs_in_next_does_not_see_the_list_of_who_was_there(trader: Trader, site: Site) -> None:
    site.post_alerts("EURUSD")
    page = with_kept_list(trader)
    trader.context.clear_cookies()
    page.goto(f"{site.url}/notifications/preferences/")
    page.get_by_label("Username").fill("bob")
    page.locator("[name=password]").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_label("Account of bob")).to_be_visible()
    site.kill()
    with trader.expecting(AWAY):
        page.goto(f"{site.url}/")
        expect_no_list(page)


def test_nothing_but_the_offline_page_and_one_list_is_kept(trader: Trader, site: Site) -> None:
    site.post_alerts("EURUSD")
    page = with_kept_list(trader)
    page.goto(f"{site.url}/signals/connect/")
    page.goto(f"{site.url}/notifications/?symbol=EURUSD")
    page.evaluate("() => fetch('/notifications/api/list/')")
    kept = page.evaluate(
        """async () => {
          const names = await caches.keys();
          const lists = await Promise.all(names.map(async (name) => (await caches.open(name)).keys()));
          return lists.flat().map(({ url }) => new URL(url).pathname).filter((path) => !path.startsWith("/static/"));
        }"""
    )
    assert sorted(kept) == ["/offline/", "/offline/kept-list"]
