"""Where the numbers of `/metrics` are kept: in this process, or in files that the processes of one machine share.

With PROMETHEUS_MULTIPROC_DIR set, each process adds to files of its own there and whoever is asked adds them all up.
What a process has counted that has ended is added to the files of number 0, so that a site that is restarted often, or
whose jobs are commands of cron, does not fill its disk. A process is looked for by its number, so all of them must be
able to see each other: containers that share the directory would take one another for dead.

Counting is done beside the saving of a trade, so nothing here raises and nothing can end the process: a directory that
can't be written to, or that vanishes later, costs the numbers and one line in the log.
"""

from __future__ import annotations

import fcntl
import logging
import os
import re
import struct
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry, Histogram, values
from prometheus_client.metrics_core import Metric
from prometheus_client.mmap_dict import MmapedDict
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector
from prometheus_client.values import MultiProcessValue, MutexValue

logger = logging.getLogger(__name__)

DIRECTORY_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
# By the kind of metric, how large its file is made. The library would make a hole of it, and writing to a hole on a
# full disk ends the process with SIGBUS, so the blocks are taken beforehand. A test sees to it that all series fit.
FILES = {"counter": 1 << 16, "gauge_livesum": 1 << 12, "gauge_max": 1 << 13, "histogram": 1 << 17}
FILE_NAME = re.compile(r"(?P<kind>[a-z_]+)_(?P<pid>\d+)\.db$")
THE_DEAD = 0  # whose files hold what ended processes have counted; no process has this number
LOCK = "lock"

REGISTRY = CollectorRegistry()


class WeighedHistogram(Histogram):
    """A histogram that takes many equal observations at the price of one."""

    def observe_many(self, amount: float, count: int) -> None:
        self._raise_if_not_observable()  # type: ignore[no-untyped-call]  # the library has no types here
        self._sum.inc(amount * count)
        self._buckets[bisect_left(self._upper_bounds, amount)].inc(count)


def collectable() -> CollectorRegistry:
    """What a scrape reads: this process's numbers, or those of all processes, without the gauges of dead ones."""
    if _directory is None:
        return REGISTRY
    everyone = CollectorRegistry()
    everyone.register(_Everyone(_directory))
    return everyone


