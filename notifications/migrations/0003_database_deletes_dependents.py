"""PostgreSQL deletes the logs and predecessors of a notification itself, as the models say (`on_delete=CASCADE`).

Django makes foreign keys with NO ACTION, which asks twice for each deleted row and each key: whether the row is there
again, and whether another still points at it. That was four fifths of the time of a cleanup; CASCADE asks once.
"""

from django.db import migrations

FOREIGN_KEYS = """
SELECT constraint_.conname, constraint_.conrelid::regclass::text, attribute.attname
FROM pg_constraint AS constraint_
JOIN pg_attribute AS attribute ON attribute.attrelid = constraint_.conrelid AND attribute.attnum = constraint_.conkey[1]
WHERE constraint_.contype = 'f' AND constraint_.confrelid = 'notifications_insightnotification'::regclass
"""


def cascade(apps, schema_editor):
    _make_again(schema_editor, "CASCADE")


def no_action(apps, schema_editor):
    _make_again(schema_editor, "NO ACTION")


def _make_again(schema_editor, on_delete):
    connection = schema_editor.connection
    if connection.vendor != "postgresql":
        return
    quote = connection.ops.quote_name
    with connection.cursor() as cursor:
        cursor.execute(FOREIGN_KEYS)
        found = cursor.fetchall()
    for name, table, column in found:
        schema_editor.execute(
            f"ALTER TABLE {table} DROP CONSTRAINT {quote(name)}, ADD CONSTRAINT {quote(name)} "
            f"FOREIGN KEY ({quote(column)}) REFERENCES notifications_insightnotification (id) "
            f"ON DELETE {on_delete} DEFERRABLE INITIALLY DEFERRED"
        )


class Migration(migrations.Migration):
    dependencies = [
        ("notifications", "0002_fewer_notification_indexes"),
    ]

    operations = [migrations.RunPython(cascade, no_action)]
