"""What the searches of the admin find of signals, by the spelling in which they are stored."""

from __future__ import annotations

from django.db.models import Q

from signals.models import Signal
from signals.vocabulary import canonical_strategy, canonical_symbol
from zenithedge.admin.searching import Finder


def by_symbol(path: str) -> Finder:
    """The word is the symbol, however it is spelled."""

    def find(word: str) -> Q | None:
        symbol = canonical_symbol(word)
        return Q(**{path: symbol}) if Signal.objects.filter(symbol=symbol).exists() else None

    return find


def by_strategy(path: str) -> Finder:
    """The word is the strategy; one that is several words long is for the filter."""

    def find(word: str) -> Q | None:
        strategy = canonical_strategy(word)
        return Q(**{path: strategy}) if Signal.objects.filter(strategy=strategy).exists() else None

    return find
