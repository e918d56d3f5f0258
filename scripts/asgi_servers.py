"""How the site's ASGI application is started under each server that it supports; deploy/systemd has the options."""

from __future__ import annotations

import os

from scripts import units

SERVERS = ("daphne", "uvicorn")
APPLICATION = "zenithedge.asgi:application"


def command(server: str, port: int) -> list[str]:
    """Start the site with `server` on a port of the loopback interface.

    Neither looks at what a proxy forwards; the application does (TRUSTED_PROXIES). Raises ValueError for another one.
    """
    if server not in SERVERS:
        raise ValueError(f"There is no server {server!r}; there are {' and '.join(SERVERS)}.")
    return units.command(f"{server}@", str(port))


def of_tests() -> str:
    """The server under which the tests start the site: TEST_SERVER, else daphne."""
    return os.environ.get("TEST_SERVER", SERVERS[0])
