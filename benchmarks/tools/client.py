"""The one client of all sides: many WebSocket connections in one process, driven by lines of JSON on standard input.

Each command is answered by one line of JSON:

    {"do": "connect", "sockets": [{"url": …, "cookie": …}], "at_once": 50, "dialect": "plain"}
                                                             {connected, failed, seconds, why}
    {"do": "arm", "keep": "tags" | "count", "mark": …}       forget what came so far, and what to look for; {}
    {"do": "collect", "frames": 1000, "timeout_s": 20}       wait for so many marked frames since `arm`;
                                                             {frames, first, last, mean_octets, tags}
    {"do": "send", "text": …}                                send it on each socket; {}
    {"do": "stall", "sockets": 1}, {"do": "resume"}          leave the first sockets unread, and read them again; {}
    {"do": "close"}                                          {}

A frame is marked when it contains `mark`, by default `bench-<number>`. Times are of the monotonic clock, which all
processes of a machine share. With "tags", `collect` also answers [number, socket, time] of each marked frame. A
connection counts as made when its handshake is done, in the socket.io dialect when the name space has admitted it.
"""

import asyncio
import json
import re
import sys
import time
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

import picows
import uvloop

MARK = r"bench-(\d+)"
HANDSHAKE_TIMEOUT_S = 60
ATTEMPTS = 3


class Frames:
    """What has come since the last `arm`, on all sockets."""

    def __init__(self) -> None:
        self.arm(keep="count")

    def arm(self, *, keep: str, mark: str = MARK) -> None:
        self.mark = re.compile(mark.encode())
        self.keep_tags = keep == "tags"
        self.marked = self.octets = 0
        self.first = self.last = 0.0
        self.tags: list[tuple[int, int, float]] = []
        self.wanted = sys.maxsize
        self.complete = asyncio.Event()

    def add(self, payload: bytes, socket: int) -> None:
        found = self.mark.search(payload)
        if found is None:
            return
        now = self.last = time.monotonic()
        if self.marked == 0:
            self.first = now
        self.marked += 1
        self.octets += len(payload)
        if self.keep_tags:
            self.tags.append((int(found[1]), socket, now))
        if self.marked >= self.wanted:
            self.complete.set()

    async def collect(self, wanted: int, timeout_s: float) -> dict[str, Any]:
        self.wanted = wanted
        if self.marked < wanted:
            try:
                async with asyncio.timeout(timeout_s):
                    await self.complete.wait()
            except TimeoutError:
                pass  # the caller sees how many there are
        return {
            "frames": self.marked,
            "first": self.first,
            "last": self.last,
            "mean_octets": self.octets / self.marked if self.marked else 0,
            "tags": self.tags,
        }


class Socket(picows.WSListener):  # type: ignore[misc]  # picows is not in the project's own environment
    def __init__(self, number: int, frames: Frames) -> None:
        self.number = number
        self.frames = frames
        self.ready = asyncio.get_running_loop().create_future()

    def on_ws_connected(self, transport: Any) -> None:
        self.transport = transport
        self.ready.set_result(None)

    def on_ws_frame(self, transport: Any, frame: Any) -> None:
        if frame.msg_type in (picows.WSMsgType.TEXT, picows.WSMsgType.BINARY):
            self.frames.add(frame.get_payload_as_bytes(), self.number)

    def on_ws_disconnected(self, transport: Any) -> None:
        if not self.ready.done():
            self.ready.set_exception(ConnectionError("closed before it was ready"))


class SocketIO(Socket):
    """Engine.IO 4 over a WebSocket: "0" open, "40" connect to the name space, "2" is answered with "3"."""

    def on_ws_connected(self, transport: Any) -> None:
        self.transport = transport

    def on_ws_frame(self, transport: Any, frame: Any) -> None:
        payload = frame.get_payload_as_bytes()
        if payload.startswith(b"42"):
            self.frames.add(payload, self.number)
        elif payload.startswith(b"2"):
            transport.send(picows.WSMsgType.TEXT, b"3")
        elif payload.startswith(b"0"):
            transport.send(picows.WSMsgType.TEXT, b"40")
        elif payload.startswith(b"40"):
            self.ready.set_result(None)
        elif payload.startswith(b"44"):
            self.ready.set_exception(ConnectionError("refused"))


DIALECTS = {"plain": Socket, "socketio": SocketIO}


class Client:
    def __init__(self) -> None:
        self.frames = Frames()
        self.sockets: list[Socket] = []

    async def obey(self, command: dict[str, Any]) -> dict[str, Any]:
        what = command.pop("do")
        if what == "connect":
            return await self.connect(**command)
        if what == "collect":
            return await self.frames.collect(command["frames"], command["timeout_s"])
        if what == "arm":
            self.frames.arm(**command)
        elif what == "send":
            for socket in self.sockets:
                socket.transport.send(picows.WSMsgType.TEXT, command["text"].encode())
        elif what == "stall":
            for socket in self.sockets[: command["sockets"]]:
                socket.transport.underlying_transport.pause_reading()
        elif what == "resume":
            for socket in self.sockets:
                if not socket.transport.underlying_transport.is_reading():
                    socket.transport.underlying_transport.resume_reading()
        elif what == "close":
            for socket in self.sockets:
                socket.transport.disconnect()
            self.sockets = []
        else:
            raise ValueError(f"unknown command {what!r}")
        return {}

    async def connect(self, sockets: list[dict[str, str]], at_once: int, dialect: str) -> dict[str, Any]:
        turns = asyncio.Semaphore(at_once)
        started = time.monotonic()
        first = len(self.sockets)
        outcomes = await asyncio.gather(
            *(self._open(turns, first + place, one, DIALECTS[dialect]) for place, one in enumerate(sockets)),
            return_exceptions=True,
        )
        seconds = time.monotonic() - started
        failures = [outcome for outcome in outcomes if isinstance(outcome, BaseException)]
        self.sockets += [outcome for outcome in outcomes if isinstance(outcome, Socket)]
        return {
            "connected": len(outcomes) - len(failures),
            "failed": len(failures),
            "seconds": seconds,
            "why": repr(failures[0]) if failures else "",
        }

    async def _open(self, turns: asyncio.Semaphore, number: int, one: dict[str, str], kind: type[Socket]) -> Socket:
        """Open one when it is its turn; a server that is overrun is asked again, as any client would."""
        async with turns:
            for _attempt in range(ATTEMPTS - 1):
                with suppress(ConnectionError, TimeoutError, picows.WSError):
                    return await self._try_to_open(number, one, kind)
            return await self._try_to_open(number, one, kind)

    async def _try_to_open(self, number: int, one: dict[str, str], kind: type[Socket]) -> Socket:
        site = urlsplit(one["url"])
        headers = {"Origin": f"http://{site.netloc}"} | ({"Cookie": one["cookie"]} if one["cookie"] else {})
        async with asyncio.timeout(HANDSHAKE_TIMEOUT_S):
            _, socket = await picows.ws_connect(
                lambda: kind(number, self.frames),
                one["url"],
                extra_headers=headers,
                websocket_handshake_timeout=HANDSHAKE_TIMEOUT_S,
            )
            if socket is None:  # closed in the handshake
                raise ConnectionError("closed before it was ready")
            await socket.ready
        return socket


async def main() -> None:
    loop = asyncio.get_running_loop()
    lines = asyncio.StreamReader(limit=64 * 1024 * 1024)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    client = Client()
    while line := await lines.readline():
        sys.stdout.write(json.dumps(await client.obey(json.loads(line))) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    uvloop.run(main())
