"""Programs that run beside ours: started when they answer, ended with us, killed and started again on demand."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import KW_ONLY, dataclass, field
from pathlib import Path
from typing import TypedDict

START_TIMEOUT_S = 60
STOP_TIMEOUT_S = 15
POLL_S = 0.05
LOG_TAIL_LINES = 20
PR_SET_PDEATHSIG = 1


class ProcessError(Exception):
    """A program cannot be had, or does not start; the text says which and why."""


class Account(TypedDict, total=False):
    """What subprocess needs to run a program as another account."""

    user: int
    group: int
    extra_groups: list[str | int]


# Linux ends a program together with the *thread* that started it: this one lives as long as we do.
_starter = ThreadPoolExecutor(max_workers=1, thread_name_prefix="starter")


@dataclass
class Process:
    """A program in a session of its own, so that Ctrl-C is for us alone and we end it in order.

    `answers` is asked, about this process, until it says that the program is ready for use. Output is added to `log`.
    It works in `directory`, else in ours.
    """

    name: str
    command: Sequence[str]
    log: Path
    answers: Callable[[Process], bool]
    _: KW_ONLY
    environment: Mapping[str, str] = field(default_factory=dict)
    directory: Path | None = None
    account: Account = field(default_factory=Account)
    stop_signal: signal.Signals = signal.SIGTERM
    _said_before: int = field(default=0, init=False, repr=False)  # bytes in the log when it was last started
    _running: subprocess.Popen[bytes] | None = field(default=None, init=False, repr=False)

    @property
    def pid(self) -> int:
        if self._running is None:
            raise ProcessError(f"{self.name} was not started.")
        return self._running.pid

    @property
    def is_running(self) -> bool:
        return self._running is not None and self._running.poll() is None

    def start(self) -> None:
        """Returns when it answers. Raises ProcessError, with the end of its log, when it does not."""
        self.launch()
        self.wait_until_it_answers()

    def launch(self) -> None:
        """Start it without waiting, for several to start at once."""
        self._said_before = self.log.stat().st_size if self.log.exists() else 0
        self._running = _starter.submit(self._popen).result()

    def wait_until_it_answers(self) -> None:
        deadline = time.monotonic() + START_TIMEOUT_S
        while self.is_running and time.monotonic() < deadline:
            if self.answers(self):
                return
            time.sleep(POLL_S)
        how = "did not answer" if self.is_running else "ended while starting"
        self.stop()
        raise ProcessError(f"{self.name} {how}:\n{self.end_of_log()}")

    def kill(self, number: int = signal.SIGKILL) -> None:
        """Send it a signal; its children get none. Does not wait for what comes of it."""
        if self.is_running:
            os.kill(self.pid, number)

    def wait(self, timeout_s: float = STOP_TIMEOUT_S) -> int:
        """Wait for its end; the exit code, negative for a signal. Raises ProcessError when it goes on."""
        if self._running is None:
            return 0
        try:
            return self._running.wait(timeout_s)
        except subprocess.TimeoutExpired as error:
            raise ProcessError(f"{self.name} did not end within {timeout_s} s.") from error

    def stop(self) -> None:
        """End it in order, and what is left of it and its children by force. Stopping twice is fine."""
        if self._running is None:
            return
        self.kill(signal.SIGCONT)  # a frozen one hears nothing else
        self.kill(self.stop_signal)
        with contextlib.suppress(ProcessError):
            self.wait()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._running.pid, signal.SIGKILL)
        self._running.wait()
        self._running = None

    def restart(self) -> None:
        """Start it again at the same place, ending first what may still run. Returns when it answers."""
        self.stop()
        self.start()

    def has_said(self, words: str) -> bool:
        """Whether these words are in what it has written since it was last started."""
        with self.log.open("rb") as log:
            log.seek(self._said_before)
            return words.encode() in log.read()

    def end_of_log(self) -> str:
        lines = self.log.read_text(errors="replace").splitlines() if self.log.exists() else []
        return "\n".join(lines[-LOG_TAIL_LINES:])

    def _popen(self) -> subprocess.Popen[bytes]:
        with self.log.open("ab") as output:
            return subprocess.Popen(
                self.command,
                env=os.environ | self.environment,
                cwd=self.directory,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                preexec_fn=_ends_with_us(self.stop_signal),
                **self.account,
            )


def all_at_once(processes: Sequence[Process], act: Callable[[Process], None]) -> None:
    """Start, stop or restart them side by side; what one of them raises is raised when all are through."""
    with ThreadPoolExecutor(len(processes)) as threads:
        list(threads.map(act, processes))


def proportional_memory(pid: int) -> int:
    """Octets that it occupies, what forked processes share counted once among them; 0 when it has ended."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) for line in lines if line.startswith("Pss:")) * 1024


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _ends_with_us(stop_signal: signal.Signals) -> Callable[[], None] | None:
    """Have the kernel stop the program when we are killed and cannot; only Linux offers it."""
    if not sys.platform.startswith("linux"):
        return None
    prctl, parent = ctypes.CDLL(None).prctl, os.getpid()

    def follow_parent() -> None:
        prctl(PR_SET_PDEATHSIG, int(stop_signal), 0, 0, 0)
        if os.getppid() != parent:  # it was too late to ask
            os._exit(1)

    return follow_parent
