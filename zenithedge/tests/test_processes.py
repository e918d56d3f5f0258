"""Programs that run beside ours: ready when they say so, killed and started again, and none left over."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings

from scripts.processes import Process, ProcessError

READY = [sys.executable, "-c", "import time; print('ready', flush=True); time.sleep(600)"]
STARTS_ONE = f"""
import sys, time
from pathlib import Path
from scripts.processes import Process
process = Process("sleeper", {READY!r}, Path(sys.argv[1]), lambda process: process.has_said("ready"))
process.start()
print(process.pid, flush=True)
time.sleep(600)
"""
WAIT_S = 20


@pytest.fixture
def process(tmp_path: Path) -> Iterator[Process]:
    made = Process("sleeper", READY, tmp_path / "log", lambda process: process.has_said("ready"))
    yield made
    made.stop()


def test_a_killed_process_is_started_again_and_waited_for(process: Process) -> None:
    process.start()
    first = process.pid

    process.kill()
    assert process.wait() == -signal.SIGKILL
    process.restart()

    assert process.is_running
    assert process.pid != first
    assert process.has_said("ready")


def test_a_frozen_process_can_be_stopped(process: Process) -> None:
    process.start()
    process.kill(signal.SIGSTOP)

    process.stop()

    assert not process.is_running


def test_one_that_ends_while_starting_is_an_error_with_the_end_of_its_log(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "raise SystemExit('no such database')"]

    with pytest.raises(ProcessError, match="no such database"):
        Process("broken", command, tmp_path / "log", lambda process: False).start()


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="Only Linux ends one program with another")
def test_nothing_is_left_over_when_we_are_killed(tmp_path: Path) -> None:
    command = [sys.executable, "-c", STARTS_ONE, str(tmp_path / "log")]
    with subprocess.Popen(command, cwd=settings.BASE_DIR, stdout=subprocess.PIPE, text=True) as starter:
        assert starter.stdout is not None
        pid = int(starter.stdout.readline())
        assert runs(pid)
        starter.kill()

    deadline = time.monotonic() + WAIT_S
    while runs(pid):
        assert time.monotonic() < deadline, "The program was left over."
        time.sleep(0.01)


def runs(pid: int) -> bool:
    """A dead one may stay in the table until whoever has become its parent looks."""
    try:
        os.kill(pid, 0)
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[:1]
    except (ProcessLookupError, FileNotFoundError):
        return False
