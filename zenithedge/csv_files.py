"""CSV (RFC 4180) that is streamed and that no spreadsheet calculates: the one home of both."""

from __future__ import annotations

import csv
from collections.abc import AsyncIterator, Sequence
from typing import Any

from django.http import StreamingHttpResponse

Cell = str | int

# Spreadsheets take a file without it for the local 8-bit encoding.
BYTE_ORDER_MARK = "\ufeff"
# A cell that begins with one of these is a formula to a spreadsheet (OWASP, "CSV Injection").
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


class _Echo:
    """A file that hands back what is written to it."""

    def write(self, text: str) -> str:
        return text


_WRITER: Any = csv.writer(_Echo())


def first_line(columns: Sequence[str]) -> str:
    return BYTE_ORDER_MARK + line(columns)


def line(cells: Sequence[Cell]) -> str:
    return str(_WRITER.writerow(cells))


def as_text(value: str) -> str:
    """The text so that no spreadsheet calculates it: what could be a formula gets an apostrophe in front.

    Also behind white space, which some leave out when they read a file.
    """
    return f"'{value}" if value.startswith(FORMULA_STARTS) or value.lstrip().startswith(FORMULA_STARTS) else value


def download(lines: AsyncIterator[str], name: str) -> StreamingHttpResponse:
    """`name` without the ending."""
    response = StreamingHttpResponse(lines, content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{name}.csv"'
    # Django's GZipMiddleware compresses each part of an asynchronous stream for itself; browsers read the first only.
    response["Content-Encoding"] = "identity"
    return response
