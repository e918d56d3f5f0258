"""The faults. Each can strike and end; what it needs beforehand and leaves behind is outside the time that counts."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import redis
from websockets.asyncio.client import ClientConnection, connect

from notifications.canary_stages import Stage
from notifications.stream_client import Policy
from scripts import needs
from scripts.faults import backup, levels
from scripts.processes import Process, all_at_once
from scripts.stack import ROOT

if TYPE_CHECKING:
    from scripts.faults.run import Run

IMPATIENT = Policy(reconnect_min_s=0.01, reconnect_max_s=0.05)
FULL_DEVICE = "/dev/full"


class Fault:
    """One way in which things break. `short_s` bounds how long it lasts in the short run."""

    name: str
    lasts_s = 3.0
    short_s = 2.0
    in_short_run = False
    takes_database_away = False  # the writer then has to try again, and that is nobody's fault

    async def prepare(self, run: Run) -> None:
        """Before the load: what the fault needs."""

    async def strike(self, run: Run) -> None:
        raise NotImplementedError

    async def end(self, run: Run) -> None:
        """From here on everything has to heal by itself."""

    async def undo(self, run: Run) -> None:
        """After the check: leave the stack as it was found."""


class Killed(Fault):
    """A process gets a signal, and is started again when the fault ends."""

    def __init__(self, process: str, number: signal.Signals, *, in_short_run: bool = False) -> None:
        self.name = f"{number.name} of {process}"
        self.in_short_run = in_short_run
        self._process, self._number = process, number

    async def strike(self, run: Run) -> None:
        if self._process.startswith("worker"):
            await run.writing.order("burst 5")  # so that it has something in hand
        await asyncio.to_thread(_kill, run.stack.processes[self._process], self._number)

    async def end(self, run: Run) -> None:
        await asyncio.to_thread(run.stack.processes[self._process].restart)


class Restarted(Fault):
    """A service goes away and comes back at the same address."""

    def __init__(
        self, process: str, number: signal.Signals, name: str, *, database: bool = False, in_short_run: bool = False
    ) -> None:
        self.name = name
        self.takes_database_away = database
        self.in_short_run = in_short_run
        self._process, self._number = process, number

    async def strike(self, run: Run) -> None:
        await asyncio.to_thread(_kill, run.stack.processes[self._process], self._number)

    async def end(self, run: Run) -> None:
        await asyncio.to_thread(run.stack.processes[self._process].restart)


class RedisFlushed(Fault):
    name = "Redis flushed (FLUSHALL)"

    async def strike(self, run: Run) -> None:
        await run.writing.order("burst 5")  # so that the queue has something to lose
        with redis.Redis.from_url(run.stack.redis_url) as client:
            await asyncio.to_thread(client.flushall)


class RedisFrozen(Fault):
    name = "Redis frozen (SIGSTOP)"
    lasts_s = 20.0
    short_s = 5.0
    in_short_run = True

    async def strike(self, run: Run) -> None:
        run.stack.processes["redis"].kill(signal.SIGSTOP)

    async def end(self, run: Run) -> None:
        run.stack.processes["redis"].kill(signal.SIGCONT)


class DatabaseConnectionsCut(Fault):
    name = "PostgreSQL's connections cut"
    takes_database_away = True
    in_short_run = True
    CUTS = 3

    async def strike(self, run: Run) -> None:
        for _ in range(self.CUTS):
            await asyncio.to_thread(self._cut, run.stack.database_url)
            await asyncio.sleep(0.5)

    def _cut(self, database_url: str) -> None:
        with psycopg.connect(database_url, autocommit=True) as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE pid <> pg_backend_pid() AND client_addr IS NOT NULL"
            )


class ClientsStopReading(Fault):
    """Some stand still; one more never reads, and asks for more and more."""

    name = "clients that stop reading"
    lasts_s = 15.0
    short_s = 5.0
    STALLED = 8
    QUESTIONS_PER_S = 15  # below what closes a socket for flooding
    ROWS_EACH = 250  # below what is answered with "read the list"
    MOST_MEMORY_MB = 64.0

    def __init__(self) -> None:
        self._stalled: list[ClientConnection] = []
        self._greedy: asyncio.Task[None] | None = None
        self._memory_mb = 0.0

    async def strike(self, run: Run) -> None:
        self._memory_mb = await asyncio.to_thread(levels.memory_mb, run.stack.asgi)
        chosen = run.audience.listeners[:: len(run.audience.listeners) // self.STALLED]
        self._stalled = [listener.client.connection for listener in chosen if listener.client.connection]
        for connection in self._stalled:
            connection.transport.pause_reading()
        self._greedy = asyncio.create_task(self._ask_and_never_read(run))
        await run.writing.order("burst 20")

    async def end(self, run: Run) -> None:
        grown = await asyncio.to_thread(levels.memory_mb, run.stack.asgi) - self._memory_mb
        if grown > self.MOST_MEMORY_MB:
            run.remarks.append(f"clients that did not read made the servers' memory grow by {grown:.0f} MB")
        if self._greedy is not None:
            self._greedy.cancel()
            await asyncio.gather(self._greedy, return_exceptions=True)
        for connection in self._stalled:
            if not connection.transport.is_closing():
                connection.transport.resume_reading()

    async def _ask_and_never_read(self, run: Run) -> None:
        account, state = run.audience.listeners[0].account, run.audience.listeners[0].client.state
        since, epoch = max(0, state.position - self.ROWS_EACH), state.epoch
        question = f'{{"command": "sync", "since": {since}, "epoch": "{epoch}"}}'
        address = account.stream_address(since=state.position, epoch=epoch)
        cookie = {"Cookie": account.cookie}
        opening = connect(
            address, additional_headers=cookie, compression=None, proxy=None, ping_interval=None, max_queue=1
        )
        async with opening as connection:
            while True:
                await connection.send(question)
                await asyncio.sleep(1 / self.QUESTIONS_PER_S)


class ClientDropsAndReturns(Fault):
    name = "a client that drops and returns 100 times"
    TIMES = 100
    RETURNS_WITHIN_S = 10.0
    lasts_s = 0.0

    async def strike(self, run: Run) -> None:
        client = run.audience.listeners[-1].client
        policy, client.policy = client.policy, IMPATIENT
        for time in range(1, self.TIMES + 1):
            cut = client.connection
            await client.cut()
            if not await run.until(lambda: client.connection not in (None, cut), self.RETURNS_WITHIN_S):  # noqa: B023
                run.remarks.append(f"the client did not get back the {time}th time")
                break
        client.policy = policy


class CapacityExceeded(Fault):
    """Very many hints at once, and the layer drops what it cannot keep.

    The core layer keeps so many for a process. Pub/sub keeps none: there Redis cuts off a subscriber whose buffer
    overflows, and here it is told to, in the middle of the burst, since it is too fast to overflow on every machine.
    """

    name = "the layer's capacity exceeded by a burst"
    CAPACITY = "3"
    in_short_run = True

    async def prepare(self, run: Run) -> None:
        if self._is_core(run):
            await asyncio.to_thread(_restart_with, run.stack.asgi, CHANNEL_LAYER_CAPACITY=self.CAPACITY)

    async def strike(self, run: Run) -> None:
        await run.writing.order("burst 20")
        if not self._is_core(run):
            with redis.Redis.from_url(run.stack.redis_url) as client:
                await asyncio.to_thread(client.client_kill_filter, _type="pubsub")
        await run.writing.order("burst 20")

    async def undo(self, run: Run) -> None:
        if self._is_core(run):
            await asyncio.to_thread(_restart_without, run.stack.asgi, "CHANNEL_LAYER_CAPACITY")

    def _is_core(self, run: Run) -> bool:
        return run.stack.environment["CHANNEL_LAYER"] == "core"


class ClockStepped(Fault):
    """One process's wall clock jumps an hour ahead, then an hour back; the machine's own is not touched."""

    lasts_s = 5.0

    def __init__(self, process: str) -> None:
        self.name = f"clock of {process} steps an hour ahead and back"
        self._process = process

    async def prepare(self, run: Run) -> None:
        self._step(run, 0)
        process = run.stack.processes[self._process]
        await asyncio.to_thread(
            _restart_with,
            [process],
            LD_PRELOAD=await asyncio.to_thread(needs.faketime),
            FAKETIME_TIMESTAMP_FILE=str(self._file(run)),
            FAKETIME_CACHE_DURATION="1",
            FAKETIME_DONT_FAKE_MONOTONIC="1",
        )

    async def strike(self, run: Run) -> None:
        self._step(run, 3600)
        await asyncio.sleep(self.lasts_s)
        self._step(run, -3600)

    async def end(self, run: Run) -> None:
        self._step(run, 0)

    async def undo(self, run: Run) -> None:
        process = run.stack.processes[self._process]
        await asyncio.to_thread(_restart_without, [process], "LD_PRELOAD", "FAKETIME_TIMESTAMP_FILE")

    def _step(self, run: Run, seconds: int) -> None:
        self._file(run).write_text(f"{seconds:+d}s\n")

    def _file(self, run: Run) -> Path:
        return run.stack.directory / f"clock-of-{self._process}"


class LogDeviceFull(Fault):
    """Servers, workers and the writer itself cannot write a line into their log files."""

    name = f"a full log device ({FULL_DEVICE})"
    lasts_s = 5.0

    async def prepare(self, run: Run) -> None:
        processes = [*run.stack.asgi, *run.stack.workers]
        self._environments = {process.name: process.environment for process in processes}
        await asyncio.to_thread(_restart_with, processes, LOG_FILE=FULL_DEVICE)
        await run.writing.end()
        await run.writing.start(LOG_FILE=FULL_DEVICE)
        await run.writing.order("pause")

    async def strike(self, run: Run) -> None:
        await run.writing.order("burst 5")

    async def undo(self, run: Run) -> None:
        processes = [*run.stack.asgi, *run.stack.workers]
        for process in processes:
            process.environment = self._environments[process.name]
        await asyncio.to_thread(all_at_once, processes, Process.restart)
        await run.writing.end()
        await run.writing.start()
        await run.writing.order("pause")


class Restored(Fault):
    """The database as it was at the beginning of the run takes the place of the present one; `renew_epochs` follows."""

    name = "the database restored from a backup, epochs renewed"
    takes_database_away = True
    in_short_run = True
    lasts_s = 0.0
    BACKUP_AGE_S = 600.0  # in the full run, of which the other faults take the most part

    async def prepare(self, run: Run) -> None:
        if run.full:
            await run.write_until(run.backed_up_at + self.BACKUP_AGE_S)

    async def strike(self, run: Run) -> None:
        processes = [*run.stack.asgi, *run.stack.workers, run.stack.processes["beat"]]
        await run.writing.order("pause")
        await asyncio.to_thread(all_at_once, processes, Process.stop)
        run.forget_what_the_backup_lacks()
        await asyncio.to_thread(backup.restore, run.stack.database_url, run.backup)
        await asyncio.to_thread(_manage, run.stack.environment, "renew_epochs")
        await asyncio.to_thread(all_at_once, processes, Process.start)

    async def end(self, run: Run) -> None:
        await run.writing.order("resume")


class CanaryNamesIt(Fault):
    """Something is stopped, and `manage.py notify_canary` has to say what; afterwards it has to arrive again."""

    WITHIN_S = 60.0
    TIMES = 4  # servers need some seconds until they hear hints again
    lasts_s = 0.0

    def __init__(self, stage: Stage, *processes: str, number: signal.Signals = signal.SIGTERM) -> None:
        self.name = f"the canary names the {stage.replace('_', ' ')}"
        self.in_short_run = stage is Stage.WORKER
        self.takes_database_away = stage is Stage.DATABASE
        self._stage, self._processes, self._number = stage, processes, number

    async def strike(self, run: Run) -> None:
        for name in self._processes:
            await asyncio.to_thread(_kill, run.stack.processes[name], self._number)
        code, said = await asyncio.to_thread(self._fly, run)
        if code != self._stage.exit_code:
            run.remarks.append(f"the canary ended with {code}, not {self._stage.exit_code}: {said}")

    async def end(self, run: Run) -> None:
        for name in self._processes:
            await asyncio.to_thread(run.stack.processes[name].restart)
        for _ in range(self.TIMES):
            code, said = await asyncio.to_thread(self._fly, run)
            if code == 0:
                return
        run.remarks.append(f"the canary did not arrive afterwards: {said}")

    def _fly(self, run: Run) -> tuple[int, str]:
        """Its exit code, and the last line that it said."""
        command = [sys.executable, "manage.py", "notify_canary", "--timeout", "5"]
        flown = subprocess.run(
            command, cwd=ROOT, env=os.environ | run.stack.environment, capture_output=True, text=True,
            timeout=self.WITHIN_S,
        )  # fmt: skip
        return flown.returncode, (flown.stderr or flown.stdout).strip().rpartition("\n")[2]


def catalogue(servers: Iterable[str]) -> list[Fault]:
    """Every fault that there is, the restore last: by then its backup is old."""
    daphne, uvicorn = (next(name for name in servers if name.startswith(kind)) for kind in ("daphne", "uvicorn"))
    killed, ended = signal.SIGKILL, signal.SIGTERM
    return [
        Killed(daphne, killed, in_short_run=True),
        Killed(daphne, ended),
        Killed(uvicorn, killed),
        Killed(uvicorn, ended),
        Killed("worker-1", killed, in_short_run=True),
        Killed("worker-1", ended),
        Killed("beat", killed),
        Killed("beat", ended),
        Restarted("redis", ended, "Redis restarted", in_short_run=True),
        RedisFlushed(),
        RedisFrozen(),
        Restarted("postgres", signal.SIGINT, "PostgreSQL restarted", database=True),
        Restarted("postgres", killed, "PostgreSQL crashed (SIGKILL)", database=True),
        DatabaseConnectionsCut(),
        Restarted("nginx", ended, "the proxy cuts every connection", in_short_run=True),
        ClientsStopReading(),
        ClientDropsAndReturns(),
        CapacityExceeded(),
        ClockStepped(daphne),
        ClockStepped("worker-1"),
        LogDeviceFull(),
        CanaryNamesIt(Stage.CHANNEL_LAYER, "redis"),
        CanaryNamesIt(Stage.WORKER, "worker-1"),
        CanaryNamesIt(Stage.DATABASE, "postgres", number=signal.SIGINT),
        CanaryNamesIt(Stage.SERVER, *servers),
        Restored(),
    ]


def _manage(environment: Mapping[str, str], command: str) -> None:
    subprocess.run([sys.executable, "manage.py", command], cwd=ROOT, env=environment, check=True, capture_output=True)


def _kill(process: Process, number: signal.Signals) -> None:
    process.kill(number)
    process.wait()


def _restart_with(processes: Sequence[Process], **more: str) -> None:
    _change(processes, lambda environment: environment | more)


def _restart_without(processes: Sequence[Process], *names: str) -> None:
    _change(processes, lambda environment: {key: text for key, text in environment.items() if key not in names})


def _change(processes: Sequence[Process], change: Callable[[dict[str, str]], dict[str, str]]) -> None:
    for process in processes:
        process.environment = change(dict(process.environment))
    all_at_once(processes, Process.restart)
