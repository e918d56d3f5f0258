"""The Python client of the stream, against a real server on a real port."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, suppress

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session

from notifications import realtime, stream
from notifications.models import Inbox, InsightNotification
from notifications.stream_client import SIGNED_OUT, Account, Policy, StreamClient
from notifications.stream_state import Row
from notifications.tests import tabs
from notifications.tests.conftest import NewInsight
from notifications.tests.live_server import live_server

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.services]

EAGER = Policy(sync_every_s=0.2, gap_s=0.05, ack_every_s=0.02, reconnect_min_s=0.01, reconnect_max_s=0.05)
NEVER_ASKS = Policy(sync_every_s=3600, gap_s=3600, reconnect_min_s=0.01, reconnect_max_s=0.05)

Follow = Callable[..., Awaitable[StreamClient]]


@pytest.fixture
def site(still_tick: None) -> Iterator[str]:
    with live_server() as address:
        yield address


@pytest.fixture
async def follow(site: str) -> AsyncIterator[Follow]:
    """Start a client of a user's and wait until it is level with the server."""
    running: list[asyncio.Task[None]] = []

    async def start(user: User, policy: Policy = EAGER, *, arrivals: list[Row] | None = None) -> StreamClient:
        client = StreamClient(
            await account(site, user), policy, on_arrival=(arrivals if arrivals is not None else []).append
        )
        running.append(asyncio.create_task(client.run()))
        await until(lambda: client.level)
        return client

    yield start
    for task in running:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def account(site: str, user: User) -> Account:
    cookie = tabs.cookie_of(await tabs.in_thread(tabs.sign_in, user))
    return Account(site, user.pk, f"{settings.SESSION_COOKIE_NAME}={cookie}")


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(tabs.PATIENCE_S):
        while not holds():  # noqa: ASYNC110 - what is waited for has no event of its own
            await asyncio.sleep(0.005)


def fresh(user: User) -> dict[int, int | None]:
    return dict(InsightNotification.objects.for_user(user).values_list("id", "seq"))


async def assert_state_is_fresh(client: StreamClient, user: User) -> None:
    present = await tabs.in_thread(stream.position, user.pk)
    await until(lambda: client.level and client.state.position == present.last_seq)
    assert {row["id"]: row["seq"] for row in client.state.rows.values()} == await tabs.in_thread(fresh, user)
    assert client.state.unread_count == present.unread_count
    assert client.state.epoch == present.epoch


@asynccontextmanager
async def hints_lost(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[None]:
    with monkeypatch.context() as patch:
        patch.setattr(realtime, "publish", lambda events: True)
        yield


async def test_the_first_connection_reads_the_list(alice: User, follow: Follow, new_insight: NewInsight) -> None:
    earlier = await new_insight(alice)
    arrivals: list[Row] = []
    client = await follow(alice, NEVER_ASKS, arrivals=arrivals)
    assert [row["id"] for row in arrivals] == [earlier.pk]
    await assert_state_is_fresh(client, alice)


async def test_a_live_insight_arrives_once_and_is_acknowledged(
    alice: User, follow: Follow, new_insight: NewInsight
) -> None:
    arrivals: list[Row] = []
    client = await follow(alice, arrivals=arrivals)
    insight = await new_insight(alice)
    await until(lambda: len(arrivals) == 1)
    assert arrivals[0]["id"] == insight.pk
    await until_delivered(insight)
    await assert_state_is_fresh(client, alice)
    assert client.state.tally.doubled == 0


async def until_delivered(insight: InsightNotification) -> None:
    async with asyncio.timeout(tabs.PATIENCE_S):
        while not await InsightNotification.objects.filter(pk=insight.pk, delivered=True).aexists():  # noqa: ASYNC110 - it is a row
            await asyncio.sleep(0.01)


async def test_a_missing_position_is_asked_for(
    alice: User, follow: Follow, new_insight: NewInsight, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = await follow(alice, Policy(sync_every_s=3600, gap_s=0.05))
    async with hints_lost(monkeypatch):
        await new_insight(alice)
    await new_insight(alice)
    await assert_state_is_fresh(client, alice)


async def test_a_lost_last_hint_is_found_by_the_heartbeat(
    alice: User, follow: Follow, new_insight: NewInsight, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = await follow(alice, EAGER)
    async with hints_lost(monkeypatch):
        await new_insight(alice)
    await assert_state_is_fresh(client, alice)


async def test_what_came_while_the_connection_was_cut_is_there_after_it(
    alice: User, follow: Follow, new_insight: NewInsight
) -> None:
    arrivals: list[Row] = []
    client = await follow(alice, NEVER_ASKS, arrivals=arrivals)
    await client.cut()
    insights = [await new_insight(alice) for _ in range(3)]
    await assert_state_is_fresh(client, alice)
    assert [row["id"] for row in arrivals] == [insight.pk for insight in insights]
    assert client.connects >= 2


async def test_too_much_missed_is_read_as_a_list(
    alice: User, follow: Follow, new_insight: NewInsight, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "MAX_CATCH_UP_ROWS", 2)
    client = await follow(alice, EAGER)
    async with hints_lost(monkeypatch):
        for _ in range(4):
            await new_insight(alice)
    await assert_state_is_fresh(client, alice)
    assert len(client.state.rows) == 4


async def test_a_new_epoch_replaces_the_state(alice: User, follow: Follow, new_insight: NewInsight) -> None:
    insights = [await new_insight(alice) for _ in range(2)]
    client = await follow(alice, EAGER)
    await tabs.in_thread(restore_older, alice, insights[1])
    await assert_state_is_fresh(client, alice)
    assert list(client.state.rows) == [insights[0].pk]


def restore_older(user: User, lost: InsightNotification) -> None:
    lost.delete()
    Inbox.objects.filter(user=user).update(last_seq=1, epoch="restored")


async def test_a_change_that_was_read_elsewhere_is_followed(
    alice: User, follow: Follow, new_insight: NewInsight
) -> None:
    client = await follow(alice, NEVER_ASKS)
    insight = await new_insight(alice)
    await new_insight(alice)
    await tabs.in_thread(stream.mark_read, alice.pk, insight.pk)
    await until(lambda: client.state.position == 3)
    assert client.state.rows[insight.pk]["read"]
    await tabs.in_thread(stream.mark_all_read, alice.pk)
    await assert_state_is_fresh(client, alice)
    assert all(row["read"] for row in client.state.rows.values())


async def test_a_client_that_is_signed_out_stops(alice: User, follow: Follow) -> None:
    client = await follow(alice, EAGER)
    await tabs.in_thread(lambda: [session.delete() for session in Session.objects.all()])
    await until(lambda: client.signed_out)
    assert client.closes == {SIGNED_OUT: 1}


async def test_a_client_without_a_session_is_refused_and_stops(alice: User, site: str) -> None:
    client = StreamClient(Account(site, alice.pk, "sessionid=unknown"), EAGER)
    async with asyncio.timeout(tabs.PATIENCE_S):
        await client.run()
    assert client.signed_out


def test_tries_again_at_random_within_growing_limits() -> None:
    policy = Policy()
    for attempt, ceiling in ((1, 1.0), (2, 2.0), (5, 10.0), (99, 10.0)):
        waits = [policy.backoff_s(attempt) for _ in range(50)]
        assert all(0.5 <= wait <= ceiling for wait in waits)
    assert len({policy.backoff_s(3) for _ in range(5)}) == 5
