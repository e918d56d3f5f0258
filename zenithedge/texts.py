"""Which texts the scripts of a page need beside the English ones that are in their code.

Django's own view would answer with a script that makes globals, and would be one more request before anything is shown.
"""

from __future__ import annotations

import gettext
from collections.abc import Callable
from functools import lru_cache
from typing import Any, TypedDict

from django.conf import settings
from django.http import HttpRequest
from django.utils.translation import get_language, to_locale

# Beyond them every language's rule goes by the last two digits.
COUNTS = range(200)


class Catalogue(TypedDict):
    """What static/notifications/texts.js reads.

    `texts`: the translations by the English text, with several forms where there are plurals; `plural`: one digit for
    each of COUNTS, the number of the form that it takes.
    """

    texts: dict[str, str | list[str]]
    plural: str


def context(request: HttpRequest) -> dict[str, Any]:
    """For templates, `script_texts`: gives the catalogue of the active language, or None where English is meant."""
    return {"script_texts": lambda: catalogue(get_language() or settings.LANGUAGE_CODE)}


@lru_cache
def catalogue(language: str) -> Catalogue | None:
    (directory,) = settings.LOCALE_PATHS
    translations = gettext.translation("djangojs", directory, [to_locale(language)], fallback=True)
    if not isinstance(translations, gettext.GNUTranslations):
        return None
    texts: dict[str, Any] = {}
    entries: dict[str | tuple[str, int], str] = translations._catalog  # type: ignore[attr-defined]  # as Django reads it
    for key, text in entries.items():
        if isinstance(key, tuple):
            texts.setdefault(key[0], {})[key[1]] = text
        elif key:  # the empty one is the file's head
            texts[key] = text
    for text, found in texts.items():
        if isinstance(found, dict):
            texts[text] = [found[n] for n in sorted(found)]
    rule: Callable[[int], int] = translations.plural  # type: ignore[attr-defined]  # as Django reads that too
    return Catalogue(texts=texts, plural="".join(str(rule(count)) for count in COUNTS))
