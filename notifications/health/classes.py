"""Users by a number of notifications: how many have none, one, two to five and so on. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from django.utils.translation import gettext as _

from notifications.health import words

# The least of each class; the last one has no end.
LEAST = (0, 1, 2, 6, 21, 101)
NAMES = ("0", "1", "2-5", "6-20", "21-100", "101+")


def name_of(number: int) -> str:
    return next(name for least, name in zip(reversed(LEAST), reversed(NAMES), strict=True) if number >= least)


def bounds(name: str) -> tuple[int, int | None]:
    """The least number of a class, and the least of the next one."""
    index = NAMES.index(name)
    return LEAST[index], LEAST[index + 1] if index + 1 < len(LEAST) else None


def in_words(name: str) -> str:
    """As people write it: "2–5", "more than 100"."""
    least, next_least = bounds(name)
    if next_least is None:
        return _("more than %(number)s") % {"number": words.number(least - 1)}
    most = next_least - 1
    return words.number(least) if most == least else f"{words.number(least)}–{words.number(most)}"


def classify(numbers: Iterable[int]) -> dict[str, int]:
    """How many of the numbers are in each class; classes of none are left out."""
    classes: Counter[str] = Counter()
    for number, times in Counter(numbers).items():
        classes[name_of(number)] += times
    return in_order(classes)


def in_order(counts: Mapping[str, int]) -> dict[str, int]:
    return {name: counts[name] for name in NAMES if counts.get(name)}


def spread(counts: Mapping[str, int]) -> dict[str, int]:
    """For a chart: also the classes of none that lie between others."""
    present = [index for index, name in enumerate(NAMES) if counts.get(name)]
    return {name: counts.get(name, 0) for name in NAMES[present[0] : present[-1] + 1]} if present else {}
