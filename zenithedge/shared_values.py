"""Where the numbers of `/metrics` are kept: in this process, or in files that the processes of one machine share.

With PROMETHEUS_MULTIPROC_DIR set, each process adds to files of its own there and whoever is asked adds them all up.
Counting is done beside the saving of a trade, so nothing here raises and nothing can end the process: a directory that
can't be written to, or that vanishes later, costs the numbers and one line in the log.
"""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry, values
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.values import MultiProcessValue, MutexValue

logger = logging.getLogger(__name__)

DIRECTORY_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
# What the library gives a new file, as a hole in it. Writing to a hole on a full disk ends the process with SIGBUS, so
# the blocks are taken beforehand. Our series need a tenth of it.
FILE_BYTES = 1 << 16
FILES = ("counter", "gauge_livesum")
FILE_NAME = re.compile(r"_(?P<pid>\d+)\.db$")

REGISTRY = CollectorRegistry()


def collectable() -> CollectorRegistry:
    """What a scrape reads: this process's numbers, or those of all processes, without the gauges of dead ones."""
    if _directory is None:
        return REGISTRY
    forget_dead_gauges(_directory)
    everyone = CollectorRegistry()
    MultiProcessCollector(everyone, str(_directory))  # type: ignore[no-untyped-call]  # the library has no types here
    return everyone


def in_use() -> bool:
    """Whether the processes share their numbers."""
    return _directory is not None


def use(directory: Path | None) -> None:
    """Keep the numbers of metrics that are declared from now on there, if possible; else in this process."""
    global _directory
    _directory = directory if directory is not None and _prepare(directory) else None
    values.ValueClass = _guarded(MultiProcessValue()) if _directory else MutexValue  # type: ignore[no-untyped-call]  # the library has no types here


def forget_dead_gauges(directory: Path) -> None:
    """A killed process can't take back its open sockets. What it has counted stays."""
    for path, pid in _files(directory):
        if path.name.startswith("gauge_live") and not _alive(pid):
            path.unlink(missing_ok=True)


def forget_last_run(directory: Path) -> None:
    """Whoever starts first after all others have ended starts the counters at nought: it owns the directory."""
    present = list(_files(directory))
    if not any(_alive(pid) for _, pid in present):
        for path, _ in present:
            path.unlink(missing_ok=True)


_directory: Path | None = None
_reserved_by = 0  # the process id whose files are there; another one after a fork


def _prepare(directory: Path) -> bool:
    try:
        directory.mkdir(parents=True, exist_ok=True)
        forget_last_run(directory)
        _reserve(directory)
    except OSError as error:
        logger.warning("%s %s can't be used, each process counts for itself: %s", DIRECTORY_VARIABLE, directory, error)
        return False
    return True


def _reserve(directory: Path) -> None:
    global _reserved_by
    for name in FILES:
        with (directory / f"{name}_{os.getpid()}.db").open("a+b") as file:
            if hasattr(os, "posix_fallocate"):  # not on macOS
                os.posix_fallocate(file.fileno(), 0, FILE_BYTES)
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


def _files(directory: Path) -> Iterator[tuple[Path, int]]:
    for path in directory.glob("*.db"):
        if found := FILE_NAME.search(path.name):
            yield path, int(found["pid"])


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # somebody else's
        return True
    return True


use(Path(os.environ[DIRECTORY_VARIABLE]) if os.environ.get(DIRECTORY_VARIABLE) else None)
