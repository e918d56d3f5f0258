"""What scripts write is in the page's language too: seen in the language of marked letters, as in the test of that name
that looks at what the server writes."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from notifications.tests.browser.conftest import Trader
from notifications.tests.browser.site import Site
from zenithedge.tests import pseudo
from zenithedge.tests.test_every_text import missed

pytestmark = pytest.mark.browser

SENTENCE = "Ἡ τιμὴ ἀνεβαίνει, ὡς εἴπομεν, καὶ πάλιν ἀναβήσεται μέχρι τῆς ἑσπέρας."
NEWS = {"news_headline": SENTENCE, "news_context": SENTENCE, "strategy": "Ὁδός"}
# Names of the cast, and what Intl writes by itself, which has no marked language.
MONTHS = "Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec"
DATA = re.compile(  # the last is her avatar
    rf"\b(alice|[A-Z]{{6}})\b|\b\d+ (min|hr)\. ago|\b({MONTHS}|AM|PM)\b|^\s*A\s*$"
)
READ = """() => {
  const seen = (element) => element.checkVisibility({ visibilityProperty: true });
  const shown = (element) => seen(element) && !element.closest("code, kbd, time");
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const texts = [document.title];
  while (walker.nextNode()) if (shown(walker.currentNode.parentElement)) texts.push(walker.currentNode.textContent);
  for (const element of document.querySelectorAll("[aria-label], [title], [placeholder]")) {
    if (!shown(element)) continue;
    for (const name of ["aria-label", "title", "placeholder"]) texts.push(element.getAttribute(name) ?? "");
  }
  return texts;
}"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A server of its own, in the marked language."""
    catalogues = tmp_path_factory.mktemp("locale")
    pseudo.write(catalogues)
    site = Site(
        tmp_path_factory.mktemp("site"),
        DJANGO_SETTINGS_MODULE="zenithedge.tests.marked_settings",
        MARKED_LOCALE=str(catalogues),
    )
    site.found()
    yield site
    site.kill()


def unmarked(page: Page) -> list[str]:
    return missed([DATA.sub("", text) for text in page.evaluate(READ)])


def test_scripts_say_everything_in_the_language_of_the_page(
    browser: Browser, site: Site, new_trader: Callable[..., Trader]
) -> None:
    page = new_trader(locale=pseudo.LANGUAGE).sign_in()
    expect(page.locator("[data-light]")).to_have_attribute("data-light", "live")
    site.post_alert("EURUSD", **NEWS)
    expect(page.locator("[data-toast]")).to_have_count(1)
    assert unmarked(page) == []

    site.post_alerts(*["GBPUSD", "USDJPY", "AUDUSD", "USDCAD", "EURGBP", "USDCHF", "EURJPY"], strategy="Ὁδός")
    expect(page.locator("[data-counting]")).to_contain_text("⟦")
    assert unmarked(page) == []

    page.locator("[data-bell-button]").click()
    expect(page.locator("[data-bell-list=unread] > *")).to_have_count(8)
    assert unmarked(page) == []
    page.keyboard.press("Escape")

    page.goto(f"{site.url}/notifications/")
    expect(page.locator("[data-light]")).to_have_attribute("data-light", "live")
    page.locator("main [data-mark-all] button").first.click()
    expect(page.locator("[data-undoing]")).to_contain_text("⟦")
    page.locator("#filter-side").select_option("buy")
    expect(page.locator("[data-list-note]")).to_contain_text("⟦")
    assert unmarked(page) == []
