"""Writing very many rows of one model at once, with ids that are known beforehand."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from typing import Any

from django.db import connection
from django.db.models import Field, Model
from django.db.models.fields import NOT_PROVIDED

Row = tuple[Any, ...]
# Is told what was written, or deleted, and how many rows.
Report = Callable[[str, int], None]

ROWS_AT_ONCE = 5000  # of SQLite's `executemany`


class Table:
    """Rows of one model, given as tuples of the columns named in one text; every other column gets its default.

    On PostgreSQL they are copied in, on SQLite inserted; foreign keys and constraints are checked as ever.
    """

    def __init__(self, model: type[Model], names: str) -> None:
        columns = names.split()
        others = [field for field in model._meta.concrete_fields if _needs_default(field, columns)]
        self._name = connection.ops.quote_name(model._meta.db_table)
        self._columns = ", ".join(map(connection.ops.quote_name, [*columns, *(str(field.column) for field in others)]))
        self._width = len(columns) + len(others)
        self._defaults = tuple(field.get_db_prep_save(field.get_default(), connection) for field in others)

    def write(self, rows: Iterable[Row]) -> int:
        """How many were written."""
        if connection.vendor == "postgresql":
            return self._copy(rows)
        return self._insert([tuple(map(_plain, (*row, *self._defaults))) for row in rows])

    def _copy(self, rows: Iterable[Row]) -> int:
        written = 0
        with (
            connection.cursor() as cursor,
            cursor.copy(f"COPY {self._name} ({self._columns}) FROM STDIN") as copy,
        ):
            for row in rows:
                copy.write_row((*row, *self._defaults))
                written += 1
        return written

    def _insert(self, rows: Sequence[Row]) -> int:
        places = ", ".join(["%s"] * self._width)
        with connection.cursor() as cursor:
            for start in range(0, len(rows), ROWS_AT_ONCE):
                statement = f"INSERT INTO {self._name} ({self._columns}) VALUES ({places})"  # noqa: S608 - model names
                cursor.executemany(statement, rows[start : start + ROWS_AT_ONCE])
        return len(rows)


def reserve_ids(model: type[Model], count: int) -> int:
    """The first of so many ids in a row that nobody has.

    Somebody else's insert may take one of them: on PostgreSQL between two calls of one statement, on SQLite until ours
    are written. Whoever comes second then fails by the key.
    """
    table = model._meta.db_table
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SELECT pg_get_serial_sequence(%s, 'id')", [connection.ops.quote_name(table)])
            [sequence] = cursor.fetchone()
            cursor.execute("SELECT setval(%s, nextval(%s) + %s - 1)", [sequence, sequence, max(count, 1)])
            [last] = cursor.fetchone()
            return int(last) - max(count, 1) + 1
        cursor.execute("SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = %s", [table])
        [last] = cursor.fetchone()
        return int(last) + 1


def _needs_default(field: Field[Any, Any], columns: Sequence[str]) -> bool:
    given = field.column in columns or field.primary_key
    return not given and field.db_default is NOT_PROVIDED and not (field.null and not field.has_default())


def _plain(value: Any) -> Any:
    """As SQLite stores it."""
    if isinstance(value, dt.datetime):
        return connection.ops.adapt_datetimefield_value(value)
    return str(value) if isinstance(value, (Decimal, dt.date, dt.time)) else value
