"""No page breaks a rule of axe-core: in both themes, one of them on a wide screen and one on a phone."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, StorageState

from notifications.tests.browser import axe
from notifications.tests.browser.pages import SIGNED_IN, SIGNED_OUT, Show
from notifications.tests.browser.site import Site

pytestmark = [pytest.mark.browser, pytest.mark.axe]

# Colours differ by theme, layout by width: each of both once for each page, not each with each.
WIDTHS = {"dark": 1440, "light": 390}


@pytest.fixture(scope="module", params=["dark", "light"])
def theme(request: pytest.FixtureRequest) -> str:
    theme: str = request.param
    return theme


@pytest.fixture(scope="module")
def contexts(
    browser: Browser, shared_site: Site, alices_session: StorageState, theme: str
) -> Iterator[dict[str, BrowserContext]]:
    """Alice's browser and a stranger's, in that theme. Nothing moves in them: only colours that stay can be judged."""
    made = {
        name: browser.new_context(
            storage_state=state,
            bypass_csp=True,
            reduced_motion="reduce",
            viewport={"width": WIDTHS[theme], "height": 900},
        )
        for name, state in (("alice", alices_session), ("stranger", None))
    }
    for context in made.values():
        context.add_cookies([{"name": "theme", "value": theme, "url": shared_site.url}])
        context.set_default_timeout(20_000)
    yield made
    for context in made.values():
        context.close()


@pytest.mark.parametrize("name", SIGNED_IN)
def test_no_page_of_a_trader_breaks_a_rule(contexts: dict[str, BrowserContext], shared_site: Site, name: str) -> None:
    check(contexts["alice"], SIGNED_IN[name], shared_site)


@pytest.mark.parametrize("name", SIGNED_OUT)
def test_no_page_of_a_stranger_breaks_a_rule(contexts: dict[str, BrowserContext], shared_site: Site, name: str) -> None:
    check(contexts["stranger"], SIGNED_OUT[name], shared_site)


def check(context: BrowserContext, show: Show, site: Site) -> None:
    page = context.new_page()
    show(page, site)
    found = axe.violations(page)
    page.close()
    assert not found, "\n".join(found)
