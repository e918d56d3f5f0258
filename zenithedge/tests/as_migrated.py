"""The database as the migrations left it, after a test that commits.

Django's own way empties every table and then tells each app once more that it has been migrated, which makes all
permissions anew: 0.1 s on PostgreSQL, for tests of which most take a tenth of that. And what migrations have stored is
gone after the first such test.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from django.db import connection, transaction


class Stored(NamedTuple):
    columns: list[str]
    rows: list[tuple[Any, ...]]


class AsMigrated:
    def __init__(self) -> None:
        """Right after the migrations."""
        tables = sorted(connection.introspection.django_table_names(only_existing=True, include_views=False))
        self._stored = {table: _read(table) for table in _with_rows(tables)}
        self._empty = [table for table in tables if table not in self._stored]

    def restore(self) -> None:
        changed = [table for table, stored in self._stored.items() if _read(table) != stored]
        filled = _with_rows(self._empty)
        if not changed and not filled:
            return
        # Foreign keys are looked at when it commits, so the order is of no matter.
        with transaction.atomic(durable=True), connection.cursor() as cursor:
            for table in (*filled, *changed):
                cursor.execute(f"DELETE FROM {_quoted(table)}")
            for table in changed:
                columns, rows = self._stored[table]
                names, places = ", ".join(map(_quoted, columns)), ", ".join(["%s"] * len(columns))
                cursor.executemany(f"INSERT INTO {_quoted(table)} ({names}) VALUES ({places})", rows)


def _with_rows(tables: Sequence[str]) -> list[str]:
    """In one query, for a table at a time takes longer."""
    looks = [f"SELECT %s WHERE EXISTS (SELECT 1 FROM {_quoted(table)})" for table in tables]
    with connection.cursor() as cursor:
        cursor.execute(" UNION ALL ".join(looks), tables)
        return [table for (table,) in cursor.fetchall()]


def _read(table: str) -> Stored:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT * FROM {_quoted(table)} ORDER BY 1")
        return Stored([column[0] for column in cursor.description], cursor.fetchall())


def _quoted(name: str) -> str:
    return connection.ops.quote_name(name)
