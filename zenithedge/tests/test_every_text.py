"""Every text that a person may see goes through gettext: shown in a language whose letters all have marks, no letter
without one is left, but for what people and markets named themselves."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import get_resolver, reverse
from django.utils import timezone

from notifications.digests import content, mail, runs
from notifications.models import NotificationPreference
from notifications.tests.rows import store_notification
from signals.models import Signal, WebhookRequest, WebhookSource
from zenithedge import texts
from zenithedge.tests import pseudo
from zenithedge.tests.test_headers import routes, value_for

SHOWN_ATTRIBUTES = {"title", "alt", "placeholder", "aria-label", "aria-roledescription", "aria-description"}
# What is in them is code, or a person's own.
NO_TEXT = {"script", "style", "code", "kbd", "pre", "textarea"}
# Names, which are the same in every language, and what a machine has to find as it is.
NAMES = re.compile(
    r"ZenithEdge|TradingView|English|Deutsch|UTC|testserver"
    r"|[A-Z]{6}\b|MeanReversion|SMC|TrendFollower"
    r"|Axes|Access (attempt|failure|log)s|\bID\b|True|False|None|<b>"  # in the admin
    r"|[0-9a-f]{8}\b|\w+:\w+:\w+|\{.*\}"
    r"|[\w.+-]+@[\w.-]+|https?://\S+|[A-Z]\w+(/[\w+-]+)+|\b\d+ ?[mhdwHDW]\b"
)
# Admin pages of models that are not ours; the names of permissions in them are rows.
DJANGOS_OWN = ("/admin/auth/", "/admin/axes/")
DJANGOS_ALT = {"Search"}  # in its admin, and not wrapped there
LETTERS = re.compile(r"[A-Za-z]")

NAME = "Ἀλίκη"
STAFF = "Ἄδα"
STRATEGY = "Ὁδός"
SENTENCE = "Ἡ τιμὴ ἀνεβαίνει. 2,0 : 1."


class TextReader(HTMLParser):
    """Everything in a page that is read by a person, or to one."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.texts: list[str] = []
        self._within: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        named = {name: value or "" for name, value in attributes}
        self.texts += [value for name, value in named.items() if name in SHOWN_ATTRIBUTES]
        if tag == "input" and named.get("type") in {"submit", "button", "reset"}:
            self.texts.append(named.get("value", ""))
        if tag == "meta" and named.get("name") == "description":
            self.texts.append(named.get("content", ""))
        if tag == "img":
            self.texts = [text for text in self.texts if text not in DJANGOS_ALT]
        if tag == "optgroup":
            self.texts.append(named.get("label", ""))
        if tag in NO_TEXT:
            self._within.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if self._within and tag == self._within[-1]:
            self._within.pop()

    def handle_data(self, text: str) -> None:
        if not self._within:
            self.texts.append(text)


def missed(texts_seen: list[str]) -> list[str]:
    """Those that have letters without marks."""
    return sorted({" ".join(text.split()) for text in texts_seen if LETTERS.search(NAMES.sub("", text))})


def missed_in(response: Any) -> list[str]:
    assert response.status_code < 500
    if not response.headers.get("Content-Type", "").startswith("text/html"):
        return []
    return missed(TextReader(response.content.decode()).texts)


