"""What all commands of the site have in common: help that teaches, exit codes, a stop between two steps, one at a time.

Exit codes, the same for each of them:

- 0: done, also when there was nothing to do;
- 1: failed, or part of it: the last line says what;
- 2: used wrongly; nothing was done;
- 3: another copy is running, and two would harm or waste; nothing was done;
- 143, 130: stopped by SIGTERM or Ctrl-C. What had been begun was finished, and the next run goes on from there.
"""

from __future__ import annotations

import logging
import signal
import sys
import textwrap
import threading
import time
from argparse import RawDescriptionHelpFormatter
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from enum import IntEnum
from types import FrameType
from typing import Any, ClassVar

from django.core.management.base import BaseCommand, CommandError, CommandParser, DjangoHelpFormatter
from tqdm import tqdm

from notifications import schedule
from zenithedge import locks

logger = logging.getLogger(__name__)

WIDTH = 100
POLL_S = 0.2
LINES_EVERY_S = 5.0  # of a progress that nobody sees move


class Exit(IntEnum):
    DONE = 0
    FAILED = 1
    MISUSED = 2
    BUSY = 3


MEANINGS = {
    Exit.DONE: "done, also when there was nothing to do",
    Exit.FAILED: "failed, or part of it: the last line says what",
    Exit.MISUSED: "used wrongly; nothing was done",
    Exit.BUSY: "another copy is running; nothing was done",
}


class MisuseError(CommandError):
    """What was asked for makes no sense; nothing was done."""

    def __init__(self, message: str) -> None:
        super().__init__(message, returncode=Exit.MISUSED)


class StopRequest:
    """Remembers a SIGTERM or Ctrl-C, so that what is under way can end first.

    A plain flag: a handler that set a `threading.Event` could meet the Event's own lock.
    """

    def __init__(self, *, interrupting: bool = False) -> None:
        self.signal_number: int | None = None
        self._interrupting = interrupting

    @property
    def requested(self) -> bool:
        return self.signal_number is not None

    def is_set(self) -> bool:
        return self.requested

    @property
    def exit_code(self) -> int:
        """As a shell reports a process that the signal ended: 143 for SIGTERM, 130 for SIGINT."""
        return 128 + (self.signal_number or 0)

    def wait(self, timeout_s: float) -> bool:
        """Until it is made, at most so long; whether it is."""
        deadline = time.monotonic() + timeout_s
        while not self.requested and (left_s := deadline - time.monotonic()) > 0:
            time.sleep(min(left_s, POLL_S))
        return self.requested

    @classmethod
    @contextmanager
    def watched(cls, *, interrupting: bool = False) -> Iterator[StopRequest]:
        """Catch both signals; the earlier handlers are back afterwards. Only a main thread is sent any.

        When `interrupting`, each raises KeyboardInterrupt in what is under way.
        """
        stop = cls(interrupting=interrupting)
        if threading.current_thread() is not threading.main_thread():
            yield stop
            return
        earlier = {number: signal.signal(number, stop._remember) for number in (signal.SIGTERM, signal.SIGINT)}
        try:
            yield stop
        finally:
            for number, handler in earlier.items():
                signal.signal(number, handler)

    def _remember(self, number: int, frame: FrameType | None) -> None:
        self.signal_number = number
        if self._interrupting:
            raise KeyboardInterrupt


