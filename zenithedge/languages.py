"""In which language a text is made.

What a page, a form, the API or a mail says is made for its reader, in the language that is active. What is stored for
whoever reads it later is made in the site's: an insight's title and narrative are the same row for every trader.
What is told to machines (the webhook's answers, the socket's errors, logs, commands) stays English.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from functools import wraps
from typing import ParamSpec, TypeVar

from django.conf import settings
from django.utils import translation
from django.utils.formats import number_format

Given = ParamSpec("Given")
Made = TypeVar("Made")


def in_site_language(function: Callable[Given, Made]) -> Callable[Given, Made]:
    """For what makes texts that are stored: whoever's request it is in, they are in LANGUAGE_CODE."""

    @wraps(function)
    def made(*args: Given.args, **kwargs: Given.kwargs) -> Made:
        with translation.override(settings.LANGUAGE_CODE):
            return function(*args, **kwargs)

    return made


def in_english(function: Callable[Given, Made]) -> Callable[Given, Made]:
    """For what answers machines."""

    @wraps(function)
    def made(*args: Given.args, **kwargs: Given.kwargs) -> Made:
        with translation.override(None):
            return function(*args, **kwargs)

    return made


def decimal(value: float | Decimal, places: int) -> str:
    """Rounded, with so many decimals, as the active language writes it."""
    return number_format(Decimal(f"{value:.{places}f}"), places)
