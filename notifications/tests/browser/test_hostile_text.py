"""What an alert says is text in a real browser too, in the toast, the bell's panel and the lists."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from notifications.tests.browser.conftest import Trader
from notifications.tests.browser.site import Site
from notifications.tests.browser.test_story import NEWS, badge, light, rows, toasts
from signals.tests.hostile import MARK, TEXTS

pytestmark = pytest.mark.browser

IN_ONE = ("script", "image", "attribute", "end of JSON", "template", "right to left", "zero width")


def test_no_hostile_text_becomes_anything_else(trader: Trader, site: Site) -> None:
    """A script that the policy stops, or a picture that is asked for, would be a fault in the tab's console."""
    page = trader.sign_in()
    expect(light(page)).to_have_text("Live")
    headline = "".join(TEXTS[name] for name in ("image", "script", "element"))[:200]

    signal_id = site.post_alert("EURUSD", **NEWS | {"news_headline": headline}, strategy=TEXTS["script"])
    site.post_alert("GBPUSD", **NEWS | {"news_context": "".join(TEXTS[name] for name in IN_ONE)}, notes=TEXTS["image"])

    expect(badge(page)).to_have_text("2")
    expect(toasts(page, "EURUSD")).to_contain_text(headline[:40])
    page.locator("[data-bell-button]").click()
    expect(rows(page, "EURUSD").first).to_be_visible()
    assert_nothing_got_out(page)
    for path in ("/notifications/", f"/signals/insight/{signal_id}/"):
        page.goto(site.url + path)
        expect(page.locator("main")).to_contain_text(TEXTS["script"])
        assert_nothing_got_out(page)


def assert_nothing_got_out(page: Page) -> None:
    assert page.evaluate(f"window.{MARK} === undefined")
    assert page.locator(f"{MARK}, [{MARK}], img[src=x]").count() == 0
