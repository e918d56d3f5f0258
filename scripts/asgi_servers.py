"""How the site's ASGI application is started under each server that it supports; the one place for their options."""

from __future__ import annotations

import os
import sys

SERVERS = ("daphne", "uvicorn")
APPLICATION = "zenithedge.asgi:application"
# Longer than nginx keeps an idle connection to us, so that no request meets one that is being closed.
KEEP_ALIVE_S = 75
# How long a uvicorn that is told to end waits for what it has begun.
GRACE_S = 10
LARGEST_FRAME = 16 * 1024  # bytes; the consumer's own limit is 4 KiB, and it answers what is larger


def command(server: str, port: int) -> list[str]:
    """Start the site with `server` on a port of the loopback interface.

    Neither looks at what a proxy forwards; the application does (TRUSTED_PROXIES). Raises ValueError for another one.
    """
    if server == "daphne":
        # Of frames only: its limit for messages (1 MiB) holds for those that we send too, and a client that has missed
        # a hundred notifications is sent 80 kB.
        options = ["--websocket-max-frame-size", str(LARGEST_FRAME)]
        return [sys.executable, "-m", "daphne", "-b", "127.0.0.1", "-p", str(port), *options, APPLICATION]
    if server == "uvicorn":
        return [sys.executable, "-m", "uvicorn", "--host", "127.0.0.1", "--port", str(port), *_uvicorn()]
    raise ValueError(f"There is no server {server!r}; there are {' and '.join(SERVERS)}.")


def of_tests() -> str:
    """The server under which the tests start the site: TEST_SERVER, else daphne."""
    return os.environ.get("TEST_SERVER", SERVERS[0])


def _uvicorn() -> list[str]:
    options = {
        "--lifespan": "off",
        "--ws": "websockets-sansio",
        "--ws-max-size": LARGEST_FRAME,
        "--ws-per-message-deflate": "false",  # 2–3 times the memory of a socket
        "--timeout-keep-alive": KEEP_ALIVE_S,
        "--timeout-graceful-shutdown": GRACE_S,
    }
    return [
        "--no-proxy-headers",
        *(part for name, value in options.items() for part in (name, str(value))),
        APPLICATION,
    ]
