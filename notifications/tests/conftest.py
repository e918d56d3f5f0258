"""Fixtures of the tests of sockets and digests."""

from __future__ import annotations

import datetime as dt
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.db import OperationalError

from notifications import hub, realtime, sockets
from notifications.models import InsightNotification, NotificationPreference
from notifications.tests import tabs
from notifications.tests.mail_server import MailServer
from notifications.tests.tabs import Tab
from signals.models import Signal

OpenTab = Callable[..., Awaitable[Tab]]
NewInsight = Callable[..., Awaitable[InsightNotification]]
MakeInsight = Callable[..., Signal]
Subscribe = Callable[..., User]


@pytest.fixture
def still_tick(monkeypatch: pytest.MonkeyPatch) -> None:
    """The sockets' tick runs when a test runs its duties, and on a recheck hint; not by the clock."""
    monkeypatch.setattr(sockets, "POLL_LOCAL_S", 3600.0)
    monkeypatch.setattr(sockets, "POLL_SHARED_S", 3600.0)
    monkeypatch.setattr(sockets, "CHECK_S", 3600.0)
    monkeypatch.setattr(sockets, "HINT_GRACE_S", 0.0)
    monkeypatch.setattr(hub, "BEAT_S", 3600.0)


@pytest.fixture
async def open_tab(still_tick: None) -> AsyncIterator[OpenTab]:
    """Open sockets of signed-in users; they are closed at the end of the test.

    `open_tab(alice)`; `cookie` of an existing session instead of a new one; anything else is the address's query.
    """
    opened: list[Tab] = []

    async def open_(user: User, *, cookie: str | None = None, **query: Any) -> Tab:
        if cookie is None:
            cookie = tabs.cookie_of(await tabs.in_thread(tabs.sign_in, user))
        tab = Tab(tabs.knock(tabs.stream_path(user, **query), cookie=cookie))
        accepted, _ = await tab.communicator.connect(tabs.PATIENCE_S)
        assert accepted
        opened.append(tab)
        tab.welcome = await tab.frame()
        return tab

    yield open_
    for tab in opened:
        await tab.close()


@pytest.fixture
def new_insight(make_insight: Callable[..., Signal]) -> NewInsight:
    """Make an insight in a thread, as a request would, and return the user's notification of it."""

    def make(user: User, fields: dict[str, Any]) -> InsightNotification:
        return tabs.notification_of(user, make_insight(user, **fields).pk)

    async def make_in_thread(user: User, **fields: Any) -> InsightNotification:
        return await tabs.in_thread(make, user, fields)

    return make_in_thread


@pytest.fixture
def other_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is written from now on is another process's: its hints do not arrive in this one."""
    monkeypatch.setattr(realtime, "publish", lambda events: True)


@pytest.fixture
def lost_rechecks(monkeypatch: pytest.MonkeyPatch) -> None:
    """The hints that ask for a check of a user's sign-ins are lost."""
    monkeypatch.setattr(realtime, "request_recheck", lambda user_id: None)


@pytest.fixture
def database_away() -> Exception:
    return OperationalError("the database is away")


@pytest.fixture
def mail_server(monkeypatch: pytest.MonkeyPatch) -> Iterator[MailServer]:
    server = MailServer()
    monkeypatch.setattr(settings, "EMAIL_BACKEND", "django.core.mail.backends.smtp.EmailBackend")
    monkeypatch.setattr(settings, "EMAIL_HOST", "127.0.0.1")
    monkeypatch.setattr(settings, "EMAIL_PORT", server.port)
    monkeypatch.setattr(settings, "EMAIL_TIMEOUT", 5)
    server.start()
    yield server
    server.stop()


@pytest.fixture
def subscribe(make_insight: MakeInsight) -> Subscribe:
    """A user whose digest is due all day, with an unread insight to tell of."""

    def make(name: str, *, insights: int = 1, **preferences: Any) -> User:
        user = User.objects.create_user(name, f"{name}@example.org")
        NotificationPreference.objects.filter(user=user).update(
            **{"email_digest_enabled": True, "digest_time": dt.time(0), "time_zone": "UTC"} | preferences
        )
        for _number in range(insights):
            make_insight(user)
        return user

    return make
