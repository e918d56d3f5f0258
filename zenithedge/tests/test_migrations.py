"""Migrations run while the site does: an index of a table with rows is built without keeping its writers waiting."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.db import migrations, models
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.operations.base import Operation

from zenithedge.live_index import AddLiveIndex

OURS = {"notifications", "signals"}
# Before the first release, when no table had rows that anybody would have waited for.
BEFORE_ANY_ROWS = {
    ("notifications", "0002_fewer_notification_indexes"),
}


def test_no_migration_builds_an_index_of_a_table_with_rows_while_its_writers_wait() -> None:
    building = {f"{name}: {what}" for name, what in blocking_operations()}

    assert building == set()


@pytest.mark.parametrize(
    ("operation", "builds"),
    [
        (migrations.AddIndex("signal", models.Index(fields=["side"], name="x")), True),
        (AddLiveIndex("signal", models.Index(fields=["side"], name="x")), False),
        (migrations.AddConstraint("signal", models.UniqueConstraint(fields=["side"], name="x")), True),
        (migrations.AddConstraint("signal", models.CheckConstraint(condition=models.Q(side="buy"), name="x")), False),
        (migrations.AddField("signal", "x", models.ForeignKey("signals.Signal", models.CASCADE, null=True)), True),
        (migrations.AddField("signal", "x", models.CharField(max_length=9, db_index=True, default="")), True),
        (migrations.AddField("signal", "x", models.CharField(max_length=9, default="")), False),
    ],
    ids=lambda value: "" if isinstance(value, bool) else str(value.describe()),
)
def test_what_builds_an_index_is_known(operation: Operation, builds: bool) -> None:
    assert builds_index(operation) == builds


def blocking_operations() -> Iterator[tuple[str, str]]:
    for (app, name), migration in MigrationLoader(None).disk_migrations.items():
        if app not in OURS or (app, name) in BEFORE_ANY_ROWS:
            continue
        made_here = {each.name_lower for each in migration.operations if isinstance(each, migrations.CreateModel)}
        for operation in migration.operations:
            if builds_index(operation) and operation.model_name.lower() not in made_here:  # type: ignore[attr-defined]
                yield f"{app}.{name}", operation.describe()
            if isinstance(operation, AddLiveIndex) and migration.atomic:
                yield f"{app}.{name}", "is not atomic = False"


def builds_index(operation: Operation) -> bool:
    """Under a lock, whole: an ordinary index or unique constraint, or a field that brings one."""
    if isinstance(operation, migrations.AddField):
        field = operation.field
        return bool(field.db_index or field.unique)  # type: ignore[attr-defined]  # the stubs leave it out
    if isinstance(operation, migrations.AddConstraint):
        return isinstance(operation.constraint, models.UniqueConstraint)
    return isinstance(operation, migrations.AddIndex) and not isinstance(operation, AddLiveIndex)
