"""What has changed in preferences, in the words of their page."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

from django.utils.dates import WEEKDAYS_ABBR
from django.utils.formats import date_format, number_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from notifications.forms import PreferenceForm
from notifications.json_preferences import WINDOWS, WindowPayload
from notifications.preferences import UNTIL_TURNED_ON
from notifications.quiet import zone_or_utc

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

NOTHING: dict[str, StrOrPromise] = {
    "symbols_filter": gettext_lazy("every symbol"),
    "strategies_filter": gettext_lazy("every strategy"),
    "quiet_weekdays": gettext_lazy("no day"),
    "paused_until": gettext_lazy("no pause"),
}
DAYS_IN_A_WEEK = 7


def changes(form: PreferenceForm, before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    """A line such as "Minimum AI confidence: 65 → 80" for each field that differs, in the order of the page."""
    zone = form.instance.time_zone
    changed = [
        (field.label, *(value_in_words(name, each[name], zone) for each in (before, after)))
        for name, field in form.fields.items()
        if before[name] != after[name]
    ]
    if before[WINDOWS] != after[WINDOWS]:
        changed.append((_("Further quiet windows"), *(windows_in_words(each[WINDOWS]) for each in (before, after))))
    return [f"{label}: {was} → {now}" for label, was, now in changed]


def value_in_words(name: str, value: Any, time_zone: str) -> str:
    """Of a field of the form, in JSON's types; moments are told by the clock of the zone."""
    if value in (None, []):
        return str(NOTHING[name])
    if isinstance(value, bool):
        return _("on") if value else _("off")
    if name == "paused_until":
        moment = dt.datetime.fromisoformat(value)
        if moment == UNTIL_TURNED_ON:
            return _("until you turn it on")
        return date_format(moment.astimezone(zone_or_utc(time_zone)), "DATETIME_FORMAT")
    if name == "quiet_weekdays" and len(value) == DAYS_IN_A_WEEK:
        return _("every day")
    if isinstance(value, float):
        return number_format(f"{value:g}")
    labels = dict(getattr(PreferenceForm.base_fields[name], "choices", ()))
    given = value if isinstance(value, list) else [value]
    return ", ".join(str(labels.get(entry, entry)) for entry in given)


def windows_in_words(windows: list[WindowPayload]) -> str:
    """Such as "12:00–13:00 Mon Fri, 00:00–00:00 every day"."""
    shown = [f"{window['start']}–{window['end']} {_days(window['weekdays'])}" for window in windows]
    return ", ".join(shown) or _("none")


def _days(weekdays: list[int]) -> str:
    if len(weekdays) == DAYS_IN_A_WEEK:
        return _("every day")
    return " ".join(str(WEEKDAYS_ABBR[day]) for day in weekdays)
