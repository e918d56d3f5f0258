"""Take the documentation's pictures of the site: `python -m scripts.screenshots`.

A server of its own, on a database of its own, gets some weeks of real market data through its webhook, then one alert
with news while the page is open, so that the picture shows a toast.
"""

import tempfile
from pathlib import Path

from playwright.sync_api import Page, expect, sync_playwright

from notifications.tests.browser.chromium import launch
from notifications.tests.browser.site import PASSWORD, ROOT, Site

FOLDER = ROOT / "docs" / "screenshots"
FIRST_DAY, LAST_DAY = "2024-02-01", "2024-03-08"
ALERT = {
    "side": "sell",
    "price": "191.20",
    "sl": "192.00",
    "tp": "189.10",
    "strategy": "MeanReversion",
    "regime": "Range",
    "session": "Asia",
    "news_headline": "Bank of Japan keeps its rate; the yen steadies",
    "news_context": "The Bank of Japan left its policy rate unchanged and said that it watches the exchange rate.",
}


def main() -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        site = Site(Path(folder))
        site.found()
        site.start()
        try:
            site.replay(FIRST_DAY, LAST_DAY)
            with sync_playwright() as playwright, launch(playwright) as browser:
                take_dashboard(browser.new_page(viewport={"width": 1440, "height": 900}), site)
        finally:
            site.kill()


def take_dashboard(page: Page, site: Site) -> None:
    sign_in(page, site)
    site.post_alert("GBPJPY", **ALERT)
    expect(page.locator("[data-toast]", has_text="GBPJPY")).to_be_visible()
    page.screenshot(path=FOLDER / "dashboard.png", animations="disabled")


def sign_in(page: Page, site: Site) -> None:
    page.goto(f"{site.url}/")
    page.get_by_label("Username").fill("alice")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    expect(page.locator("[data-light-text]")).to_have_text("Live")


if __name__ == "__main__":
    main()
