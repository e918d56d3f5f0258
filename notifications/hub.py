"""What this process hears from the channel layer: one channel for all its users, and one task that reads it.

The layer may fail in silence (a restart, a flush, a frozen Redis), so the hub listens for its own voice: a beat through
a group of its own every few seconds. While none comes back it is deaf, and the sockets' tick looks into the database
instead; when it hears again it joins every group anew and has the tick look once more, for what was said meanwhile.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Any

from notifications import realtime

logger = logging.getLogger(__name__)

BEAT_S = 3.0
BEAT_PATIENCE_S = 2.0
# A layer that is away holds up nobody's handshake for longer: the socket is opened, and served by the tick.
JOIN_PATIENCE_S = 1.0
JOINED_AT_ONCE = 100
RETRY_S = 1.0
RECANCEL_S = 0.1
# The layers forget a member after a day (group_expiry).
REJOIN_S = 3600.0


class Hub:
    """The ear of one event loop. `take` gets each message; `look` is told that it is time to look into the database."""

    def __init__(self, take: Callable[[dict[str, Any]], None], look: Callable[[], None]) -> None:
        self._take = take
        self._look = look
        self._wanted: set[int] = set()
        self._joined: set[int] = set()
        self._unsettled: set[int] = set()  # whose membership may not be as wanted
        self._changed = asyncio.Event()
        self._settled = asyncio.Event()
        self._beat_heard = asyncio.Event()
        self._channel = ""
        self._deaf = False
        self._task = asyncio.create_task(self._live())

    @property
    def hears(self) -> bool:
        """Whether hints for every wanted user arrive here, as far as can be known."""
        return not self._deaf and not self._unsettled

    async def listen_to(self, user_id: int) -> None:
        """Returns when this user's hints arrive here, or it has become clear that this will take a while."""
        self._wanted.add(user_id)
        if user_id not in self._joined or user_id in self._unsettled:
            self._change({user_id})
            await self.settle()

    def ignore(self, user_id: int) -> None:
        """Let go of a user's hints, soon."""
        self._wanted.discard(user_id)
        self._change({user_id})

    async def settle(self) -> None:
        """Returns when groups are as they were asked for, or after JOIN_PATIENCE_S; at once while nothing is heard."""
        if self._deaf or not self._unsettled:
            return
        try:
            async with asyncio.timeout(JOIN_PATIENCE_S):
                await self._settled.wait()
        except TimeoutError:
            logger.warning("The channel layer does not let us join; the database is asked instead")

    def end(self) -> None:
        """Leave every group and stop, soon."""
        self._change(self._wanted)
        self._wanted = set()
        self._ending = asyncio.create_task(self._end())

    async def _end(self) -> None:
        try:
            if self._channel:
                await self.settle()
                await realtime.leave_beats(self._channel)
        except Exception:
            logger.exception("The channel layer was left in disorder")
        finally:
            self._task.cancel()

    # --- Its three duties -------------------------------------------------------------------------------------------

    async def _live(self) -> None:
        await self._until_it_works(self._open)
        duties = (self._receive(), self._keep_groups(), self._listen_for_beats())
        tasks = [asyncio.create_task(duty) for duty in duties]
        try:
            await asyncio.wait(tasks)
        finally:
            await _ended(tasks)

    async def _open(self) -> None:
        self._channel = await realtime.new_channel()

    async def _receive(self) -> None:
        while True:
            await self._until_it_works(self._receive_on)

    async def _receive_on(self) -> None:
        while True:
            message = await realtime.receive(self._channel)
            if "beat" in message:
                self._beat_heard.set()
            else:
                self._take(message)

    async def _keep_groups(self) -> None:
        while True:
            await self._changed.wait()
            await self._until_it_works(self._join_and_leave)

    async def _join_and_leave(self) -> None:
        """One task, so that for one user leaving and coming back can't overtake each other."""
        while some := list(self._unsettled)[:JOINED_AT_ONCE]:
            await asyncio.gather(*(self._move(user_id) for user_id in some))
        self._changed.clear()
        self._settled.set()

    async def _move(self, user_id: int) -> None:
        wanted = user_id in self._wanted
        if wanted and user_id not in self._joined:
            await realtime.join(user_id, self._channel)
            self._joined.add(user_id)
        elif not wanted and user_id in self._joined:
            await realtime.leave(user_id, self._channel)
            self._joined.discard(user_id)
        if wanted == (user_id in self._wanted):  # else it was changed meanwhile: once more
            self._unsettled.discard(user_id)

    async def _listen_for_beats(self) -> None:
        await self._until_it_works(self._join_beats)
        rejoin_at = asyncio.get_running_loop().time() + REJOIN_S
        while True:
            await asyncio.sleep(BEAT_S)
            heard = await self._hears_itself()
            if not heard:
                self._be_deaf()
            elif self._deaf or asyncio.get_running_loop().time() >= rejoin_at:
                rejoin_at = asyncio.get_running_loop().time() + REJOIN_S
                await self._join_anew()

    async def _hears_itself(self) -> bool:
        self._beat_heard.clear()
        try:
            async with asyncio.timeout(BEAT_PATIENCE_S):
                if self._deaf:
                    await self._join_beats()  # a flush or a restart forgets groups
                await realtime.beat(self._channel)
                await self._beat_heard.wait()
        except Exception as fault:  # whatever a layer raises, and the time-out: each means that nothing was heard
            logger.debug("No beat: %r", fault)
            return False
        return True

    async def _join_beats(self) -> None:
        await realtime.join_beats(self._channel)

    async def _join_anew(self) -> None:
        self._deaf = False
        self._joined.clear()
        self._change(self._wanted)
        await self.settle()
        self._look()  # for what was said meanwhile

    def _be_deaf(self) -> None:
        if not self._deaf:
            logger.warning("The channel layer brings nothing back; the database is asked until it does")
            self._deaf = True
            self._look()

    def _change(self, user_ids: set[int]) -> None:
        self._unsettled |= user_ids
        self._settled.clear()
        self._changed.set()

    async def _until_it_works(self, duty: Callable[[], Awaitable[None]]) -> None:
        """Whatever the layer raises: hints are lost, the sockets are not."""
        while True:
            fault = None
            try:
                await duty()
            except Exception as raised:
                fault = raised
            if _is_to_end():  # a layer may answer a cancellation with a fault of its own, or forget it
                raise asyncio.CancelledError from fault
            if fault is None:
                return
            self._be_deaf()
            logger.error("The channel layer failed; trying again in %.0f s", RETRY_S, exc_info=fault)
            await asyncio.sleep(RETRY_S)


async def _ended(tasks: Sequence[asyncio.Task[None]]) -> None:
    """End them, however often that takes; no gathering, and no loop that is closing, asks a task more than once.

    Redis's client sends through `asyncio.wait_for`, which before Python 3.12 forgets a cancellation that comes just as
    what it waits for is done (python/cpython#86296).
    """
    while pending := [task for task in tasks if not task.done()]:
        for task in pending:
            task.cancel()
        with suppress(asyncio.CancelledError):  # we are ending as it is
            await asyncio.wait(pending, timeout=RECANCEL_S)


def _is_to_end() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
