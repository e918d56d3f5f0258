"""How a user's preferences came to be what they are: who changed which of them, when, from what and to what.

A version keeps every field of the page, further quiet windows and mutes included. What a version of earlier days does
not know yet cannot be told as a change.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from itertools import pairwise
from typing import Any, NamedTuple

from django.utils.formats import date_format
from django.utils.translation import gettext as _

from notifications.forms import PreferenceForm
from notifications.models import PreferenceVersion
from notifications.preference_words import value_in_words, windows_in_words
from notifications.quiet import zone_or_utc

# Where a version names something otherwise than the form.
FORM_FIELDS = {
    "strategies": "strategies_filter",
    "symbols": "symbols_filter",
    "quiet_start": "quiet_start_time",
    "quiet_end": "quiet_end_time",
}
TIMES = {"quiet_start", "quiet_end", "digest_time"}
# What versions of earlier days do not have yet, where it is known what they meant.
ONCE: dict[str, Any] = {"quiet_windows": [], "mutes": [], "webhook_enabled": False}


class Change(NamedTuple):
    label: str
    was: str
    now: str

    def __str__(self) -> str:
        return f"{self.label}: {self.was} → {self.now}"


class Entry(NamedTuple):
    """One change of several things at once; `changes` is None for the first version there is."""

    version: PreferenceVersion
    changes: list[Change] | None


def latest(user_id: int, count: int) -> list[Entry]:
    """The newest first. One query."""
    versions = PreferenceVersion.objects.filter(user=user_id).select_related("changed_by")
    found: Sequence[PreferenceVersion | None] = list(versions.order_by("-valid_from", "-pk")[: count + 1])
    if len(found) <= count:
        found = [*found, None]
    return [
        Entry(version, changes(before.snapshot, version.snapshot) if before else None)
        for version, before in pairwise(found)
        if version is not None
    ]


def changes(before: dict[str, Any], after: dict[str, Any]) -> list[Change]:
    """Between two snapshots, in the order in which they keep their fields."""
    before = ONCE | before
    return [
        Change(_label(name), _in_words(name, before[name], before), _in_words(name, value, after))
        for name, value in (ONCE | after).items()
        if name in before and before[name] != value
    ]


def _label(name: str) -> str:
    match name:
        case "webhook_enabled":
            return _("Webhook")
        case "quiet_windows":
            return _("Further quiet windows")
        case "mutes":
            return _("Mutes")
        case "sound_high" | "sound_medium" | "sound_low":  # on the page they stand below the switch
            fields = PreferenceForm.base_fields
            return f"{fields['sound'].label}, {fields[name].label}"
        case _other:
            field = PreferenceForm.base_fields.get(FORM_FIELDS.get(name, name))
            return str(field.label) if field else name


def _in_words(name: str, value: Any, snapshot: dict[str, Any]) -> str:
    match name:
        case "webhook_enabled":
            return _("on") if value else _("off")
        case "quiet_windows":
            return windows_in_words([{"start": s[:5], "end": e[:5], "weekdays": days} for s, e, days in value])
        case "mutes":
            return ", ".join(_mute(mute, snapshot) for mute in value) or _("none")
        case _ if name in TIMES:
            return str(value)[:5]
        case _ if (field := FORM_FIELDS.get(name, name)) in PreferenceForm.base_fields:
            return value_in_words(field, value, snapshot["time_zone"])
        case _unknown:
            return str(value)


def _mute(mute: list[Any], snapshot: dict[str, Any]) -> str:
    _kind, name, until = mute
    if until is None:
        return str(name)
    moment = dt.datetime.fromisoformat(until).astimezone(zone_or_utc(snapshot["time_zone"]))
    return _("%(name)s until %(time)s") % {"name": name, "time": date_format(moment, "DATETIME_FORMAT")}
