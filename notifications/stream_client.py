"""A client of the notification socket, protocol version 1: keeps a socket open and its state level with the server.

It does what the page's own script does: goes on from its position when it connects, asks when a position is missing
and every now and then, acknowledges, reads the list when it cannot be told what it missed, and connects again at
random within growing limits. The load test and the fault tests hold theirs with it. It needs neither Django nor a
database, so it may also serve whoever writes a client of another kind as an example.
"""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import Any, Self
from urllib.parse import urlencode, urlsplit

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus

from notifications.stream_state import Row, StreamState, ignore

SIGNED_OUT = 4401
UNANSWERED = 4000  # our own: closed by this side because nothing came back
REFUSED = 403
HTTP_TIMEOUT_S = 10.0
LIST_LIMIT = 100


@dataclass(frozen=True, slots=True)
class Policy:
    """When the client asks, answers and tries again; the numbers of docs/protocol.md."""

    sync_every_s: float = 25.0
    sync_jitter: float = 0.2  # of the interval, to both sides: clients that came together drift apart
    answer_within_s: float = 10.0  # no frame at all after a question: the connection is dead
    gap_s: float = 0.3  # hints may overtake each other by that much
    ack_every_s: float = 0.25
    reconnect_min_s: float = 0.5
    reconnect_max_s: float = 10.0

    def backoff_s(self, attempt: int) -> float:
        """Full jitter: anywhere between the minimum and a ceiling that doubles with each failed attempt (1, 2, …)."""
        ceiling = min(self.reconnect_max_s, self.reconnect_min_s * 2.0 ** min(attempt, 16))
        return random.uniform(self.reconnect_min_s, ceiling)  # noqa: S311 - no secret hangs on it

    def heartbeat_s(self) -> float:
        return self.sync_every_s * (1 + self.sync_jitter * random.uniform(-1, 1))  # noqa: S311 - no secret either


class SignedOutError(Exception):
    """The server does not know the session any more; trying again is no use."""


@dataclass(frozen=True, slots=True)
class Account:
    """Whose stream, where, and the `Cookie` header that opens it. `site` is such as http://127.0.0.1:8000."""

    site: str
    user_id: int
    cookie: str

    def stream_address(self, *, since: int, epoch: str) -> str:
        site = "ws" + self.site.removeprefix("http").rstrip("/")
        return f"{site}/stream/insights/{self.user_id}/?{urlencode({'since': since, 'epoch': epoch})}"

    def read_list(self) -> dict[str, Any]:
        """The whole list with the position that it is at least as new as. Blocks. Raises OSError, SignedOutError."""
        first = page = self._page(None)
        rows: list[Row] = list(first["notifications"])
        while page["next_before"] is not None:
            page = self._page(page["next_before"])
            rows += page["notifications"]
        return {
            "rows": rows,
            "last_seq": first["last_seq"],
            "epoch": first["epoch"],
            "unread_count": first["unread_count"],
        }

    def is_signed_in(self) -> bool:
        """Whether the API still knows the session; a server that does not answer has not said no. Blocks."""
        try:
            self._get("/notifications/api/unread-count/")
        except SignedOutError:
            return False
        except OSError:
            return True
        return True

    def _page(self, before: int | None) -> dict[str, Any]:
        query = {"limit": LIST_LIMIT} | ({} if before is None else {"before": before})
        return self._get(f"/notifications/api/list/?{urlencode(query)}")

    def _get(self, path: str) -> dict[str, Any]:
        parts = urlsplit(self.site)
        connection_type = HTTPSConnection if parts.scheme == "https" else HTTPConnection
        connection = connection_type(parts.netloc, timeout=HTTP_TIMEOUT_S)
        try:
            connection.request("GET", path, headers={"Cookie": self.cookie})
            response = connection.getresponse()
            body = response.read()
        except HTTPException as error:
            raise ConnectionError(f"No usable answer from {path}: {error!r}") from error
        finally:
            connection.close()
        if response.status == 401:
            raise SignedOutError
        if response.status != 200:
            raise ConnectionError(f"{path} was answered with {response.status}")
        answer: dict[str, Any] = json.loads(body)
        return answer


