"""Pushes in a real browser: what is shown, what a click does, and how a device is turned on."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import CDPSession, Worker, expect

from notifications.tests.browser.conftest import PATIENCE_MS, WIDE_THEN_NARROW, Trader
from notifications.tests.browser.site import Site

pytestmark = pytest.mark.browser

IN_CHARGE = "() => navigator.serviceWorker.controller !== null"
SHOWN = """async () => (await (await navigator.serviceWorker.ready).getNotifications()).map(
  ({ title, body, tag, data, actions }) =>
    ({ title, body, tag, url: data.url, actions: actions.map(({ title }) => title) })
)"""
# Chromium forgets what is stored and not displayed yet when somebody asks what is shown, so nobody asks before.
UNTIL_TOLD = """async ([pushes, patienceMs]) => {
  const until = Date.now() + patienceMs;
  while (self.told < pushes) {
    if (Date.now() > until) throw new Error(`Of ${pushes} pushes ${self.told} were shown`);
    await new Promise((look) => setTimeout(look, 10));
  }
}"""
COUNT_WHAT_IS_SHOWN = """() => {
  self.told = 0;
  const { showNotification } = ServiceWorkerRegistration.prototype;
  ServiceWorkerRegistration.prototype.showNotification = async function (...given) {
    await showNotification.apply(this, given);
    self.told += 1;
  };
}"""
# The worker may open and focus windows after a real click only, which no script can make: what it asks for is kept.
KEEP_WISHES = """() => {
  self.wishes = [];
  Clients.prototype.openWindow = async (address) => void self.wishes.push(["open", new URL(address).pathname]);
  WindowClient.prototype.focus = async function () { self.wishes.push(["focus", new URL(this.url).pathname]); };
}"""
CLICK = """async (action) => {
  const [notification] = await self.registration.getNotifications();
  let work;
  const event = new NotificationEvent("notificationclick", { notification, action });
  event.waitUntil = (promise) => { work = promise; };
  self.dispatchEvent(event);
  await work;
  return self.wishes;
}"""

REFUSE = """
globalThis.asked = 0;
let permission = "default";
Object.defineProperty(Notification, "permission", { get: () => permission });
Notification.requestPermission = async () => {
  globalThis.asked += 1;
  return (permission = "denied");
};
"""


class PushedTab:
    """A tab whose worker can be pushed to as a push service would."""

    def __init__(self, trader: Trader, site: Site, path: str = "/") -> None:
        trader.context.grant_permissions(["notifications"], origin=site.url)
        self.page = trader.sign_in(path=path)
        self.page.evaluate("() => navigator.serviceWorker.register('/sw.js')")
        self.page.wait_for_function(IN_CHARGE)
        self._origin = site.url
        self._devtools: CDPSession = trader.context.new_cdp_session(self.page)
        registrations: list[str] = []
        self._devtools.on(
            "ServiceWorker.workerRegistrationUpdated",
            lambda event: registrations.extend(
                each["registrationId"] for each in event["registrations"] if not each["isDeleted"]
            ),
        )
        self._devtools.send("ServiceWorker.enable")
        while not registrations:
            self.page.evaluate("() => 1")  # lets events come in
        self._registration = registrations[0]
        self.worker: Worker = trader.context.service_workers[0]
        self._pushes = 0
        self.worker.evaluate(KEEP_WISHES)
        self.worker.evaluate(COUNT_WHAT_IS_SHOWN)

    def push(self, content: dict[str, Any] | str) -> None:
        text = content if isinstance(content, str) else json.dumps(content)
        message = {"origin": self._origin, "registrationId": self._registration, "data": text}
        self._devtools.send("ServiceWorker.deliverPushMessage", message)
        self._pushes += 1

    def shown(self) -> list[dict[str, Any]]:
        """What stands there once every push was shown."""
        self.worker.evaluate(UNTIL_TOLD, [self._pushes, PATIENCE_MS])
        found: list[dict[str, Any]] = self.page.evaluate(SHOWN)
        return found


def pushed(insight: int = 1, **changed: Any) -> dict[str, Any]:
    return {
        "tag": f"insight-{insight}",
        "title": "New Insight – EURUSD (1H)",
        "body": "Solid (78%).",
        "url": f"/signals/insight/{insight}/",
        "priority": "high",
        "read": {"url": "/notifications/api/push-read/", "token": "none"},
    } | changed


@pytest.fixture
def trader(new_trader: Callable[..., Trader], width: int) -> Trader:
    return new_trader(width=width, service_workers="allow")


def test_a_push_is_shown_and_one_of_the_same_insight_takes_its_place(trader: Trader, site: Site) -> None:
    tab = PushedTab(trader, site)
    tab.push(pushed())
    [first] = tab.shown()
    tab.push(pushed(2))
    assert len(tab.shown()) == 2
    tab.push(pushed(title="Insight updated"))
    assert sorted(each["title"] for each in tab.shown()) == ["Insight updated", "New Insight – EURUSD (1H)"]

    assert first == {
        "title": "New Insight – EURUSD (1H)",
        "body": "Solid (78%).",
        "tag": "insight-1",
        "url": "/signals/insight/1/",
        "actions": ["Mark read"],
    }


def test_a_push_that_cannot_be_read_still_shows_something(trader: Trader, site: Site) -> None:
    tab = PushedTab(trader, site)
    tab.push("no JSON")

    [shown] = tab.shown()
    assert (shown["title"], shown["body"]) == ("ZenithEdge", "There is something new.")


def test_a_click_focuses_the_tab_that_has_the_insight_and_opens_one_otherwise(trader: Trader, site: Site) -> None:
    site.post_alerts("EURUSD")
    tab = PushedTab(trader, site)
    address = tab.page.locator("[data-list] > li a[href*='/signals/insight/']").first.get_attribute("href") or ""
    tab.push(pushed(url=address))
    assert len(tab.shown()) == 1
    assert tab.worker.evaluate(CLICK, "") == [["open", address]]

    trader.open_tab(address)
    tab.push(pushed(url=address))
    assert len(tab.shown()) == 1
    assert tab.worker.evaluate(CLICK, "")[1:] == [["focus", address]]
    assert tab.page.evaluate(SHOWN) == [], "it is closed"


def test_mark_read_on_a_push_marks_it_in_every_tab(trader: Trader, site: Site) -> None:
    site.post_alerts("EURUSD")
    tab = PushedTab(trader, site)
    expect(tab.page.locator("[data-badge]")).to_have_text("1")
    read = {"url": "/notifications/api/push-read/", "token": site.read_token("alice")}
    tab.push(pushed(read=read))
    assert len(tab.shown()) == 1

    assert tab.worker.evaluate(CLICK, "read") == [], "nothing is opened"
    expect(tab.page.locator("[data-badge]")).to_be_hidden()


@WIDE_THEN_NARROW
def test_the_page_asks_only_after_a_click_and_says_what_to_do_when_it_was_refused(trader: Trader, site: Site) -> None:
    trader.context.add_init_script(REFUSE)
    page = trader.sign_in(path="/notifications/preferences/")
    said = page.locator("[data-push-state]")
    expect(said).to_have_text("Web push is off for this device.")
    assert page.evaluate("() => globalThis.asked") == 0

    page.get_by_role("button", name="Turn on for this device").click()

    expect(said).to_contain_text("This browser refuses notifications of this site.")
    expect(page.get_by_role("button", name="Turn on for this device")).to_be_hidden()
    assert page.evaluate("() => globalThis.asked") == 1
