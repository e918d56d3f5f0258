"""The dashboard's and the history's lists in a real browser: what arrives, what is narrowed, the pages behind."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Locator, Page, expect

from notifications.tests.browser.conftest import WIDE_THEN_NARROW, Trader
from notifications.tests.browser.site import Site

pytestmark = pytest.mark.browser

SYMBOLS = ("EURUSD", "GBPUSD", "AUDUSD", "NZDUSD", "USDCAD")
ASKS_WITHIN_MS = 3_000  # after an insight has come, for the figures as they are now
LOOKS_AGAIN_WITHIN_MS = 2_000  # whether the list is still being read


def rows(page: Page) -> Locator:
    return page.locator("[data-list] > [data-notification]")


def bring_in(page: Page) -> Locator:
    return page.locator("[data-bring-in]")


def go_live(page: Page) -> None:
    expect(page.locator("[data-light-text]")).to_have_text("Live")


def sign_in_with_a_clock(trader: Trader) -> Page:
    """A live page whose timers the test can let run out."""
    trader.context.clock.install()
    page = trader.sign_in()
    go_live(page)
    return page


def filter_handle(page: Page) -> Locator:
    return page.locator(".filter-handle")


def show_filters(page: Page) -> None:
    """On a telephone they are in a drawer."""
    if filter_handle(page).is_visible():
        filter_handle(page).click()


def place_of(row: Locator) -> float:
    box = row.bounding_box()
    assert box
    return box["y"]


def scroll_to_the_end(page: Page) -> None:
    page.evaluate("window.scrollTo(0, document.body.scrollHeight)")


@WIDE_THEN_NARROW
def test_an_insight_slides_in_on_top_and_the_figures_follow(trader: Trader, site: Site) -> None:
    site.post_alerts(*SYMBOLS[:2])
    page = sign_in_with_a_clock(trader)
    today = page.locator("[data-fresh=insights] .tile-figure")
    expect(today).to_have_text("2")
    site.post_alert("USDJPY", price="150.0", sl="149.0", tp="152.0")
    expect(rows(page).first).to_contain_text("USDJPY")
    page.clock.fast_forward(ASKS_WITHIN_MS)
    expect(today).to_have_text("3")
    expect(rows(page).first.locator("svg.spark")).to_have_count(1)


@WIDE_THEN_NARROW
def test_what_arrives_while_the_list_is_read_waits_and_moves_nothing(trader: Trader, site: Site) -> None:
    site.post_alerts(*SYMBOLS * 3)
    page = trader.sign_in()
    go_live(page)
    page.evaluate("window.scrollTo(0, 600)")
    read = page.locator(f'[data-list] > [data-id="{rows(page).nth(8).get_attribute("data-id")}"]')
    before = place_of(read)
    for name in ("GBPJPY", "EURCHF"):
        site.post_alert(name)
    expect(bring_in(page)).to_have_text("2 new")
    assert abs(place_of(read) - before) < 1
    expect(rows(page)).to_have_count(15)
    bring_in(page).click()
    expect(rows(page).first).to_contain_text("EURCHF")
    expect(rows(page)).to_have_count(17)
    expect(bring_in(page)).to_be_hidden()
    expect(rows(page).first.get_by_role("link")).to_be_focused()


def test_what_waits_comes_in_when_the_trader_is_back_on_top(trader: Trader, site: Site) -> None:
    site.post_alerts(*SYMBOLS * 3)
    page = sign_in_with_a_clock(trader)
    page.evaluate("window.scrollTo(0, 600)")
    site.post_alert("GBPJPY")
    expect(bring_in(page)).to_have_text("1 new")
    page.evaluate("window.scrollTo(0, 0)")
    page.clock.fast_forward(LOOKS_AGAIN_WITHIN_MS)
    expect(rows(page).first).to_contain_text("GBPJPY")
    expect(bring_in(page)).to_be_hidden()


@WIDE_THEN_NARROW
def test_a_filter_is_in_the_address_and_holds_for_what_arrives(trader: Trader, site: Site) -> None:
    site.post_alerts(*SYMBOLS)
    page = trader.sign_in()
    go_live(page)
    show_filters(page)
    page.get_by_label("Symbol").select_option("EURUSD")
    expect(rows(page)).to_have_count(1)
    expect(page).to_have_url(f"{site.url}/?symbol=EURUSD")
    site.post_alert("GBPUSD", strategy="SMC")
    site.post_alert("EURUSD", strategy="SMC")
    expect(rows(page)).to_have_count(2)
    expect(rows(page).filter(has_text="GBPUSD")).to_have_count(0)
    page.reload()
    expect(page.get_by_label("Symbol")).to_have_value("EURUSD")
    expect(rows(page)).to_have_count(2)
    page.get_by_role("link", name="Clear").click()
    expect(rows(page)).to_have_count(7)


@WIDE_THEN_NARROW
def test_filters_combine_and_each_can_be_taken_off(trader: Trader, site: Site) -> None:
    site.post_alerts(*SYMBOLS)
    site.post_alerts("XAUUSD", "USDCHF", news_headline="Oil falls")
    page = trader.sign_in(path="/notifications/")
    go_live(page)
    page.get_by_label("Search").fill("oil")
    page.keyboard.press("Enter")
    expect(rows(page)).to_have_count(2)
    show_filters(page)
    page.get_by_label("Symbol").select_option("XAUUSD")
    expect(rows(page)).to_have_count(1)
    expect(page).to_have_url(f"{site.url}/notifications/?q=oil&symbol=XAUUSD")
    expect(page.get_by_role("link", name="Export CSV")).to_have_attribute(
        "href", "/notifications/export.csv?q=oil&symbol=XAUUSD"
    )
    expect(filter_handle(page)).to_contain_text("(2)")
    page.locator(".filter-chip", has_text="XAUUSD").click()
    expect(page).to_have_url(f"{site.url}/notifications/?q=oil")
    expect(rows(page)).to_have_count(2)
    go_live(page)
    site.post_alert("EURUSD", strategy="SMC")
    site.post_alert("GBPUSD", strategy="SMC", news_headline="Oil recovers")
    expect(rows(page)).to_have_count(3)
    expect(rows(page).first).to_contain_text("Oil recovers")


@WIDE_THEN_NARROW
def test_filters_work_without_javascript(new_trader: Callable[..., Trader], site: Site, width: int) -> None:
    site.post_alerts(*SYMBOLS)
    page = new_trader(width=width, java_script_enabled=False).sign_in()
    show_filters(page)
    page.get_by_label("Symbol").select_option("EURUSD")
    page.get_by_role("button", name="Filter").click()
    expect(rows(page)).to_have_count(1)
    expect(page.get_by_label("Symbol")).to_have_value("EURUSD")


@WIDE_THEN_NARROW
def test_the_history_goes_on_as_far_as_there_is_any(trader: Trader, site: Site) -> None:
    site.post_alerts(*SYMBOLS * 9)
    page = trader.sign_in(path="/notifications/")
    go_live(page)
    while page.locator("a[rel=next]").count():
        shown = rows(page).count()
        scroll_to_the_end(page)
        expect(rows(page).nth(shown)).to_be_attached()
    ids = page.evaluate("[...document.querySelectorAll('[data-list] > li')].map((row) => Number(row.dataset.id))")
    assert ids == sorted(set(ids), reverse=True)
    assert len(ids) == 45
    oldest = rows(page).last
    oldest.get_by_role("button", name="Mark read").click()
    expect(oldest.locator("[data-field=state]")).to_have_text("Read")
    expect(page.locator("[data-badge]")).to_have_text("44")


def test_the_history_goes_on_without_javascript(new_trader: Callable[..., Trader], site: Site) -> None:
    site.post_alerts(*SYMBOLS * 5)
    page = new_trader(java_script_enabled=False).sign_in(path="/notifications/")
    expect(rows(page)).to_have_count(20)
    page.get_by_role("link", name="Older").click()
    expect(rows(page)).to_have_count(5)
    page.get_by_role("link", name="Back to the newest").click()
    expect(rows(page)).to_have_count(20)


def test_the_price_chart_is_drawn_with_nothing_but_the_sites_own_files(trader: Trader, site: Site) -> None:
    signal_id = site.post_alert("EURUSD")
    asked: list[str] = []
    trader.context.on("request", lambda request: asked.append(request.url))
    page = trader.sign_in(path=f"/signals/insight/{signal_id}/")
    expect(page.locator("[data-closes] canvas").first).to_be_visible()
    expect(page.get_by_role("link", name="Charts by TradingView")).to_be_visible()
    expect(page.locator("[data-chart-note]")).to_have_count(0)
    assert [url for url in asked if not url.startswith((f"{site.url}/", "data:"))] == []


def test_rows_out_of_sight_cost_no_layout_and_a_row_is_small(trader: Trader, site: Site) -> None:
    """What a list of a thousand rows needs in order to scroll well; how well it does is measured in benchmarks/."""
    site.post_alerts(*SYMBOLS * 3)
    page = trader.sign_in(path="/notifications/")
    expect(rows(page).last).to_have_css("content-visibility", "auto")
    assert rows(page).last.evaluate("(row) => row.querySelectorAll('*').length") <= 36
