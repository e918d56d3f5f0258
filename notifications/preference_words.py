"""What a saved preferences form has changed, in the words of its page."""

from __future__ import annotations

import datetime as dt
from typing import Any

from notifications.forms import PreferenceForm
from notifications.quiet import zone_or_utc

NOTHING = {
    "symbols_filter": "every symbol",
    "strategies_filter": "every strategy",
    "quiet_weekdays": "no day",
    "paused_until": "no pause",
}
DAYS_IN_A_WEEK = 7


def changes(form: PreferenceForm, before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    """A line such as "Minimum AI confidence: 65 → 80" for each field that differs, in the order of the page."""
    return [
        f"{form.fields[name].label}: {_shown(form, name, before[name])} → {_shown(form, name, after[name])}"
        for name in form.fields
        if before[name] != after[name]
    ]


def _shown(form: PreferenceForm, name: str, value: Any) -> str:
    if value in (None, []):
        return NOTHING[name]
    if isinstance(value, bool):
        return "on" if value else "off"
    if name == "paused_until":
        moment = dt.datetime.fromisoformat(value).astimezone(zone_or_utc(form.instance.time_zone))
        return f"{moment:%Y-%m-%d %H:%M}"
    if name == "quiet_weekdays" and len(value) == DAYS_IN_A_WEEK:
        return "every day"
    if isinstance(value, float):
        return f"{value:g}"
    labels = dict(getattr(form.fields[name], "choices", ()))
    given = value if isinstance(value, list) else [value]
    return ", ".join(str(labels.get(entry, entry)) for entry in given)
