"""Frames that a socket answers with itself; those that go through the channel layer are in `payloads`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from notifications.commands import ErrorCode
from notifications.payloads import PROTOCOL_VERSION, Frame, NotificationPayload
from notifications.stream import CatchUp, Position, ReadAllResult, ReadResult

ROWS_PER_FRAME = 100


def connection_established(position: Position | CatchUp, *, recovered: bool) -> dict[str, Any]:
    """`recovered` is false only when the client asked to go on from a position that can't be honoured."""
    return {
        "type": "connection_established",
        "protocol": PROTOCOL_VERSION,
        "unread_count": position.unread_count,
        "last_seq": position.last_seq,
        "epoch": position.epoch,
        "recovered": recovered,
        "stopped": position.braked,
    }


def sending(*, stopped: bool) -> dict[str, Any]:
    """Whether somebody has stopped sending for everybody (notifications/brake.py). It changes no position."""
    return {"type": "sending", "stopped": stopped}


def missed_notifications(answer: CatchUp) -> Iterator[dict[str, Any]]:
    """The changed rows in frames of at most ROWS_PER_FRAME; one frame at least, `more` until the last."""
    rows = answer.notifications
    for start in range(0, len(rows) or 1, ROWS_PER_FRAME):
        yield {
            "type": "missed_notifications",
            "notifications": rows[start : start + ROWS_PER_FRAME],
            "more": start + ROWS_PER_FRAME < len(rows),
            "unread_count": answer.unread_count,
            "last_seq": answer.last_seq,
            "epoch": answer.epoch,
            "recovered": answer.recovered,
        }


def changed_notification(row: NotificationPayload, *, unread_count: int) -> Frame:
    """A row that changed without a hint: news while it is unread and live, else an update."""
    seq = row["seq"]
    if seq is None:
        raise ValueError(f"Notification {row['id']} is not on the web stream: it has no position to send.")
    news = not row["read"] and row["expired_at"] is None and row["superseded_by"] is None
    frame: Frame = {
        "type": "new_notification" if news else "notification_updated",
        "seq": seq,
        "unread_count": unread_count,
        "notification": {**row, "unread_count": unread_count},
    }
    if news:
        frame["toast"] = not row["quiet"]
    return frame


def mark_read_response(notification_id: int, result: ReadResult | None, *, unread_count: int) -> dict[str, Any]:
    """No result: there is no such notification, or it is another's."""
    return {
        "type": "mark_read_response",
        "success": result is not None,
        "notification_id": notification_id,
        "unread_count": unread_count,
    }


def mark_all_read_response(result: ReadAllResult) -> dict[str, Any]:
    return {
        "type": "mark_all_read_response",
        "success": True,
        "count": result.count,
        "up_to_seq": result.up_to_seq,
        "unread_count": result.unread_count,
        "seq": result.seq,
    }


def unread_count(count: int) -> dict[str, Any]:
    return {"type": "unread_count", "count": count}


def pong() -> dict[str, Any]:
    return {"type": "pong"}


def error(code: ErrorCode, message: str, command: str | None) -> dict[str, Any]:
    return {"type": "error", "code": code, "message": message, "command": command}
