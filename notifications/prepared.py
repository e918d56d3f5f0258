"""Statements that are asked again and again, which PostgreSQL plans once a connection instead of each time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import psycopg
from django.db import connection


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
