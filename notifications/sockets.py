"""The sockets that this process holds, and the tick that looks after them.

The tick makes true what hints only make fast: it finds what was written without a hint arriving here, ends sockets
whose sign-in no longer holds, and keeps sockets in their groups. One registry an event loop; a server has one loop.
"""

from __future__ import annotations

import asyncio
import atexit
import logging
from collections import defaultdict
from collections.abc import Awaitable, Iterable
from contextlib import suppress
from dataclasses import replace
from typing import Protocol

from notifications import realtime, sessions, stream
from notifications.positions import SentPosition
from notifications.sessions import SignIn
from notifications.stream import CatchUp
from notifications.threads import in_database

logger = logging.getLogger(__name__)

# Of one user in this process: tabs and devices of a person, and an end to a page that connects in a loop.
MAX_SOCKETS_A_USER = 20

# On the in-memory layer other processes' hints do not arrive here; what they wrote is to be seen within 2 s.
POLL_LOCAL_S = 1.0
# On a shared layer hints arrive; this heals a lost one for a client that never syncs, for one query a process.
POLL_SHARED_S = 10.0
# A socket that is behind gets this long for its hint, which says better what happened than the row does.
HINT_GRACE_S = 0.3

# Sign-ins are checked within 30 s without a hint: this and a slow database leave room for two misses.
CHECK_S = 10.0
# The layers forget a member after a day (group_expiry).
REJOIN_S = 3600.0

# A client that does not read may hold up the tick for this long; its server's keep-alive then ends it.
SLOW_SOCKET_S = 5.0


class Socket(Protocol):
    """What the registry needs of a consumer."""

    user_id: int
    sign_in: SignIn
    joined_at: float
    position: SentPosition
    open: bool

    async def send_missed(self, answer: CatchUp, *, since: int) -> None: ...
    async def sign_out(self) -> None: ...
    async def join_group(self) -> None: ...


class TooManySocketsError(Exception):
    """The user has as many as one may have."""


_registries: dict[asyncio.AbstractEventLoop, Registry] = {}


def enter(socket: Socket) -> None:
    """Look after a socket from now on. Raises TooManySocketsError."""
    loop = asyncio.get_running_loop()
    registry = _registries.get(loop) or Registry()
    registry.add(socket)
    _registries[loop] = registry


def leave(socket: Socket) -> None:
    """Forget a socket, known or not; the tick ends with the last one."""
    loop = asyncio.get_running_loop()
    registry = _registries.get(loop)
    if registry and registry.discard(socket):
        del _registries[loop]


def current() -> Registry | None:
    """The registry of the running loop, while it has sockets."""
    return _registries.get(asyncio.get_running_loop())


@atexit.register
def end_left_over_tasks() -> None:
    """Let go of sockets that a stopped server left behind, as `asyncio.run` does and daphne does not.

    Torn down with the interpreter instead, pending tasks crash Python before 3.11.8 (python/cpython#113566).
    """
    for loop in list(_registries):
        if not loop.is_running() and not loop.is_closed():
            tasks = asyncio.all_tasks(loop)
            for task in tasks:
                task.cancel()
            loop.run_until_complete(asyncio.wait(tasks, timeout=1.0))


