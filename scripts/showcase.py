"""A site to be looked at and measured: on a database of its own, with some weeks of real market data."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Page, expect

from notifications.tests.browser.site import PASSWORD, Site

FIRST_DAY, LAST_DAY = "2024-02-01", "2024-03-08"


@contextmanager
def showcase() -> Iterator[Site]:
    with founded_site() as site:
        site.replay(FIRST_DAY, LAST_DAY)
        yield site


@contextmanager
def founded_site() -> Iterator[Site]:
    """One that has traders, and no insight yet."""
    with tempfile.TemporaryDirectory() as folder:
        site = Site(Path(folder))
        site.found()
        site.start()
        try:
            yield site
        finally:
            site.kill()


def sign_in(page: Page, site: Site) -> None:
    page.goto(f"{site.url}/")
    page.get_by_label("Username").fill("alice")
    page.locator("[name=password]").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    expect(page.locator("[data-light-text]")).to_have_text("Live")


def insight_path(page: Page, site: Site) -> str:
    """The way to the newest insight in the history of whoever is signed in."""
    page.goto(f"{site.url}/notifications/")
    path = page.locator("[data-list] a[href^='/signals/insight/']").first.get_attribute("href")
    if not path:
        raise SystemExit("The history shows no insight.")
    return path
