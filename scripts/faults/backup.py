"""The database of a run as a file, and back: in its place, or as a new one."""

from __future__ import annotations

import subprocess
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
from psycopg import sql

from scripts.with_services import postgres_programs


def back_up(database_url: str, file: Path) -> None:
    _run(["pg_dump", "--format=custom", f"--file={file}", database_url])


def restore(database_url: str, file: Path) -> None:
    _run(["pg_restore", "--clean", "--if-exists", "--single-transaction", f"--dbname={database_url}", str(file)])


def restore_into(database_url: str, name: str, file: Path) -> str:
    """Make a database of that name on the same server, with what is in the file; returns its address."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    address = urlsplit(database_url)._replace(path=f"/{name}").geturl()
    _run(["pg_restore", "--exit-on-error", "--no-owner", "--jobs=2", f"--dbname={address}", str(file)])
    return address


def _run(command: list[str]) -> None:
    programs = postgres_programs()
    done = subprocess.run([str(programs / command[0]), *command[1:]], capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{command[0]} failed: {done.stderr.strip()[-2000:]}")
