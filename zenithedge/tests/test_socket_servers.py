"""Both servers wait for a client that does not read, listen to none that they can't answer, and say when they end."""

from __future__ import annotations

import signal
import socket
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from scripts import asgi_servers
from zenithedge.tests import socket_application

PATIENCE_S = 30  # a busy machine is no failure; what is waited for ends the wait
RESTART = 1012


@dataclass
class Server:
    process: subprocess.Popen[bytes]
    port: int

    def open(self, path: str) -> socket.socket:
        """A socket whose handshake is done."""
        client = socket.create_connection(("127.0.0.1", self.port), PATIENCE_S)
        client.sendall(
            f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{self.port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".encode()
        )
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += client.recv(1)
        assert b" 101 " in head
        return client


@pytest.fixture(params=asgi_servers.SERVERS)
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = asgi_servers.command(request.param, port)
    command[command.index(asgi_servers.APPLICATION)] = f"{socket_application.__name__}:application"
    process = subprocess.Popen(
        command, cwd=Path(__file__).parents[2], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        wait_until(lambda: listens(port))
        yield Server(process, port)
    finally:
        process.kill()
        process.wait()


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def wait_until(claim: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not claim():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_what_a_client_does_not_read_is_not_kept_without_limit(server: Server) -> None:
    address = f"http://127.0.0.1:{server.port}/waits"
    with server.open("/flood"), urllib.request.urlopen(address, timeout=PATIENCE_S) as answer:
        sent = int(answer.read())
    assert 0 < sent < socket_application.MAX_CHUNKS


def test_a_client_that_is_not_answered_is_not_listened_to(server: Server) -> None:
    """What it sends fills the kernel's buffers, not the server's memory."""
    frame = b"\x81\xfe\x20\x00" + bytes(4) + b"x" * 0x2000
    far_too_much = frame * (32 * 1024 * 1024 // len(frame))
    with server.open("/deaf") as client:
        client.settimeout(1.0)
        with pytest.raises(TimeoutError):
            client.sendall(far_too_much)


def test_clients_are_told_that_the_server_ends(server: Server) -> None:
    with server.open("/until-the-end") as client:
        server.process.send_signal(signal.SIGTERM)
        frame = client.recv(4)
    assert (frame[0], frame[2:]) == (0x88, RESTART.to_bytes(2, "big"))
