"""Opening a socket, keeping it, losing it."""

from __future__ import annotations

import asyncio
import logging

import pytest
from django.contrib.auth.models import User

from notifications import realtime, sockets, stream
from notifications.tests import tabs
from notifications.tests.conftest import NewInsight, OpenTab
from notifications.tests.tabs import Tab

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.services]


async def is_refused(path: str, **knock: str | None) -> bool:
    tab = Tab(tabs.knock(path, **knock))  # type: ignore[arg-type]  # each value fits its parameter
    accepted, _ = await tab.communicator.connect(tabs.PATIENCE_S)
    await tab.close()
    return not accepted


async def is_listened_for(user: User) -> bool:
    """Whether the channel layer brings a user's hints to anybody."""
    layer, group = realtime._layer(), realtime.group_name(user.pk)
    if hasattr(layer, "groups"):  # in memory, or by publish and subscribe
        return any(members for name, members in layer.groups.items() if name.endswith(group))
    return bool(await layer.connection(layer.consistent_hash(group)).zcard(layer._group_key(group)))


async def has_gone(user: User) -> bool:
    """No socket is looked after, and no hint awaited; taking leave of the layer is what comes last."""

    async def is_forgotten() -> bool:
        return not await is_listened_for(user)

    await tabs.until(is_forgotten)
    return sockets.current() is None


@pytest.fixture
def alices_cookie(alice: User) -> str:
    return tabs.cookie_of(tabs.sign_in(alice))


async def test_alice_is_told_where_her_stream_is(alice: User, open_tab: OpenTab, new_insight: NewInsight) -> None:
    await new_insight(alice)
    tab = await open_tab(alice)
    position = await tabs.in_thread(stream.position, alice.pk)
    assert tab.welcome == {
        "type": "connection_established",
        "protocol": 1,
        "unread_count": 1,
        "last_seq": 1,
        "epoch": position.epoch,
        "recovered": True,
        "stopped": False,
    }
    await tab.settled()


async def test_a_visitor_without_a_session_is_refused_in_the_handshake(alice: User) -> None:
    assert await is_refused(tabs.stream_path(alice), cookie=None)


async def test_a_made_up_session_is_refused(alice: User) -> None:
    assert await is_refused(tabs.stream_path(alice), cookie="m" * 32)


async def test_bob_cannot_open_alices_stream(alice: User, bob: User, open_tab: OpenTab) -> None:
    client = await tabs.in_thread(tabs.sign_in, bob)
    assert await is_refused(tabs.stream_path(alice), cookie=tabs.cookie_of(client))
    assert (await open_tab(bob, cookie=tabs.cookie_of(client))).welcome["last_seq"] == 0


async def test_an_inactive_user_is_refused(alice: User, alices_cookie: str) -> None:
    await User.objects.filter(pk=alice.pk).aupdate(is_active=False)
    assert await is_refused(tabs.stream_path(alice), cookie=alices_cookie)


async def test_a_session_from_before_a_changed_password_is_refused(alice: User, alices_cookie: str) -> None:
    alice.set_password("another-password")
    await alice.asave()
    assert await is_refused(tabs.stream_path(alice), cookie=alices_cookie)


@pytest.mark.parametrize(
    "origin",
    ["http://evil.example", "https://testserver", "http://testserver:8001", "http://testserver.evil.example", "null"],
)
async def test_a_foreign_page_is_refused(alice: User, alices_cookie: str, origin: str) -> None:
    assert await is_refused(tabs.stream_path(alice), cookie=alices_cookie, origin=origin)


@pytest.mark.parametrize("path", ["/", "/stream/", "/stream/insights/alice/", "/stream/insights/1", "/a\nb"])
async def test_an_unknown_address_is_refused_without_a_traceback(
    path: str, alices_cookie: str, caplog: pytest.LogCaptureFixture
) -> None:
    assert await is_refused(path, cookie=alices_cookie)
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


