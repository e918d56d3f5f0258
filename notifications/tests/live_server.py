"""The real application on a real port, in a thread of the test's process: a test can reach into it."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import uvicorn

from notifications.tests import tabs
from zenithedge.asgi import application


@dataclass
class LiveServer:
    server: uvicorn.Server

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server.servers[0].sockets[0].getsockname()[1]}"

    def cut(self) -> None:
        """Lose every connection as a tunnel does: without a word."""
        for connection in list(self.server.server_state.connections):
            connection.loop.call_soon_threadsafe(connection.transport.abort)


@contextmanager
def running_server() -> Iterator[LiveServer]:
    """It listens when the block begins, and closes its sockets at the end."""
    server = uvicorn.Server(
        uvicorn.Config(application, port=0, lifespan="off", ws="websockets-sansio", log_config=None)
    )
    thread = threading.Thread(target=server.run, name="live server")
    thread.start()
    try:
        deadline = time.monotonic() + tabs.PATIENCE_S
        while not server.started:
            assert time.monotonic() < deadline, "The server did not start."
            time.sleep(0.01)
        yield LiveServer(server)
    finally:
        server.should_exit = server.force_exit = True
        thread.join()


@contextmanager
def live_server() -> Iterator[str]:
    """The address of a server that runs as long as the block."""
    with running_server() as server:
        yield server.address
