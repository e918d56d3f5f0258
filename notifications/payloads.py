"""The shapes that leave the server: one builder for the socket and the HTTP API. Plain JSON types only.

A message must survive msgpack: no Decimal, datetime or int key (they pass the in-memory layer and fail on Redis).
"""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from functools import lru_cache
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Literal, NotRequired, TypedDict
from urllib.parse import urlencode

from django.urls import reverse

if TYPE_CHECKING:
    from notifications.models import InsightNotification

PROTOCOL_VERSION = 1


class NotificationPayload(TypedDict):
    """One notification as the browser sees it. Times are ISO 8601 in UTC, confidence is 0–100."""

    id: int
    seq: int | None
    revision: int
    title: str
    snippet: str
    confidence: float
    priority: str
    news_headline: str | None
    signal_id: int
    symbol: str
    timeframe: str
    side: str
    strategy: str
    reason: str
    created_at: str
    read: bool
    url: str
    expires_at: str
    expired_at: str | None
    held_until: str | None
    superseded_by: int | None
    released_at: str | None
    group: int | None
    quiet: bool
    change: ChangePayload | None
    outcome: str
    reversed_by: int | None
    min_confidence: float | None
    chosen: int
    unread_count: NotRequired[int]


class ChangePayload(TypedDict):
    """What a revision changed; a part that it did not is null."""

    confidence_from: float | None
    status: str | None


class Frame(TypedDict, total=False):
    """A frame about a change; `seq` is the position after it. Which keys are present depends on `type`."""

    type: str
    seq: int
    unread_count: int
    toast: bool
    notification: NotificationPayload
    ids: list[int]
    up_to_seq: int
    read_at_seq: int
    held: int
    live: int
    expired: int
    reversed: int
    braked: bool
    url: str


# What a payload is made of, as `values_list` names it; from a notification it is read by the same names.
COLUMNS = (
    "pk",
    "seq",
    "revision",
    "title",
    "snippet",
    "confidence",
    "priority",
    "news_headline",
    "signal_id",
    "signal__symbol",
    "signal__timeframe",
    "signal__side",
    "signal__strategy",
    "reason",
    "created_at",
    "read",
    "expires_at",
    "expired_at",
    "held_until",
    "superseded_by_id",
    "released_at",
    "repeat_of",
    "quiet",
    "earlier_confidence",
    "new_status",
    "signal__outcome",
    "signal__reversed_by_id",
    "min_confidence",
    "chosen",
)
_columns_of = attrgetter(*(name.replace("__", ".") for name in COLUMNS))


def notification_payload(notification: InsightNotification, *, unread_count: int | None = None) -> NotificationPayload:
    """Needs `notification.signal` loaded (`with_signal()`)."""
    payload = payload_of_row(_columns_of(notification))
    if unread_count is not None:
        payload["unread_count"] = unread_count  # a plain client reads it inside the notification
    return payload


def payload_of_row(row: tuple[Any, ...]) -> NotificationPayload:
    """From the COLUMNS of a notification, for lists: most of the time of a list goes into making model objects."""
    (
        pk, seq, revision, title, snippet, confidence, priority, news_headline, signal_id, symbol, timeframe, side,
        strategy, reason, created_at, read, expires_at, expired_at, held_until, superseded_by,
        released_at, repeat_of, quiet, earlier_confidence, new_status, outcome, reversed_by,
        min_confidence, chosen,
    ) = row  # fmt: skip
    return {
        "id": pk,
        "seq": seq,
        "revision": revision,
        "title": title,
        "snippet": snippet,
        "confidence": float(confidence),
        "priority": str(priority),
        "news_headline": news_headline,
        "signal_id": signal_id,
        "symbol": symbol,
        "timeframe": str(timeframe),
        "side": str(side),
        "strategy": strategy,
        "reason": str(reason),
        "created_at": iso(created_at),
        "read": read,
        "url": _insight_url(signal_id),
        "expires_at": iso(expires_at),
        "expired_at": iso(expired_at) if expired_at else None,
        "held_until": iso(held_until) if held_until else None,
        "superseded_by": superseded_by,
        "released_at": iso(released_at) if released_at else None,
        "group": repeat_of,
        "quiet": quiet,
        "change": _change(earlier_confidence, new_status),
        "outcome": str(outcome),
        "reversed_by": reversed_by,
        "min_confidence": None if min_confidence is None else float(min_confidence),
        "chosen": chosen,
    }


def _change(earlier_confidence: Decimal | None, new_status: str | None) -> ChangePayload | None:
    if earlier_confidence is None and new_status is None:
        return None
    return {
        "confidence_from": None if earlier_confidence is None else float(earlier_confidence),
        "status": None if new_status is None else str(new_status),
    }


@lru_cache(maxsize=1024)  # the latest insights are asked for again and again, and a name is slow to resolve
def _insight_url(signal_id: int) -> str:
    return reverse("insight", args=[signal_id])


def notification_frame(
    kind: Literal["new_notification", "notification_updated"],
    notification: InsightNotification,
    *,
    unread_count: int,
) -> Frame:
    if notification.seq is None:
        raise ValueError(f"Notification {notification.pk} is not on the web stream: it has no position to send.")
    frame: Frame = {
        "type": kind,
        "seq": notification.seq,
        "unread_count": unread_count,
        "notification": notification_payload(notification, unread_count=unread_count),
    }
    if kind == "new_notification":
        frame["toast"] = not notification.quiet
    return frame


def read_frame(*, seq: int, unread_count: int, ids: list[int]) -> Frame:
    return {"type": "notification_read", "seq": seq, "unread_count": unread_count, "ids": ids}


def all_read_frame(*, seq: int, unread_count: int, up_to_seq: int) -> Frame:
    return {"type": "notification_read", "seq": seq, "unread_count": unread_count, "up_to_seq": up_to_seq}


def unread_frame(*, seq: int, unread_count: int, read_at_seq: int) -> Frame:
    """What the change at position `read_at_seq` marked read is unread again, save what has changed since."""
    return {"type": "notification_unread", "seq": seq, "unread_count": unread_count, "read_at_seq": read_at_seq}


def brief_frame(
    *,
    seq: int,
    unread_count: int,
    held: int,
    live: int,
    expired: int,
    reversed_: int,
    released_at: dt.datetime,
    braked: bool,
) -> Frame:
    """Quiet hours ended, or sending goes on (`braked`): how many were held, what has become of them, and the page that
    says which."""
    return {
        "type": "brief",
        "seq": seq,
        "unread_count": unread_count,
        "held": held,
        "live": live,
        "expired": expired,
        "reversed": reversed_,
        "braked": braked,
        "url": brief_url(released_at),
    }


def brief_url(released_at: dt.datetime) -> str:
    """The page that lists what one brief tells of."""
    return f"{reverse('history')}?{urlencode({'released': iso(released_at)})}"


def error_payload(code: str, message: str, fields: dict[str, list[str]] | None = None) -> dict[str, Any]:
    """The one error format of the HTTP API and the webhook."""
    error: dict[str, Any] = {"code": code, "message": message}
    if fields:
        error["fields"] = fields
    return {"error": error}


def to_milliseconds(moment: dt.datetime) -> dt.datetime:
    """As `iso` writes it, so that the text says exactly this instant."""
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


def iso(moment: dt.datetime) -> str:
    return moment.astimezone(dt.UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
