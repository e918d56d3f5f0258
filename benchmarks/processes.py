"""Programs that a measurement starts, talks to, weighs and ends; each by its own process id."""

import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from scripts.processes import proportional_memory

START_TIMEOUT_S = 60
STOP_TIMEOUT_S = 10
CLOCK_TICKS = os.sysconf("SC_CLK_TCK")


class ProgramError(Exception):
    """A program that a measurement needs did not start, or ended."""


class Program:
    """A process with a log file, in a session of its own, so that all it has started ends with it."""

    def __init__(
        self,
        name: str,
        command: Sequence[str | Path],
        *,
        log: Path,
        environment: Mapping[str, str] | None = None,
        directory: Path | None = None,
        conversation: bool = False,
    ) -> None:
        self.name = name
        self.log = log
        pipe = subprocess.PIPE if conversation else subprocess.DEVNULL
        with log.open("ab") as output:
            self.process = subprocess.Popen(
                [str(part) for part in command],
                stdin=pipe,
                stdout=pipe if conversation else output,
                stderr=output,
                env=os.environ | (environment or {}),
                cwd=directory,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        return self.process.pid

    def wait_for_port(self, port: int) -> None:
        deadline = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < deadline and self.process.poll() is None:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    return
            time.sleep(0.05)
        raise self.error("did not start")

    def ask(self, **command: Any) -> Any:
        """Send one line of JSON and wait for the line that answers it."""
        questions, answers = self.process.stdin, self.process.stdout
        if questions is None or answers is None:
            raise self.error("cannot be asked")
        try:
            questions.write(json.dumps(command).encode() + b"\n")
            questions.flush()
            answer = answers.readline()
        except BrokenPipeError:
            answer = b""
        if not answer:
            raise self.error("ended")
        return json.loads(answer)

    def memory(self) -> int:
        """Octets that this process and its children occupy; what they share is counted once."""
        return sum(proportional_memory(pid) for pid in (self.pid, *_descendants(self.pid)))

    def cpu_s(self) -> float:
        return sum(_cpu_s(pid) for pid in (self.pid, *_descendants(self.pid)))

    def stop(self) -> None:
        if self.process.stdin:
            self.process.stdin.close()
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(STOP_TIMEOUT_S)
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)  # a session of its own: what it left behind, and nothing else
        self.process.wait()
        if self.process.stdout:
            self.process.stdout.close()

    def error(self, what: str) -> ProgramError:
        lines = self.log.read_text(errors="replace").splitlines()[-25:]
        return ProgramError("\n".join([f"{self.name} {what}:", *lines]))


def _descendants(pid: int) -> list[int]:
    found: list[int] = []
    try:
        tasks = list(Path(f"/proc/{pid}/task").iterdir())
    except FileNotFoundError:
        return found
    for task in tasks:
        for child in (task / "children").read_text().split():
            found += [int(child), *_descendants(int(child))]
    return found


def _cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / CLOCK_TICKS
