"""The database of a run as a file, and back."""

from __future__ import annotations

import subprocess
from pathlib import Path

from scripts.with_services import postgres_programs


def back_up(database_url: str, file: Path) -> None:
    _run(["pg_dump", "--format=custom", f"--file={file}", database_url])


def restore(database_url: str, file: Path) -> None:
    _run(["pg_restore", "--clean", "--if-exists", "--single-transaction", f"--dbname={database_url}", str(file)])


def _run(command: list[str]) -> None:
    programs = postgres_programs()
    done = subprocess.run([str(programs / command[0]), *command[1:]], capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{command[0]} failed: {done.stderr.strip()[-2000:]}")
