"""Between the chunks of long work."""

from __future__ import annotations

import time

from django.db import connection

# SQLite has one writer and no queue: who waits for it looks every 100 ms at most. A pause of that length lets it in.
LOCK_PAUSE_S = 0.1


def let_others_write() -> None:
    """Or long work would take SQLite's lock again and again before an alert gets it."""
    if connection.vendor == "sqlite" and not connection.in_atomic_block:
        time.sleep(LOCK_PAUSE_S)