class StreamClient:
    """One tab's worth of a client. `run` returns only when the session has ended or it is cancelled.

    `connects` counts accepted sockets, `closes` what ended them, by close code (0: refused or unreachable).
    """

    def __init__(
        self, account: Account, policy: Policy = Policy(), *, on_arrival: Callable[[Row], None] = ignore
    ) -> None:
        self.account = account
        self.policy = policy
        self.state = StreamState(on_arrival)
        self.connection: ClientConnection | None = None
        self.connects = 0
        self.closes: dict[int, int] = {}
        self.signed_out = False
        self._attempt = 0
        self._due: dict[str, float] = {}  # what is to be done, and when by the loop's clock
        self._acknowledged = 0
        self._next_ack = 0.0

    @property
    def level(self) -> bool:
        """Connected, and at the position that the server last spoke of."""
        return self.connection is not None and not self.state.behind

    async def run(self) -> None:
        while not self.signed_out:
            code = await self._one_socket()
            self.closes[code] = self.closes.get(code, 0) + 1
            self._attempt += 1
            if code in (SIGNED_OUT, REFUSED):  # a refused handshake can have other reasons: ask once
                self.signed_out = not await asyncio.to_thread(self.account.is_signed_in)
            if not self.signed_out:
                await asyncio.sleep(self.policy.backoff_s(self._attempt))

    async def cut(self) -> None:
        """Lose the connection as a tunnel does: without a word."""
        if self.connection is not None:
            self.connection.transport.abort()

    # --- One socket -------------------------------------------------------------------------------------------------

    async def _one_socket(self) -> int:
        """Open a socket and follow it to its end; the code that ended it, 403 for a refused handshake, 0 for none."""
        address = self.account.stream_address(since=self.state.position, epoch=self.state.epoch)
        headers = {"Cookie": self.account.cookie}
        opening = connect(
            address, additional_headers=headers, compression=None, proxy=None, ping_interval=None, close_timeout=2
        )
        try:
            async with opening as connection:
                self.connects += 1
                return await self._follow(connection)
        except InvalidStatus as refusal:
            return REFUSED if refusal.response.status_code == REFUSED else 0
        except (OSError, TimeoutError, InvalidHandshake):
            return 0
        finally:
            self.connection = None

    async def _follow(self, connection: ClientConnection) -> int:
        loop = asyncio.get_running_loop()
        self._due = {"answer": loop.time() + self.policy.answer_within_s}
        try:
            while True:
                try:
                    async with asyncio.timeout_at(min(self._due.values(), default=None)):
                        text = await connection.recv()
                except TimeoutError:
                    await self._do_what_is_due(connection)
                else:
                    self._take(connection, json.loads(text))
                    await self._do_what_is_due(connection)
        except SignedOutError:
            return SIGNED_OUT
        except ConnectionClosed as closed:
            return closed.rcvd.code if closed.rcvd else 1006

    def _take(self, connection: ClientConnection, frame: dict[str, Any]) -> None:
        now = asyncio.get_running_loop().time()
        self._due.pop("answer", None)
        if frame["type"] == "connection_established":
            self.connection, self._attempt = connection, 0
            self._acknowledged = frame["last_seq"] if self.state.epoch != frame["epoch"] else self.state.position
            self._due["sync"] = now + self.policy.heartbeat_s()
        self.state.receive(frame)
        if self.state.stale:
            self._due.setdefault("list", now)
        elif self.state.behind:
            self._due.setdefault("gap", now + self.policy.gap_s)
        else:
            self._due.pop("gap", None)
        if self.state.position > self._acknowledged and "ack" not in self._due:
            self._due["ack"] = max(now, self._next_ack)

    async def _do_what_is_due(self, connection: ClientConnection) -> None:
        now = asyncio.get_running_loop().time()
        for name in [name for name, at in self._due.items() if at <= now]:
            del self._due[name]
            if name == "answer":
                await connection.close(UNANSWERED)
            elif name == "ack":
                self._acknowledged, self._next_ack = self.state.position, now + self.policy.ack_every_s
                await self._send(connection, command="ack", seq=self.state.position, visible=True)
            elif name == "list":
                await self._read_list()
            else:
                await self._sync(connection, now)

    async def _sync(self, connection: ClientConnection, now: float) -> None:
        self._due["sync"] = now + self.policy.heartbeat_s()
        self._due.setdefault("answer", now + self.policy.answer_within_s)
        await self._send(connection, command="sync", since=self.state.position, epoch=self.state.epoch)

    async def _read_list(self) -> None:
        """Frames that come meanwhile wait in the connection; what they change is applied after the list."""
        try:
            listing = await asyncio.to_thread(self.account.read_list)
        except OSError:
            self._attempt += 1
            self._due["list"] = asyncio.get_running_loop().time() + self.policy.backoff_s(self._attempt)
        else:
            self.state.replace(listing.pop("rows"), **listing)

    async def _send(self, connection: ClientConnection, **command: Any) -> None:
        await connection.send(json.dumps(command))


class Clients:
    """Many clients at once, for as long as the block lasts."""

    def __init__(self, clients: list[StreamClient]) -> None:
        self.clients = clients
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        self._tasks = [asyncio.create_task(client.run()) for client in self.clients]
        return self

    async def __aexit__(self, *exception: object) -> None:
        for task in self._tasks:
            task.cancel()
        for task in self._tasks:
            with suppress(asyncio.CancelledError):
                await task
