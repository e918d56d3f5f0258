"""How long ago, as time goes on; and when exactly, by the user's own clock."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from notifications.tests.browser.conftest import WIDE_THEN_NARROW, Trader
from notifications.tests.browser.site import Site

pytestmark = pytest.mark.browser

SET_ZONE = """
    fetch("/notifications/api/update-preferences/", {
        method: "POST",
        headers: {
            "Content-Type": "application/json",
            "X-CSRFToken": document.querySelector("[name=csrfmiddlewaretoken]").value,
        },
        body: JSON.stringify({ time_zone: "Pacific/Kiritimati" }),
    }).then((response) => response.ok)
"""
IN_ZONE = """(time) => new Intl.DateTimeFormat("en", {
    dateStyle: "medium", timeStyle: "medium", timeZone: "Pacific/Kiritimati",
}).format(new Date(time))"""
HOUR_MS = 3_600_000


@WIDE_THEN_NARROW
def test_ages_tick_and_say_when_exactly_in_the_users_zone(
    new_trader: Callable[..., Trader], site: Site, width: int
) -> None:
    """The browser's own zone is another."""
    site.post_alerts("EURUSD")
    trader = new_trader(width=width, timezone_id="America/New_York")
    trader.context.clock.install()
    page = trader.sign_in(path="/notifications/")
    assert page.evaluate(SET_ZONE)
    page.reload()
    expect(page.locator("[data-light-text]")).to_have_text("Live")
    page.locator("[data-bell-button]").click()
    for place in ("[data-list]", "[data-bell-panel]"):
        age = page.locator(f"{place} time[data-age]").first
        expect(age).to_have_text("just now")
        exactly = page.evaluate(IN_ZONE, age.get_attribute("datetime"))
        expect(age).to_have_attribute("title", exactly)
    page.clock.fast_forward(2 * HOUR_MS)
    for place in ("[data-list]", "[data-bell-panel]"):
        expect(page.locator(f"{place} time[data-age]").first).to_have_text("2 hr. ago")