@pytest.fixture(scope="session")
def catalogues(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("locale")
    pseudo.write(directory)
    return directory


@pytest.fixture(autouse=True)
def marked_language(catalogues: Path, settings: Any) -> Iterator[None]:
    """The site in the marked language, stored texts included."""
    settings.LOCALE_PATHS = [catalogues]
    settings.LANGUAGES = [(pseudo.LANGUAGE, "⟦⟧")]
    settings.LANGUAGE_CODE = pseudo.LANGUAGE
    texts.catalogue.cache_clear()
    yield
    texts.catalogue.cache_clear()


@pytest.fixture
def trader(db: None) -> User:
    return User.objects.create_user(NAME, "alice@example.org", "alice-password")


@pytest.fixture
def admin(db: None) -> User:
    return User.objects.create_superuser(STAFF, "ada@example.org", "ada-password")


@pytest.fixture
def rows(trader: User, make_insight: Callable[..., Signal]) -> Signal:
    """Something for each page to show."""
    told = {
        "context_summary": SENTENCE,
        "news_headline": SENTENCE,
        "news_context": SENTENCE,
        "strategy": STRATEGY,
        "source": "Ϟ",
    }
    signal = make_insight(trader, **told)
    store_notification(trader, signal, title="🟢 EURUSD", snippet=SENTENCE, news_headline=SENTENCE)
    store_notification(trader, make_insight(None, **told), title="🔴 EURUSD", snippet=SENTENCE, read=True)
    make_insight(trader, **told, outcome="win")
    source = WebhookSource.objects.create(user=trader, name=SENTENCE, token_hash="x" * 64)
    WebhookRequest.objects.create(source=source, body="<b>", verdict="refused", status_code=400, reason=SENTENCE)
    return signal


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def addresses() -> list[str]:
    found = [
        reverse(name, kwargs={argument: value_for(name, argument) for argument in pattern.pattern.regex.groupindex})
        for name, pattern in routes(get_resolver().url_patterns)
    ]
    found = [address for address in found if not address.startswith(DJANGOS_OWN)]
    return [*found, "/nowhere/", "/notifications/?before=nonsense", "/notifications/?symbol=ΧΧΧ"]


WRONG_FORMS = {
    "login": {"username": NAME, "password": "ὄ"},
    "password_change": {"old_password": "ὄ", "new_password1": "1", "new_password2": "2"},
    "password_reset": {"email": "ὄ"},
    "connect": {"name": ""},
    "preferences": {
        "min_confidence": "101",
        "symbols_filter": ["ὄ ὄ"],
        "time_zone": "ὄ",
        "quiet_start_time": "25:00",
        "quiet_end_time": "",
        "digest_time": "ὄ",
        "quiet_mode": "ὄ",
        "language": "ὄ",
        "paused_until": "ὄ",
        "quiet_weekdays": ["9"],
    },
}


@pytest.mark.parametrize("who", ["trader", "admin"])
def test_every_page_is_marked_throughout(request: pytest.FixtureRequest, rows: Signal, who: str) -> None:
    user = request.getfixturevalue(who)

    found: dict[str, str] = {}  # a text of the frame once, with the first page that has it
    for address in addresses():
        for text in missed_in(signed_in(user).get(address)):
            found.setdefault(text, address)

    if found:
        pytest.fail("Not marked:\n" + "\n".join(f"{address}  {text}" for text, address in found.items()), pytrace=False)


@pytest.mark.parametrize("name", WRONG_FORMS)
def test_what_is_wrong_with_a_form_is_marked(trader: User, name: str) -> None:
    client = Client() if name in {"login", "password_reset"} else signed_in(trader)

    response = client.post(reverse(name), WRONG_FORMS[name])

    assert response.status_code in {200, 400}
    assert missed_in(response) == []


@pytest.mark.parametrize("name", ["connect_rename", "connect_pause", "connect_resume", "connect_delete"])
def test_what_was_done_is_said_in_marked_words(rows: Signal, trader: User, name: str) -> None:
    source = WebhookSource.objects.get(user=trader)

    response = signed_in(trader).post(reverse(name, args=[source.pk]), {"name": STRATEGY}, follow=True)

    assert response.redirect_chain
    assert missed_in(response) == []


def test_a_test_insight_is_stored_and_told_in_marked_words(trader: User) -> None:
    """The site's language here is the marked one, and so is what its validator writes."""
    response = signed_in(trader).post(reverse("connect_test"), follow=True)

    signal = Signal.objects.get()
    said = [signal.validation.context_summary, signal.validation.recommendation]
    said += [entry["explanation"] for entry in signal.validation.breakdown.values()]
    assert missed([text.replace(signal.strategy, "") for text in said]) == []
    assert missed_in(response) == []


def test_saving_preferences_says_what_changed_in_marked_words(trader: User) -> None:
    client = signed_in(trader)
    address = reverse("preferences")
    shown = client.get(address).context["form"].initial
    posted = {name: value for name, value in shown.items() if value not in (None, False)}
    response = client.post(address, posted | {"min_confidence": "80", "high_priority_only": "on"}, follow=True)

    assert response.redirect_chain
    assert missed_in(response) == []


def test_the_mail_for_a_new_password_is_marked(trader: User, mailoutbox: list[Any]) -> None:
    Client().post(reverse("password_reset"), {"email": trader.email})

    (sent,) = mailoutbox
    assert missed([sent.subject, *re.sub(r"https?://\S+", "", sent.body).split("\n")]) == []


def test_the_daily_mail_is_marked(rows: Signal, trader: User) -> None:
    run = runs.open_trial(trader, timezone.now())
    assert run
    (digest,) = content.Reader().read([run])

    message = mail.message(run, digest, NotificationPreference.of(trader))

    html = str(message.alternatives[0][0])
    assert missed([str(message.subject), *re.sub(r"https?://\S+", "", str(message.body)).split("\n")]) == []
    assert missed(TextReader(html).texts) == []


def test_what_the_api_tells_a_person_is_marked(trader: User) -> None:
    client = signed_in(trader)
    wrong = {"min_confidence": 101, "time_zone": "ὄ", "symbols_filter": ["ὄ ὄ"], "language": "ὄ"}
    refused = client.post(reverse("api_update_preferences"), wrong, content_type="application/json").json()["error"]

    assert missed([refused["message"], *(text for texts in refused["fields"].values() for text in texts)]) == []


def test_a_text_that_nobody_wrapped_is_found() -> None:
    page = (
        '<title>⟦ṕáǵé⟧</title><p>⟦ĺóśť⟧ EURUSD, 1h</p><p title="Close">⟦ĺóśť⟧</p><input type="submit" value="Send">'
        "<code>plot_0</code><template><b>New</b></template>"
    )
    assert missed(TextReader(page).texts) == ["Close", "New", "Send"]
