"""One frame for many users: what they have in common is written as JSON once."""

from __future__ import annotations

import json
from typing import Any, Literal, NamedTuple

from django.db.models import DateTimeField
from django.utils.dateparse import parse_datetime

from notifications import payloads
from notifications.models import InsightNotification
from signals.models import Signal

# What differs between two users' notifications of one revision, on the frame and inside it.
OWN_IN_FRAME = frozenset({"seq", "unread_count", "notification"})
OWN_IN_NOTIFICATION = frozenset({"id", "seq", "unread_count", "reason", "superseded_by", "group"})


class FrameText(NamedTuple):
    """A frame as the JSON text that goes to the browser, and the position in it."""

    seq: int
    text: str


class FrameTemplate:
    """Writes what `payloads.notification_frame` would make of each of many rows that differ in OWN_… only."""

    def __init__(
        self, kind: Literal["new_notification", "notification_updated"], example: InsightNotification, seq: int = 0
    ) -> None:
        """`example` is any one of the rows; it need not be saved."""
        example.seq = seq
        frame: dict[str, Any] = {**payloads.notification_frame(kind, example, unread_count=0)}
        notification: dict[str, Any] = frame["notification"]
        self._frame = _members(frame, leave_out=OWN_IN_FRAME)
        self._notification = _members(notification, leave_out=OWN_IN_NOTIFICATION)

    def fill(
        self,
        *,
        id_: int,
        seq: int,
        unread_count: int,
        reason: str,
        superseded_by: int | None = None,
        group: int | None = None,
    ) -> FrameText:
        """The frame of one row."""
        replaced_by = "null" if superseded_by is None else superseded_by
        repeats = "null" if group is None else group
        return FrameText(
            seq,
            f'{{{self._frame},"seq":{seq},"unread_count":{unread_count},"notification":{{{self._notification},'
            f'"id":{id_},"seq":{seq},"unread_count":{unread_count},"reason":{json.dumps(reason)},'
            f'"superseded_by":{replaced_by},"group":{repeats}}}}}',
        )


# As SQL, what a row `{row}` says beside its user's own: rows with the same words share a template.
WORDS = """(to_jsonb({row}) - ARRAY[
    'id', 'user_id', 'seq', 'reason', 'superseded_by_id', 'repeat_of', 'held_until', 'read_at', 'delivered',
    'delivered_at'
])::text"""


def template_of_words(signal: Signal, words: str) -> FrameTemplate:
    """For updates of all the rows with these words, which are of this insight."""
    fields = json.loads(words)
    for name, value in fields.items():
        if value is not None and isinstance(InsightNotification._meta.get_field(name), DateTimeField):
            fields[name] = parse_datetime(value)
    return FrameTemplate("notification_updated", InsightNotification(**(fields | {"signal": signal})))


def _members(values: dict[str, Any], *, leave_out: frozenset[str]) -> str:
    """The members of a JSON object without its braces."""
    kept = {key: value for key, value in values.items() if key not in leave_out}
    return json.dumps(kept, allow_nan=False, separators=(",", ":"))[1:-1]
