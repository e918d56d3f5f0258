"""Where all sides are measured: one PostgreSQL, one Redis; accounts, servers, writers and the client for each side."""

import itertools
import shutil
import string
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg

from benchmarks import environments
from benchmarks.processes import Program, ProgramError
from scripts import asgi_servers
from scripts.processes import free_port

ROOT = Path(__file__).resolve().parent.parent
SIDES = ROOT / "benchmarks" / "sides"
SECRET_KEY = "of the benchmark, which listens on the loopback interface only"  # noqa: S105
SETTINGS = {"ours": "zenithedge.settings", "tutorial": "tutorial.settings", "hq": "settings"}
PYTHONPATH = {"ours": ROOT, "tutorial": SIDES / "tutorial", "hq": SIDES / "hq"}
# As ours is started (scripts/asgi_servers.py), and the others where they share the server.
UVICORN = (
    "--lifespan",
    "off",
    "--ws",
    "websockets-sansio",
    "--ws-max-size",
    "16384",
    "--ws-per-message-deflate",
    "false",
)


@dataclass(frozen=True)
class Contestant:
    """A side behind a server: `ours` behind `uvicorn`."""

    side: str
    server: str = ""

    def __str__(self) -> str:
        return f"{self.side} {self.server}".strip()


OURS_DAPHNE, OURS_UVICORN = Contestant("ours", "daphne"), Contestant("ours", "uvicorn")
TUTORIAL_DAPHNE, TUTORIAL_UVICORN = Contestant("tutorial", "daphne"), Contestant("tutorial", "uvicorn")
HQ, SOCKETIO, NCHAN = Contestant("hq"), Contestant("socketio"), Contestant("nchan")
WEBSOCKETS, POSTGRESQL = Contestant("websockets"), Contestant("postgresql")
OURS = (OURS_DAPHNE, OURS_UVICORN)
STOCK = {OURS_DAPHNE: TUTORIAL_DAPHNE, OURS_UVICORN: TUTORIAL_UVICORN}
WITH_SOCKETS = (OURS_DAPHNE, OURS_UVICORN, TUTORIAL_DAPHNE, TUTORIAL_UVICORN, SOCKETIO, NCHAN, WEBSOCKETS)


@dataclass
class Population:
    """A side's own database and Redis keys, with accounts that are signed in."""

    side: str
    environment: dict[str, str]
    users: list[int]
    cookies: list[str] = field(default_factory=list)

    @property
    def database_url(self) -> str:
        return self.environment["DATABASE_URL"]


@dataclass
class Server:
    program: Program
    contestant: Contestant
    port: int
    population: Population
    environment: dict[str, str]  # beside the population's

    def socket(self, place: int) -> dict[str, str]:
        """Where the user at that place connects, and as whom."""
        user = self.population.users[place]
        if self.contestant == SOCKETIO:
            path, cookie = "socket.io/?EIO=4&transport=websocket", f"user={user}"
        else:
            path, cookie = f"stream/insights/{user}/", self.population.cookies[place]
        return {"url": f"ws://127.0.0.1:{self.port}/{path}", "cookie": cookie}


