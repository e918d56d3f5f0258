"""The preferences and the connect page, filled in by a trader at a desk and by one with a telephone."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from notifications.tests.browser.conftest import AT_BOTH_WIDTHS, NARROW, WIDE_THEN_NARROW, Trader
from notifications.tests.browser.site import Site

pytestmark = pytest.mark.browser

PREFERENCES = "/notifications/preferences/"
# Chromium's own word when the preview is asked for with a value that can't be read.
NO_PREVIEW = re.compile(r"^Failed to load resource: the server responded with a status of 400 ")


def open_preferences(trader: Trader) -> Page:
    return trader.sign_in(path=PREFERENCES)


def saved(page: Page) -> list[str]:
    page.get_by_role("button", name="Save preferences").click()
    return page.locator(".note-success").inner_text().splitlines()


@WIDE_THEN_NARROW
def test_slider_and_chips_are_saved_and_the_page_says_what_changed(trader: Trader) -> None:
    page = open_preferences(trader)
    confidence = page.get_by_role("spinbutton", name="Minimum AI confidence")
    slider = page.get_by_role("slider")
    slider.fill("70")
    expect(confidence).to_have_value("70")
    confidence.fill("72.5")
    expect(slider).to_have_value("73")
    expect(page.locator("[data-save-state]")).to_have_text("Unsaved changes")
    page.get_by_role("checkbox", name="GBPUSD").check()
    page.get_by_label("Another symbol").fill("xauusd, brk.b")
    page.get_by_label("Another symbol").press("Enter")
    page.get_by_label("Another strategy").fill("Own, with comma")
    page.get_by_role("group", name="Strategies").get_by_role("button", name="Add").click()
    assert saved(page) == [
        "Saved.",
        "Minimum AI confidence: 0 → 72.5",
        "Symbols: every symbol → GBPUSD, XAUUSD, BRK.B",
        "Strategies: every strategy → Own, with comma",
    ]
    expect(page.get_by_role("checkbox", name="XAUUSD")).to_be_checked()
    expect(page.locator("[data-save-state]")).to_have_text("")


def test_a_pause_takes_one_click_and_is_ended_by_another(trader: Trader) -> None:
    page = open_preferences(trader)
    pauses = page.get_by_role("group", name="Pause at once")
    pauses.get_by_role("button", name="For 1 hour").click()
    expect(page.locator("[data-paused]", has_text="Everything is paused until")).to_be_visible()
    pauses.get_by_role("button", name="Until I turn it on").click()
    expect(page.locator("[data-paused]", has_text="until you turn it on again")).to_be_visible()
    pauses.get_by_role("button", name="Turn on again").click()
    expect(page.get_by_text("Everything is paused")).to_have_count(0)


@WIDE_THEN_NARROW
def test_while_the_form_changes_the_page_shows_what_would_have_come(trader: Trader, site: Site) -> None:
    site.post_alerts("EURUSD", "GBPUSD", side="buy")
    page = open_preferences(trader)
    figures = page.locator("[data-preview-period='7']")
    expect(figures).to_contain_text("As it is saved: 2 alerts in 7 days")
    expect(figures.locator("[data-figure=at_once]")).to_have_text("2")
    page.get_by_role("slider").fill("100")
    expect(figures).to_contain_text("With this draft: no alert")
    expect(figures.locator("[data-figure=hidden]")).to_have_text("2")
    expect(figures).to_contain_text("2 fewer at once, 2 more hidden than with what is saved.")
    assert figures.locator(".preview-hidden").last.get_attribute("height") == "100"
    page.get_by_role("radio", name="30 days").check()
    expect(page.locator("[data-preview-period='30'] [data-headline]")).to_contain_text("With this draft: no alert")
    expect(figures).to_be_hidden()
    page.get_by_role("spinbutton", name="Minimum AI confidence").fill("")
    expect(page.locator("[data-preview-state]")).to_contain_text("Some fields are not complete")
    page.reload()
    expect(page.get_by_role("spinbutton", name="Minimum AI confidence")).to_have_value("0")
    expect(figures).to_contain_text("As it is saved: 2 alerts in 7 days")


def test_the_last_figures_stay_while_the_server_is_away_and_it_is_said(trader: Trader, site: Site) -> None:
    page = open_preferences(trader)
    slider = page.get_by_role("slider")
    slider.fill("90")
    figures = page.locator("[data-preview-period='7'] [data-headline]")
    expect(figures).to_contain_text("With this draft")
    page.route("**/preview-preferences/", lambda route: route.abort())
    with trader.expecting(re.compile("Failed to load resource|TypeError: Failed to fetch")):
        slider.fill("80")
        expect(page.locator("[data-preview-state]")).to_contain_text("There is no answer")
        expect(figures).to_contain_text("With this draft")
    page.unroute("**/preview-preferences/")
    slider.fill("70")
    expect(page.locator("[data-preview-state]")).to_have_text("")


def test_whoever_changes_much_is_told_and_gets_the_figures_without_asking_again(trader: Trader, site: Site) -> None:
    page = open_preferences(trader)
    page.route(
        "**/preview-preferences/", lambda route: route.fulfill(status=429, headers={"Retry-After": "1"}, json={})
    )
    with trader.expecting(re.compile("Failed to load resource")):
        page.get_by_role("slider").fill("80")
        expect(page.locator("[data-preview-state]")).to_contain_text("Too many changes in a minute")
        page.unroute("**/preview-preferences/")
        expect(page.locator("[data-preview-state]")).to_have_text("")
    expect(page.locator("[data-preview-period='7'] [data-headline]")).to_contain_text("With this draft")


@WIDE_THEN_NARROW
def test_windows_are_added_filled_in_and_removed_without_leaving_the_page(trader: Trader) -> None:
    page = open_preferences(trader)
    page.get_by_role("checkbox", name="USDJPY").check()
    page.get_by_role("button", name="Add a window").click()
    window = page.get_by_role("group", name="Window 2")
    expect(window.get_by_label("From")).to_be_focused()
    window.get_by_label("Until").fill("14:15")
    expect(page.locator("[data-save-state]")).to_have_text("Unsaved changes")
    page.get_by_role("button", name="Add a window").click()
    page.get_by_role("button", name="Remove window 3").click()
    expect(page.get_by_role("group", name="Window 3")).to_have_count(0)
    expect(window.get_by_label("Until")).to_have_value("14:15")
    assert saved(page)[1:] == [
        "Symbols: every symbol → USDJPY",
        "Further quiet windows: none → 12:00–14:15 Mon Tue Wed Thu Fri",
    ]
    page.get_by_role("button", name="Weekend").click()
    expect(page.get_by_role("group", name="Window 2")).to_have_count(0)
    expect(page.get_by_label("Quiet from")).to_have_value("00:00")
    expect(page.locator("#id_quiet_hours_enabled")).to_be_checked()


def test_a_mute_is_added_and_taken_back(trader: Trader) -> None:
    page = open_preferences(trader)
    mutes = page.locator("#mutes")
    mutes.get_by_label("Name of the symbol or strategy").fill("xau/usd")
    mutes.get_by_role("button", name="Mute for 4 hours").click()
    expect(mutes.get_by_role("listitem")).to_contain_text("XAUUSD")
    mutes.get_by_role("button", name="Unmute XAUUSD").click()
    expect(mutes.get_by_role("listitem")).to_have_text("Nothing is muted.")


@AT_BOTH_WIDTHS
def test_a_link_to_a_setting_brings_it_into_sight(new_trader: Callable[..., Trader], width: int) -> None:
    page = new_trader(width=width, reduced_motion="reduce").sign_in(path=f"{PREFERENCES}#id_min_confidence")
    header = page.locator(".site-header").bounding_box()
    setting = page.locator("[data-confidence]")
    expect(setting).to_have_css("outline-style", "solid")
    expect(setting).to_be_in_viewport()
    box = setting.bounding_box()
    assert header is not None
    assert box is not None
    assert header["height"] <= box["y"] < 700


def test_the_zone_of_the_browser_is_offered_where_it_is_another(trader: Trader) -> None:
    page = open_preferences(trader)
    zone = page.get_by_label("Time zone")
    here = page.evaluate("Intl.DateTimeFormat().resolvedOptions().timeZone")
    offer = page.get_by_role("button", name=f"Use {here}, as this browser does")
    zone.fill("Asia/Tokyo")
    zone.blur()
    offer.click()
    expect(zone).to_have_value(here)
    expect(offer).to_be_hidden()


@WIDE_THEN_NARROW
def test_a_wrong_value_has_the_cursor_and_the_rest_is_kept(trader: Trader) -> None:
    page = open_preferences(trader)
    with trader.expecting(NO_PREVIEW):
        page.get_by_label("Time zone").fill("Nowhere")
        page.get_by_role("checkbox", name="USDJPY").check()
        page.get_by_role("button", name="Save preferences").click()
        expect(page.get_by_role("alert").first).to_contain_text("Nothing was saved")
        zone = page.get_by_label("Time zone")
        expect(zone).to_be_focused()
    expect(zone).to_have_accessible_description(re.compile("“Nowhere” is not a known time zone"))
    expect(page.get_by_role("checkbox", name="USDJPY")).to_be_checked()


def test_without_javascript_the_inputs_alone_do(new_trader: Callable[..., Trader]) -> None:
    page = open_preferences(new_trader(java_script_enabled=False))
    expect(page.get_by_role("slider")).to_be_hidden()
    expect(page.locator("[data-preview-period='7']")).to_contain_text("As it is saved: no alert")
    page.get_by_role("button", name="Add a window").click()
    expect(page.get_by_role("group", name="Window 2")).to_be_visible()
    page.get_by_role("spinbutton", name="Minimum AI confidence").fill("80")
    page.get_by_label("Another symbol", exact=True).fill("xauusd")
    page.get_by_label("Another symbol (2)").fill("gbpusd")
    assert saved(page) == [
        "Saved.",
        "Minimum AI confidence: 0 → 80",
        "Symbols: every symbol → XAUUSD, GBPUSD",
        "Further quiet windows: none → 12:00–13:00 Mon Tue Wed Thu Fri",
    ]


def test_on_a_telephone_every_choice_can_be_brought_above_the_bar_with_the_button(
    new_trader: Callable[..., Trader],
) -> None:
    page = open_preferences(new_trader(width=NARROW))
    bottom = page.locator(".site-nav").bounding_box()
    button = page.get_by_role("button", name="Save preferences").bounding_box()
    assert bottom is not None
    assert button is not None
    assert button["y"] + button["height"] <= bottom["y"]
    page.get_by_label("Let high priority through").check()  # the last of the page: fails when something covers it


def test_a_new_address_is_copied_by_its_button(trader: Trader, site: Site) -> None:
    trader.context.grant_permissions(["clipboard-read", "clipboard-write"], origin=site.url)
    page = trader.sign_in(path="/signals/connect/")
    page.get_by_label("Name of the new webhook").fill("My chart")
    page.get_by_role("button", name="Make a webhook").click()
    address = page.get_by_label("Webhook URL")
    expect(address).to_be_focused()
    page.get_by_role("button", name="Copy: the address").click()
    expect(page.get_by_role("button", name="Copy: the address")).to_contain_text("Copied")
    assert page.evaluate("navigator.clipboard.readText()") == address.input_value()


def test_where_there_is_no_clipboard_the_text_is_copied_the_old_way(trader: Trader, site: Site) -> None:
    trader.context.add_init_script("Object.defineProperty(navigator, 'clipboard', {value: undefined})")
    page = trader.sign_in(path="/signals/connect/")
    page.get_by_role("button", name="Copy: For a strategy").click()
    expect(page.get_by_role("button", name="Copy: For a strategy")).to_contain_text("Copied")
    assert "{{strategy.order.action}}" in page.evaluate("getSelection().toString()")


@WIDE_THEN_NARROW
def test_a_webhook_is_renamed_paused_and_deleted_where_it_stands(trader: Trader) -> None:
    page = trader.sign_in(path="/signals/connect/")
    page.get_by_role("button", name="Make a webhook").click()
    webhook = page.locator("[data-source]")
    webhook.get_by_text("Manage").click()
    webhook.get_by_label("Name").fill("Gold chart")
    webhook.get_by_role("button", name="Rename").click()
    expect(page.get_by_role("heading", name="Gold chart")).to_be_visible()
    webhook.get_by_role("button", name="Pause Gold chart").click()
    expect(webhook).to_contain_text("Paused")
    webhook.get_by_text("Manage").click()
    webhook.get_by_role("button", name="Delete Gold chart").click()
    expect(webhook).to_have_count(0)
    expect(page.get_by_text("You have none yet.")).to_be_visible()