class Command(BaseCommand):
    """One command. A subclass gives `help`, `when`, `examples` and `work`."""

    when: ClassVar[str]
    examples: ClassVar[tuple[str, ...]]
    exit_codes: ClassVar[Mapping[int, str]] = {}
    # What two copies would do to one another; empty where they share the work.
    alone_because: ClassVar[str] = ""
    # Whether a stop breaks into what is under way, by KeyboardInterrupt, because there are no steps to stop between.
    interrupted: ClassVar[bool] = False
    # A sentence for who has stopped it; empty where the summary says enough.
    left: ClassVar[str] = "Stopped before the end; the next run goes on from here."

    stop: StopRequest

    def work(self, *args: Any, **options: Any) -> Mapping[str, int] | None:
        """Do it; ask `self.stop.requested` between two steps. Returns what was done, in numbers, for the log; None for
        what only reads."""
        raise NotImplementedError

    def handle(self, *args: Any, **options: Any) -> None:
        started = time.monotonic()
        done: Mapping[str, int] | None = {}
        with self._alone(**options), StopRequest.watched(interrupting=self.interrupted) as self.stop:
            try:
                with nullcontext() if options.get("dry_run") else schedule.counted(self.name):
                    done = self.work(**options)
            except KeyboardInterrupt:
                self.stop.signal_number = self.stop.signal_number or signal.SIGINT
            except CommandError as error:
                self._log("ended with %d after %.1f s: %s", error.returncode, time.monotonic() - started, error)
                raise
        code = self.stop.exit_code if self.stop.requested and not self.ends_well_when_stopped(**options) else Exit.DONE
        if done is not None:
            said = ", ".join(f"{what} {number}" for what, number in done.items()) or "nothing done"
            self._log("ended with %d after %.1f s: %s", code, time.monotonic() - started, said)
        if code:
            if self.left:
                self.stdout.write(self.left)
            sys.exit(code)

    def ends_well_when_stopped(self, *args: Any, **options: Any) -> bool:
        """Whether it was to go on until it is stopped, and so has done all of its work."""
        return False

    def lock(self, *args: Any, **options: Any) -> AbstractContextManager[None]:
        """What a command that has to be alone holds meanwhile."""
        return locks.in_database(self.name)

    @property
    def name(self) -> str:
        return type(self).__module__.rpartition(".")[2]

    def progress(self, total: int | None, unit: str, **options: Any) -> tqdm[Any]:
        """A bar on a terminal; elsewhere lines with `-v 2`, and nothing without."""
        on_terminal = sys.stderr.isatty()
        return tqdm(
            total=total,
            unit=f" {unit}",
            desc=self.name,
            disable=not on_terminal and options.get("verbosity", 1) < 2,
            mininterval=0.1 if on_terminal else LINES_EVERY_S,
        )

    def create_parser(self, prog_name: str, subcommand: str, **options: Any) -> CommandParser:
        parser = super().create_parser(
            prog_name, subcommand, formatter_class=_HelpFormatter, epilog=self._epilog(subcommand), **options
        )
        parser.description = textwrap.fill(self.help, WIDTH)
        return parser

    def _epilog(self, subcommand: str) -> str:
        codes = MEANINGS | {143: "stopped (130: by Ctrl-C); what had been begun was finished"}
        if not self.alone_because:
            del codes[Exit.BUSY]
        codes |= self.exit_codes
        parts = [
            "when to run it:\n" + textwrap.indent(textwrap.fill(self.when, WIDTH - 2), "  "),
            "examples:\n" + "\n".join(f"  manage.py {subcommand} {example}".rstrip() for example in self.examples),
            "exit codes:\n" + "\n".join(f"  {int(code):<5}{meaning}" for code, meaning in sorted(codes.items())),
        ]
        if self.alone_because:
            parts.insert(2, textwrap.fill(f"one copy at a time: {self.alone_because}", WIDTH))
        return "\n\n".join(parts)

    @contextmanager
    def _alone(self, **options: Any) -> Iterator[None]:
        if not self.alone_because:
            yield
            return
        try:
            with self.lock(**options):
                yield
        except locks.HeldError as error:
            self._log("did not run: another copy is running")
            raise CommandError(f"Another copy of {self.name} is running.", returncode=Exit.BUSY) from error

    def _log(self, message: str, *values: object) -> None:
        logger.info("%s " + message, self.name, *values)  # noqa: G003 - all of them are constants


class _HelpFormatter(RawDescriptionHelpFormatter, DjangoHelpFormatter):
    """Django's, with the lines of the epilog as they are."""
