"""The crontab, the timers and the documentation say what notifications/schedule.py does."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from django.core.management import get_commands

from notifications.schedule import JOBS, Job
from scripts import schedule_files, units

ROOT = units.UNITS.parent.parent
PRODUCTION = (ROOT / "docs" / "production.md").read_text(encoding="utf-8")


def test_the_files_are_those_that_the_schedule_makes() -> None:
    for path, text in schedule_files.files().items():
        assert path.read_text(encoding="utf-8") == text, "run: python -m scripts.schedule_files"


def test_there_is_no_timer_of_a_job_that_is_none() -> None:
    timers = {path for path in units.UNITS.glob("*.timer") if "zenithedge-job@" in path.read_text(encoding="utf-8")}

    assert timers == {path for path in schedule_files.files() if path.suffix == ".timer"}


@pytest.mark.parametrize("job", JOBS, ids=lambda job: job.name)
def test_each_job_is_a_command_and_stands_in_the_documentation(job: Job) -> None:
    assert job.command in get_commands()
    row = rf"^\| {job.name} \| `{job.command}` \| {schedule_files.every(job)} \| .+ \|$"
    assert re.search(row, PRODUCTION, re.MULTILINE), row


def test_systemd_reads_the_timers(tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd is not here")
    timers = [path for path in schedule_files.files() if path.suffix == ".timer"]
    for path in timers:
        shutil.copy(path, tmp_path)
    service = (units.UNITS / "zenithedge-job@.service").read_text(encoding="utf-8")
    (tmp_path / "zenithedge-job@.service").write_text(service.replace(units.PYTHON, "/bin/true"), encoding="utf-8")

    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *(str(tmp_path / path.name) for path in timers)],
        capture_output=True,
        text=True,
        check=False,
    )

    assert [line for line in done.stderr.splitlines() if "zenithedge" in line] == []


@pytest.fixture
def run_job(tmp_path: Path) -> Path:
    """The script in an installation of its own, whose Python does as it is told."""
    (tmp_path / "deploy").mkdir()
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    shutil.copy(ROOT / "deploy" / "run_job", tmp_path / "deploy")
    for name, text in {
        ".venv/bin/python": 'echo "$@" >said; echo "$LOG_FILE $SECRET" >>said; exit "$CODE"',
        ".venv/bin/logger": "shift 2; echo $* >logged",
    }.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
        (tmp_path / name).chmod(0o755)
    return tmp_path


@pytest.mark.parametrize(("code", "logged"), [(0, False), (3, False), (143, False), (1, True)])
def test_a_job_of_cron_has_the_environment_and_tells_only_of_failures(run_job: Path, code: int, logged: bool) -> None:
    (run_job / "environment").write_text(f"# a comment\nSECRET=a b&c$d\nCODE={code}\n", encoding="utf-8")
    environment = {
        "PATH": f"{run_job}/.venv/bin:{os.environ['PATH']}",
        "ENVIRONMENT": str(run_job / "environment"),
        "LOGS": str(run_job),
    }

    done = subprocess.run([str(run_job / "deploy" / "run_job"), "release_held"], env=environment, capture_output=True)

    assert (done.returncode, done.stdout, done.stderr) == (code, b"", b"")
    said = (run_job / "said").read_text(encoding="utf-8").splitlines()
    assert said == ["manage.py release_held -v 0", f"{run_job}/job-release_held.log a b&c$d"]
    assert (run_job / "logged").exists() == logged
