"""The sockets that this process holds, what reaches them, and the tick that looks after them.

A hint for a user arrives once a process (`hub`) and goes to each of the user's sockets. The tick makes true what hints
only make fast: it finds what was written without a hint arriving here, and ends sockets whose sign-in no longer holds.
One registry an event loop; a server has one loop.
"""

from __future__ import annotations

import asyncio
import atexit
import logging
from collections import Counter, defaultdict
from collections.abc import Awaitable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any, Protocol

from django.db import Error as DatabaseFault

from notifications import brake, realtime, sessions, stream
from notifications.hub import Hub
from notifications.positions import SentPosition
from notifications.sessions import SignIn
from notifications.stream import CatchUp, Place
from notifications.threads import in_database
from zenithedge.chunks import chunks

logger = logging.getLogger(__name__)

# Of one user in this process: tabs and devices of a person, and an end to a page that connects in a loop.
MAX_SOCKETS_A_USER = 20

# On the in-memory layer other processes' hints do not arrive here; what they wrote is to be seen within 2 s. The same
# while the shared layer is away.
POLL_LOCAL_S = 1.0
# On a shared layer hints arrive; this heals a lost one for a client that never syncs, for one query a process.
POLL_SHARED_S = 10.0
# A socket that is behind gets this long for its hint, which says better what happened than the row does.
HINT_GRACE_S = 0.3

# Sign-ins are checked within 30 s without a hint: this and a slow database leave room for two misses.
CHECK_S = 10.0
# In slices, spread over that time: threads that work take the interpreter from the sockets for milliseconds at a time.
CHECKED_AT_ONCE = 250
LOOKED_AT_ONCE = 2000  # positions are read more quickly
HEALED_AT_ONCE = 100  # users whose missed rows are read in three queries
# Of that time; the rest is for the next round to begin in time.
CHECK_ROUND = 0.8


class Socket(Protocol):
    """What the registry needs of a consumer."""

    user_id: int
    sign_in: SignIn
    position: SentPosition
    braked: bool
    open: bool

    @property
    def idle(self) -> bool: ...
    def forward(self, seq: int | None, text: str) -> None: ...
    def send_missed(self, answer: CatchUp, *, since: int) -> None: ...
    def tell_of_brake(self, *, braked: bool) -> None: ...
    def sign_out(self) -> None: ...


class TooManySocketsError(Exception):
    """The user has as many as one may have."""


_registries: dict[asyncio.AbstractEventLoop, Registry] = {}


async def enter(socket: Socket) -> None:
    """Look after a socket from now on; returns when its user's hints arrive here. Raises TooManySocketsError."""
    loop = asyncio.get_running_loop()
    registry = _registries.get(loop)
    if registry is None:
        realtime.register_loop(loop)
        registry = _registries[loop] = Registry()
    registry.add(socket)
    await registry.hub.listen_to(socket.user_id)


def leave(socket: Socket) -> None:
    """Forget a socket, known or not; hub and tick end with the last one."""
    loop = asyncio.get_running_loop()
    registry = _registries.get(loop)
    if registry and registry.discard(socket):
        del _registries[loop]


def look_after(socket: Socket) -> None:
    """Find soon what this socket missed: hints for it were dropped."""
    registry = current()
    if registry is not None:
        registry.poll_soon()


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
            _end_tasks(loop)  # among them the sockets, whose last one starts the hub's leave-taking
            _end_tasks(loop)


def _end_tasks(loop: asyncio.AbstractEventLoop) -> None:
    tasks = asyncio.all_tasks(loop)
    for task in tasks:
        task.cancel()
    if tasks:
        loop.run_until_complete(asyncio.wait(tasks, timeout=1.0))


