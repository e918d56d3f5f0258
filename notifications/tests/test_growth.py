"""However many users there are, a chunk of them costs the same: nothing is read or compared once for each other one."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.db import connection, transaction

from notifications import dispatching, fan_out
from notifications.announcing import announce
from notifications.models import Inbox, InsightDispatch, NotificationPreference
from notifications.tests.rows import store_notification
from signals.models import Signal

MakeSignal = Callable[..., Signal]
Plan = dict[str, Any]

USERS = 3000
CHUNK = 100  # so small a part of them that the planner expects single rows of it

pytestmark = [
    pytest.mark.services,
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(
        settings.DATABASES["default"]["ENGINE"] != "django.db.backends.postgresql",
        reason="these are statements of PostgreSQL; SQLite takes the plain path",
    ),
]


@pytest.fixture
def crowd(db: None) -> list[User]:
    users = User.objects.bulk_create([User(username=f"trader{number}") for number in range(USERS)])
    NotificationPreference.objects.bulk_create([NotificationPreference(user=user) for user in users])
    Inbox.objects.bulk_create([Inbox(user=user) for user in users])
    analyze()
    return users


def test_a_chunk_compares_no_user_with_each_other_one(crowd: list[User], make_signal: MakeSignal) -> None:
    chunk = crowd[-CHUNK:]
    for earlier in [make_signal(), make_signal()]:
        for user in chunk:
            store_notification(user, earlier)
    signal = make_signal()
    for revision in (1, 2):
        analyze()  # as autovacuum does, at a moment of its own
        with explained() as plans, transaction.atomic():
            fan_out.write(announce(signal, revision), [user.pk for user in chunk])

        assert max(map(most_rows, plans)) < 10 * CHUNK, f"revision {revision}"


def test_the_next_users_are_found_without_those_before_the_cursor(
    crowd: list[User], make_signal: MakeSignal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dispatching, "CHUNK_USERS", 10)
    signal = make_signal()
    last_but_ten = InsightDispatch(signal=signal, revision=1, cursor=crowd[-11].pk)

    with explained() as plans:
        found = dispatching.next_users(last_but_ten, signal, most=10)

    assert found == [user.pk for user in crowd[-10:]]
    assert max(map(most_rows, plans)) <= 11


def analyze() -> None:
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")


@contextmanager
def explained() -> Iterator[list[Plan]]:
    """The plans, with what really happened, of each statement that is run in the block."""
    plans: list[Plan] = []

    def explain(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
        if sql.lstrip().startswith(("SELECT", "WITH", "INSERT", "UPDATE")):
            sid = transaction.savepoint() if connection.in_atomic_block else None
            with connection.connection.cursor() as cursor:
                cursor.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {sql}", params)
                [[[explanation]]] = [cursor.fetchone()]
            plans.append(explanation["Plan"])
            if sid:
                transaction.savepoint_rollback(sid)
        return execute(sql, params, many, context)

    with connection.execute_wrapper(explain):
        yield plans


def most_rows(plan: Plan) -> float:
    """The most rows that a node of the plan, or one below it, has had in its hands."""
    own: float = plan["Actual Loops"] * (plan["Actual Rows"] + plan.get("Rows Removed by Join Filter", 0))
    return max([own, *map(most_rows, plan.get("Plans", []))])
