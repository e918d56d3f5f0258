"""Reading an insight far down in the history, and going back to where one was."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from notifications.tests.browser.conftest import Trader
from notifications.tests.browser.site import Site

pytestmark = pytest.mark.browser

SYMBOLS = ("EURUSD", "GBPUSD", "AUDUSD", "NZDUSD", "USDCAD")
NTH = 50


@pytest.mark.parametrize("width", [1440, 390])
def test_the_way_back_from_an_insight_ends_at_its_row(trader: Trader, site: Site, width: int) -> None:
    site.post_alerts(*SYMBOLS * 12)
    page = trader.sign_in()
    page.set_viewport_size({"width": width, "height": 844})
    page.goto(f"{site.url}/notifications/")
    expect(page.locator("[data-light-text]")).to_have_text("Live")
    row = page.locator("[data-list] > li").nth(NTH)
    for shown in (20, 40, 60):
        expect(page.locator("[data-list] > li")).to_have_count(shown)
        page.evaluate("window.scrollTo(0, document.body.scrollHeight)")
    row.scroll_into_view_if_needed()
    same = page.locator(f'[data-list] > [data-id="{row.get_attribute("data-id")}"]')
    before = same.bounding_box()
    same.get_by_role("link").click()
    expect(page.get_by_role("heading", name="Delivery")).to_be_visible()
    page.go_back()
    expect(same).to_be_in_viewport()
    after = same.bounding_box()
    assert before
    assert after
    assert abs(after["y"] - before["y"]) < 2
    page.get_by_role("link", name="Back to the newest").click()
    expect(page.locator("[data-list] > li").first).to_contain_text(SYMBOLS[-1])
