"""Make accounts and sessions in a Django side's database: `seed.py accounts COUNT FIRST_ID`, run with its Python.

Prints the session cookies, one a line, in the order of the user ids. `seed.py migrate` only makes the tables.
"""

import sys

import django

django.setup()

from django.apps import apps
from django.conf import settings
from django.contrib.auth.models import User
from django.contrib.sessions.backends.db import SessionStore
from django.contrib.sessions.models import Session
from django.core.management import call_command
from django.db import connection
from django.db.models import Model
from django.utils import timezone
from django.utils.crypto import get_random_string

MAX_SESSIONS = 20_000


def main(arguments: list[str]) -> None:
    if arguments == ["migrate"]:
        call_command("migrate", verbosity=0)
        return
    count, first_id = int(arguments[1]), int(arguments[2])
    make_accounts(count, first_id)
    for session in make_sessions(User.objects.filter(pk__gte=first_id).order_by("pk")[: min(count, MAX_SESSIONS)]):
        sys.stdout.write(f"{settings.SESSION_COOKIE_NAME}={session.session_key}\n")
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")


def make_accounts(count: int, first_id: int) -> None:
    """The first one the usual way, the others as its copies, with whatever belongs to an account."""
    first = User(pk=first_id, username=f"trader{first_id}")
    first.set_unusable_password()
    first.save()
    others = f"generate_series({first_id + 1}, {first_id + count - 1})"
    copy_row(User, first_id, {"id": "n", "username": "'trader' || n"}, others)
    for name in ("NotificationPreference", "Inbox"):
        try:
            model = apps.get_model("notifications", name)
        except LookupError:
            continue  # not that side
        row = model.objects.filter(user_id=first_id).first()
        if row is not None:
            changes = {"user_id": "n"} | ({} if model._meta.pk.column == "user_id" else {"id": "DEFAULT"})
            copy_row(model, row.pk, changes, others)


def copy_row(model: type[Model], pk: int, changes: dict[str, str], numbers: str) -> None:
    """Insert a copy of the row for each n of `numbers`; `changes` are columns with SQL; DEFAULT leaves one out."""
    quote = connection.ops.quote_name
    columns = [field.column for field in model._meta.concrete_fields if changes.get(field.column) != "DEFAULT"]
    values = [changes.get(column, f"original.{quote(column)}") for column in columns]
    table = quote(model._meta.db_table)
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {table} ({', '.join(map(quote, columns))}) SELECT {', '.join(values)}"
            f" FROM {numbers} AS n, {table} AS original WHERE original.{quote(model._meta.pk.column)} = %s",
            [pk],
        )


def make_sessions(users: "django.db.models.QuerySet[User]") -> list[Session]:
    store = SessionStore()
    expires = timezone.now() + timezone.timedelta(days=7)
    return Session.objects.bulk_create(
        [
            Session(
                session_key=get_random_string(32),
                expire_date=expires,
                session_data=store.encode(
                    {
                        "_auth_user_id": str(user.pk),
                        "_auth_user_backend": settings.AUTHENTICATION_BACKENDS[-1],
                        "_auth_user_hash": user.get_session_auth_hash(),
                    }
                ),
            )
            for user in users
        ],
        batch_size=1000,
    )


if __name__ == "__main__":
    main(sys.argv[1:])
