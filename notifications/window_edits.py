"""Buttons in the form of the preferences that change its quiet windows before anything is saved.

They work on what was posted: the page comes back with the windows added, removed or filled in, and all else as it was.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable
from typing import Any

from django.http import QueryDict

from notifications.forms import plain_time
from notifications.quiet import Window, zone_or_utc
from notifications.quiet_presets import Preset, windows_of
from notifications.quiet_window_forms import FORM_PREFIX
from notifications.quieting import MAX_WINDOWS

BUTTON = "windows"  # the name of the buttons; their values are below
ADD, REMOVE, FILL_IN = "add", re.compile(r"remove-(\d{1,2})"), re.compile(r"fill-in-(\w+)")
# A lunch break: whoever adds a window changes it anyway, and sees at once what it does.
FRESH = Window(dt.time(12), dt.time(13), frozenset(range(5)))

_Raw = dict[str, list[str]]  # the values of one window's fields, as they were posted


def edited(posted: QueryDict, today: dt.date) -> QueryDict:
    """What was posted, with what its button asks for done; an unknown button does nothing."""
    wanted = posted.get(BUTTON, "")
    data = posted.copy()
    if wanted == ADD:
        _write(data, [*_read(data), _raw(FRESH)])
    elif removed := REMOVE.fullmatch(wanted):
        _write(data, [raw for index, raw in enumerate(_read(data)) if index != int(removed[1])])
    elif (filled_in := FILL_IN.fullmatch(wanted)) and filled_in[1] in Preset.values:
        _fill_in(data, windows_of(Preset(filled_in[1]), zone_or_utc(data.get("time_zone", "")), today))
    return data


def _fill_in(data: QueryDict, windows: list[Window]) -> None:
    first, *others = windows
    data["quiet_hours_enabled"] = "on"
    data["quiet_start_time"], data["quiet_end_time"] = plain_time(first.start), plain_time(first.end)
    data.setlist("quiet_weekdays", [str(day) for day in sorted(first.weekdays)])
    _write(data, [_raw(window) for window in others])


def _raw(window: Window) -> _Raw:
    return {
        "start": [plain_time(window.start)],
        "end": [plain_time(window.end)],
        "weekdays": [str(day) for day in sorted(window.weekdays)],
    }


def _read(data: QueryDict) -> list[_Raw]:
    """The posted windows, without those whose box to remove them is ticked."""
    total = data.get(f"{FORM_PREFIX}-TOTAL_FORMS", "")
    count = min(int(total), 2 * MAX_WINDOWS) if total.isascii() and total.isdecimal() and len(total) <= 3 else 0
    return [
        {name: data.getlist(_name(index, name)) for name in ("start", "end", "weekdays")}
        for index in range(count)
        if _name(index, "DELETE") not in data
    ]


def _write(data: QueryDict, windows: Iterable[_Raw]) -> None:
    for key in [key for key in data if key.startswith(f"{FORM_PREFIX}-")]:
        del data[key]
    count = 0
    for index, raw in enumerate(windows):
        count += 1
        for name, values in raw.items():
            data.setlist(_name(index, name), values)
    data[f"{FORM_PREFIX}-TOTAL_FORMS"] = str(count)
    data[f"{FORM_PREFIX}-INITIAL_FORMS"] = "0"


def _name(index: int, name: Any) -> str:
    return f"{FORM_PREFIX}-{index}-{name}"
