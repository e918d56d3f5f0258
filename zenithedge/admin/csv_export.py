"""A list of the admin as a file: the columns that it shows, of all the rows that it is narrowed to."""

from __future__ import annotations

import datetime as dt
import html
from collections.abc import AsyncIterator, Sequence
from decimal import Decimal
from typing import Any

from asgiref.sync import sync_to_async
from django.contrib.admin.utils import lookup_field
from django.db.models import Model, QuerySet
from django.utils.html import strip_tags
from django.utils.safestring import SafeString

from zenithedge.csv_files import Cell, as_text, first_line, line

PAGE = 1000


async def csv_lines(rows: QuerySet[Any], columns: Sequence[str], model_admin: Any) -> AsyncIterator[str]:
    """The newest id first, a page in hand at a time; times are ISO 8601 in UTC."""
    yield first_line(["id", *columns])
    rows = rows.order_by("-pk")
    page = await sync_to_async(_cells)(rows[:PAGE], columns, model_admin)
    while page:
        yield "".join(line(cells) for cells in page)
        page = await sync_to_async(_cells)(rows.filter(pk__lt=page[-1][0])[:PAGE], columns, model_admin)


def _cells(rows: QuerySet[Any], columns: Sequence[str], model_admin: Any) -> list[list[Cell]]:
    """In the thread that reads the rows: a column may be a method that reads more."""
    return [[row.pk, *(_cell(_value(name, row, model_admin)) for name in columns)] for row in rows]


def _value(name: str, row: Model, model_admin: Any) -> Any:
    return lookup_field(name, row, model_admin)[2]


def _cell(value: Any) -> Cell:
    match value:
        case None:
            return ""
        case bool():
            return str(value).lower()
        case int():
            return value
        case Decimal():
            return f"{value:f}"
        case dt.datetime():
            return value.astimezone(dt.UTC).isoformat()
        case SafeString():
            return as_text(html.unescape(strip_tags(value)))
        case _other:
            return as_text(str(value))
