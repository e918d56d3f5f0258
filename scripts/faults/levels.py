"""What the project's processes hold: after a fault it has to be back where it was, or something leaks."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import psycopg
import redis

from scripts.processes import Process, proportional_memory
from scripts.stack import Stack

PROC = Path("/proc")
SESSION_FIELD = 5 - 2  # of /proc/<pid>/stat, counted behind the program's name in brackets


@dataclass(frozen=True)
class Levels:
    """Sums over the ASGI servers and workers with their children, since sockets move from server to server."""

    memory_mb: float
    files: int
    redis_keys: int
    redis_connections: int
    database_connections: int

    def too_high(self, before: Levels) -> list[str]:
        """What has grown beyond the tolerance since `before`, in words."""
        allowed = before.tolerated()
        pairs = [(name, getattr(self, name), getattr(allowed, name)) for name in self.__dataclass_fields__]
        return [f"{name}: {now:.0f}, tolerated {most:.0f}" for name, now, most in pairs if now > most]

    def tolerated(self) -> Levels:
        """Memory: a third more and 60 MB, for allocators keep what a burst took. Files and connections: one pool's."""
        return Levels(
            memory_mb=self.memory_mb * 4 / 3 + 60,
            files=self.files + 32,
            redis_keys=self.redis_keys + 32,  # rates and caches, which expire
            redis_connections=self.redis_connections + 32,
            database_connections=self.database_connections + 32,  # pools give back slowly what a fault made them open
        )


def measure(stack: Stack) -> Levels:
    pids = _descendants([*stack.asgi, *stack.workers])
    with redis.Redis.from_url(stack.redis_url) as client:
        keys, clients = client.dbsize(), client.info("clients")["connected_clients"]
    with psycopg.connect(stack.database_url) as connection:
        row = connection.execute("SELECT count(*) FROM pg_stat_activity WHERE client_addr IS NOT NULL").fetchone()
    return Levels(
        memory_mb=sum(map(_memory_mb, pids)),
        files=sum(map(_open_files, pids)),
        redis_keys=int(keys),
        redis_connections=int(clients),
        database_connections=int(row[0]) if row else 0,
    )


def memory_mb(processes: Iterable[Process]) -> float:
    return sum(map(_memory_mb, _descendants(processes)))


def _descendants(processes: Iterable[Process]) -> list[int]:
    """Each process leads a session of its own, so its children are known by that."""
    leaders = {process.pid for process in processes if process.is_running}
    return [pid for pid, session in _sessions() if session in leaders]


def _sessions() -> Iterable[tuple[int, int]]:
    for entry in PROC.iterdir():
        if entry.name.isdecimal():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:  # it has ended meanwhile
                continue
            yield int(entry.name), int(fields[SESSION_FIELD])


def _memory_mb(pid: int) -> float:
    return proportional_memory(pid) / 2**20


def _open_files(pid: int) -> int:
    try:
        return len(list((PROC / str(pid) / "fd").iterdir()))
    except OSError:
        return 0