class _Everyone(Collector):
    """What all processes have counted; nothing, and a line in the log, when the directory has gone."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def collect(self) -> Sequence[Metric]:
        try:
            with _locked(self._directory):  # whoever folds meanwhile takes away what we have just seen
                fold_the_dead(self._directory)
                return list(MultiProcessCollector(None, str(self._directory)).collect())  # type: ignore[no-untyped-call]  # the library has no types here
        except (OSError, ValueError):
            logger.exception("The metrics in %s can't be read", self._directory)
            return []


def wanted() -> Path | None:
    """Where the processes are to share their numbers; None when each is to count for itself."""
    return Path(os.environ[DIRECTORY_VARIABLE]) if os.environ.get(DIRECTORY_VARIABLE) else None


def in_use() -> bool:
    """Whether the processes share their numbers."""
    return _directory is not None and _directory.is_dir()


def use(directory: Path | None) -> None:
    """Keep the numbers of metrics that are declared from now on there, if possible; else in this process."""
    global _directory
    _directory = directory if directory is not None and _prepare(directory) else None
    values.ValueClass = _guarded(MultiProcessValue()) if _directory else MutexValue  # type: ignore[no-untyped-call]  # the library has no types here


def fold_the_dead(directory: Path) -> None:
    """Add up what ended processes have counted. Called with the lock held.

    Of those that were killed the open sockets are forgotten, which they could not take back. A process that is killed
    between writing the sum and deleting its parts leaves them to be added twice; it has some microseconds for that.
    """
    for kind in FILES:
        dead = [path for path, pid in _files(directory, kind) if pid != THE_DEAD and not _alive(pid)]
        if dead and not kind.startswith("gauge_live"):
            folded = directory / f"{kind}_{THE_DEAD}.db"
            try:
                _write_values(folded, _added_up([folded, *dead], largest=kind == "gauge_max"))
            except OSError as error:  # on a full disk they stay as they are
                logger.warning("The metrics of ended processes can't be added up: %s", error)
                continue
        for path in dead:
            path.unlink(missing_ok=True)


def forget_last_run(directory: Path) -> None:
    """Whoever starts first after all others have ended starts the counters at nought: it owns the directory.

    Moments of the past stay: when a job was last done is not forgotten over a restart.
    """
    present = list(_files(directory))
    if not any(_alive(pid) for _, pid in present):
        for path, _ in present:
            if not path.name.startswith("gauge_max"):
                path.unlink(missing_ok=True)


_directory: Path | None = None
_reserved_by = 0  # the process id whose files are there; another one after a fork


def _prepare(directory: Path) -> bool:
    try:
        directory.mkdir(parents=True, exist_ok=True)
        with _locked(directory):
            forget_last_run(directory)
            fold_the_dead(directory)
            _reserve(directory)
    except OSError as error:
        logger.warning("%s %s can't be used, each process counts for itself: %s", DIRECTORY_VARIABLE, directory, error)
        return False
    return True


def _reserve(directory: Path) -> None:
    global _reserved_by
    for kind, size in FILES.items():
        with (directory / f"{kind}_{os.getpid()}.db").open("a+b") as file:
            if hasattr(os, "posix_fallocate"):  # not on macOS
                os.posix_fallocate(file.fileno(), 0, size)
    _reserved_by = os.getpid()


def _guarded(shared_value: type[Any]) -> type[Any]:
    """The library's value in a shared file, without its exceptions."""

    class GuardedValue(shared_value):  # type: ignore[misc]  # made by a function, so the checker can't know it
        def __init__(self, *args: Any, **options: Any) -> None:
            self._lost = False
            self._guard(super().__init__, *args, **options)

        def inc(self, amount: float) -> None:
            self._guard(super().inc, amount)

        def set(self, value: float, timestamp: float | None = None) -> None:
            self._guard(super().set, value, timestamp)

        def _guard(self, write: Any, *args: Any, **options: Any) -> None:
            if self._lost:
                return
            try:
                if _directory is not None and _reserved_by != os.getpid():
                    _reserve(_directory)
                write(*args, **options)
            except Exception:
                # Whatever became of the file (OSError, a closed map, a torn entry): the number is all that is lost.
                self._lost = True
                logger.exception("A metric can't be written to %s any more", _directory)

    return GuardedValue


@contextmanager
def _locked(directory: Path) -> Iterator[None]:
    with (directory / LOCK).open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _files(directory: Path, kind: str | None = None) -> Iterator[tuple[Path, int]]:
    for path in directory.glob("*.db"):
        found = FILE_NAME.fullmatch(path.name)
        if found and kind in (None, found["kind"]):
            yield path, int(found["pid"])


def _added_up(paths: Sequence[Path], *, largest: bool) -> dict[str, float]:
    total: dict[str, float] = {}
    for path in paths:
        for key, value in _read_values(path):
            total[key] = max(total.get(key, value), value) if largest else total.get(key, 0.0) + value
    return total


def _read_values(path: Path) -> list[tuple[str, float]]:
    try:
        entries = list(MmapedDict.read_all_values_from_file(path))  # type: ignore[no-untyped-call]  # the library has no types here
    except FileNotFoundError:
        return []
    except (RuntimeError, ValueError, struct.error) as error:
        logger.warning("What %s has counted can't be read and is lost: %s", path.name, error)
        return []
    return [(key, value) for key, value, *_ in entries]


def _write_values(path: Path, numbers: dict[str, float]) -> None:
    """A file as the library writes it, whole or not at all: its own way would leave a hole."""
    entries = b"".join(map(_entry, numbers.items()))
    whole = path.with_suffix(".new")
    whole.write_bytes(struct.pack("i4x", 8 + len(entries)) + entries)
    whole.replace(path)


def _entry(number: tuple[str, float]) -> bytes:
    key = number[0].encode()
    padded = key + b" " * (8 - (len(key) + 4) % 8)
    return struct.pack(f"i{len(padded)}sdd", len(key), padded, number[1], 0.0)


def _alive(pid: int) -> bool:
    if pid == THE_DEAD:
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # somebody else's
        return True
    return True


use(wanted())
