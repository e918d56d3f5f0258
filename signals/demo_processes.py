"""The demo's processes: the server, and the replay of market data beside it. Where one ends, nothing stays behind."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO

HOST = "127.0.0.1"
FIRST_PORT, LAST_PORT = 8000, 8099
SERVER_START_TIMEOUT_S = 60
POLL_S = 0.2
STOP_POLL_S = 0.05
STOP_TIMEOUT_S = 10
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class ProcessError(Exception):
    """A process did not start, or ended by itself; the text says which and how."""


class StopRequest:
    """Made by Ctrl-C, by SIGTERM and by the terminal's closing, for as long as the block lasts."""

    def __init__(self) -> None:
        self._made = False  # a plain flag: a handler that sets an Event can meet the Event's own lock

    def __enter__(self) -> StopRequest:
        self._before = {number: signal.signal(number, self._on_signal) for number in STOP_SIGNALS}
        return self

    def __exit__(self, *exception: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def made_within(self, timeout_s: float) -> bool:
        """Wait until it is made, at most so long."""
        deadline = time.monotonic() + timeout_s
        while not self._made and (left_s := deadline - time.monotonic()) > 0:
            time.sleep(min(left_s, STOP_POLL_S))
        return self._made

    def _on_signal(self, number: int, frame: object) -> None:
        self._made = True


def free_port() -> int:
    """8000, or the next one on which nobody listens. Raises ProcessError when all are taken."""
    for port in range(FIRST_PORT, LAST_PORT + 1):
        if not _is_taken(port):
            return port
    raise ProcessError(f"The ports {FIRST_PORT} to {LAST_PORT} are all taken.")


@contextmanager
def server(port: int, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Daphne on the loopback interface, ended with the block; `log` holds the output of this run."""
    command = [sys.executable, "-m", "daphne", "-b", HOST, "-p", str(port), "zenithedge.asgi:application"]
    with log.open("wb") as output, _process(command, {"SITE_URL": site_url(port)}, output=output) as process:
        yield process


@contextmanager
def replay(port: int, tokens: Iterable[str], arguments: Iterable[str]) -> Iterator[subprocess.Popen[bytes]]:
    """`manage.py replay_market`, which deals the setups out to the owners of the tokens; ended with the block."""
    command = [sys.executable, "manage.py", "replay_market", "--url", site_url(port), *arguments]
    with _process(command, {"ZENITHEDGE_WEBHOOK_TOKEN": ",".join(tokens)}) as process:
        yield process


def site_url(port: int) -> str:
    return f"http://{HOST}:{port}"


def wait_until_live(port: int, process: subprocess.Popen[bytes], stop: StopRequest) -> bool:
    """True when the server answers, False when the end was asked for. Raises ProcessError when it never answers."""
    deadline = time.monotonic() + SERVER_START_TIMEOUT_S
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise ProcessError(f"The server ended while starting ({ending(process)}).")
        if _is_live(port):
            return True
        if stop.made_within(POLL_S):
            return False
    raise ProcessError(f"The server did not answer within {SERVER_START_TIMEOUT_S} s.")


def watch(
    server_process: subprocess.Popen[bytes],
    replay_process: subprocess.Popen[bytes],
    stop: StopRequest,
    on_replay_end: Callable[[], None],
) -> None:
    """Return when the end is asked for. Raises ProcessError when the server ends by itself."""
    replay_runs = True
    while not stop.made_within(POLL_S):
        if server_process.poll() is not None:
            raise ProcessError(f"The server has ended by itself ({ending(server_process)}).")
        if replay_runs and replay_process.poll() is not None:
            replay_runs = False
            on_replay_end()


def ending(process: subprocess.Popen[bytes]) -> str:
    """How an ended process ended, in words."""
    code = process.returncode
    return f"signal {-code}" if code < 0 else f"exit code {code}"


@contextmanager
def _process(
    command: list[str], environment: Mapping[str, str], output: IO[bytes] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    # In a session of its own, so that Ctrl-C reaches the demo alone and it ends its processes in order.
    process = subprocess.Popen(  # noqa: S603 - our own programs
        command,
        env=os.environ | environment,
        stdout=output,
        stderr=output,
        stdin=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _is_taken(port: int) -> bool:
    with socket.socket() as client:
        client.settimeout(1)
        if client.connect_ex((HOST, port)) == 0:
            return True
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the server does
        try:
            listener.bind((HOST, port))
        except OSError:
            return True
    return False


def _is_live(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"{site_url(port)}/livez", timeout=2) as response:  # noqa: S310 - http
            return bool(response.status == 200)
    except OSError:
        return False
