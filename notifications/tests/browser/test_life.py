"""What becomes of an insight, seen while the page is open: repeated, turned, settled; the same after a reload."""

from __future__ import annotations

import os
import re

import pytest
from playwright.sync_api import Page, expect

from notifications.tests.browser.conftest import WIDE_THEN_NARROW, Trader
from notifications.tests.browser.site import Site
from notifications.tests.browser.test_story import badge, light, rows, toasts

pytestmark = pytest.mark.browser

SELL = {"side": "sell", "sl": "1.0900", "tp": "1.0750"}


def look(page: Page, name: str) -> None:
    """Keep a picture, where somebody asks for them."""
    if folder := os.environ.get("SCREENSHOTS"):
        page.screenshot(path=f"{folder}/{name}.png")


@WIDE_THEN_NARROW
def test_repeats_are_counted_in_one_row_and_one_toast_and_read_together(trader: Trader, site: Site, width: int) -> None:
    page = trader.sign_in()
    expect(light(page)).to_have_text("Live")
    for number in (1, 2, 3):
        site.post_alert("XAUUSD")
        expect(badge(page)).to_have_text(str(number))

    row = rows(page, "XAUUSD")
    expect(row).to_have_count(1)
    expect(row.locator(".remark-times")).to_have_text("×3")
    expect(toasts(page, "XAUUSD")).to_have_count(1)
    expect(row.locator("[data-left]")).to_have_text(re.compile(r"^2 hours left$"))
    look(page, f"repeats-{width}")

    page.reload()
    expect(row.locator(".remark-times")).to_have_text("×3")
    row.locator(".remark-times").click()
    expect(rows(page, "XAUUSD")).to_have_count(3)
    page.go_back()
    row.locator("[data-mark-read]").click()
    expect(badge(page)).to_be_hidden()


@WIDE_THEN_NARROW
def test_an_opposite_signal_turns_the_row_and_the_insights_own_page_while_they_are_open(
    trader: Trader, site: Site, width: int
) -> None:
    older = site.post_alert("XAUUSD")
    page = trader.sign_in()
    insight = trader.open_tab(f"/signals/insight/{older}/")
    for tab in (page, insight):
        expect(light(tab)).to_have_text("Live")

    newer = site.post_alert("XAUUSD", **SELL)

    row = page.locator("[data-list] [data-turned]")
    expect(row.get_by_role("link", name="Reversed by a later sell")).to_have_attribute(
        "href", f"/signals/insight/{newer}/"
    )
    expect(insight.get_by_role("main")).to_contain_text("Reversed by a later sell")
    look(page, f"turned-{width}")
    look(insight, f"turned-insight-{width}")
    page.reload()
    expect(row).to_contain_text("Reversed by a later sell")


def test_a_target_that_is_reached_shows_in_every_open_tab(trader: Trader, site: Site) -> None:
    older = site.post_alert("XAUUSD")
    page = trader.sign_in()
    insight = trader.open_tab(f"/signals/insight/{older}/")
    for tab in (page, insight):
        expect(light(tab)).to_have_text("Live")

    site.post_alert("XAUUSD", strategy="SMC", price="1.1000", tp="1.1200", sl="1.0900")

    expect(page.locator("[data-list] .won")).to_have_count(1)
    expect(insight.locator(".outcome")).to_contain_text("Target reached")


def test_a_note_says_that_sending_is_stopped_for_as_long_as_it_is(trader: Trader, site: Site) -> None:
    page = trader.sign_in()
    expect(light(page)).to_have_text("Live")
    note = page.locator("[data-brake]")
    expect(note).to_be_hidden()

    site.stop_sending()
    expect(note).to_be_visible()
    site.post_alert("XAUUSD")
    page.reload()
    expect(note).to_be_visible()
    expect(badge(page)).to_be_hidden()

    site.let_sending_go_on()
    expect(note).to_be_hidden()