class Registry:
    """The sockets of one event loop, by user."""

    def __init__(self) -> None:
        self._by_user: defaultdict[int, list[Socket]] = defaultdict(list)
        self._to_check: set[int] = set()
        self._check_now, self._poll_now = asyncio.Event(), asyncio.Event()
        self.hub = Hub(self.take, self.poll_soon)
        self._tasks = [
            asyncio.create_task(duty) for duty in (self._poll_forever(), self._check_forever(), self._recheck_forever())
        ]

    def add(self, socket: Socket) -> None:
        held = self._by_user[socket.user_id]
        if len(held) >= MAX_SOCKETS_A_USER:
            raise TooManySocketsError
        held.append(socket)

    def discard(self, socket: Socket) -> bool:
        """True when it was the last."""
        held = self._by_user.get(socket.user_id, [])
        if socket in held:
            held.remove(socket)
            if not held:
                del self._by_user[socket.user_id]
                self.hub.ignore(socket.user_id)
        if not self._by_user:
            self.hub.end()
            for task in self._tasks:
                task.cancel()
        return not self._by_user

    def sockets(self, user_ids: Iterable[int] | None = None) -> list[Socket]:
        """The established sockets, of these users or of all."""
        chosen = self._by_user.keys() if user_ids is None else self._by_user.keys() & set(user_ids)
        return [socket for user_id in chosen for socket in self._by_user[user_id] if socket.open]

    def take(self, message: dict[str, Any]) -> None:
        """A message from the channel layer. What is unreadable is another release's, or its mistake: no socket ends."""
        user_id, seq, text = message.get("user_id"), message.get("seq", 0), message.get("frame")
        if message.get("type") != realtime.EVENT_TYPE or type(user_id) is not int or user_id not in self._by_user:
            return
        if message.get("recheck") is True:
            self.recheck_soon(user_id)
        if isinstance(text, str) and (seq is None or (type(seq) is int and seq > 0)):
            for socket in tuple(self._by_user[user_id]):
                socket.forward(seq, text)

    def recheck_soon(self, user_id: int) -> None:
        """Have this user's sign-ins checked at once, instead of when their turn comes."""
        self._to_check.add(user_id)
        self._check_now.set()

    def poll_soon(self) -> None:
        """Have the next poll at once."""
        self._poll_now.set()

    # --- The duties of the tick -------------------------------------------------------------------------------------

    async def poll(self) -> None:
        """Send to sockets what is stored and was not sent, after a moment in which its hint may still arrive."""
        behind = await self._behind()
        if not behind:
            return
        await _wait_for_hints()
        places: defaultdict[Place, list[Socket]] = defaultdict(list)
        for socket, position in behind:
            if socket.position.through == position.through:
                places[Place(socket.user_id, position.through, position.epoch)].append(socket)
        rounds = _one_of_a_user(places)
        await _each(self._heal(dict(some)) for one in rounds for some in chunks(list(one.items()), HEALED_AT_ONCE))

    async def look_at_brake(self) -> None:
        """Tell the sockets when sending was stopped for everybody, or goes on. No hint says so: it is told seldom."""
        braked = await in_database(brake.is_engaged)
        for socket in self.sockets():
            if socket.braked != braked:
                socket.tell_of_brake(braked=braked)

    async def check(self, user_ids: Iterable[int] | None = None, *, within_s: float = 0.0) -> None:
        """Close the sockets, of these users or of all, whose sign-in no longer holds; evenly over `within_s`."""
        loop = asyncio.get_running_loop()
        started = loop.time()
        slices = list(chunks(self.sockets(user_ids), CHECKED_AT_ONCE))
        for number, some in enumerate(slices, 1):
            await _each([self._check_some(some)])
            await asyncio.sleep(max(0.0, started + within_s * number / len(slices) - loop.time()))

    # --- How they are done ------------------------------------------------------------------------------------------

    async def _check_some(self, sockets: Sequence[Socket]) -> None:
        valid = await in_database(sessions.still_valid, {socket.sign_in for socket in sockets})
        for socket in sockets:
            if socket.open and socket.sign_in not in valid:
                socket.sign_out()

    async def _behind(self) -> list[tuple[Socket, SentPosition]]:
        """Sockets that are not where their streams are, with the positions that they had before the question."""
        behind = []
        for some in chunks(self.sockets(), LOOKED_AT_ONCE):
            places = [(socket, replace(socket.position)) for socket in some if socket.idle]
            last = await in_database(stream.last_seqs, {socket.user_id for socket, _ in places})
            behind += [
                (socket, place) for socket, place in places if last.get(socket.user_id, place.through) != place.through
            ]
        return behind

    async def _heal(self, places: Mapping[Place, Sequence[Socket]]) -> None:
        """Places of different users. Where they cannot be asked for together, each is by itself."""
        try:
            missed = await in_database(stream.catch_up_together, list(places))
        except DatabaseFault:
            if len(places) == 1:
                raise
            await _each(self._heal({place: sockets}) for place, sockets in places.items())
            return
        for place, sockets in places.items():
            for socket in sockets:
                if socket.idle:  # else in the next poll
                    socket.send_missed(missed[place], since=place.since)

    async def _poll_forever(self) -> None:
        while True:
            seldom = self.hub.hears and not realtime.layer_is_local()
            await _set_or_after(self._poll_now, POLL_SHARED_S if seldom else POLL_LOCAL_S)
            self._poll_now.clear()
            await _each([self.poll(), self.look_at_brake()])

    async def _check_forever(self) -> None:
        while True:
            await asyncio.sleep(CHECK_S * (1 - CHECK_ROUND))
            await _each([self.check(within_s=CHECK_S * CHECK_ROUND)])

    async def _recheck_forever(self) -> None:
        while True:
            await self._check_now.wait()
            self._check_now.clear()
            asked, self._to_check = self._to_check, set()
            await _each([self.check(asked)])


async def _wait_for_hints() -> None:
    await asyncio.sleep(HINT_GRACE_S)


async def _set_or_after(event: asyncio.Event, seconds: float) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()


def _one_of_a_user(places: Mapping[Place, list[Socket]]) -> list[dict[Place, list[Socket]]]:
    """In rounds, each with one place of a user at most: two tabs may have got differently far."""
    rounds: list[dict[Place, list[Socket]]] = []
    seen: Counter[int] = Counter()
    for place, sockets in places.items():
        if seen[place.user_id] == len(rounds):
            rounds.append({})
        rounds[seen[place.user_id]][place] = sockets
        seen[place.user_id] += 1
    return rounds


async def _each(duties: Iterable[Awaitable[None]]) -> None:
    """Do them side by side. A fault of one is logged and touches no other: sockets and tick live on."""
    for fault in await asyncio.gather(*duties, return_exceptions=True):
        if isinstance(fault, Exception):
            logger.error("The sockets' tick failed in part; it goes on", exc_info=fault)
        elif fault is not None:
            raise fault
