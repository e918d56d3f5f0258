"""A burst far over the channel layer's capacity: what is lost on the way, what was counted, and what our client lacks.

One stream for a user and thirty changes each, published at once while the server holds one socket a user: first one
that only listens (the one client of all sides), then, of ours, one that follows the protocol and notices what it lacks.
"""

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psycopg

from benchmarks.arena import OURS, TUTORIAL_DAPHNE, TUTORIAL_UVICORN, Arena, Contestant, Server, connect
from benchmarks.processes import Program
from benchmarks.results import Row
from benchmarks.rows.filling import add_notifications, add_signals
from benchmarks.scale import Scale
from notifications.stream_client import Account, Clients, StreamClient

USERS = 100
CAPACITY = "100"  # the core layer's default; ours is set to it here
HINTS_WITHIN_S = 3.0
HEALED_WITHIN_S = 45.0  # a lost last hint shows at the next heartbeat, every 25 s ± 20 %


def measure(arena: Arena, scale: Scale) -> list[Row]:
    each = scale.burst_a_user
    lost = Row("burst", f"{USERS * each:,} messages at once, capacity {CAPACITY}, core layer: lost on the way", "%")
    uncounted = Row("burst", "the same, lost and not counted", "messages")
    lacking = Row("burst", "the same, missing after catch-up", "notifications")
    for one in (*OURS, TUTORIAL_DAPHNE, TUTORIAL_UVICORN):
        if arena.can_be_had(one):
            _measure(arena, one, each, lost, uncounted, lacking)
    for one in OURS:
        uncounted.check(one.server, abs(uncounted.figures[str(one)][0]), at_most=0)
        lacking.check(one.server, lacking.figures[str(one)][0], at_most=0)
    return [lost, uncounted, lacking]


def _measure(arena: Arena, one: Contestant, each: int, lost: Row, uncounted: Row, lacking: Row) -> None:
    with _server(arena, one) as (server, writer, client):
        if one in OURS:
            _store(server, each)
            # Positions that are ahead of their inboxes: else the server's tick brings what a dropped hint left out, and
            # the hints that come after it, which nobody needs any more, look as if they had been lost without a trace.
            _rewind_inboxes(server)
        connect(client, server, USERS)
        client.ask(do="arm", keep="count", mark="new_notification")
        answer = writer.ask(do="burst", users=server.population.users, each=each)
        dropped = answer["dropped"] if one in OURS else 0
        arrived = client.ask(do="collect", frames=USERS * each, timeout_s=HINTS_WITHIN_S)["frames"]
        lost.add(one, 100 * (1 - arrived / (USERS * each)))
        uncounted.add(one, USERS * each - arrived - dropped)
    if one in OURS:
        with _server(arena, one) as (server, writer, _):
            lacking.add(one, asyncio.run(_burst_with_our_client(server, writer, each)))


@contextmanager
def _server(arena: Arena, one: Contestant) -> Iterator[tuple[Server, Program, Program]]:
    """A server with new accounts, a writer and the client."""
    capacity = {"LAYER_CAPACITY": CAPACITY, "CHANNEL_LAYER_CAPACITY": CAPACITY, "CHANNEL_LAYER": "core"}
    with arena.programs() as programs:
        [server] = programs.servers([one], USERS, capacity).values()
        yield server, programs.writer_for(server), programs.client()


async def _burst_with_our_client(server: Server, writer: Program, each: int) -> int:
    """Notifications that are missing in the end."""
    population = server.population
    site = f"http://127.0.0.1:{server.port}"
    clients = [
        StreamClient(Account(site, user, cookie))
        for user, cookie in zip(population.users, population.cookies, strict=True)
    ]
    async with Clients(clients):
        await _until(lambda: all(client.level for client in clients), 30)
        await asyncio.to_thread(_store, server, each)
        await asyncio.to_thread(writer.ask, do="burst", users=population.users, each=each)
        await _until(lambda: all(len(client.state.rows) >= each for client in clients), HEALED_WITHIN_S)
    return sum(each - len(client.state.rows) for client in clients)


def _store(server: Server, each: int) -> None:
    with psycopg.connect(server.population.database_url, autocommit=True) as connection:
        signal = add_signals(connection, each)
        add_notifications(connection, server.population.users, each, first_signal=signal, read=0, age_days=0)


def _rewind_inboxes(server: Server) -> None:
    with psycopg.connect(server.population.database_url, autocommit=True) as connection:
        connection.execute("UPDATE notifications_inbox SET last_seq = 0")


async def _until(true: Callable[[], bool], timeout_s: float) -> None:
    """Wait for it, in vain after the time-out: the figures show what is missing."""
    deadline = time.monotonic() + timeout_s
    while not true() and time.monotonic() < deadline:
        await asyncio.sleep(0.1)