class Registry:
    """The sockets of one event loop, by user."""

    def __init__(self) -> None:
        self._by_user: defaultdict[int, set[Socket]] = defaultdict(set)
        self._asked: set[int] = set()
        self._wake = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    def add(self, socket: Socket) -> None:
        if len(self._by_user[socket.user_id]) >= MAX_SOCKETS_A_USER:
            raise TooManySocketsError
        self._by_user[socket.user_id].add(socket)
        if not self._tasks:
            self._tasks = [asyncio.create_task(self._poll_forever()), asyncio.create_task(self._check_forever())]

    def discard(self, socket: Socket) -> bool:
        """True when it was the last."""
        self._by_user[socket.user_id].discard(socket)
        if not self._by_user[socket.user_id]:
            del self._by_user[socket.user_id]
        if not self._by_user:
            for task in self._tasks:
                task.cancel()
        return not self._by_user

    def sockets(self, user_ids: Iterable[int] | None = None) -> list[Socket]:
        """The established sockets, of these users or of all."""
        chosen = self._by_user.keys() if user_ids is None else self._by_user.keys() & set(user_ids)
        return [socket for user_id in chosen for socket in self._by_user[user_id] if socket.open]

    def recheck_soon(self, user_id: int) -> None:
        """Have this user's sign-ins checked at once, instead of when their turn comes."""
        self._asked.add(user_id)
        self._wake.set()

    # --- The duties of the tick -------------------------------------------------------------------------------------

    async def poll(self) -> None:
        """Send to sockets what is stored and was not sent, after a moment in which its hint may still arrive."""
        behind = await self._behind()
        if not behind:
            return
        await _wait_for_hints()
        groups: defaultdict[tuple[int, int, str], list[Socket]] = defaultdict(list)
        for socket, position in behind:
            if socket.position.through == position.through:
                groups[socket.user_id, position.through, position.epoch].append(socket)
        await _each(self._heal(*place, sockets) for place, sockets in groups.items())

    async def check(self, user_ids: Iterable[int] | None = None) -> None:
        """Close the sockets, of these users or of all, whose sign-in no longer holds."""
        sockets = self.sockets(user_ids)
        if sockets:
            valid = await in_database(sessions.still_valid, {socket.sign_in for socket in sockets})
            await _each(_unless_slow(socket.sign_out()) for socket in sockets if socket.sign_in not in valid)

    async def rejoin(self) -> None:
        """Put sockets into their groups again before the layer forgets them."""
        due = asyncio.get_running_loop().time() - REJOIN_S
        await _each(socket.join_group() for socket in self.sockets() if socket.joined_at <= due)

    # --- How they are done ------------------------------------------------------------------------------------------

    async def _behind(self) -> list[tuple[Socket, SentPosition]]:
        """Sockets that are not where their streams are, with the positions that they had before the question."""
        places = [(socket, replace(socket.position)) for socket in self.sockets()]
        if not places:
            return []
        last = await in_database(stream.last_seqs, {socket.user_id for socket, _ in places})
        return [(socket, place) for socket, place in places if last.get(socket.user_id, place.through) != place.through]

    async def _heal(self, user_id: int, through: int, epoch: str, sockets: list[Socket]) -> None:
        missed = await in_database(stream.catch_up, user_id, since=through, epoch=epoch)
        await _each(_unless_slow(socket.send_missed(missed, since=through)) for socket in sockets)

    async def _poll_forever(self) -> None:
        while True:
            await asyncio.sleep(POLL_LOCAL_S if realtime.layer_is_local() else POLL_SHARED_S)
            await _each([self.poll()])

    async def _check_forever(self) -> None:
        loop = asyncio.get_running_loop()
        next_round = loop.time() + CHECK_S
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout_at(next_round):
                    await self._wake.wait()
            asked = self._take_asked()
            if loop.time() >= next_round:
                next_round = loop.time() + CHECK_S
                await _each([self.check(), self.rejoin()])
            else:
                await _each([self.check(asked)])

    def _take_asked(self) -> set[int]:
        asked, self._asked = self._asked, set()
        self._wake.clear()
        return asked


async def _wait_for_hints() -> None:
    await asyncio.sleep(HINT_GRACE_S)


async def _each(duties: Iterable[Awaitable[None]]) -> None:
    """Do them side by side. A fault of one is logged and touches no other: sockets and tick live on."""
    for fault in await asyncio.gather(*duties, return_exceptions=True):
        if isinstance(fault, Exception):
            logger.error("The sockets' tick failed in part; it goes on", exc_info=fault)
        elif fault is not None:
            raise fault


async def _unless_slow(duty: Awaitable[None]) -> None:
    try:
        async with asyncio.timeout(SLOW_SOCKET_S):
            await duty
    except TimeoutError:
        logger.warning("A socket took nothing for %.0f s; the tick goes on without it", SLOW_SOCKET_S)
