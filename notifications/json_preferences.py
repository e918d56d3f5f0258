"""Preferences in JSON: which type each field has, and the same types back."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any, TypedDict

from django.utils.dateparse import parse_datetime

from notifications.forms import field_names
from notifications.http import FieldErrors
from notifications.models import NotificationPreference
from notifications.payloads import iso
from notifications.quiet import Window
from notifications.quiet_window_forms import stored_windows

Fits = Callable[[Any], bool]
WINDOWS = "quiet_windows"  # beside the first one, which the preferences' own fields are


class WindowPayload(TypedDict):
    start: str
    end: str
    weekdays: list[int]


def type_errors(given: dict[str, Any]) -> FieldErrors:
    """The fields whose JSON type is wrong: "yes" is no boolean, true is no number, a string is no list."""
    checked = {name: TYPES[name] for name in given}
    return {name: [f"Give {noun}."] for name, (fits, noun) in checked.items() if not fits(given[name])}


def json_names(preference: NotificationPreference) -> set[str]:
    """What the owner of these preferences may see and change."""
    return field_names(preference) | {WINDOWS}


def preferences_payload(preference: NotificationPreference) -> dict[str, Any]:
    """Everything that the owner may change, in the types in which it can be sent back."""
    fields = {name: _as_json(getattr(preference, name)) for name in TYPES if name in field_names(preference)}
    return fields | {WINDOWS: [window_payload(window) for window in stored_windows(preference)]}


def window_payload(window: Window) -> WindowPayload:
    return {
        "start": _as_json(window.start),
        "end": _as_json(window.end),
        "weekdays": sorted(window.weekdays),
    }


def _as_json(value: Any) -> Any:
    if isinstance(value, dt.datetime):
        return iso(value)
    if isinstance(value, dt.time):
        return value.isoformat("auto" if value.second or value.microsecond else "minutes")
    if value is None or isinstance(value, bool | str | list):
        return value
    return float(value)


def _is(kind: type) -> Fits:
    return lambda value: isinstance(value, kind)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_list_of(kind: type) -> Fits:
    # `type(...) is` and not `isinstance`: true is an int to Python, not a weekday
    return lambda value: isinstance(value, list) and all(type(entry) is kind for entry in value)


def _is_list_of_windows(value: Any) -> bool:
    return isinstance(value, list) and all(_is_window(entry) for entry in value)


def _is_window(value: Any) -> bool:
    if not isinstance(value, dict) or value.keys() != {"start", "end", "weekdays"}:
        return False
    times = isinstance(value["start"], str) and isinstance(value["end"], str)
    return times and _is_list_of(int)(value["weekdays"])


def _is_moment(value: Any) -> bool:
    """Whether it is null or names one instant; 14:30 without an offset is a different one in every zone."""
    if value is None:
        return True
    try:
        moment = parse_datetime(value.strip()) if isinstance(value, str) else None
    except ValueError:
        return False
    return moment is not None and moment.tzinfo is not None


BOOLEAN = (_is(bool), "true or false")
NAMES = (_is_list_of(str), "a list of strings")
TIME = (_is(str), 'a time as a string, such as "22:00"')
SOUND = (_is(str), "the name of a sound as a string")
TYPES: dict[str, tuple[Fits, str]] = {
    "web_enabled": BOOLEAN,
    "push_enabled": BOOLEAN,
    "email_digest_enabled": BOOLEAN,
    "min_confidence": (_is_number, "a number from 0 to 100"),
    "strategies_filter": NAMES,
    "symbols_filter": NAMES,
    "high_priority_only": BOOLEAN,
    "quiet_hours_enabled": BOOLEAN,
    "quiet_start_time": TIME,
    "quiet_end_time": TIME,
    "quiet_weekdays": (_is_list_of(int), "a list of whole numbers, 0 (Monday) to 6 (Sunday)"),
    "quiet_mode": (_is(str), '"hold" or "skip"'),
    "urgent_bypasses_quiet": BOOLEAN,
    "time_zone": (_is(str), "the name of a time zone as a string"),
    "language": (_is(str), "the code of a language as a string"),
    "sound": BOOLEAN,
    "sound_high": SOUND,
    "sound_medium": SOUND,
    "sound_low": SOUND,
    "digest_time": TIME,
    "paused_until": (_is_moment, 'null, or a date and time with its offset, such as "2026-03-01T14:30:00Z"'),
    "house_insights_for_staff": BOOLEAN,
    WINDOWS: (_is_list_of_windows, 'a list of windows, each {"start": "12:00", "end": "13:00", "weekdays": [0, 1]}'),
}
