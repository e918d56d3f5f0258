"""Take the documentation's pictures: every page, wide and narrow, dark and light: `python -m scripts.screenshots`."""

from __future__ import annotations

import os
from typing import Literal

import django
from playwright.sync_api import Browser, BrowserContext, StorageState, sync_playwright

from notifications.tests.browser.chromium import launch
from notifications.tests.browser.pages import SIGNED_IN, SIGNED_OUT, Show
from notifications.tests.browser.site import ROOT, Site
from scripts.showcase import showcase, sign_in

FOLDER = ROOT / "docs" / "screenshots"
SCREENS = {"1440": (1440, 900), "390": (390, 844)}
THEMES: tuple[Literal["dark", "light"], ...] = ("dark", "light")
QUALITY = 72
# States of pages that have a picture already.
LEFT_OUT = {"wrong preferences", "fresh webhook", "refused sign-in"}


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "zenithedge.settings")
    django.setup()
    FOLDER.mkdir(parents=True, exist_ok=True)
    for picture in FOLDER.glob("*.*"):
        picture.unlink()
    with showcase() as site, sync_playwright() as playwright, launch(playwright) as browser:
        context = browser.new_context()
        sign_in(context.new_page(), site)
        # Without what the browser keeps: else it would tell of what came since.
        session = StorageState(cookies=context.storage_state()["cookies"], origins=[])
        context.close()
        for screen, (width, height) in SCREENS.items():
            for theme in THEMES:
                for pages, state in ((SIGNED_IN, session), (SIGNED_OUT, None)):
                    context = browser.new_context(
                        storage_state=state, viewport={"width": width, "height": height}, reduced_motion="reduce"
                    )
                    context.add_cookies([{"name": "theme", "value": theme, "url": site.url}])
                    take_all(context, site, pages, f"{screen}-{theme}")
                    context.close()
        take_mail(browser, site)
        take_health(browser, site)


def take_mail(browser: Browser, site: Site) -> None:
    html = site.digest_of("alice")
    for width in (600, 390):
        for theme in THEMES:
            page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=theme)
            page.set_content(html)
            path = FOLDER / f"digest-{width}-{theme}.jpg"
            page.screenshot(path=path, type="jpeg", quality=QUALITY, full_page=True)
            page.close()


def take_health(browser: Browser, site: Site) -> None:
    """Last of all: it fills the site with made-up traders, so that the figures have a month behind them."""
    site.fill_with_a_month()
    for screen, (width, height) in SCREENS.items():
        for theme in THEMES:
            context = browser.new_context(
                viewport={"width": width, "height": height}, color_scheme=theme, reduced_motion="reduce"
            )
            context.add_cookies([{"name": "sessionid", "value": site.sessions["ada"], "url": site.url}])
            page = context.new_page()
            page.goto(f"{site.url}/admin/notifications/healthfigures/?range=7d", wait_until="networkidle")
            path = FOLDER / f"health-{screen}-{theme}.jpg"
            page.screenshot(path=path, type="jpeg", quality=QUALITY, full_page=screen == "1440")
            context.close()


def take_all(context: BrowserContext, site: Site, pages: dict[str, Show], kind: str) -> None:
    for name, show in pages.items():
        if name in LEFT_OUT:
            continue
        page = context.new_page()
        # By way of another page: the first may be painted before the font has come.
        page.goto(f"{site.url}/nowhere/", wait_until="networkidle")
        show(page, site)
        page.wait_for_load_state("networkidle")
        page.screenshot(path=FOLDER / f"{name.replace(' ', '-')}-{kind}.jpg", type="jpeg", quality=QUALITY)
        page.close()


if __name__ == "__main__":
    main()
