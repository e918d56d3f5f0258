"""A migration's index on a table that is being written to: no writer waits for it."""

from __future__ import annotations

from typing import Any

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations


class AddLiveIndex(AddIndexConcurrently):
    """`CREATE INDEX CONCURRENTLY` on PostgreSQL, an ordinary index elsewhere; its migration says `atomic = False`."""

    def database_forwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        self._of(schema_editor).database_forwards(self, app_label, schema_editor, from_state, to_state)

    def database_backwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        self._of(schema_editor).database_backwards(self, app_label, schema_editor, from_state, to_state)

    @staticmethod
    def _of(schema_editor: Any) -> type[migrations.AddIndex]:
        return AddIndexConcurrently if schema_editor.connection.vendor == "postgresql" else migrations.AddIndex
