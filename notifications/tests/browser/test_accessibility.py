"""No page breaks a rule of axe-core: in both themes, on a wide screen and on a phone."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from django.test import RequestFactory
from playwright.sync_api import Browser, BrowserContext, Page, Route, StorageState, expect

from notifications import api
from notifications.tests.browser import axe
from notifications.tests.browser.site import PASSWORD, Site

pytestmark = [pytest.mark.browser, pytest.mark.axe]

WIDTHS = (1440, 390)
NEWS = {"news_headline": "ECB holds rates", "news_context": "The bank left its rates unchanged and said why. " * 2}


def go_to(path: str) -> Callable[[Page, Site], None]:
    def show(page: Page, site: Site) -> None:
        page.goto(f"{site.url}{path}")

    return show


def show_open_bell(page: Page, site: Site) -> None:
    page.goto(f"{site.url}/")
    page.locator("[data-bell-button]").click()
    expect(page.locator("[data-bell-list] > *").first).to_be_visible()


def show_toast(page: Page, site: Site) -> None:
    page.goto(f"{site.url}/")
    expect(page.locator("[data-light-text]")).to_have_text("Live")
    site.post_alert("GBPJPY", **NEWS)  # substantial news: high priority, so that the toast stays
    expect(page.locator("[data-toast]").first).to_be_visible()


def show_insight(page: Page, site: Site) -> None:
    page.goto(f"{site.url}/notifications/")
    page.locator("[data-list] a", has_text="EURUSD").first.click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("EURUSD")


def show_wrong_preferences(page: Page, site: Site) -> None:
    page.goto(f"{site.url}/notifications/preferences/")
    page.locator("[name=time_zone]").fill("Atlantis/Capital")
    page.locator("main form button[type=submit]").first.click()
    expect(page.locator("main [aria-invalid=true]").first).to_be_visible()


def show_fresh_webhook(page: Page, site: Site) -> None:
    page.goto(f"{site.url}/signals/connect/")
    form = page.locator("main form", has=page.get_by_role("button", name="Make a webhook"))
    form.locator("[name=name]").fill("My chart")
    form.get_by_role("button").click()
    expect(page.locator("[data-fresh-address]")).to_be_visible()


def show_refused_sign_in(page: Page, site: Site) -> None:
    page.goto(f"{site.url}/accounts/login/")
    page.get_by_label("Username").fill("alice")
    page.locator("[name=password]").fill("wrong")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert").first).to_be_visible()


def show_signed_out(page: Page, site: Site) -> None:
    """As bob: a session that ends here."""
    page.goto(f"{site.url}/")
    page.get_by_label("Username").fill("bob")
    page.locator("[name=password]").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.get_by_label("Account of bob").click()
    page.get_by_role("button", name="Sign out").click()
    expect(page.locator("[data-app]")).to_have_count(0)


def show_forbidden(page: Page, site: Site) -> None:
    page.goto(f"{site.url}/accounts/login/")
    page.locator("[name=csrfmiddlewaretoken]").first.evaluate("(field) => { field.value = 'forged'; }")
    page.get_by_label("Username").fill("alice")
    page.locator("[name=password]").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    expect(page.locator("main")).to_contain_text("403")


def show_server_error(page: Page, site: Site) -> None:
    """No address of the site breaks, so the page is made here; its style sheets come from the site."""
    broken = api.server_error(RequestFactory().get("/broken/"))

    def answer(route: Route) -> None:
        route.fulfill(status=500, content_type="text/html", body=broken.content)

    page.route(f"{site.url}/broken/", answer)
    page.goto(f"{site.url}/broken/")


SIGNED_IN: dict[str, Callable[[Page, Site], None]] = {
    "dashboard": go_to("/"),
    "bell": show_open_bell,
    "toast": show_toast,
    "insight": show_insight,
    "history": go_to("/notifications/"),
    "preferences": go_to("/notifications/preferences/"),
    "wrong preferences": show_wrong_preferences,
    "connect": go_to("/signals/connect/"),
    "fresh webhook": show_fresh_webhook,
    "password change": go_to("/accounts/password_change/"),
    "400": go_to("/notifications/?before=nonsense"),
    "404": go_to("/nowhere/"),
}
SIGNED_OUT: dict[str, Callable[[Page, Site], None]] = {
    "sign-in": go_to("/accounts/login/"),
    "refused sign-in": show_refused_sign_in,
    "403": show_forbidden,
    "500": show_server_error,
    "signed out": show_signed_out,
}


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
        name: browser.new_context(storage_state=state, bypass_csp=True, reduced_motion="reduce")
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


def check(context: BrowserContext, show: Callable[[Page, Site], None], site: Site) -> None:
    page = context.new_page()
    show(page, site)
    found = []
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 900})
        found += [f"At {width} pixels: {violation}" for violation in axe.violations(page)]
    page.close()
    assert not found, "\n".join(found)
