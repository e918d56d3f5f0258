"""Very many sockets for little work: a client that counts frames, driven by lines on its standard input.

connect <file>           open a socket for each line `<path> <session key>` of the file; prints {seconds}
expect <frames> <secs>   forget what came, say so, wait until that many have come; prints {frames, seconds}
quit
"""

import asyncio
import json
import sys
import time
from pathlib import Path

import uvloop

CONNECTING_AT_ONCE = 50


class Counter:
    def __init__(self) -> None:
        self.reset(sys.maxsize)

    def reset(self, wanted: int) -> None:
        self.frames, self.wanted, self.last, self.done = 0, wanted, 0.0, asyncio.Event()

    def add(self, frames: int) -> None:
        self.frames += frames
        if self.frames >= self.wanted:
            self.last = time.perf_counter()
            self.done.set()


class Socket(asyncio.Protocol):
    """`ready` is set by the first frame after the handshake."""

    def __init__(self, request: bytes, counter: Counter) -> None:
        self.request, self.counter, self.rest, self.shaken = request, counter, b"", False
        self.ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        transport.write(self.request)  # type: ignore[attr-defined]

    def data_received(self, data: bytes) -> None:
        data = self.rest + data
        if not self.shaken:
            head, end, data = data.partition(b"\r\n\r\n")
            if not end:
                self.rest = head
                return
            if b" 101 " not in head.split(b"\r\n")[0]:
                self.ready.set_exception(ConnectionError(head.decode(errors="replace")))
                return
            self.shaken = True
        frames = 0
        while len(data) >= 2:
            size, header = data[1] & 127, 2
            if size == 126:
                size, header = int.from_bytes(data[2:4], "big"), 4
            elif size == 127:
                size, header = int.from_bytes(data[2:10], "big"), 10
            if len(data) < header + size:
                break
            frames += data[0] & 15 == 1  # text; pings are left alone
            data = data[header + size :]
        self.rest = data
        if frames and not self.ready.done():
            self.ready.set_result(None)
        self.counter.add(frames)

    def connection_lost(self, error: Exception | None) -> None:
        if not self.ready.done():
            self.ready.set_exception(ConnectionError("closed"))


async def main(port: int) -> None:
    loop, counter, sockets = asyncio.get_running_loop(), Counter(), []
    turn = asyncio.Semaphore(CONNECTING_AT_ONCE)

    async def open_socket(path: str, session: str) -> None:
        request = (
            f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nOrigin: http://127.0.0.1:{port}\r\n"
            f"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            f"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nCookie: sessionid={session}\r\n"
            "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:130.0) Gecko/20100101 Firefox/130.0\r\n"
            "Accept-Language: en-US,en;q=0.5\r\nAccept-Encoding: gzip, deflate\r\nCache-Control: no-cache\r\n\r\n"
        ).encode()
        async with turn:
            _, socket = await loop.create_connection(lambda: Socket(request, counter), "127.0.0.1", port)
            await socket.ready
        sockets.append(socket)

    while line := (await loop.run_in_executor(None, sys.stdin.readline)).split():
        started = time.perf_counter()
        if line[0] == "connect":
            await asyncio.gather(*(open_socket(*place) for place in places_in(line[1])))
            say(seconds=time.perf_counter() - started)
        elif line[0] == "expect":
            counter.reset(int(line[1]))
            say()
            try:
                async with asyncio.timeout(float(line[2])):
                    await counter.done.wait()
            except TimeoutError:
                pass  # who asked sees how many came
            say(frames=counter.frames, at=counter.last)
        else:
            return


def places_in(file: str) -> list[list[str]]:
    return [place.split() for place in Path(file).read_text().splitlines()]


def say(**figures: float) -> None:
    sys.stdout.write(json.dumps(figures) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1])))
