"""What a client may say on the socket: its frames, parsed and checked. Pure.

Unknown commands are refused, unknown keys of a known command are ignored: an older server lives with a newer client.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal, NoReturn
from urllib.parse import parse_qs

MAX_FRAME_BYTES = 4 * 1024
MAX_DEPTH = 8  # commands are flat
MAX_POSITION = 2**63 - 1  # what a bigint column holds
MAX_EPOCH_LENGTH = 64

# More than 20 messages a second for 5 s is no person and no browser of ours (those send about one a second).
FLOOD_MESSAGES = 100
FLOOD_WINDOW_S = 5.0

# A `sync` may cost hundreds of rows. A browser sends one in 25 s, and one for a gap or when its tab is shown.
SYNCS_AT_ONCE = 10
SYNC_EVERY_S = 1.0


# The last two are the consumer's: a command that was right and could not be obeyed.
ErrorCode = Literal[
    "not_text", "not_json", "not_an_object", "too_large", "too_deep", "unknown_command", "bad_value", "unavailable",
    "internal",
]  # fmt: skip


class CommandError(Exception):
    """A frame that can't be obeyed; `command` is the name it gave, as far as it gave one."""

    def __init__(self, code: ErrorCode, message: str, command: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.command = command


@dataclass(frozen=True, slots=True)
class MarkRead:
    notification_id: int
    name = "mark_read"


@dataclass(frozen=True, slots=True)
class MarkAllRead:
    up_to_seq: int | None
    name = "mark_all_read"


@dataclass(frozen=True, slots=True)
class GetUnreadCount:
    name = "get_unread_count"


@dataclass(frozen=True, slots=True)
class Sync:
    since: int
    epoch: str
    name = "sync"


@dataclass(frozen=True, slots=True)
class Ack:
    seq: int
    visible: bool | None
    name = "ack"


@dataclass(frozen=True, slots=True)
class Visible:
    visible: bool
    name = "visible"


@dataclass(frozen=True, slots=True)
class Ping:
    name = "ping"


Command = MarkRead | MarkAllRead | GetUnreadCount | Sync | Ack | Visible | Ping


def parse(text: str | None, binary: bytes | None = None) -> Command:
    """The command in a client's frame. Raises CommandError and nothing else."""
    if text is None:
        raise CommandError("not_text", f"Send JSON text; this was binary ({len(binary or b'')} bytes).")
    if len(text) > MAX_FRAME_BYTES or len(text.encode("utf-8", "surrogatepass")) > MAX_FRAME_BYTES:
        raise CommandError("too_large", f"A message has at most {MAX_FRAME_BYTES} bytes.")
    content = _decode(text)
    if not isinstance(content, dict):
        raise CommandError("not_an_object", 'A message is a JSON object such as {"command": "ping"}.')
    return _command(content)


def requested_position(query_string: bytes) -> tuple[int, str] | None:
    """`since` and `epoch` of the address; None without `since`.

    A value that makes no sense gives a position of no epoch, which no stream can honour.
    """
    try:
        query = parse_qs(query_string.decode("ascii"), keep_blank_values=True, max_num_fields=20)
    except ValueError:
        return 0, ""
    if "since" not in query:
        return None
    since, epoch = query["since"][-1], query.get("epoch", [""])[-1]
    known = re.fullmatch(r"[0-9]{1,19}", since) and int(since) <= MAX_POSITION and len(epoch) <= MAX_EPOCH_LENGTH
    return (int(since), epoch) if known else (0, "")


@dataclass(slots=True)
class Flood:
    """Counts a client's messages in a sliding window."""

    times: list[float] = field(default_factory=list)

    def rises(self, now: float) -> bool:
        """Count a message at `now` (seconds of any steady clock); True when they have become too many."""
        self.times = [time for time in self.times if now - time < FLOOD_WINDOW_S]
        self.times.append(now)
        return len(self.times) > FLOOD_MESSAGES


@dataclass(slots=True)
class SyncPace:
    """How long a client's next `sync` has to wait: SYNCS_AT_ONCE may come together, then one every SYNC_EVERY_S."""

    paid_until: float = 0.0

    def wait_s(self, now: float) -> float:
        """Count a `sync` at `now` (seconds of any steady clock)."""
        self.paid_until = max(self.paid_until, now) + SYNC_EVERY_S
        return max(0.0, self.paid_until - now - SYNCS_AT_ONCE * SYNC_EVERY_S)


# --- From text to a command -----------------------------------------------------------------------------------------


def _decode(text: str) -> Any:
    try:
        content = json.loads(text, parse_constant=_refuse_constant)
    except RecursionError as error:
        raise CommandError("too_deep", "The message is nested too deeply.") from error
    except ValueError as error:
        raise CommandError("not_json", "The message is not valid JSON.") from error
    if _is_deeper_than(content, MAX_DEPTH):
        raise CommandError("too_deep", "The message is nested too deeply.")
    return content


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")  # Python's reader takes NaN and Infinity


def _is_deeper_than(content: Any, depth: int) -> bool:
    if not isinstance(content, dict | list):
        return False
    inner = content.values() if isinstance(content, dict) else content
    return depth == 0 or any(_is_deeper_than(value, depth - 1) for value in inner)


def _command(content: dict[str, Any]) -> Command:
    name = content.get("command")
    if not isinstance(name, str):
        raise CommandError("bad_value", "`command` must be a string.")
    build = BUILDERS.get(name)
    if build is None:
        raise CommandError("unknown_command", f"Known commands: {', '.join(BUILDERS)}.", name[:64])
    try:
        return build(content)
    except ValueError as error:
        raise CommandError("bad_value", str(error), name) from error


BUILDERS: dict[str, Callable[[dict[str, Any]], Command]] = {
    # The answer calls it `notification_id`, and so may the client.
    "mark_read": lambda content: MarkRead(_whole({"id": content.get("notification_id")} | content, "id")),
    "mark_all_read": lambda content: MarkAllRead(
        None if content.get("up_to_seq") is None else _whole(content, "up_to_seq")
    ),
    "get_unread_count": lambda content: GetUnreadCount(),
    "sync": lambda content: Sync(_whole(content, "since"), _text(content, "epoch")),
    "ack": lambda content: Ack(
        _whole(content, "seq"), None if content.get("visible") is None else _flag(content, "visible")
    ),
    "visible": lambda content: Visible(_flag(content, "visible")),
    "ping": lambda content: Ping(),
}


def _whole(content: dict[str, Any], key: str) -> int:
    value = content.get(key)
    if type(value) is not int or not 0 <= value <= MAX_POSITION:  # isinstance would take true for 1
        raise ValueError(f"`{key}` must be a whole number from 0 to {MAX_POSITION}.")
    return value


def _text(content: dict[str, Any], key: str) -> str:
    value = content.get(key)
    if not isinstance(value, str) or len(value) > MAX_EPOCH_LENGTH:
        raise ValueError(f"`{key}` must be a string of at most {MAX_EPOCH_LENGTH} characters.")
    return value


def _flag(content: dict[str, Any], key: str) -> bool:
    value = content.get(key)
    if not isinstance(value, bool):
        raise ValueError(f"`{key}` must be true or false.")
    return value
