"""The bell's panel and the toasts: with the keyboard, with a thumb, and when much comes at once."""

from __future__ import annotations

import datetime as dt
import re

import pytest
from playwright.sync_api import Locator, Page, expect

from notifications.tests.browser.conftest import WIDE_THEN_NARROW, Trader
from notifications.tests.browser.site import Site, strategy_of_its_own
from notifications.tests.browser.test_story import NEWS, badge, light, rows, toasts, wait_for_claims

pytestmark = pytest.mark.browser

COUNT_TONES = """
    window.tones = 0;
    document.addEventListener("playing", () => {
        window.tones += 1;
        document.documentElement.dataset.tones = window.tones;
    }, true);
"""
TURN_SOUND_ON = """
    fetch("/notifications/api/update-preferences/", {
        method: "POST",
        headers: {
            "Content-Type": "application/json",
            "X-CSRFToken": document.querySelector("[name=csrfmiddlewaretoken]").value,
        },
        body: JSON.stringify({ sound: true }),
    }).then((response) => response.ok)
"""


@pytest.fixture
def page(trader: Trader) -> Page:
    """A live page of Alice's."""
    page = trader.sign_in()
    expect(light(page)).to_have_text("Live")
    return page


def narrow(page: Page) -> None:
    page.set_viewport_size({"width": 390, "height": 844})


def panel(page: Page) -> Locator:
    return page.get_by_role("dialog", name="Notifications")


def life(page: Page) -> str:
    """What the animation does that ends the only toast."""
    state: str = page.locator(".toast-life").evaluate("(life) => life.getAnimations()[0].playState")
    return state


@WIDE_THEN_NARROW
def test_the_bell_works_with_the_keyboard_alone(page: Page, site: Site) -> None:
    for symbol in ("EURUSD", "GBPUSD"):
        site.post_alert(symbol, **NEWS)
    expect(toasts(page)).to_have_count(2)
    expect(badge(page)).to_have_text("2")
    bell = page.locator("[data-bell-button]")
    bell.focus()
    page.keyboard.press("Enter")
    expect(bell).to_have_attribute("aria-expanded", "true")
    expect(panel(page).get_by_role("region", name="Unread").get_by_role("listitem")).to_have_count(2)
    expect(page.get_by_role("heading", name="Notifications")).to_be_focused()
    expect(toasts(page)).to_have_count(0)

    page.keyboard.press("ArrowDown")
    newest = panel(page).get_by_role("link", name="GBPUSD")
    expect(newest).to_be_focused()
    page.keyboard.press("Tab")
    expect(page.locator(":focus")).to_have_accessible_name(re.compile("^More"))
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(badge(page)).to_have_text("1")
    expect(newest).to_be_focused()
    page.keyboard.press("ArrowDown")
    expect(panel(page).get_by_role("link", name="EURUSD")).to_be_focused()

    site.post_alert("AUDUSD")
    expect(panel(page).get_by_role("listitem").first).to_contain_text("AUDUSD")
    expect(panel(page).get_by_role("link", name="EURUSD")).to_be_focused()
    page.keyboard.press("Escape")
    expect(panel(page)).to_be_hidden()
    expect(bell).to_be_focused()
    expect(bell).to_have_attribute("aria-expanded", "false")

    page.keyboard.press("Enter")
    expect(panel(page).get_by_role("region", name="Unread").get_by_role("listitem")).to_have_count(2)
    expect(panel(page).get_by_role("region", name="Earlier").get_by_role("listitem")).to_contain_text("GBPUSD")


@WIDE_THEN_NARROW
def test_marking_all_read_is_undone_in_every_tab(trader: Trader, site: Site) -> None:
    first, second = trader.sign_in(), trader.open_tab()
    for symbol in ("EURUSD", "GBPUSD"):
        site.post_alert(symbol)
    for tab in (first, second):
        expect(badge(tab)).to_have_text("2")
    first.locator("[data-bell-button]").click()
    panel(first).get_by_role("button", name="Mark all read").click()
    expect(toasts(first, "2 marked as read")).to_have_attribute("role", "status")
    for tab in (first, second):
        expect(badge(tab)).to_be_hidden()
    expect(rows(second, "EURUSD").locator("[data-field=state]")).to_have_text("Read")

    expect(panel(first).get_by_role("button", name="Undo")).to_be_focused()
    first.keyboard.press("Enter")
    expect(toasts(first, "marked as read")).to_have_count(0)
    for tab in (first, second):
        expect(badge(tab)).to_have_text("2")
    expect(rows(second, "EURUSD").locator("[data-field=state]")).to_have_text("New")
    wait_for_claims([second])
    expect(toasts(second, "while you were away")).to_have_count(0)


