"""One at a time, among the processes of a machine or of a database. Nothing is left behind by who is killed."""

from __future__ import annotations

import fcntl
import os
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from django.db import Error as DatabaseFault
from django.db import connection

# The first half of the key of our locks: others may use PostgreSQL's advisory locks for something else.
NAMESPACE = zlib.crc32(b"zenithedge") - 2**31


class HeldError(Exception):
    """Somebody else has it."""


@contextmanager
def in_database(name: str) -> Iterator[None]:
    """Hold the lock of this name in our database; HeldError at once when somebody has it.

    On PostgreSQL it belongs to a transaction of a connection of its own, which does nothing else, so poolers that hand
    connections out by transaction know it as well. On SQLite it is a file beside the database.
    """
    if connection.vendor == "postgresql":
        with _advisory(name):
            yield
    else:
        with in_file(Path(f"{connection.settings_dict['NAME']}.{name}.lock")):
            yield


@contextmanager
def in_file(path: Path) -> Iterator[None]:
    """Hold the lock on this file, which is made and stays; HeldError at once when somebody has it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise HeldError(str(path)) from error
        yield
    finally:
        os.close(descriptor)


@contextmanager
def _advisory(name: str) -> Iterator[None]:
    own = connection.copy()
    try:
        own.set_autocommit(False)
        with own.cursor() as cursor:
            cursor.execute("SET LOCAL idle_in_transaction_session_timeout TO 0")
            cursor.execute("SELECT pg_try_advisory_xact_lock(%s, %s)", [NAMESPACE, zlib.crc32(name.encode()) - 2**31])
            [taken] = cursor.fetchone()
        if not taken:
            raise HeldError(name)
        yield
        own.rollback()
    except BaseException:
        with suppress(DatabaseFault):
            own.rollback()  # or the pool warns of the open transaction beside what the operator has to read
        raise
    finally:
        own.close()
