"""Fixtures that every test shares: the cast and a maker of insights."""

import json
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from channels.layers import channel_layers
from django.conf import settings
from django.contrib.auth.hashers import PBKDF2PasswordHasher
from django.contrib.auth.models import User
from django.db import connection
from django.test import TransactionTestCase
from django.utils import timezone, translation
from django.utils.crypto import get_random_string
from hypothesis import HealthCheck
from pytest_django import DjangoDbBlocker
from servestatic.middleware import ServeStaticMiddleware

from signals.models import Signal, TradeValidation
from zenithedge.tests.as_migrated import AsMigrated

# Tests run dispatches and the schedule themselves. Not through the environment: pytest-django has read the settings
# before this file, and the servers that tests start are to have their workers.
settings.NOTIFICATIONS_WORKER = False
settings.CELERY_BROKER_URL = ""
# Nobody misses after a crash what a test has stored: nothing waits for the disk.
if connection.vendor == "sqlite":
    settings.DATABASES["default"]["OPTIONS"]["init_command"] += "PRAGMA synchronous=OFF;"


# A busy machine is no fault of the code: no example has to be drawn, or to pass, within a time. A fixture that lives
# for all the examples of a test is meant to.
hypothesis.settings.register_profile(
    "tests", deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
)
hypothesis.settings.load_profile("tests")


DATABASE = {"db", "transactional_db"}


@pytest.hookimpl(tryfirst=True)  # marks are selected by after it
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what uses the database: all else is the same on any, and need not run on the other one too."""
    for item in items:
        if item.get_closest_marker("django_db") or DATABASE & set(getattr(item, "fixturenames", ())):
            item.add_marker("database")


@pytest.fixture(autouse=True)
def cheap_passwords(monkeypatch: pytest.MonkeyPatch) -> None:
    """The real algorithm, once round instead of a million times: else making the cast takes longer than its tests."""
    monkeypatch.setattr(PBKDF2PasswordHasher, "iterations", 1)


@pytest.fixture(autouse=True, scope="session")
def static_files_listed_once() -> Iterator[None]:
    """Each test client has a middleware of its own, which would look at every static file before its first request:
    that took most of the time of the tests that make any.
    """
    look_at_all = ServeStaticMiddleware.add_files_from_finders
    known: dict[tuple[object, ...], dict[str, Any]] = {}

    def look_at_new(self: Any) -> None:
        where = (type(self), self.static_prefix, self.max_age, *map(str, settings.STATICFILES_DIRS))
        if where not in known:
            others, self.files = self.files, {}
            look_at_all(self)
            known[where], self.files = self.files, others
        self.files.update(known[where])

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ServeStaticMiddleware, "add_files_from_finders", look_at_new)
        yield


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """Bring the database back to what it is now after each test that commits. At the end, end what still uses it.

    The threads of asynchronous tests keep their connections as long as they live, and PostgreSQL does not drop a
    database that somebody is connected to.
    """
    with django_db_blocker.unblock():
        as_migrated = AsMigrated()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TransactionTestCase, "_fixture_teardown", lambda _: as_migrated.restore())
        yield
    if connection.vendor == "postgresql":
        with django_db_blocker.unblock(), connection.cursor() as cursor:
            cursor.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
    else:
        database = Path(connection.settings_dict["NAME"])
        for lock in database.parent.glob(f"{database.name}.*.lock"):  # zenithedge/locks.py leaves them
            lock.unlink()


@pytest.fixture
def alice(db: None) -> User:
    return User.objects.create_user("alice", "alice@example.org", "alice-password")


@pytest.fixture
def bob(db: None) -> User:
    return User.objects.create_user("bob", "bob@example.org", "bob-password")


@pytest.fixture
def ada(db: None) -> User:
    return User.objects.create_superuser("ada", "ada@example.org", "ada-password")


@pytest.fixture
def make_signal(db: None) -> Callable[..., Signal]:
    """Make a stored signal without a validation; any field can be given."""

    def make(user: User | None = None, **fields: Any) -> Signal:
        values: dict[str, Any] = {
            "symbol": "EURUSD",
            "timeframe": "1h",
            "side": "buy",
            "price": Decimal("1.0850"),
            "sl": Decimal("1.0800"),
            "tp": Decimal("1.0950"),
            "confidence": Decimal(70),
            "strategy": "ZenithEdge",
            "regime": "Trend",
            "session": "London",
        }
        return Signal.objects.create(user=user, **(values | fields))

    return make


@pytest.fixture
def make_insight(make_signal: Callable[..., Signal]) -> Callable[..., Signal]:
    """Make a signal with its validation; `truth_index` and the validation's texts can be given too."""

    def make(
        user: User | None = None,
        *,
        truth_index: float | Decimal = 82,
        context_summary: str = "Bullish setup on EURUSD. Reward is 2.0 times the risk.",
        news_context: str = "",
        news_headline: str = "",
        **fields: Any,
    ) -> Signal:
        signal = make_signal(user, **fields)
        TradeValidation.objects.create(
            signal=signal,
            truth_index=Decimal(str(truth_index)),
            context_summary=context_summary,
            news_context=news_context,
            news_headline=news_headline,
        )
        return signal

    return make


@pytest.fixture
def hints(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, dict[str, Any]]]:
    """Everything that is handed to the channel layer, as (user id, frame), in order; the layer itself is left out."""
    from notifications import realtime

    published: list[tuple[int, dict[str, Any]]] = []

    def record(messages: list[tuple[str, dict[str, Any]]]) -> None:
        for _group, message in messages:
            frame = {"type": "recheck"} if message.get("recheck") else json.loads(message["frame"])
            published.append((message["user_id"], frame))

    monkeypatch.setattr(realtime, "_run", record)
    return published


@pytest.fixture(autouse=True, scope="session")
def no_pauses() -> Iterator[None]:
    """In a test nobody waits for SQLite's lock while long work has it."""
    from notifications import pauses

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pauses, "LOCK_PAUSE_S", 0)
        yield


@pytest.fixture(autouse=True)
def closed_breaker(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test pays for a hint that failed in another."""
    from notifications import realtime

    monkeypatch.setattr(realtime, "_skip_until", 0.0)


@pytest.fixture(autouse=True)
def fresh_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test pays for what another did within the same minute, in this process or in Redis."""
    from zenithedge import rates

    monkeypatch.setattr(rates, "NAMESPACE", f"rate-{get_random_string(8)}")


@pytest.fixture(autouse=True)
def nobodys_clock() -> None:
    """A request leaves its reader's clock and language to its thread, for which a server has the next request."""
    timezone.deactivate()
    translation.deactivate()


@pytest.fixture(autouse=True)
def fresh_layer() -> None:
    """Each asynchronous test has an event loop of its own; the core layer's locks belong to the loop that used them."""
    channel_layers.backends.clear()


@pytest.fixture(autouse=True)
def nothing_gathered(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test wakes what another one has rolled back."""
    from notifications import worker

    monkeypatch.setattr(worker, "_gathering", worker._Gathering())
