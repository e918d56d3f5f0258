"""A process that delivers is killed again and again; the receiving end counts. scripts/delivery_kills.py at length."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from django.conf import settings


@pytest.mark.skipif(sys.platform == "win32", reason="workers are forks")
def test_no_delivery_is_lost_or_sent_more_than_twice_while_its_workers_are_killed() -> None:
    own_database = {name: value for name, value in os.environ.items() if name not in ("DATABASE_URL", "REDIS_URL")}
    done = subprocess.run(
        [sys.executable, "-m", "scripts.delivery_kills", "--deliveries", "150", "--kills", "4"],
        cwd=settings.BASE_DIR,
        env=own_database,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
