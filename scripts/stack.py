"""The whole production topology on this machine: PostgreSQL, Redis, ASGI servers, Celery's worker and beat, nginx.

    python -m scripts.stack [--servers daphne,uvicorn,uvicorn] [--workers 2] [--layer core]

Everything listens on free ports of the loopback interface and keeps its files in a temporary directory; Ctrl-C ends it.
"""

from __future__ import annotations

import argparse
import json
import secrets
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from scripts import asgi_servers, needs, nginx, units
from scripts.processes import Process, ProcessError, free_port
from scripts.with_services import postgres_service, redis_service, temporary_directory
from signals.demo_processes import StopRequest

ROOT = Path(__file__).resolve().parent.parent
DEFAULT_SERVERS = ("daphne", "uvicorn")
LAYERS = ("pubsub", "core")
READY_WITHIN_S = 30
POLL_S = 0.1

PREPARE = """
import sys
from pathlib import Path
from django.core.management import call_command
from signals import demo
call_command("migrate", interactive=False, verbosity=0)
call_command("collectstatic", interactive=False, verbosity=0, ignore_patterns=["tests"])
demo.prepare(Path(sys.argv[1]))
"""


@dataclass(frozen=True)
class Stack:
    """What runs. `processes` are `postgres`, `redis`, `nginx`, `beat`, `daphne-1`, `uvicorn-2`, …, `worker-1`, …

    `environment` is what `manage.py` and other programs of the project need to work on the same data;
    `server_addresses` go past nginx. `passwords` and `tokens` are the demo's, by account; the house has a token too.
    """

    address: str
    server_addresses: Mapping[str, str]
    database_url: str
    redis_url: str
    environment: Mapping[str, str]
    processes: Mapping[str, Process]
    passwords: Mapping[str, str]
    tokens: Mapping[str, str]
    directory: Path

    @property
    def asgi(self) -> list[Process]:
        return [process for name, process in self.processes.items() if name in self.server_addresses]

    @property
    def workers(self) -> list[Process]:
        return [process for name, process in self.processes.items() if name.startswith("worker-")]

    def webhook(self, owner: str = "house") -> str:
        """The address to which alerts for this account, or the house, are posted."""
        return f"{self.address}/signals/webhook/{self.tokens[owner]}/"

    def is_ready(self) -> bool:
        """Whether /readyz is green, through nginx."""
        return is_green(f"{self.address}/readyz")

    def wait_until_ready(self, timeout_s: float = READY_WITHIN_S) -> None:
        """Raises ProcessError when /readyz does not turn green."""
        deadline = time.monotonic() + timeout_s
        while not self.is_ready():
            if time.monotonic() > deadline:
                raise ProcessError(f"{self.address}/readyz did not turn green within {timeout_s} s.")
            time.sleep(POLL_S)


@contextmanager
def stack(
    servers: Sequence[str] = DEFAULT_SERVERS,
    *,
    workers: int = 1,
    layer: str = "pubsub",
    durable: bool = True,
    webhook_rate: str = "",
    environment: Mapping[str, str] | None = None,
) -> Iterator[Stack]:
    """Start everything and end it with the block, whatever happens in it; a killed caller's is ended by the kernel.

    `durable`: PostgreSQL survives a crash. `environment` is added to what the project's own processes get. Raises
    ProcessError, or needs.MissingError, when something does not start.
    """
    with ExitStack() as exit_stack:
        directory = exit_stack.enter_context(temporary_directory())
        maker = _Maker(directory, exit_stack)
        postgres, database_url = postgres_service(directory, durable=durable)
        redis, redis_url = redis_service(directory)
        maker.run(postgres, redis)
        port = free_port()
        address = f"http://127.0.0.1:{port}"
        maker.environment = _environment(directory, address, database_url, redis_url, layer) | dict(environment or {})
        demo = maker.prepare()
        addresses = maker.run_servers(servers, workers)
        maker.run_nginx(port, addresses.values(), webhook_rate)
        running = Stack(
            address=address,
            server_addresses={name: f"http://{at}" for name, at in addresses.items()},
            database_url=database_url,
            redis_url=redis_url,
            environment=maker.environment,
            processes=maker.processes,
            passwords=demo["passwords"],
            tokens=demo["tokens"],
            directory=directory,
        )
        running.wait_until_ready()
        yield running


