"""What is on its way to one client: sent at once while the client reads, kept within bounds while it does not."""

from __future__ import annotations

import asyncio
import logging
import types
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Generator
from typing import Any, Protocol

from notifications import metrics

logger = logging.getLogger(__name__)

Message = dict[str, Any]  # an ASGI message
Send = Callable[[Message], Coroutine[Any, Any, None]]

# What one client may have waiting here before hints for it are dropped; a few hundred notifications.
MAX_WAITING_BYTES = 256 * 1024
# A client that takes nothing for this long is not coming back; servers' own pings miss one that goes on sending.
STUCK_S = 30.0


class Owner(Protocol):
    """Whose messages these are."""

    def gone(self) -> None:
        """The server says that there is no client any more."""

    def stuck(self) -> None:
        """The client has taken nothing for STUCK_S."""

    def fell_behind(self) -> None:
        """Hints were dropped, and there is room again."""


class Outbox:
    """The messages of one socket, in order, through the server's `send`.

    A server lets `send` wait while its client does not read. A message is therefore begun in the turn of whoever has
    it, which most times is all; when the server makes us wait, a task goes on with it and with what comes meanwhile.
    """

    __slots__ = ("_dropped", "_owner", "_send", "_waiting", "_waiting_bytes", "_writer")

    def __init__(self, send: Send, owner: Owner) -> None:
        self._send = send
        self._owner = owner
        self._waiting: deque[Message] | None = None
        self._waiting_bytes = 0
        self._writer: asyncio.Task[None] | None = None
        self._dropped = False

    @property
    def flows(self) -> bool:
        """Whether nothing waits for the client."""
        return self._writer is None

    def offer(self, text: str) -> bool:
        """Send a hint, in its order. False: the client is too far behind, and the hint is dropped and counted."""
        if self._waiting_bytes + len(text) > MAX_WAITING_BYTES and self._writer is not None:
            self._dropped = True
            metrics.HINTS_DROPPED.labels("slow_socket").inc()
            return False
        self.put(text)
        return True

    def put(self, text: str) -> None:
        """Send a frame, in its order, whatever room there is: who answers commands waits for `flows` in between."""
        if self._writer is None:
            self._begin({"type": "websocket.send", "text": text})
        else:
            self._keep({"type": "websocket.send", "text": text})

    def end(self, message: Message) -> None:
        """Send the last message. What still waits is thrown away."""
        self._waiting, self._waiting_bytes, self._dropped = None, 0, False
        if self._writer is None:
            self._begin(message)
        else:
            self._keep(message)

    async def flow(self) -> None:
        """Wait until nothing waits for the client."""
        if self._writer is not None:
            await asyncio.wait([self._writer])

    def _keep(self, message: Message) -> None:
        self._waiting = self._waiting or deque()
        self._waiting.append(message)
        self._waiting_bytes += len(message.get("text", ""))

    def _begin(self, message: Message) -> None:
        sending = self._send(message)
        try:
            awaited = sending.send(None)
        except StopIteration:
            return
        except Exception as error:
            self._tell_gone(error)
            return
        self._writer = asyncio.create_task(self._write(_rest_of(sending, awaited)))

    async def _write(self, sending: Awaitable[None]) -> None:
        try:
            await _within_patience(sending)
            while self._waiting:
                message = self._waiting.popleft()
                self._waiting_bytes -= len(message.get("text", ""))
                await _within_patience(self._send(message))
        except TimeoutError:
            self._owner.stuck()
        except Exception as error:
            self._tell_gone(error)
        finally:
            self._writer, self._waiting, self._waiting_bytes = None, None, 0
        if self._dropped:
            self._dropped = False
            self._owner.fell_behind()

    def _tell_gone(self, error: Exception) -> None:
        if not isinstance(error, OSError):  # with which servers say that the client is gone
            logger.error("WebSocket message could not be sent", exc_info=error)
        self._owner.gone()


async def _within_patience(sending: Awaitable[None]) -> None:
    async with asyncio.timeout(STUCK_S):
        await sending


@types.coroutine
def _rest_of(sending: Coroutine[Any, Any, None], awaited: Any) -> Generator[Any, Any, None]:
    """The rest, for a task to go on with, of a coroutine that was begun outside of one and waits for `awaited`."""
    try:
        yield awaited
    except BaseException:
        sending.close()
        raise
    yield from sending