class Arena:
    """Makes accounts in databases of their own, and starts programs in sets that end together."""

    def __init__(self, directory: Path, services: dict[str, str]) -> None:
        shutil.rmtree(directory, ignore_errors=True)
        directory.mkdir(parents=True)
        self.directory = directory
        self.services = services
        self.missing: dict[str, str] = {}  # side → why it cannot be had
        self._first_ids = itertools.count(1_000_000, 1_000_000)  # user ids, and so channel names, are no two sides' own
        self._templates: set[str] = set()
        self._tags = itertools.count(1)
        for side in ("hq", "nchan", "socketio", "tutorial", "websockets"):
            try:
                environments.python(side)
            except environments.UnavailableError as error:
                self.missing[side] = str(error)
        try:
            environments.nchan_module()
        except environments.UnavailableError as error:
            self.missing["nchan"] = str(error)

    def can_be_had(self, contestant: Contestant) -> bool:
        return contestant.side not in self.missing

    def tags(self, count: int) -> int:
        """The first of so many numbers that no other insight of this run bears."""
        first = next(self._tags)
        self._tags = itertools.count(first + count)
        return first

    # --- Databases and accounts -----------------------------------------------------------------------------------

    def population(self, side: str, users: int) -> Population:
        first_id = next(self._first_ids)
        database = f"{side}_{first_id}"
        environment = self._environment(side, database)
        ids = list(range(first_id, first_id + users))
        if side not in SETTINGS:
            self._create_database(database)
            return Population(side, environment, ids, [""] * users)
        if side not in self._templates:
            template = f"{side}_template"
            self._create_database(template)
            self._seed(side, self._environment(side, template), "migrate")
            self._templates.add(side)
        self._create_database(database, template=f"{side}_template")
        cookies = self._seed(side, environment, "accounts", str(users), str(first_id))
        return Population(side, environment, ids, cookies)

    def drop(self, population: Population) -> None:
        """Give the disk back."""
        name = urlsplit(population.database_url).path.lstrip("/")
        with psycopg.connect(self.services["DATABASE_URL"], autocommit=True) as connection:
            connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')

    def _environment(self, side: str, database: str) -> dict[str, str]:
        address = self.services["DATABASE_URL"].rpartition("/")[0]
        environment = {
            "DATABASE_URL": f"{address}/{database}",
            "REDIS_URL": self.services["REDIS_URL"],
            "REDIS_PREFIX": database,
            "DJANGO_SECRET_KEY": SECRET_KEY,
            "LOG_FILE": str(self.directory / f"{database}-django.log"),
            "NOTIFICATIONS_WORKER": "false",
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        if side in SETTINGS:
            environment |= {"DJANGO_SETTINGS_MODULE": SETTINGS[side], "PYTHONPATH": str(PYTHONPATH[side])}
        return environment

    def _create_database(self, name: str, template: str = "template1") -> None:
        with psycopg.connect(self.services["DATABASE_URL"], autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')

    def _seed(self, side: str, environment: dict[str, str], *arguments: str) -> list[str]:
        output = self.directory / "seed.out"
        program = Program(
            f"seed of {side}",
            ["sh", "-c", '"$@" > "$OUTPUT"', "sh", environments.python(side), SIDES / "seed.py", *arguments],
            log=self.directory / "seed.log",
            environment=environment | {"OUTPUT": str(output)},
            directory=ROOT,
        )
        if program.process.wait() != 0:
            raise program.error("failed")
        return output.read_text().split()

    # --- Programs -------------------------------------------------------------------------------------------------

    @contextmanager
    def programs(self) -> Iterator["Programs"]:
        """A set of servers, writers and clients that end together."""
        with Programs(self) as programs:
            yield programs


class Programs:
    def __init__(self, arena: Arena) -> None:
        self.arena = arena
        self._running: list[Program] = []

    def __enter__(self) -> "Programs":
        return self

    def __exit__(self, *error: object) -> None:
        for program in reversed(self._running):
            program.stop()

    def servers(
        self, contestants: Sequence[Contestant], users: int, environment: dict[str, str] | None = None
    ) -> dict[Contestant, Server]:
        """A server for each contestant that can be had, each with a population of its own."""
        chosen = [contestant for contestant in contestants if self.arena.can_be_had(contestant)]
        populations = {contestant: self.arena.population(contestant.side, users) for contestant in chosen}
        started = {one: self.start(one, populations[one], environment) for one in chosen}
        for server in started.values():
            server.program.wait_for_port(server.port)
        return started

    def server(
        self, contestant: Contestant, population: Population, environment: dict[str, str] | None = None
    ) -> Server:
        server = self.start(contestant, population, environment)
        server.program.wait_for_port(server.port)
        return server

    def start(
        self, contestant: Contestant, population: Population, environment: dict[str, str] | None = None
    ) -> Server:
        """Start it without waiting until it answers."""
        port = free_port()
        settings = population.environment | {"SITE_URL": f"http://127.0.0.1:{port}"} | (environment or {})
        program = self._run(f"{contestant}-{port}", self._server_command(contestant, port), settings)
        return Server(program, contestant, port, population, environment or {})

    def worker(self, population: Population) -> Program:
        """Ours: the Celery worker that runs the dispatches of house insights."""
        options = ("--concurrency=1", "--loglevel=WARNING")
        command = [str(environments.python("ours")), "-m", "celery", "-A", "zenithedge.celery", "worker", *options]
        return self._run("celery", command, population.environment)

    def writer(self, side: str, population: Population, environment: dict[str, str] | None = None) -> Program:
        command: list[str | Path] = [environments.python(side), SIDES / side / "writer.py"]
        return self._run(f"{side}-writer", command, population.environment | (environment or {}), conversation=True)

    def writer_for(self, server: Server) -> Program:
        environment = server.environment | {"NCHAN_PORT": str(server.port)}
        return self.writer(server.contestant.side, server.population, environment)

    def client(self) -> Program:
        command = [environments.python("tools"), ROOT / "benchmarks" / "tools" / "client.py"]
        return self._run("client", command, {}, conversation=True)

    def stop(self, program: Program) -> None:
        program.stop()
        self._running.remove(program)

    def _run(
        self, name: str, command: Sequence[str | Path], environment: dict[str, str], *, conversation: bool = False
    ) -> Program:
        program = Program(
            name,
            command,
            log=self.arena.directory / f"{name.replace(' ', '-')}.log",
            environment=environment,
            directory=ROOT,
            conversation=conversation,
        )
        self._running.append(program)
        return program

    def _server_command(self, contestant: Contestant, port: int) -> list[str | Path]:
        side = contestant.side
        if side == "nchan":
            return ["nginx", "-e", "stderr", "-c", self._nginx_configuration(port)]
        if side == "websockets":
            return [environments.python(side), SIDES / side / "server.py", str(port)]
        if side == "ours":
            return [*asgi_servers.command(contestant.server, port)]
        python = environments.python(side)
        if contestant.server == "daphne":
            return [python, "-m", "daphne", "-b", "127.0.0.1", "-p", str(port), "tutorial.asgi:application"]
        uvicorn: list[str | Path] = [python, "-m", "uvicorn", "--host", "127.0.0.1", "--port", str(port), *UVICORN]
        if side == "socketio":
            return [*uvicorn, "--app-dir", SIDES / side, "server:application"]
        return [*uvicorn, "tutorial.asgi:application"]

    def _nginx_configuration(self, port: int) -> Path:
        directory = self.arena.directory / f"nchan-{port}"
        directory.mkdir()
        template = string.Template((SIDES / "nchan" / "nginx.conf").read_text())
        path = directory / "nginx.conf"
        path.write_text(template.substitute(directory=directory, port=port, module=environments.nchan_module()))
        return path


def connect(client: Program, server: Server, count: int, *, first: int = 0, at_once: int = 50) -> dict[str, Any]:
    """Open a socket for each of `count` users; raises ProgramError unless all of them are taken."""
    dialect = "socketio" if server.contestant == SOCKETIO else "plain"
    sockets = [server.socket(place) for place in range(first, first + count)]
    answer: dict[str, Any] = client.ask(do="connect", sockets=sockets, at_once=at_once, dialect=dialect)
    if answer["failed"]:
        raise ProgramError(f"{server.contestant}: {answer['failed']} of {count} sockets were refused: {answer['why']}")
    return answer
