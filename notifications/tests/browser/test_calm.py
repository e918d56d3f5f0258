"""What keeps the pages calm: nothing jumps or moves that should not, and a toast stays as long as it should."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from notifications.tests.browser.conftest import AT_BOTH_WIDTHS, WIDE_THEN_NARROW, Trader
from notifications.tests.browser.site import Site
from notifications.tests.browser.test_story import NEWS, light, toasts

pytestmark = pytest.mark.browser

TOAST_LIFE_MS = 8_000
UNDO_LIFE_MS = 10_000

# Of Chromium's layout shift score, where 0.1 still counts as good: the light grows and shrinks with its word.
HARDLY = 0.002
WATCH_SHIFTS = """
    window.shifts = [];
    new PerformanceObserver((list) => {
        for (const { value, hadRecentInput, sources } of list.getEntries()) {
            const moved = sources.map(({ node }) => node?.className || node?.nodeName).join(", ");
            if (!hadRecentInput) window.shifts.push([value, moved]);
        }
    }).observe({ type: "layout-shift", buffered: true });
"""
AFTER_TWO_FRAMES = "() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done())))"
# Every animation and transition that began in sight, by its name.
WATCH_MOTION = """
    window.motion = [];
    for (const type of ["animationstart", "transitionstart"]) {
        document.addEventListener(type, ({ target, animationName, propertyName }) => {
            if (getComputedStyle(target).opacity === "0") return;
            window.motion.push(`${animationName ?? propertyName} of ${target.className}`);
        }, true);
    }
"""


def jumps(page: Page) -> list[tuple[float, str]]:
    """What has moved by itself since the page was opened: how much, and which elements."""
    page.evaluate(AFTER_TWO_FRAMES)
    shifts: list[tuple[float, str]] = page.evaluate("window.shifts")
    return [] if sum(value for value, _moved in shifts) < HARDLY else shifts


def life_of(page: Page) -> dict[str, Any]:
    """How the animation stands that ends the only toast; empty where none does."""
    timing: dict[str, Any] = page.locator(".toast-life").evaluate(
        """(life) => {
            const [animation] = life.getAnimations();
            return animation ? { state: animation.playState, ms: animation.effect.getComputedTiming().duration } : {};
        }"""
    )
    return timing


@AT_BOTH_WIDTHS
def test_nothing_on_a_page_jumps(trader: Trader, site: Site) -> None:
    trader.context.add_init_script(WATCH_SHIFTS)
    signal_id = site.post_alerts("EURUSD", "GBPUSD", "AUDUSD", **NEWS)[0]
    for path in ("/notifications/", "/notifications/preferences/", "/signals/connect/", "/"):
        page = trader.sign_in(path=path)
        expect(light(page)).to_have_text("Live")
        assert jumps(page) == [], path
        page.close()
    page = trader.open_tab(f"/signals/insight/{signal_id}/")  # the only tab, so that the toast is shown in it
    expect(page.locator("[data-closes] canvas").first).to_be_visible()
    expect(light(page)).to_have_text("Live")
    site.post_alert("NZDUSD", **NEWS)
    expect(toasts(page, "NZDUSD")).to_be_visible()
    page.locator("[data-bell-button]").click()
    expect(page.get_by_role("dialog", name="Notifications").get_by_role("listitem").first).to_contain_text("NZDUSD")
    assert jumps(page) == []


def test_nothing_moves_for_a_trader_who_wants_no_motion(new_trader: Callable[..., Trader], site: Site) -> None:
    trader = new_trader(reduced_motion="reduce")
    trader.context.add_init_script(WATCH_MOTION)
    page = trader.sign_in()
    expect(light(page)).to_have_text("Live")
    site.post_alert("EURUSD")
    expect(toasts(page, "EURUSD")).to_be_visible()
    expect(page.locator("[data-list] > [data-notification]")).to_have_count(1)
    page.evaluate(AFTER_TWO_FRAMES)
    assert page.evaluate("window.motion") == []
    assert life_of(page) == {"state": "running", "ms": TOAST_LIFE_MS}  # it ends all the same


@WIDE_THEN_NARROW
def test_a_toast_stays_for_eight_seconds_and_the_undo_for_ten(trader: Trader, site: Site) -> None:
    page = trader.sign_in()
    expect(light(page)).to_have_text("Live")
    site.post_alert("EURUSD")
    expect(toasts(page, "EURUSD")).to_be_visible()
    assert life_of(page) == {"state": "running", "ms": TOAST_LIFE_MS}
    page.get_by_role("main").get_by_role("button", name="Mark all read").click()
    expect(toasts(page)).to_contain_text("1 marked as read")
    assert life_of(page) == {"state": "running", "ms": UNDO_LIFE_MS}


@WIDE_THEN_NARROW
def test_a_toast_of_high_priority_stays_until_it_is_dealt_with(trader: Trader, site: Site) -> None:
    page = trader.sign_in()
    expect(light(page)).to_have_text("Live")
    site.post_alert("EURUSD", **NEWS)
    expect(toasts(page, "EURUSD")).to_be_visible()
    assert life_of(page) == {}
    toasts(page, "EURUSD").get_by_role("button", name="Mark read").click()
    expect(toasts(page)).to_have_count(0)
    expect(page.locator("[data-badge]")).to_be_hidden()