async def test_the_21st_socket_of_a_user_is_refused(alice: User, bob: User, open_tab: OpenTab) -> None:
    cookie = tabs.cookie_of(await tabs.in_thread(tabs.sign_in, alice))
    opened = [await open_tab(alice, cookie=cookie) for _ in range(sockets.MAX_SOCKETS_A_USER)]
    assert await is_refused(tabs.stream_path(alice), cookie=cookie)
    await open_tab(bob)

    await opened[0].close()
    await open_tab(alice, cookie=cookie)


async def test_a_database_fault_refuses_the_handshake_and_leaves_nothing_behind(
    alice: User, alices_cookie: str, still_tick: None, monkeypatch: pytest.MonkeyPatch, database_away: Exception
) -> None:
    def positions(user_ids: set[int]) -> dict[int, stream.Position]:
        raise database_away

    monkeypatch.setattr(stream, "positions", positions)
    assert await is_refused(tabs.stream_path(alice), cookie=alices_cookie)
    assert await has_gone(alice)


async def test_a_closed_socket_leaves_registry_and_group(alice: User, open_tab: OpenTab) -> None:
    first, second = await open_tab(alice), await open_tab(alice)
    await first.close()
    assert await is_listened_for(alice)
    assert await second.ask("ping") == {"type": "pong"}
    await second.close()
    assert await has_gone(alice)


async def test_a_socket_whose_task_is_killed_leaves_registry_and_group(alice: User, open_tab: OpenTab) -> None:
    tab = await open_tab(alice)
    tab.communicator.future.cancel()
    await tab.communicator.wait()
    assert await has_gone(alice)


async def test_sockets_opened_together_are_looked_up_together(
    alice: User, bob: User, open_tab: OpenTab, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[set[int]] = []
    read_positions = stream.positions

    def counted(user_ids: set[int]) -> dict[int, stream.Position]:
        asked.append(user_ids)
        return read_positions(user_ids)

    monkeypatch.setattr(stream, "positions", counted)
    cookies = {user: tabs.cookie_of(await tabs.in_thread(tabs.sign_in, user)) for user in (alice, bob)}
    opened = await asyncio.gather(*(open_tab(user, cookie=cookies[user]) for user in (alice, bob) * 5))
    assert len(opened) == 10
    assert set().union(*asked) == {alice.pk, bob.pk}
    assert len(asked) < len(opened)


async def test_a_user_whom_the_application_around_vouches_for_is_let_in(alice: User, bob: User) -> None:
    """As an application that puts its own sign-in before the socket does, and tests of it."""
    for path, accepted in ((tabs.stream_path(alice), True), (tabs.stream_path(bob), False)):
        tab = Tab(tabs.knock(path, cookie=None))
        tab.communicator.scope["user"] = alice
        assert (await tab.communicator.connect(tabs.PATIENCE_S))[0] is accepted
        await tab.close()


@pytest.mark.parametrize("cookie", ["", "\x00", "m" * 4000, "ü", "a b"])
async def test_a_cookie_that_cannot_be_a_session_is_refused_and_fails_nobody_else(
    cookie: str, alice: User, open_tab: OpenTab
) -> None:
    refused, tab = await asyncio.gather(is_refused(tabs.stream_path(alice), cookie=cookie), open_tab(alice))
    assert refused
    await tab.settled()


async def test_an_id_beyond_every_table_is_refused(alices_cookie: str) -> None:
    assert await is_refused(f"/stream/insights/{10**30}/", cookie=alices_cookie)


async def test_a_stopped_server_says_so(alice: User, open_tab: OpenTab) -> None:
    tab = await open_tab(alice)
    tab.communicator.future.cancel()
    assert await tab.close_code() == 1012
    await tab.communicator.wait()


async def test_connections_are_logged_without_their_session(
    alice: User, alices_cookie: str, open_tab: OpenTab, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, logger="notifications"):
        tab = await open_tab(alice, cookie=alices_cookie)
        await tab.communicator.disconnect(code=1001, timeout=tabs.PATIENCE_S)
    assert f"WebSocket connected user={alice.pk} connection=" in caplog.text
    assert f"WebSocket disconnected user={alice.pk} connection=" in caplog.text
    assert "code=1001" in caplog.text
    assert alices_cookie not in caplog.text
