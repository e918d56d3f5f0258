"""The history by keyboard, and many rows marked at once."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Locator, Page, expect

from notifications.tests.browser.conftest import AT_BOTH_WIDTHS, WIDE_THEN_NARROW, Trader
from notifications.tests.browser.site import Site

pytestmark = pytest.mark.browser

SYMBOLS = ("EURUSD", "GBPUSD", "AUDUSD", "NZDUSD", "USDCAD", "USDCHF")


def rows(page: Page) -> Locator:
    return page.locator("[data-list] > [data-notification]")


def open_history(trader: Trader, site: Site) -> Page:
    """Newest first: USDCHF … EURUSD."""
    site.post_alerts(*SYMBOLS)
    page = trader.sign_in(path="/notifications/")
    expect(page.locator("[data-light-text]")).to_have_text("Live")
    return page


def expect_focus(page: Page, row: int) -> None:
    expect(rows(page).nth(row).locator("[data-open]")).to_be_focused()


def test_keys_go_through_the_list_and_mark_and_open(trader: Trader, site: Site) -> None:
    page = open_history(trader, site)
    page.keyboard.press("j")
    expect_focus(page, 0)
    page.keyboard.press("j")
    page.keyboard.press("j")
    page.keyboard.press("k")
    expect_focus(page, 1)
    page.keyboard.press("r")
    expect(rows(page).nth(1)).to_have_attribute("data-state", "read")
    expect_focus(page, 1)
    expect(page.locator("[data-badge]")).to_have_text("5")
    page.keyboard.press("u")
    expect(rows(page).nth(1)).to_have_attribute("data-state", "unread")
    expect(page.locator("[data-badge]")).to_have_text("6")
    page.keyboard.press("o")
    expect(page).to_have_title("(5) Buy USDCAD – ZenithEdge")


def test_a_key_that_is_typed_or_meant_otherwise_does_nothing(trader: Trader, site: Site) -> None:
    page = open_history(trader, site)
    page.keyboard.press("/")
    expect(page.get_by_label("Search")).to_be_focused()
    page.keyboard.type("jr?")
    expect(page.get_by_label("Search")).to_have_value("jr?")
    expect(page.get_by_role("dialog")).to_have_count(0)
    page.get_by_label("Search").fill("")
    page.keyboard.press("Tab")
    page.keyboard.press("Control+j")
    page.keyboard.press("Alt+r")
    expect(page.locator("[data-state=read]")).to_have_count(0)


def test_the_keys_can_be_switched_off_for_good_and_on_again_without_them(trader: Trader, site: Site) -> None:
    page = open_history(trader, site)
    page.keyboard.press("?")
    sheet = page.get_by_role("dialog", name="Keys in this list")
    sheet.get_by_label("Use these keys").uncheck()
    sheet.get_by_role("button", name="Close").click()
    page.reload()
    page.keyboard.press("Tab")
    page.keyboard.press("?")
    page.keyboard.press("j")
    expect(sheet).to_have_count(0)
    expect(rows(page).first.locator("[data-open]")).not_to_be_focused()
    page.get_by_role("button", name="Keyboard").click()
    sheet.get_by_label("Use these keys").check()
    page.keyboard.press("Escape")
    page.keyboard.press("j")
    expect(page.locator("[data-open]:focus")).to_have_count(1)


@AT_BOTH_WIDTHS
def test_a_range_is_marked_in_one_request_and_can_be_undone(trader: Trader, site: Site) -> None:
    page = open_history(trader, site)
    requests: list[str] = []
    page.on("request", lambda request: requests.append(request.url) if request.method == "POST" else None)
    boxes = page.locator("[data-select]")
    boxes.nth(1).click()
    boxes.nth(4).click(modifiers=["Shift"])
    bar = page.get_by_role("button", name="Mark 4 read")
    expect(bar).to_be_in_viewport()
    bar.click()
    expect(page.locator("[data-list] > [data-state=read]")).to_have_count(4)
    expect(bar).to_be_hidden()
    expect(page.locator("[data-badge]")).to_have_text("2")
    assert [url.removeprefix(site.url) for url in requests] == ["/notifications/api/mark-read/"]
    page.locator("[data-undoing]").get_by_role("button", name="Undo").click()
    expect(page.locator("[data-list] > [data-state=unread]")).to_have_count(6)


def test_what_is_read_elsewhere_is_not_selected_any_more(trader: Trader, site: Site) -> None:
    page = open_history(trader, site)
    page.locator("[data-select]").nth(0).click()
    page.locator("[data-select]").nth(1).click()
    other = trader.open_tab("/notifications/")
    rows(other).first.get_by_role("button", name="Mark read").click()
    expect(page.get_by_role("button", name="Mark 1 read")).to_be_visible()
    page.get_by_role("button", name="Clear", exact=True).click()
    expect(page.locator("[data-selection]")).to_be_hidden()


@WIDE_THEN_NARROW
def test_rows_are_selected_and_marked_without_javascript(
    new_trader: Callable[..., Trader], site: Site, width: int
) -> None:
    site.post_alerts(*SYMBOLS)
    page = new_trader(width=width, java_script_enabled=False).sign_in(path="/notifications/?side=buy")
    page.locator("[data-select]").nth(0).check()
    page.locator("[data-select]").nth(2).check()
    page.get_by_role("button", name="Mark selected read").click()
    expect(page.get_by_role("status").filter(has_text="Marked 2 as read.")).to_be_visible()
    expect(page.locator("[data-list] > [data-state=read]")).to_have_count(2)
    expect(page).to_have_url(f"{site.url}/notifications/?side=buy")
