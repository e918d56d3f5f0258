"""Quiet from where it is loud: a pause on the bell, a mute on every row, item and toast, and why each came."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Locator, Page, expect

from notifications.tests.browser.conftest import WIDE_THEN_NARROW, Trader
from notifications.tests.browser.site import Site

pytestmark = pytest.mark.browser


def bell(page: Page) -> Locator:
    return page.locator("[data-bell-button]")


def panel(page: Page) -> Locator:
    return page.locator("[data-bell-panel]")


def go_live(page: Page) -> None:
    expect(page.locator("[data-light-text]")).to_have_text("Live")


@WIDE_THEN_NARROW
def test_a_pause_on_the_bell_is_seen_on_it_and_ended_there(trader: Trader, site: Site) -> None:
    page = trader.sign_in()
    go_live(page)
    bell(page).click()
    panel(page).get_by_text("Pause", exact=True).click()
    panel(page).get_by_role("button", name="Until I turn it on").click()
    expect(panel(page)).to_contain_text("Paused until you turn it on")
    expect(page.locator(".bell-paused")).to_be_visible()
    expect(bell(page)).to_have_attribute("title", "Paused until you turn it on")
    site.post_alerts("EURUSD")
    page.reload()
    go_live(page)
    expect(page.locator("[data-badge]")).to_be_hidden()
    bell(page).click()
    expect(panel(page).get_by_role("link", name="1 hidden today: 1 paused")).to_be_visible()
    panel(page).get_by_role("button", name="Resume").click()
    expect(panel(page).get_by_text("Pause", exact=True)).to_be_visible()
    expect(page.locator(".bell-paused")).to_be_hidden()
    panel(page).get_by_role("link", name="1 hidden today").click()
    expect(page.locator("main")).to_contain_text("EURUSD")


@WIDE_THEN_NARROW
def test_a_symbol_is_muted_from_a_row_by_keyboard_and_the_mute_taken_back(trader: Trader, site: Site) -> None:
    site.post_alerts("EURUSD")
    page = trader.sign_in(path="/notifications/")
    go_live(page)
    more = page.locator("[data-list] [data-more]").first
    more.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Mute EURUSD for 4 h")).to_be_focused()
    page.keyboard.press("Escape")
    expect(more).to_be_focused()
    more.click()
    page.get_by_role("button", name="Mute EURUSD for 4 h").click()
    notice = page.locator("[data-toast]", has_text="EURUSD is muted for 4 h")
    expect(notice).to_be_visible()
    site.post_alerts("EURUSD", "GBPUSD")
    page.locator("[data-bring-in]", has_text="1 new").click()  # it waited: the focus is in the list
    expect(page.locator("[data-list] > li")).to_have_count(2)
    expect(page.locator("[data-list] > li").first).to_contain_text("GBPUSD")
    with page.expect_response(lambda response: "/api/mutes/" in response.url and response.ok):
        notice.get_by_role("button", name="Undo").click()
    site.post_alerts("EURUSD", side="sell", sl="1.0900", tp="1.0750")
    page.locator("[data-bring-in]", has_text="1 new").click()
    expect(page.locator("[data-list] > li")).to_have_count(3)


def test_a_strategy_is_muted_from_the_toast_and_from_the_bell(trader: Trader, site: Site) -> None:
    page = trader.sign_in()
    go_live(page)
    site.post_alert("EURUSD", strategy="MeanReversion")
    toast = page.locator("[data-toast][data-notification]")
    toast.get_by_text("Why?").click()
    expect(toast.locator("[data-field=why]")).to_contain_text("≥ your 0")
    toast.locator("[data-more]").click()
    expect(page.get_by_role("button", name="Mute the strategy MeanReversion")).to_be_visible()
    page.keyboard.press("Escape")
    bell(page).click()
    item = panel(page).locator("[data-notification]").first
    expect(item.locator("[data-field=why]")).to_contain_text("≥ your 0")
    item.locator("[data-more]").click()
    page.get_by_role("button", name="Mute the strategy MeanReversion").click()
    expect(panel(page)).to_be_visible()
    expect(page.locator("[data-toast]", has_text="The strategy MeanReversion is muted")).to_be_visible()


@WIDE_THEN_NARROW
def test_pausing_and_muting_work_without_javascript(new_trader: Callable[..., Trader], site: Site, width: int) -> None:
    site.post_alerts("EURUSD")
    page = new_trader(width=width, java_script_enabled=False).sign_in(path="/notifications/")
    page.locator("[data-list] [data-more]").first.click()
    page.get_by_role("button", name="Mute EURUSD for 4 h").click()
    expect(page.get_by_role("status").filter(has_text="EURUSD is muted until")).to_be_visible()
    bell(page).click()
    panel(page).get_by_text("Pause", exact=True).click()
    panel(page).get_by_role("button", name="For 1 hour").click()
    bell(page).click()
    expect(panel(page)).to_contain_text("Paused until")
