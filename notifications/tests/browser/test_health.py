"""The delivery health page in a browser: charts drawn from their tables, and brought up to date."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from notifications.tests.browser.conftest import NO_SERVER, Trader
from notifications.tests.browser.site import Site

pytestmark = pytest.mark.browser

DRAWN = """() => [...document.querySelectorAll("canvas")]
  .filter((canvas) => globalThis.Chart.getChart(canvas)?.data.datasets.length).length"""
HAVE_ROWS = "() => document.querySelectorAll('figure:has(canvas) tbody:has(tr)').length"
SHOW_AGAIN = "() => document.dispatchEvent(new Event('visibilitychange'))"


def test_charts_are_drawn_and_brought_up_to_date(new_trader: Callable[..., Trader], site: Site) -> None:
    site.post_alerts("EURUSD", "GBPUSD")
    site.roll_up()
    admin = new_trader(reduced_motion="reduce")
    page = admin.sign_in("ada", "/admin/notifications/healthfigures/?range=1h")
    expect(page.locator("[data-tile=notifications] .health-value")).to_have_text("4")
    page.wait_for_function(f"({DRAWN})() === ({HAVE_ROWS})() && ({DRAWN})() > 3")
    last_bar = "() => Chart.getChart(document.querySelector('[data-chart=volume] canvas')).data.datasets[0].data.at(-1)"
    page.locator("[data-chart=volume] summary").click()

    site.post_alerts("USDJPY")
    site.roll_up()
    page.evaluate(SHOW_AGAIN)

    expect(page.locator("[data-tile=notifications] .health-value")).to_have_text("6")
    page.wait_for_function(f"({last_bar})() > 0")
    expect(page.locator("[data-chart=volume] table")).to_be_visible()  # what was open stays open

    site.kill()
    with admin.expecting(NO_SERVER):
        page.evaluate(SHOW_AGAIN)
        expect(page.locator("[data-lost]")).to_be_visible()
