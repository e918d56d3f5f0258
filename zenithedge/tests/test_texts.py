"""What the scripts of a page are told in its language."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from babel.messages import mofile, pofile
from django.test import Client
from django.urls import reverse

from zenithedge import texts

POLISH = r"""
msgid ""
msgstr ""
"Content-Type: text/plain; charset=utf-8\n"
"Plural-Forms: nplurals=3; plural=(n==1 ? 0 : n%10>=2 && n%10<=4 && (n%100<12 || n%100>14) ? 1 : 2);\n"

msgid "New"
msgstr "Nowe </script>"

msgid "%(count)s insight"
msgid_plural "%(count)s insights"
msgstr[0] "%(count)s sygnał"
msgstr[1] "%(count)s sygnały"
msgstr[2] "%(count)s sygnałów"
"""


@pytest.fixture
def polish(tmp_path: Path, settings: Any) -> Iterator[None]:
    """A language with three plural forms, as the only one that the scripts have a catalogue of."""
    target = tmp_path / "pl/LC_MESSAGES/djangojs.mo"
    target.parent.mkdir(parents=True)
    with target.open("wb") as file:
        mofile.write_mo(file, pofile.read_po(BytesIO(POLISH.encode()), locale="pl"))
    settings.LOCALE_PATHS = [tmp_path]
    settings.LANGUAGES = [("en", "English"), ("pl", "Polski")]
    texts.catalogue.cache_clear()
    yield
    texts.catalogue.cache_clear()


def sign_in_page(language: str) -> str:
    return Client(headers={"accept-language": language}).get(reverse("login")).content.decode()


def test_plurals_take_the_form_that_the_catalogues_own_rule_says(polish: None) -> None:
    catalogue = texts.catalogue("pl")
    assert catalogue
    forms = catalogue["texts"]["%(count)s insight"]
    assert forms == ["%(count)s sygnał", "%(count)s sygnały", "%(count)s sygnałów"]
    assert [catalogue["plural"][count] for count in (0, 1, 2, 5, 12, 22, 112)] == list("2012212")
    assert len(catalogue["plural"]) == 200


@pytest.mark.django_db
def test_a_page_brings_the_texts_of_its_scripts_as_data(polish: None) -> None:
    page = sign_in_page("pl")
    assert '<html lang="pl" dir="ltr"' in page
    (block,) = re.findall(r'<script id="texts" type="application/json">(.*?)</script>', page)
    assert json.loads(block)["texts"]["New"] == "Nowe </script>"


@pytest.mark.django_db
def test_a_page_in_english_brings_none(polish: None) -> None:
    page = sign_in_page("en")
    assert '<html lang="en" dir="ltr"' in page
    assert 'id="texts"' not in page


@pytest.mark.django_db
def test_an_answer_says_that_it_depends_on_the_language(polish: None) -> None:
    response = Client(headers={"accept-language": "pl"}).get(reverse("login"))
    assert response.headers["Content-Language"] == "pl"
    assert "Accept-Language" in response.headers["Vary"]
