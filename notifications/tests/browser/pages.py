"""Every page of the site, and how one gets to it."""

from __future__ import annotations

from collections.abc import Callable

from playwright.sync_api import Page, Route, expect

from notifications.tests.browser.site import PASSWORD, Site

# With substantial news, hence of high priority: its toast stays.
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

# As the script of a page does it.
MUTE = """async (mute) => {
  const token = document.cookie.match(/csrftoken=([^;]*)/)[1];
  const headers = { "Content-Type": "application/json", "X-CSRFToken": token };
  const response = await fetch("/notifications/api/mutes/", { method: "POST", headers, body: JSON.stringify(mute) });
  if (!response.ok) throw new Error(await response.text());
}"""

Show = Callable[[Page, Site], None]


def go_to(path: str) -> Show:
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
    site.post_alert("GBPJPY", **ALERT)
    expect(page.locator("[data-toast]").first).to_be_visible()


def show_insight(page: Page, site: Site) -> None:
    page.goto(f"{site.url}/notifications/")
    page.locator("[data-list] a[href^='/signals/insight/']").first.click()
    expect(page.get_by_role("heading", name="How the score is made")).to_be_visible()


def show_wrong_preferences(page: Page, site: Site) -> None:
    page.goto(f"{site.url}/notifications/preferences/")
    page.locator("[name=time_zone]").fill("Atlantis/Capital")
    page.get_by_role("button", name="Save preferences").click()
    expect(page.locator("main [aria-invalid=true]").first).to_be_visible()


def show_changed_preferences(page: Page, site: Site) -> None:
    """A draft with its figures, a further window, and a mute."""
    page.goto(f"{site.url}/notifications/preferences/")
    page.get_by_label("Name of the symbol or strategy").fill("XAUUSD")
    page.get_by_role("button", name="Mute for 4 hours").click()
    page.get_by_role("slider").fill("90")
    expect(page.locator("[data-headline]").first).to_contain_text("With this draft")
    page.get_by_role("button", name="Weekend").click()
    page.get_by_role("button", name="Add a window").click()
    expect(page.get_by_role("group", name="Window 2")).to_be_visible()
    page.get_by_text("Day by day, and why").first.click()


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
    """No address of the site breaks, so the page is made here, for which Django must be set up."""
    from django.test import RequestFactory

    from notifications import api

    request = RequestFactory().get("/broken/")
    request.COOKIES.update({cookie["name"]: cookie["value"] for cookie in page.context.cookies()})
    broken = api.server_error(request)

    def answer(route: Route) -> None:
        route.fulfill(status=500, content_type="text/html", body=broken.content)

    page.route(f"{site.url}/broken/", answer)
    page.goto(f"{site.url}/broken/")


def show_hidden(page: Page, site: Site) -> None:
    """With an insight of a symbol that is muted."""
    page.goto(f"{site.url}/")
    page.evaluate(MUTE, {"kind": "symbol", "name": "CHFJPY", "for_h": None})
    site.post_alerts("CHFJPY")
    page.goto(f"{site.url}/notifications/hidden/")
    expect(page.locator("[data-hidden]").first).to_be_visible()


SIGNED_IN: dict[str, Show] = {
    "dashboard": go_to("/"),
    "bell": show_open_bell,
    "insight": show_insight,
    "history": go_to("/notifications/"),
    "hidden": show_hidden,
    "preferences": go_to("/notifications/preferences/"),
    "wrong preferences": show_wrong_preferences,
    "changed preferences": show_changed_preferences,
    "track-record": go_to("/signals/track-record/"),
    "connect": go_to("/signals/connect/"),
    "fresh webhook": show_fresh_webhook,
    "password change": go_to("/accounts/password_change/"),
    "400": go_to("/notifications/?before=nonsense"),
    "404": go_to("/nowhere/"),
    "toast": show_toast,
}
SIGNED_OUT: dict[str, Show] = {
    "sign-in": go_to("/accounts/login/"),
    "refused sign-in": show_refused_sign_in,
    "password reset": go_to("/accounts/password_reset/"),
    "403": show_forbidden,
    "500": show_server_error,
    "signed out": show_signed_out,
}
