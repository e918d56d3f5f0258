"""Statements that are asked again and again: made once by the ORM, or planned once a connection by PostgreSQL."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import psycopg
from django.db import connection
from django.db.backends.utils import CursorWrapper
from django.db.models import QuerySet


def fetch_all(statement: str, parameters: Mapping[str, Any] | Sequence[Any]) -> list[tuple[Any, ...]]:
    """Run it and return its rows.

    Django binds parameters on the client's side, which can't be prepared, so on PostgreSQL it has another cursor here.
    """
    with _cursor() as cursor:
        cursor.execute(statement, parameters)
        return list(cursor.fetchall())


class _PreparingCursor(psycopg.Cursor[tuple[Any, ...]]):
    def execute(self, query: Any, params: Any = None, **options: Any) -> Self:
        return super().execute(query, params, **options | {"prepare": True})


def _cursor() -> CursorWrapper:
    """Wrapped as Django's own, so that its errors are Django's, and tests and logs see what is run."""
    if connection.vendor != "postgresql":
        return connection.cursor()
    connection.ensure_connection()
    cursor: Any = _PreparingCursor(connection.connection)  # the driver's own is what these two wrap
    return connection.make_debug_cursor(cursor) if connection.queries_logged else connection.make_cursor(cursor)


@dataclass(frozen=True, slots=True)
class UserStatement:
    """What the ORM makes of a query of which only a user's id and a range of positions differ: making and planning it
    takes longer than running it. Values are as the driver gives them: on SQLite a time is text."""

    # They stand in the query for the id, and for the positions.
    NOBODY: ClassVar = -1
    AFTER: ClassVar = -2
    UP_TO: ClassVar = -3

    sql: str
    parameters: tuple[Any, ...]

    @classmethod
    def made_of(cls, rows: QuerySet[Any, Any]) -> UserStatement:
        return cls(*rows.query.sql_with_params())

    def fetch_all(self, user_id: int, *, after: int = 0, up_to: int = 0) -> list[tuple[Any, ...]]:
        given = {self.NOBODY: user_id, self.AFTER: after, self.UP_TO: up_to}
        return fetch_all(self.sql, [given.get(value, value) for value in self.parameters])
