"""In which language a reader reads, and by which clock."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable

import pytest
from django.contrib.auth.models import User
from django.db import DatabaseError
from django.test import Client
from django.urls import reverse

from notifications.models import NotificationPreference
from notifications.tests.rows import store_notification
from signals.models import Signal

GERMAN = {"accept-language": "de"}


def choose(user: User, **fields: str) -> None:
    NotificationPreference.objects.filter(user=user).update(**fields)


def language_of(user: User | None, **headers: str) -> str:
    client = Client(headers={name.replace("_", "-"): value for name, value in headers.items()})
    if user:
        client.force_login(user)
    return str(client.get(reverse("preferences" if user else "login")).headers["Content-Language"])


@pytest.mark.django_db
def test_nobody_in_particular_reads_what_the_browser_asks_for() -> None:
    assert language_of(None, accept_language="de-AT,de;q=0.9,en;q=0.5") == "de"
    assert language_of(None, accept_language="tlh") == "en"


def test_a_user_without_a_choice_reads_what_the_browser_asks_for(alice: User) -> None:
    assert language_of(alice, accept_language="de") == "de"


def test_a_users_choice_comes_before_the_browsers(alice: User) -> None:
    choose(alice, language="en")
    assert language_of(alice, accept_language="de") == "en"


def test_a_language_that_the_site_no_longer_speaks_is_no_choice(alice: User) -> None:
    choose(alice, language="tlh")
    assert language_of(alice, accept_language="de") == "de"


def test_the_next_request_of_the_same_thread_has_its_own_language_and_clock(alice: User, bob: User) -> None:
    choose(alice, language="de", time_zone="Asia/Kathmandu")
    assert [language_of(user) for user in (alice, bob, None)] == ["de", "en", "en"]


def test_times_are_by_the_readers_own_clock(alice: User, make_insight: Callable[..., Signal]) -> None:
    choose(alice, time_zone="Asia/Kathmandu")
    signal = make_insight(alice, received_at=dt.datetime(2026, 3, 1, 20, 0, tzinfo=dt.UTC))
    client = Client()
    client.force_login(alice)
    assert "2 Mar 2026, 01:45" in client.get(signal.get_absolute_url()).content.decode()


def test_figures_and_dates_are_written_as_the_readers_language_writes_them(
    alice: User, make_insight: Callable[..., Signal]
) -> None:
    choose(alice, language="de")
    signal = make_insight(alice, received_at=dt.datetime(2026, 3, 1, 20, 0, tzinfo=dt.UTC))
    store_notification(alice, signal)
    client = Client()
    client.force_login(alice)
    page = client.get(signal.get_absolute_url()).content.decode()
    assert "1. März 2026, 20:00" in page
    assert "1,095" in page


def test_an_answer_that_needs_no_database_does_without_one(alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*args: object) -> None:
        raise DatabaseError("gone")

    client = Client()
    client.force_login(alice)
    monkeypatch.setattr("django.contrib.sessions.backends.db.SessionStore.load", away)
    assert client.get(reverse("livez")).status_code == 200
