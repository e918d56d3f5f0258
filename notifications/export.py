"""A user's notifications as a CSV file (RFC 4180), newest first, streamed: memory does not grow with its length."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

from asgiref.sync import sync_to_async

from notifications import listing
from notifications.listing import Wanted
from notifications.models import InsightNotification
from notifications.payloads import iso
from zenithedge.csv_files import Cell, as_text, first_line, line

PAGE = 1000
COLUMNS = (
    "created_at",
    "symbol",
    "side",
    "timeframe",
    "strategy",
    "priority",
    "ai_confidence",
    "title",
    "text",
    "news",
    "outcome",
    "read_at",
    "expires_at",
    "expired_at",
    "revision",
    "reason",
    "state",
    "held_until",
)


async def csv_lines(user_id: int, wanted: Wanted) -> AsyncIterator[str]:
    """The file's lines; times are ISO 8601 in UTC, confidence is 0–100."""
    yield first_line(COLUMNS)
    after: InsightNotification | None = None
    while rows := await sync_to_async(listing.older_than)(user_id, wanted, after, PAGE):
        yield "".join(line(_cells(row)) for row in rows)
        after = rows[-1]


def _cells(row: InsightNotification) -> Sequence[Cell]:
    signal = row.signal
    return (
        iso(row.created_at),
        as_text(signal.symbol),
        str(signal.side),
        str(signal.timeframe),
        as_text(signal.strategy),
        str(row.priority),
        str(row.confidence),
        as_text(row.title),
        as_text(row.snippet),
        as_text(row.news_headline or ""),
        str(signal.outcome),
        iso(row.read_at) if row.read_at else "",
        iso(row.expires_at),
        iso(row.expired_at) if row.expired_at else "",
        row.revision,
        str(row.reason),
        row.state,
        iso(row.held_until) if row.held_until and not row.waits_for_brake else "",
    )
