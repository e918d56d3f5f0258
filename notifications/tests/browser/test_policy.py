"""The Content-Security-Policy as a browser enforces it, and the forms as a browser fills them in."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from notifications.tests.browser.conftest import Trader
from notifications.tests.browser.site import Site

pytestmark = pytest.mark.browser

# Each violation is an error on the console, and so a fault of the tab.
TRADERS_PAGES = (
    "/",
    "/notifications/",
    "/notifications/preferences/",
    "/signals/connect/",
    "/accounts/password_change/",
)
ADMINS_PAGES = (
    "/admin/",
    "/admin/signals/signal/",
    "/admin/signals/signal/add/",
    "/admin/signals/signal/{signal_id}/change/",
    "/admin/notifications/insightdispatch/",
    "/admin/notifications/insightdispatch/1/change/",
    "/admin/notifications/insightnotification/",
    "/admin/auth/user/1/change/",
)


def test_no_page_breaks_the_policy(new_trader: Callable[..., Trader], site: Site) -> None:
    trader = new_trader()
    page = trader.sign_in()
    expect(page.locator("[data-light-text]")).to_have_text("Live")  # the socket is within the policy
    signal_id = site.post_alert("EURUSD")
    for path in (*TRADERS_PAGES, f"/signals/insight/{signal_id}/"):
        page.goto(f"{site.url}{path}")
        expect(page.locator("[data-light-text]")).to_have_text("Live")
    assert trader.faults == []


def test_the_admin_works_within_the_policy(new_trader: Callable[..., Trader], site: Site) -> None:
    signal_id = site.post_alert("EURUSD")
    trader = new_trader()
    page = trader.sign_in("ada")
    for path in ADMINS_PAGES:
        page.goto(f"{site.url}{path.format(signal_id=signal_id)}")
    page.goto(f"{site.url}/admin/signals/signal/")
    page.get_by_label("Select all objects on this page").check()
    expect(page.locator(".action-counter")).to_have_text("1 of 1 selected")  # the admin's own scripts run
    assert trader.faults == []


def test_the_policy_is_enforced(trader: Trader) -> None:
    page = trader.open_tab("/accounts/login/")
    page.evaluate("document.head.append(Object.assign(document.createElement('style'), {textContent: 'x {}'}))")
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    (fault,) = trader.faults
    assert "Content Security Policy" in fault
    trader.faults.clear()
