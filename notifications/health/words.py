"""Figures as people read them, in the language that is active."""

from __future__ import annotations

import math

from django.utils.formats import number_format
from django.utils.translation import gettext as _

from zenithedge.languages import decimal

NOTHING = "–"


def number(value: int) -> str:
    return number_format(value, force_grouping=True)


def percent(share: float | None) -> str:
    """Rounded down: what is not all never reads as all."""
    if share is None:
        return NOTHING
    whole = share in (0, 1)
    return _("%(number)s %%") % {"number": decimal(math.floor(1000 * share) / 10, 0 if whole else 1)}


def duration(seconds: float | None) -> str:
    """In the one unit that says it: 420 ms, 1.3 s, 12 min, 5 h, 3 d."""
    if seconds is None:
        return NOTHING
    if seconds < 1:
        return _("%(number)s ms") % {"number": decimal(1000 * seconds, 0 if seconds >= 0.01 else 1)}
    if seconds < 120:
        return _("%(number)s s") % {"number": decimal(seconds, 1 if seconds < 10 else 0)}
    if seconds < 2 * 3600:
        return _("%(number)s min") % {"number": decimal(seconds / 60, 0)}
    if seconds < 48 * 3600:
        return _("%(number)s h") % {"number": decimal(seconds / 3600, 0)}
    return _("%(number)s d") % {"number": decimal(seconds / 86400, 0)}
