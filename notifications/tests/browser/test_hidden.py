"""A trader who misses an insight finds out why, and gets to the setting that hid it."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from notifications.tests.browser.conftest import WIDE_THEN_NARROW, Trader
from notifications.tests.browser.pages import MUTE
from notifications.tests.browser.site import Site

pytestmark = pytest.mark.browser

WIDER_THAN_THE_SCREEN = "() => document.documentElement.scrollWidth > document.documentElement.clientWidth"


@WIDE_THEN_NARROW
def test_a_hidden_insight_names_its_rule_and_leads_to_the_setting(trader: Trader, site: Site) -> None:
    page = trader.sign_in(path="/notifications/hidden/")
    expect(page.get_by_role("heading", name="Nothing was hidden")).to_be_visible()
    page.goto(f"{site.url}/notifications/preferences/")
    page.get_by_role("spinbutton", name="Minimum AI confidence").fill("100")
    page.get_by_role("button", name="Save preferences").click()
    expect(page.locator(".note-success")).to_be_visible()
    page.evaluate(MUTE, {"kind": "symbol", "name": "USDJPY", "for_h": 4})
    site.post_alerts("EURUSD", "USDJPY")

    page.goto(f"{site.url}/notifications/hidden/")

    rows = page.locator("[data-hidden]")
    expect(rows).to_have_count(2)
    expect(rows.first).to_contain_text("You muted USDJPY until ")
    expect(rows.last).to_contain_text("< your 100")
    assert not page.evaluate(WIDER_THAN_THE_SCREEN)
    page.get_by_role("link", name="1 below 100%").click()
    expect(rows).to_have_count(1)

    rows.get_by_role("link", name="EURUSD").first.click()
    expect(page.get_by_text("You were not notified of this insight.")).to_be_visible()
    page.get_by_role("link", name="Notify me about such ones").click()

    expect(page.get_by_role("spinbutton", name="Minimum AI confidence")).to_be_in_viewport()
