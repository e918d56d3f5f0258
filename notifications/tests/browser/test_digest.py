"""The daily e-mail as a mail program with Chromium in it shows it, and the way from it to the page that ends it."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Browser, Page, Request, expect

from notifications.tests.browser import axe
from notifications.tests.browser.site import Site

pytestmark = [pytest.mark.browser, pytest.mark.axe]


@pytest.fixture(scope="module")
def mail(server: Site) -> str:
    """Of somebody with more unread insights than fit."""
    server.begin_anew()
    server.start()
    server.post_alerts(
        *("EURUSD", "GBPUSD", "AUDUSD", "USDJPY", "XAUUSD", "NZDUSD"), strategy="A strategy with a long name"
    )
    return server.digest_of("alice")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_reads_well_and_loads_nothing(browser: Browser, mail: str, scheme: Any) -> None:
    page = browser.new_page(color_scheme=scheme)
    requests: list[Request] = []
    page.on("request", lambda request: requests.append(request))
    page.set_content(mail)

    for width in (600, 390):
        page.set_viewport_size({"width": width, "height": 900})
        assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert requests == []
    assert axe.violations(page) == []
    page.close()


def test_its_link_leads_to_a_page_that_asks_and_whose_button_ends_it(browser: Browser, mail: str) -> None:
    page: Page = browser.new_page()
    page.set_content(mail)
    page.get_by_role("link", name="Pause for a week, or unsubscribe").click()

    expect(page.get_by_role("heading", name="No more daily e-mails?")).to_be_visible()
    page.get_by_role("button", name="Unsubscribe").click()

    expect(page.get_by_role("heading", name="You get no more daily e-mails")).to_be_visible()
    assert page.context.cookies() == []
    page.close()
