"""A user's notifications as a client of the stream knows them: state from frames. Pure: no network, no clock.

The Python counterpart of static/notifications/store.js, with the same promise: once every frame up to the server's
position has come, in any order and doubled, or replaced by rows that were read again, the state equals a fresh one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

Row = dict[str, Any]  # a notification as payloads.NotificationPayload has it, decoded from JSON
Frame = dict[str, Any]

CHANGES = {"new_notification", "notification_updated", "notification_read", "notification_unread", "brief"}


def ignore(row: Row) -> None:
    """For who wants to hear of no arrival."""


@dataclass(slots=True)
class Tally:
    """What came over the wire, to judge a server by.

    `doubled`: the same id, revision and position again, which is harmless. `twice`: ids that were news at more than
    one position, which is not, unless they were sent again on purpose. `disordered`: news at a position that the
    server had let the client pass.
    """

    frames: int = 0
    doubled: int = 0
    disordered: int = 0
    twice: set[int] = field(default_factory=set)
    _seen: set[tuple[int, int, int]] = field(default_factory=set)
    _news_at: dict[int, int] = field(default_factory=dict)

    def begin_epoch(self) -> None:
        """What was seen in another one says nothing about this one."""
        self._seen.clear()
        self._news_at.clear()

    def count(self, frame: Frame) -> None:
        self.frames += 1
        row = frame.get("notification")
        if row is None:
            return
        key = (row["id"], row["revision"], row["seq"])
        self.doubled += key in self._seen
        self._seen.add(key)
        if frame["type"] == "new_notification" and self._news_at.setdefault(row["id"], row["seq"]) != row["seq"]:
            self.twice.add(row["id"])


class StreamState:
    """Rows by id, the position up to which every change is known, and the epoch that it counts in.

    `on_arrival` is told each row when it is first applied, in order of position. A `stale` state has to be replaced by
    the list as read over HTTP; a fresh one is stale, because its epoch is nobody's.
    """

    def __init__(self, on_arrival: Callable[[Row], None] = ignore) -> None:
        self.rows: dict[int, Row] = {}
        self.position = 0
        self.epoch = ""
        self.unread_count = 0
        self.stale = False
        self.tally = Tally()
        self._horizon = 0
        self._counted_at = 0
        self._waiting: dict[int, list[Frame]] = {}
        self._on_arrival = on_arrival

    @property
    def behind(self) -> bool:
        """Whether the server is known to be further: unless frames on their way close the gap, a sync has to."""
        return self.stale or self._horizon > self.position

    def receive(self, frame: Frame) -> None:
        """Take in one frame. Those that say nothing about the state are only counted."""
        self.tally.count(frame)
        kind = frame["type"]
        if kind == "connection_established":
            self._greet(frame)
        elif kind == "missed_notifications":
            self._catch_up(frame)
        elif kind in CHANGES:
            self._queue(frame)

    def replace(self, rows: Iterable[Row], *, last_seq: int, epoch: str, unread_count: int) -> None:
        """The list as read over HTTP takes the place of everything; `last_seq` is that of its first page.

        In a new epoch ids and positions may have been given out a second time, so that every row arrives anew.
        """
        known = set(self.rows) if epoch == self.epoch else set()
        if epoch != self.epoch:
            self.tally.begin_epoch()
        self.rows = {row["id"]: row for row in rows}
        self.position = self._horizon = self._counted_at = last_seq
        self.epoch, self.unread_count, self.stale = epoch, unread_count, False
        for row in sorted(self.rows.values(), key=_place):
            if row["id"] not in known:
                self._on_arrival(row)
        self._advance()

    def _greet(self, frame: Frame) -> None:
        if frame["recovered"] and frame["epoch"] == self.epoch and frame["last_seq"] >= self.position:
            self._count_unread(frame["unread_count"], frame["last_seq"])
            self._horizon = max(self._horizon, frame["last_seq"])
        else:
            self._become_stale()

    def _become_stale(self) -> None:
        self.stale = True
        self._waiting.clear()  # the list that is read now is newer, and these may count by another epoch

    def _catch_up(self, page: Frame) -> None:
        if self.stale:
            return
        if not page["recovered"] or page["epoch"] != self.epoch:
            self._become_stale()
            return
        for row in page["notifications"]:
            self._put(row)
        self._count_unread(page["unread_count"], page["last_seq"])
        if not page["more"]:
            self.position = max(self.position, page["last_seq"])
            self._horizon = max(self._horizon, self.position)
            self._advance()

    def _queue(self, frame: Frame) -> None:
        if self.stale:
            return
        if frame["seq"] <= self.position:
            self._late(frame)
        else:
            self._waiting.setdefault(frame["seq"], []).append(frame)
            self._horizon = max(self._horizon, frame["seq"])
            self._advance()

    def _late(self, frame: Frame) -> None:
        """A double, or one of several rows that one change stamped; only the position just reached has such."""
        row = frame.get("notification")
        if row is None or row["id"] in self.rows:
            return
        self.tally.disordered += frame["seq"] < self.position
        self._apply(frame)

    def _advance(self) -> None:
        """Apply what waits in order, as far as there is no hole; a brief is a hole until its rows were asked for."""
        for seq in [seq for seq in self._waiting if seq <= self.position]:
            del self._waiting[seq]
        while (frames := self._waiting.get(self.position + 1)) and all(frame["type"] != "brief" for frame in frames):
            self.position += 1
            for frame in self._waiting.pop(self.position):
                self._apply(frame)

    def _apply(self, frame: Frame) -> None:
        self._count_unread(frame["unread_count"], frame["seq"])
        if "notification" in frame:
            self._put(frame["notification"])
        elif frame["type"] == "notification_unread":
            self._bring_back(frame["read_at_seq"], frame["seq"])
        elif "ids" in frame:
            self._mark_read([row for row in self._rows_before(frame["seq"]) if row["id"] in frame["ids"]], frame["seq"])
        else:
            read = [row for row in self.rows.values() if is_unread(row) and row["seq"] <= frame["up_to_seq"]]
            self._mark_read(read, frame["seq"])

    def _put(self, row: Row) -> None:
        """The newer of the known row and this one stays."""
        known = self.rows.get(row["id"])
        if known is None or known["seq"] <= row["seq"]:
            self.rows[row["id"]] = row
        if known is None:
            self._on_arrival(row)

    def _rows_before(self, seq: int) -> list[Row]:
        return [row for row in self.rows.values() if row["seq"] < seq]

    def _mark_read(self, rows: Iterable[Row], seq: int) -> None:
        for row in rows:
            row.update(read=True, seq=seq)

    def _bring_back(self, read_at_seq: int, seq: int) -> None:
        for row in self.rows.values():
            if row["seq"] == read_at_seq and row["read"] and _is_live(row):
                row.update(read=False, seq=seq)

    def _count_unread(self, unread_count: int, at: int) -> None:
        if at >= self._counted_at:
            self.unread_count, self._counted_at = unread_count, at


def is_unread(row: Row) -> bool:
    """As the server counts it: on the web stream, neither read nor expired nor superseded."""
    return row["seq"] is not None and not row["read"] and _is_live(row)


def _is_live(row: Row) -> bool:
    return not row["expired_at"] and not row["superseded_by"]


def _place(row: Row) -> tuple[int, int]:
    return row["seq"], row["id"]
