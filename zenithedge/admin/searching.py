"""What the admin's search boxes look for. Each finder turns one word into a condition that an index can answer.

Django's own search compares a part of each text, over joins: on a million rows that is a second for each search.
"""

from __future__ import annotations

from collections.abc import Callable

from django.contrib.auth import get_user_model
from django.core.exceptions import BadRequest
from django.db.models import Q
from django.http import HttpRequest

Finder = Callable[[str], Q | None]
MOST_USERS = 100
LARGEST_ID = 2**63 - 1


def id_of(word: str) -> int | None:
    """None for a word that is no id which a database can be asked for, however long it is."""
    digits = word.isascii() and word.isdecimal() and len(word) <= len(str(LARGEST_ID))
    return int(word) if digits and int(word) <= LARGEST_ID else None


def refuse_no_ids(request: HttpRequest, *names: str) -> None:
    """Raises BadRequest when the address has something else than an id, or nothing, under one of these names.

    For a GET form: Django's select looks a chosen row up before the form has found the choice to be invalid.
    """
    for name in names:
        given = request.GET.get(name)
        if given and id_of(given) is None:
            raise BadRequest(f"{name} is no id.")


def by_id(*paths: str) -> Finder:
    """The word is the id."""

    def find(word: str) -> Q | None:
        number = id_of(word)
        return None if number is None else _any(paths, number)

    return find


def by_user(*paths: str) -> Finder:
    """The word begins a user's name, as it is written or in small letters, or is the whole e-mail address.

    Of very many such users the first MOST_USERS by name.
    """

    def find(word: str) -> Q | None:
        named = Q(username__startswith=word) | Q(username__startswith=word.lower())
        wanted = Q(email__iexact=word) | named if "@" in word else named
        users = get_user_model()._default_manager.filter(wanted).order_by("username")
        ids = list(users.values_list("pk", flat=True)[:MOST_USERS])
        return _any([f"{path}__in" for path in paths], ids) if ids else None

    return find


def by_value(path: str) -> Finder:
    """The word is the whole value."""
    return lambda word: Q(**{path: word})


def condition(words: str, finders: tuple[Finder, ...]) -> Q | None:
    """Every word is found by one of the finders at least; None when one can't be."""
    if "\0" in words:  # PostgreSQL holds no text with it, and can't be asked for one
        return None
    wanted = Q()
    for word in words.split():
        found = [q for finder in finders if (q := finder(word)) is not None]
        if not found:
            return None
        either = Q()
        for q in found:
            either |= q
        wanted &= either
    return wanted


def _any(paths: tuple[str, ...] | list[str], value: object) -> Q:
    wanted = Q()
    for path in paths:
        wanted |= Q(**{path: value})
    return wanted
