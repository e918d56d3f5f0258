"""A user's notifications as a CSV file (RFC 4180), newest first, streamed: memory does not grow with its length."""

from __future__ import annotations

import csv
from collections.abc import AsyncIterator, Sequence
from typing import Any

from asgiref.sync import sync_to_async

from notifications import listing
from notifications.listing import Wanted
from notifications.models import InsightNotification
from notifications.payloads import iso

PAGE = 1000
# Spreadsheets take a file without it for the local 8-bit encoding.
BYTE_ORDER_MARK = "\ufeff"
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
# A cell that begins with one of these is a formula to a spreadsheet (OWASP, "CSV Injection").
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


class _Echo:
    """A file that hands back what is written to it."""

    def write(self, text: str) -> str:
        return text


async def csv_lines(user_id: int, wanted: Wanted) -> AsyncIterator[str]:
    """The file's lines; times are ISO 8601 in UTC, confidence is 0–100."""
    writer: Any = csv.writer(_Echo())
    yield BYTE_ORDER_MARK + writer.writerow(COLUMNS)
    after: InsightNotification | None = None
    while rows := await sync_to_async(listing.older_than)(user_id, wanted, after, PAGE):
        yield "".join(writer.writerow(_cells(row)) for row in rows)
        after = rows[-1]


def as_text(value: str) -> str:
    """The text so that no spreadsheet calculates it: what could be a formula gets an apostrophe in front."""
    return f"'{value}" if value.startswith(FORMULA_STARTS) else value


def _cells(row: InsightNotification) -> Sequence[str | int]:
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
        iso(row.held_until) if row.held_until else "",
    )
