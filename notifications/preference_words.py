"""What a saved preferences form has changed, in the words of its page."""

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
    lines = [
        f"{form.fields[name].label}: {_shown(form, name, before[name])} → {_shown(form, name, after[name])}"
        for name in form.fields
        if before[name] != after[name]
    ]
    if before[WINDOWS] != after[WINDOWS]:
        lines.append(f"{_('Further quiet windows')}: {_windows(before[WINDOWS])} → {_windows(after[WINDOWS])}")
    return lines


def _windows(windows: list[WindowPayload]) -> str:
    """Such as "12:00–13:00 Mon Fri, 00:00–00:00 every day"."""
    shown = [f"{window['start']}–{window['end']} {_days(window['weekdays'])}" for window in windows]
    return ", ".join(shown) or _("none")


def _days(weekdays: list[int]) -> str:
    if len(weekdays) == DAYS_IN_A_WEEK:
        return _("every day")
    return " ".join(str(WEEKDAYS_ABBR[day]) for day in weekdays)


def _shown(form: PreferenceForm, name: str, value: Any) -> str:
    if value in (None, []):
        return str(NOTHING[name])
    if isinstance(value, bool):
        return _("on") if value else _("off")
    if name == "paused_until":
        moment = dt.datetime.fromisoformat(value)
        if moment == UNTIL_TURNED_ON:
            return _("until you turn it on")
        return date_format(moment.astimezone(zone_or_utc(form.instance.time_zone)), "DATETIME_FORMAT")
    if name == "quiet_weekdays" and len(value) == DAYS_IN_A_WEEK:
        return _("every day")
    if isinstance(value, float):
        return number_format(f"{value:g}")
    labels = dict(getattr(form.fields[name], "choices", ()))
    given = value if isinstance(value, list) else [value]
    return ", ".join(str(labels.get(entry, entry)) for entry in given)
