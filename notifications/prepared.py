"""Statements that are asked again and again: made once by the ORM, or planned once a connection by PostgreSQL."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import psycopg
from django.db import connection
from django.db.models import QuerySet


def fetch_all(statement: str, parameters: Mapping[str, Any]) -> list[tuple[Any, ...]]:
    """Run it and return its rows.

    Django binds parameters on the client's side, which can't be prepared, so on PostgreSQL this goes past Django's
    cursor. Elsewhere it is an ordinary query.
    """
    if connection.vendor != "postgresql":
        with connection.cursor() as cursor:
            cursor.execute(statement, parameters)
            return list(cursor.fetchall())
    connection.ensure_connection()
    with connection.wrap_database_errors, psycopg.Cursor(connection.connection) as prepared:
        return prepared.execute(statement, parameters, prepare=True).fetchall()


@dataclass(frozen=True, slots=True)
class UserStatement:
    """What the ORM makes of a query of which only a user's id differs: making it takes longer than running it."""

    NOBODY: ClassVar = -1  # stands in the query for the id

    sql: str
    parameters: tuple[Any, ...]

    @classmethod
    def made_of(cls, rows: QuerySet[Any, Any]) -> UserStatement:
        return cls(*rows.query.sql_with_params())

    def fetch_all(self, user_id: int) -> list[tuple[Any, ...]]:
        with connection.cursor() as cursor:
            cursor.execute(self.sql, [user_id if value == self.NOBODY else value for value in self.parameters])
            return list(cursor.fetchall())
