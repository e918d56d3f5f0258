"""A socket ends with the sign-in that opened it: by hint, and by the tick when the hint is lost."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from itertools import count
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.contrib.sessions.backends.db import SessionStore
from django.contrib.sessions.models import Session
from django.db import OperationalError
from django.test import Client
from django.utils import timezone

from notifications import realtime, sessions, sockets, stream
from notifications.tests import tabs
from notifications.tests.conftest import NewInsight, OpenTab

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.services]


def log_out(user: User, client: Client) -> None:
    client.post("/accounts/logout/")


def change_password(user: User, client: Client) -> None:
    user.set_password("another-password")
    user.save()


def deactivate(user: User, client: Client) -> None:
    user.is_active = False
    user.save()


def delete_account(user: User, client: Client) -> None:
    user.delete()


ENDINGS = pytest.mark.parametrize("end", [log_out, change_password, deactivate, delete_account])


@ENDINGS
async def test_the_end_of_a_sign_in_closes_its_sockets_by_hint(
    end: Callable[[User, Client], None], alice: User, bob: User, open_tab: OpenTab
) -> None:
    client = await tabs.in_thread(tabs.sign_in, alice)
    first = await open_tab(alice, cookie=tabs.cookie_of(client))
    second = await open_tab(alice, cookie=tabs.cookie_of(client))
    bobs = await open_tab(bob)
    await tabs.in_thread(end, alice, client)
    assert await first.close_code() == 4401
    assert await second.close_code() == 4401
    await bobs.settled()


@ENDINGS
async def test_the_end_of_a_sign_in_closes_its_sockets_by_the_tick_when_the_hint_is_lost(
    end: Callable[[User, Client], None], alice: User, bob: User, open_tab: OpenTab, lost_rechecks: None
) -> None:
    client = await tabs.in_thread(tabs.sign_in, alice)
    tab = await open_tab(alice, cookie=tabs.cookie_of(client))
    bobs = await open_tab(bob)
    await tabs.in_thread(end, alice, client)
    await tab.settled()
    await registry().check()
    assert await tab.close_code() == 4401
    await bobs.settled()


def registry() -> sockets.Registry:
    present = sockets.current()
    assert present is not None
    return present


async def test_logging_out_in_one_browser_leaves_the_other_browsers_socket(alice: User, open_tab: OpenTab) -> None:
    client = await tabs.in_thread(tabs.sign_in, alice)
    here, elsewhere = await open_tab(alice, cookie=tabs.cookie_of(client)), await open_tab(alice)
    await tabs.in_thread(log_out, alice, client)
    assert await here.close_code() == 4401
    await elsewhere.settled()


async def test_an_expired_session_closes_its_socket(alice: User, open_tab: OpenTab) -> None:
    tab = await open_tab(alice)
    await Session.objects.all().aupdate(expire_date=timezone.now())
    await registry().check()
    assert await tab.close_code() == 4401


async def test_a_session_that_became_another_users_closes_its_socket(alice: User, bob: User, open_tab: OpenTab) -> None:
    alices, bobs = [await tabs.in_thread(tabs.sign_in, user) for user in (alice, bob)]
    tab = await open_tab(alice, cookie=tabs.cookie_of(alices))
    of_bob = await Session.objects.aget(session_key=tabs.cookie_of(bobs))
    await Session.objects.filter(session_key=tabs.cookie_of(alices)).aupdate(session_data=of_bob.session_data)
    await registry().check()
    assert await tab.close_code() == 4401


async def test_a_signed_out_socket_is_sent_nothing_more(
    alice: User, open_tab: OpenTab, new_insight: NewInsight
) -> None:
    client = await tabs.in_thread(tabs.sign_in, alice)
    tab = await open_tab(alice, cookie=tabs.cookie_of(client))
    await tabs.in_thread(log_out, alice, client)
    assert await tab.close_code() == 4401
    await new_insight(alice)
    await tab.send(command="get_unread_count")
    assert await tab.communicator.receive_nothing()


async def test_a_mere_sign_in_elsewhere_closes_nothing(alice: User, open_tab: OpenTab) -> None:
    tab = await open_tab(alice)
    await tabs.in_thread(tabs.sign_in, alice)
    await registry().check()
    await tab.settled()


async def test_a_recheck_of_a_valid_sign_in_closes_nothing(alice: User, open_tab: OpenTab) -> None:
    tab = await open_tab(alice)
    await tabs.in_thread(realtime.request_recheck, alice.pk)
    await tab.settled()
    await registry().check([alice.pk])
    await tab.settled()


async def test_a_session_made_with_a_retired_secret_key_still_holds(
    alice: User, open_tab: OpenTab, settings: Any
) -> None:
    tab = await open_tab(alice)
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = "the new key of a careful operator"
    await Session.objects.all().aupdate(session_data=await tabs.in_thread(signed_anew))
    await registry().check()
    await tab.settled()
    settings.SECRET_KEY_FALLBACKS = []
    await registry().check()
    assert await tab.close_code() == 4401


def signed_anew() -> str:
    """The one session's content; its store may have been signed with a key of any age."""
    [session] = Session.objects.all()
    return SessionStore().encode(session.get_decoded())


async def test_a_database_fault_keeps_sockets_and_tick_alive(
    alice: User, open_tab: OpenTab, monkeypatch: pytest.MonkeyPatch, lost_rechecks: None
) -> None:
    """Here the clock drives the tick: it fails until the database is back, and then does its work."""
    monkeypatch.setattr(sockets, "CHECK_S", 0.01)
    monkeypatch.setattr(sockets, "POLL_LOCAL_S", 0.01)
    monkeypatch.setattr(sockets, "POLL_SHARED_S", 0.01)
    client = await tabs.in_thread(tabs.sign_in, alice)
    tab = await open_tab(alice, cookie=tabs.cookie_of(client))
    failures = count(1)
    failed_often = threading.Event()

    def away(_asked_for: Any) -> set[sessions.SignIn]:
        if next(failures) == 4:
            failed_often.set()
        raise OperationalError("the database is away")

    still_valid = sessions.still_valid
    monkeypatch.setattr(sessions, "still_valid", away)
    monkeypatch.setattr(stream, "last_seqs", away)
    await tabs.in_thread(log_out, alice, client)
    assert await asyncio.to_thread(failed_often.wait, tabs.PATIENCE_S)
    monkeypatch.setattr(sessions, "still_valid", still_valid)
    assert await tab.close_code() == 4401


def test_sign_ins_are_checked_in_two_queries(alice: User, bob: User, ada: User, django_assert_num_queries: Any) -> None:
    made = {sessions.SignIn(user.pk, tabs.cookie_of(tabs.sign_in(user))) for user in (alice, alice, bob, ada)}
    with django_assert_num_queries(2):
        assert sessions.still_valid(made) == made


@pytest.mark.parametrize("engine", ["cached_db", "cache", "file", "signed_cookies"])
def test_sessions_of_every_engine_are_understood(engine: str, alice: User, settings: Any, tmp_path: Any) -> None:
    settings.SESSION_ENGINE = f"django.contrib.sessions.backends.{engine}"
    settings.SESSION_FILE_PATH = str(tmp_path)
    held = sessions.SignIn(alice.pk, tabs.cookie_of(tabs.sign_in(alice)))
    made_up = sessions.SignIn(alice.pk, "m" * 32)
    assert sessions.still_valid([held, made_up]) == {held}
    change_password(alice, Client())
    assert sessions.still_valid([held]) == set()
