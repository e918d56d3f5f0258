"""What a trader sees, in a real browser, from a real server: one test for each promise."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Locator, Page, expect

from notifications.tests.browser.conftest import AT_BOTH_WIDTHS, NO_SERVER, SIGNED_OUT, WIDE_THEN_NARROW, Trader
from notifications.tests.browser.site import PASSWORD, Site

pytestmark = [pytest.mark.browser, pytest.mark.server]

# Substantial news makes an insight high priority, and the toast of such a one stays however slow the machine is.
NEWS = {"news_headline": "ECB holds rates", "news_context": "The bank left its rates unchanged and said why. " * 2}


def badge(page: Page) -> Locator:
    return page.locator("[data-badge]")


def light(page: Page) -> Locator:
    return page.locator("[data-light-text]")


def toasts(page: Page, symbol: str = "") -> Locator:
    return page.locator("[data-toast]", has_text=symbol)


def rows(page: Page, symbol: str) -> Locator:
    return page.locator("[data-list] [data-notification]", has_text=symbol)


def toasts_in_all(pages: list[Page], symbol: str) -> int:
    return sum(toasts(page, symbol).count() for page in pages)


def reload_until_it_says(page: Page, text: str) -> None:
    for _attempt in range(50):
        if page.get_by_role("main").get_by_text(text).count():
            return
        page.reload()
    raise AssertionError(f"The page never said {text!r}.")


def wait_for_claims(pages: list[Page]) -> None:
    """Every tab that counts an insight has asked for the toasts, and they for the lock under which one is claimed.

    Waits for our turn after each of them.
    """
    for page in pages:
        page.evaluate(
            """async () => {
                const main = document.querySelector("script[src$='notifications/main.js']").src;
                await import(new URL("toasts.js", main));
                await navigator.locks.request("zenithedge:claims:1", () => {});
            }"""
        )


@AT_BOTH_WIDTHS
def test_an_alert_becomes_a_toast_and_is_read_in_every_tab_and_survives_the_servers_death(
    trader: Trader, site: Site
) -> None:
    first = trader.sign_in()
    expect(light(first)).to_have_text("Live")
    expect(badge(first)).to_be_hidden()
    site.post_alert("EURUSD", **NEWS)
    expect(toasts(first, "EURUSD")).to_contain_text("ECB holds rates")
    expect(badge(first)).to_have_text("1")
    expect(first.get_by_role("button", name="Notifications, 1 unread")).to_be_visible()
    expect(rows(first, "EURUSD")).to_have_count(1)

    second = trader.open_tab()
    expect(badge(second)).to_have_text("1")
    expect(light(second)).to_have_text("Live")
    toasts(first, "EURUSD").get_by_role("link", name="View insight").click()
    expect(first.get_by_role("heading", name="EURUSD Buy")).to_be_visible()
    expect(first.get_by_role("button", name="Mark read")).to_be_hidden()
    expect(badge(second)).to_be_hidden()
    expect(badge(first)).to_be_hidden()
    expect(rows(second, "EURUSD").locator("[data-field=state]")).to_have_text("Read")

    with trader.expecting(NO_SERVER):
        site.kill()
        expect(light(first)).to_have_text("Reconnecting")
        expect(light(second)).to_have_text("Reconnecting")
        site.make_insights("GBPUSD", "AUDUSD", **NEWS)
        site.start()
        expect(light(first)).to_have_text("Live")
        expect(light(second)).to_have_text("Live")
    for symbol in ("GBPUSD", "AUDUSD"):
        expect(rows(second, symbol)).to_have_count(1)
    for page in (first, second):
        expect(badge(page)).to_have_text("2")
    wait_for_claims([first, second])
    assert toasts_in_all([first, second], "2 new insights while you were away") == 1
    assert [toasts_in_all([first, second], symbol) for symbol in ("GBPUSD", "AUDUSD")] == [1, 1]
    site.post_alert("NZDUSD")
    for page in (first, second):
        expect(badge(page)).to_have_text("3")
    expect(rows(second, "NZDUSD")).to_have_count(1)
    assert [rows(second, symbol).count() for symbol in ("GBPUSD", "AUDUSD", "NZDUSD")] == [1, 1, 1]


@WIDE_THEN_NARROW
def test_signing_in_and_out(trader: Trader) -> None:
    page = trader.open_tab("/notifications/")
    page.get_by_label("Username").fill("alice")
    page.get_by_label("Password").fill("not-the-password")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_contain_text("correct username and password")
    expect(page.get_by_label("Username")).to_have_value("alice")
    page.get_by_label("Password").fill(PASSWORD)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="History", exact=True)).to_be_visible()
    page.get_by_label("Account of alice").click()
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", name="Signed out")).to_be_visible()
    page.goto(f"{trader.site.url}/")
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()


@WIDE_THEN_NARROW
def test_an_insight_says_what_it_rests_on_and_how_it_was_delivered(trader: Trader, site: Site) -> None:
    first = trader.sign_in()
    expect(light(first)).to_have_text("Live")
    signal_id = site.post_alert("EURUSD", **NEWS)
    expect(toasts(first, "EURUSD")).to_be_visible()
    page = trader.open_tab(f"/signals/insight/{signal_id}/")
    expect(page.get_by_role("heading", name="EURUSD Buy")).to_be_visible()
    for shown in ("ECB holds rates", "The bank left its rates unchanged", "How the score is made"):
        expect(page.get_by_role("main").get_by_text(shown).first).to_be_visible()
    expect(page.locator("[data-closes] canvas").first).to_be_visible()
    expect(page.get_by_role("link", name="Charts by TradingView")).to_be_visible()
    expect(badge(first)).to_be_hidden()
    expect(page.get_by_role("button", name="Mark read")).to_be_hidden()
    reload_until_it_says(page, "Shown in a tab in view.")  # the acknowledgement is written a moment after the toast


@WIDE_THEN_NARROW
def test_three_tabs_show_one_toast_and_all_count(trader: Trader, site: Site) -> None:
    pages = [trader.sign_in(), trader.open_tab(), trader.open_tab("/notifications/")]
    for page in pages:
        expect(light(page)).to_have_text("Live")
    site.post_alert("EURUSD", **NEWS)
    site.post_alert("GBPUSD", **NEWS)
    for page in pages:
        expect(badge(page)).to_have_text("2")
    wait_for_claims(pages)
    assert toasts_in_all(pages, "EURUSD") == 1
    assert toasts_in_all(pages, "GBPUSD") == 1


@WIDE_THEN_NARROW
def test_what_came_while_the_browser_was_closed_is_summed_up_in_one_toast(trader: Trader, site: Site) -> None:
    page = trader.sign_in()
    expect(light(page)).to_have_text("Live")
    page.close()
    site.post_alerts("EURUSD", "GBPUSD", "AUDUSD", "NZDUSD", "USDCAD")
    page = trader.open_tab()
    expect(toasts(page)).to_contain_text("5 new insights while you were away")
    expect(toasts(page)).to_have_count(1)
    expect(badge(page)).to_have_text("5")
    with page.expect_event("websocket") as opened:
        page.reload()
    with opened.value.expect_event("framereceived"):
        pass
    expect(light(page)).to_have_text("Live")
    expect(toasts(page)).to_have_count(0)


def test_the_test_insight_is_toasted_on_the_page_that_asked_for_it(trader: Trader) -> None:
    page = trader.sign_in(path="/signals/connect/")
    expect(light(page)).to_have_text("Live")
    page.get_by_role("button", name="Send me a test insight").click()
    expect(page.get_by_text("A test insight is made")).to_be_visible()
    expect(toasts(page, "EURUSD")).to_have_count(1)
    expect(badge(page)).to_have_text("1")
    assert not trader.faults


def test_signing_out_in_one_tab_is_said_in_the_other(trader: Trader) -> None:
    stays = trader.sign_in()
    expect(light(stays)).to_have_text("Live")
    leaves = trader.open_tab()
    leaves.get_by_label("Account of alice").click()
    with trader.expecting(SIGNED_OUT):
        leaves.get_by_role("button", name="Sign out").click()
        expect(leaves.get_by_role("heading", name="Signed out")).to_be_visible()
        expect(light(stays)).to_have_text("Signed out")
    expect(stays.get_by_role("alert")).to_contain_text("You were signed out")


def test_another_trader_sees_none_of_it(new_trader: Callable[..., Trader], site: Site) -> None:
    alice, bob = new_trader(), new_trader()
    alices, bobs = alice.sign_in("alice"), bob.sign_in("bob")
    site.post_alert("EURUSD")
    expect(badge(alices)).to_have_text("1")
    expect(badge(bobs)).to_have_text("1")
    rows(alices, "EURUSD").get_by_role("button", name="Mark read").click()
    expect(badge(alices)).to_be_hidden()
    site.post_alert("GBPUSD")
    expect(badge(alices)).to_have_text("1")
    expect(badge(bobs)).to_have_text("2")


def test_marking_all_read_leaves_what_arrives_later_unread(trader: Trader, site: Site) -> None:
    page = trader.sign_in()
    expect(light(page)).to_have_text("Live")
    for symbol in ("EURUSD", "GBPUSD"):
        site.post_alert(symbol)
    expect(badge(page)).to_have_text("2")
    page.get_by_role("main").get_by_role("button", name="Mark all read").click()
    expect(badge(page)).to_be_hidden()
    site.post_alert("AUDUSD")
    expect(badge(page)).to_have_text("1")
    expect(rows(page, "AUDUSD").locator("[data-field=state]")).to_have_text("New")
    expect(rows(page, "EURUSD").locator("[data-field=state]")).to_have_text("Read")


def test_everything_works_without_javascript(new_trader: Callable[..., Trader], site: Site) -> None:
    trader = new_trader(java_script_enabled=False)
    site.post_alerts("EURUSD", "GBPUSD", "AUDUSD")
    page = trader.sign_in()
    expect(badge(page)).to_have_text("3")
    rows(page, "EURUSD").get_by_role("button", name="Mark read").click()
    expect(badge(page)).to_have_text("2")
    expect(page).to_have_url(f"{site.url}/")
    page.get_by_role("button", name="Notifications, 2 unread").click()
    page.get_by_role("dialog", name="Notifications").get_by_role("link", name="Full history").click()
    expect(page.get_by_role("heading", name="History")).to_be_visible()
    rows(page, "GBPUSD").get_by_role("link", name="GBPUSD").click()
    expect(page.get_by_role("heading", name="GBPUSD Buy")).to_be_visible()
    page.get_by_role("button", name="Mark read").click()
    expect(badge(page)).to_have_text("1")
    page.goto(f"{site.url}/")
    page.get_by_role("button", name="Mark all read").click()
    expect(badge(page)).to_be_hidden()


@AT_BOTH_WIDTHS
def test_no_page_is_wider_than_the_screen_or_asks_another_host(trader: Trader, site: Site, width: int) -> None:
    asked: set[str] = set()
    trader.context.on("request", lambda request: asked.add(request.url))
    page = trader.sign_in()
    expect(light(page)).to_have_text("Live")
    signal_id = site.post_alert("EURUSD", **NEWS)
    expect(toasts(page, "EURUSD")).to_be_visible()
    for path in (
        "/",
        "/notifications/",
        f"/signals/insight/{signal_id}/",
        "/notifications/preferences/",
        "/signals/connect/",
    ):
        page.goto(f"{site.url}{path}")
        assert page.evaluate("document.documentElement.scrollWidth") <= width, path
    assert [url for url in asked if not url.startswith((f"{site.url}/", "data:"))] == []


def test_the_theme_is_kept_and_rendered_by_the_server(trader: Trader) -> None:
    page = trader.sign_in()
    expect(page.locator("html")).to_have_attribute("data-bs-theme", "dark")
    page.get_by_label("Account of alice").click()
    page.get_by_text("Light", exact=True).click()
    expect(page.locator("html")).to_have_attribute("data-bs-theme", "light")
    assert 'data-bs-theme="light"' in page.request.get(page.url).text()