@WIDE_THEN_NARROW
def test_a_burst_is_counted_in_one_toast_and_folds_when_the_trader_comes_back(
    page: Page, trader: Trader, site: Site
) -> None:
    for number in range(8):
        own = strategy_of_its_own(number // 2)  # else the third would be a repeat of the first
        site.post_alert("EURUSD" if number % 2 else "GBPUSD", **NEWS, strategy=own)
    expect(badge(page)).to_have_text("8")
    # Which of them came to be the first two is the browser's matter: each toast is claimed by itself.
    either_order = re.compile(r"6 of high priority\. (GBPUSD, EURUSD|EURUSD, GBPUSD)\.")
    expect(toasts(page, "6 more new insights")).to_contain_text(either_order)
    expect(toasts(page)).to_have_count(3)

    trader.context.clock.set_fixed_time(dt.datetime.now(dt.UTC) + dt.timedelta(minutes=3))
    page.mouse.move(100, 200)
    expect(toasts(page)).to_have_count(1)
    expect(toasts(page)).to_contain_text("8 new insights while you were away")
    page.get_by_role("main").get_by_role("button", name="Mark all read").click()
    expect(toasts(page, "new insights")).to_have_count(0)


@WIDE_THEN_NARROW
def test_a_toast_waits_while_it_is_pointed_at_or_focused(page: Page, site: Site) -> None:
    site.post_alert("EURUSD")
    expect(toasts(page, "EURUSD")).to_be_visible()
    page.locator(".toast-life").evaluate("(life) => life.getAnimations()[0].updatePlaybackRate(0.1)")
    page.mouse.move(5, 400)
    assert life(page) == "running"
    toasts(page).hover()
    assert life(page) == "paused"
    page.mouse.move(5, 400)
    assert life(page) == "running"
    narrow(page)
    toasts(page).get_by_role("link", name="View insight").focus()
    assert life(page) == "paused"
    page.locator("[data-bell-button]").focus()
    assert life(page) == "running"
    page.locator(".toast-life").evaluate("(life) => life.getAnimations()[0].finish()")
    expect(toasts(page)).to_have_count(0)
    expect(badge(page)).to_have_text("1")


def test_one_tab_plays_one_sound_for_a_trader_who_wants_it(trader: Trader, site: Site) -> None:
    trader.context.add_init_script(COUNT_TONES)
    first = trader.sign_in()
    assert first.evaluate(TURN_SOUND_ON)
    tabs = [first, trader.open_tab("/notifications/")]
    first.reload()
    for tab in tabs:
        expect(light(tab)).to_have_text("Live")
        tab.get_by_role("heading", level=1).click()  # a browser lets no page sound before somebody used it
    site.post_alert("EURUSD")
    for tab in tabs:
        expect(badge(tab)).to_have_text("1")
    wait_for_claims(tabs)
    assert sum(toasts(tab).count() for tab in tabs) == 1
    [teller] = [tab for tab in tabs if toasts(tab).count()]
    expect(teller.locator("html")).to_have_attribute("data-tones", "1")
    assert sum(tab.evaluate("window.tones") for tab in tabs) == 1


def test_a_sound_is_heard_before_it_is_chosen_and_by_its_priority_afterwards(trader: Trader, site: Site) -> None:
    trader.context.add_init_script(COUNT_TONES)
    page = trader.sign_in(path="/notifications/preferences/")
    page.get_by_label("High priority", exact=True).select_option("tick")
    with page.expect_request("**/sounds/tick.wav"):
        page.get_by_role("button", name="Play the sound of High priority").click()
    page.get_by_label("Play a sound").check()
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("High priority: Three notes, rising → One note")).to_be_visible()
    expect(light(page)).to_have_text("Live")
    page.get_by_role("heading", level=1).click()
    with page.expect_request("**/sounds/tick.wav"):
        site.post_alert("EURUSD", **NEWS)
    expect(page.locator("html")).to_have_attribute("data-tones", "1")
