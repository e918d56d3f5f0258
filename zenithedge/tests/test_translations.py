"""The catalogues are what the code and the translators say, and pages in other languages work like the English ones."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
import time_machine
from babel.messages.catalog import Catalog, Message
from django.conf import settings
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from notifications.models import NotificationPreference
from notifications.tests.rows import store_notification
from scripts import messages
from signals.models import Signal

CATALOGUES = [(language, domain) for language in messages.LANGUAGES for domain in messages.SOURCES]
# What a translation has to keep: values' places and, in HTML, tags with their attributes.
FIXED = re.compile(r"%\(\w+\)[sd]|\{\w+\}|<[^<>]+>")
FUNCTIONS = {"_", "gettext", "gettext_lazy", "gettext_noop", "ngettext", "ngettext_lazy", "pgettext", "pgettext_lazy"}
WRAPS_WHAT_MODELS_SAY = "labels.py"
CSRF_CHARS = 64  # of the one value that differs from page to page
# Numbers in what machines read: coordinates, values, ids, times.
MACHINE_ATTRIBUTES = re.compile(
    r"^(data-.*|datetime|value|min|max|step|[xy][12]?|[cr][xy]?|width|height|points|stroke-dasharray|viewbox)$"
)


def catalogue(language: str, domain: str) -> Catalog:
    return messages.read(messages.po_path(language, domain), language)


def forms(text: Any) -> list[str]:
    return [text] if isinstance(text, str) else list(text)


def translated(language: str, domain: str) -> Iterator[Message]:
    for message in catalogue(language, domain):
        if message.id and any(forms(message.string)):
            yield message


@pytest.mark.parametrize(("language", "domain"), CATALOGUES)
def test_the_compiled_catalogue_is_what_the_translators_wrote(language: str, domain: str) -> None:
    path = messages.po_path(language, domain)
    assert path.with_suffix(".mo").read_bytes() == messages.as_mo(catalogue(language, domain)), "run make messages"


@pytest.mark.parametrize(("language", "domain"), CATALOGUES)
def test_a_translation_keeps_the_places_of_values_and_the_tags(language: str, domain: str) -> None:
    wrong = [
        (message.id, text)
        for message in translated(language, domain)
        for text in forms(message.string)
        if not any(Counter(FIXED.findall(text)) == Counter(FIXED.findall(form)) for form in forms(message.id))
    ]
    assert wrong == []


@pytest.mark.parametrize(("language", "domain"), CATALOGUES)
def test_every_text_in_the_code_is_translated(language: str, domain: str) -> None:
    """Extracted anew: a text that was written a minute ago counts."""
    assert messages.missing(messages.merged(language, domain)) == [], "run make messages, and translate what it adds"


def test_every_language_of_the_site_has_its_catalogues() -> None:
    assert {language for language, _name in settings.LANGUAGES} == {"en", *messages.LANGUAGES}


# --- What goes to gettext ------------------------------------------------------------------------------------------


def python_files() -> Iterator[Path]:
    for pattern in messages.SOURCES["django"]["python"]:
        yield from (path for path in messages.ROOT.glob(pattern) if not {"tests", "migrations"} & set(path.parts))


def not_literal(source: str) -> list[int]:
    """The lines on which a function of gettext gets something that could not be extracted.

    What was kept in English to be read later, an attribute or an error, was marked where it was made.
    """
    calls = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)]
    named = [(node.func.id, node) for node in calls if isinstance(node.func, ast.Name)]
    return [
        node.lineno
        for name, node in named
        if name in FUNCTIONS and not all(map(is_text_or_kept, node.args[: 2 if name[0] == "n" else 1]))
    ]


def is_text_or_kept(argument: ast.expr) -> bool:
    if isinstance(argument, ast.Call):
        return isinstance(argument.func, ast.Name) and argument.func.id == "str"
    return isinstance(argument, ast.Constant | ast.Attribute)


def test_python_hands_texts_to_gettext_as_they_stand() -> None:
    found = {path.name: not_literal(path.read_text()) for path in python_files() if path.name != WRAPS_WHAT_MODELS_SAY}
    assert {name: lines for name, lines in found.items() if lines} == {}


def test_a_text_that_is_put_together_first_would_be_found() -> None:
    assert not_literal('_(f"{name} is gone")\ngettext(text)\nngettext("a", many, 2)\n_("fine") % {"a": 1}') == [1, 2, 3]


def test_scripts_hand_texts_to_gettext_as_they_stand() -> None:
    call = re.compile(r"(?<![\w.])n?gettext\(\s*(?!\")(\S+)")
    declared = re.compile(r"function n?gettext")
    for pattern in messages.SOURCES["djangojs"]["javascript"]:
        for path in messages.ROOT.glob(pattern):
            assert call.findall(declared.sub("", path.read_text())) in ([], ["text)"], ["text)", "one,"]), path.name


# --- Pages in another language ---------------------------------------------------------------------------------------


class MachineReader(HTMLParser):
    """What scripts, drawings and forms read of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, str, str]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        for name, value in attributes:
            of_form = tag in {"input", "option", "progress", "button"}
            if MACHINE_ATTRIBUTES.match(name) and (name != "value" or of_form) and re.search(r"\d", value or ""):
                self.found.append((tag, name, value or ""))


@pytest.mark.parametrize("name", ["dashboard", "history", "preferences", "connect", "track_record", "insight"])
def test_machines_read_the_same_in_german_and_in_english(
    alice: User, make_insight: Callable[..., Signal], name: str
) -> None:
    for outcome in ("win", "loss", "pending"):
        signal = make_insight(alice, outcome=outcome, truth_index="81.5")
        store_notification(alice, signal)
    client = Client()
    client.force_login(alice)
    read = {}
    now = timezone.now()
    for language in ("en", "de"):
        NotificationPreference.objects.filter(user=alice).update(language=language)
        with time_machine.travel(now, tick=False):
            page = client.get(signal.get_absolute_url() if name == "insight" else reverse(name)).content.decode()
        assert f'<html lang="{language}"' in page
        read[language] = [entry for entry in MachineReader(page).found if len(entry[2]) != CSRF_CHARS]
    assert read["de"] == read["en"]
    assert read["en"]


@pytest.mark.django_db
def test_the_sign_in_page_is_german_for_a_german_browser() -> None:
    page = Client(headers={"accept-language": "de"}).get(reverse("login")).content.decode()
    assert "Passwort vergessen?" in page
    assert '"Angemeldet als' not in page