class _Maker:
    """Makes the processes, starts them, and sees to it that they are stopped in the opposite order."""

    def __init__(self, directory: Path, exit_stack: ExitStack) -> None:
        self.environment: dict[str, str] = {}
        self.processes: dict[str, Process] = {}
        self._directory = directory
        self._exit_stack = exit_stack

    def run(self, *processes: Process) -> None:
        """All at once; returns when each one answers."""
        for process in processes:
            self._exit_stack.callback(process.stop)
            process.launch()
            self.processes[process.name] = process
        for process in processes:
            process.wait_until_it_answers()

    def prepare(self) -> dict[str, dict[str, str]]:
        """Migrate, collect the static files and make the demo's accounts; returns their secrets."""
        kept = self._directory / "demo.json"
        command = [sys.executable, "-c", f"import django; django.setup()\n{PREPARE}", str(kept)]
        environment = self._of("prepare")
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
        if done.returncode:
            raise ProcessError(f"The database could not be prepared:\n{done.stderr}")
        secrets_of_demo: dict[str, dict[str, str]] = json.loads(kept.read_text(encoding="utf-8"))
        return secrets_of_demo

    def run_servers(self, servers: Sequence[str], workers: int) -> dict[str, str]:
        """The ASGI servers, Celery's workers and beat; returns the servers' names with host and port."""
        addresses = {f"{server}-{number}": f"127.0.0.1:{free_port()}" for number, server in enumerate(servers, 1)}
        self.run(
            *(self._asgi_server(name, address) for name, address in addresses.items()),
            *(self._worker(f"worker-{number}") for number in range(1, workers + 1)),
            self._make("beat", units.command("beat"), answers=lambda beat: beat.has_said("maxinterval")),
        )
        return addresses

    def run_nginx(self, port: int, upstreams: Collection[str], webhook_rate: str) -> None:
        directory = self._directory / "nginx"
        directory.mkdir()
        listen = f"127.0.0.1:{port}"
        static = self.environment["STATIC_ROOT"]
        site = nginx.Site(list(upstreams), listen=listen, logs=str(directory), webhook_rate=webhook_rate, static=static)
        command = [needs.nginx(), "-c", str(nginx.write_own(site, directory)), "-p", str(directory)]
        answers = _answers_at(f"http://{listen}/livez")
        self.run(Process("nginx", [*command, "-e", str(directory / "error.log")], self._log("nginx"), answers))

    def _asgi_server(self, name: str, address: str) -> Process:
        server, port = name.partition("-")[0], int(address.rpartition(":")[2])
        command = asgi_servers.command(server, port)
        return self._make(name, command, answers=_answers_at(f"http://{address}/livez"))

    def _worker(self, name: str) -> Process:
        command = units.command("worker@", name.removeprefix("worker-"))
        return self._make(name, command, answers=lambda worker: worker.has_said(" ready."))

    def _make(self, name: str, command: list[str], *, answers: Callable[[Process], bool]) -> Process:
        return Process(name, command, self._log(name), answers, environment=self._of(name), directory=ROOT)

    def _of(self, name: str) -> dict[str, str]:
        """Log files that are rotated cannot be shared, so each process has one of its own."""
        return self.environment | {"LOG_FILE": str(self._directory / "logs" / f"{name}.log")}

    def _log(self, name: str) -> Path:
        return self._directory / f"{name}.log"


def _environment(directory: Path, address: str, database_url: str, redis_url: str, layer: str) -> dict[str, str]:
    """Everything that the settings read, so that nothing of the caller's own environment gets in."""
    counters = directory / "metrics"
    counters.mkdir()
    return {
        "DJANGO_SETTINGS_MODULE": "zenithedge.settings",
        "DJANGO_SECRET_KEY": secrets.token_urlsafe(48),
        "DJANGO_DEBUG": "false",
        "DJANGO_ALLOWED_HOSTS": "127.0.0.1,localhost",
        "SITE_URL": address,
        "TRUSTED_PROXIES": "127.0.0.1",
        "DATABASE_URL": database_url,
        "REDIS_URL": redis_url,
        "REDIS_PREFIX": "zenithedge",
        "STATIC_ROOT": str(directory / "static"),
        "CHANNEL_LAYER": layer,
        "NOTIFICATIONS_WORKER": "false",
        "EMAIL_URL": "consolemail://",
        "TIME_ZONE": "UTC",
        "LOG_LEVEL": "INFO",
        "METRICS_TOKEN": secrets.token_urlsafe(24),
        "PROMETHEUS_MULTIPROC_DIR": str(counters),
    }


def _answers_at(url: str) -> Callable[[Process], bool]:
    return lambda process: is_green(url)


def is_green(url: str) -> bool:
    """Whether a health check answers 200."""
    try:
        with urllib.request.urlopen(url, timeout=2) as response:  # noqa: S310 - our own
            return bool(response.status == 200)
    except OSError:
        return False


# --- In the foreground ----------------------------------------------------------------------------------------------


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--servers", default=",".join(DEFAULT_SERVERS), help="ASGI servers (default: %(default)s)")
    parser.add_argument("--workers", type=int, default=1, help="Celery workers (default: %(default)s)")
    parser.add_argument("--layer", choices=LAYERS, default=LAYERS[0], help="channel layer (default: %(default)s)")
    parser.add_argument("--webhook-rate", default="", help="nginx's limit for each address, such as 10r/s")
    options = parser.parse_args()
    print("Starting PostgreSQL, Redis, servers, workers and nginx ...", flush=True)
    try:
        with (
            StopRequest() as stop,
            stack(
                options.servers.split(","),
                workers=options.workers,
                layer=options.layer,
                webhook_rate=options.webhook_rate,
            ) as running,
        ):
            _introduce(running)
            _watch(running, stop)
            print("\nStopping ...", flush=True)
    except (ProcessError, needs.MissingError, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _introduce(running: Stack) -> None:
    lines = [
        f"\n  ZenithEdge runs at {running.address}/",
        "\n  Sign in as",
        *(f"    {name:<8}{password}" for name, password in running.passwords.items()),
        "\n  Post alerts to (the house's, alice's, bob's webhook)",
        *(f"    {running.webhook(owner)}" for owner in ("house", "alice", "bob")),
        "\n  Processes",
        *(f"    {name:<12}{process.pid:>8}  {process.log}" for name, process in running.processes.items()),
        f"\n  DATABASE_URL={running.database_url}  REDIS_URL={running.redis_url}",
        "  Ctrl-C ends everything and deletes its data.\n",
    ]
    print("\n".join(lines), flush=True)


def _watch(running: Stack, stop: StopRequest) -> None:
    """Return when the end is asked for; say which processes end before, which somebody may have wanted."""
    ended: set[str] = set()
    while not stop.made_within(POLL_S):
        for name, process in running.processes.items():
            if name not in ended and not process.is_running:
                ended.add(name)
                print(f"  {name} has ended; the end of its log:\n{process.end_of_log()}", flush=True)


if __name__ == "__main__":
    raise SystemExit(main())
