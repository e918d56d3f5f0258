"""The site as a trader meets it: a real server process with a database of its own, and alerts posted to its webhook."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

ROOT = Path(__file__).resolve().parents[3]
STARTS_WITHIN_S = 60
DATABASE = "site.sqlite3"
PASSWORD = "a-long-password-of-the-cast"

MAKE_CAST = """
import os
from django.contrib.auth.models import User
from notifications.models import NotificationPreference
for name in ("alice", "bob"):
    user = User.objects.create_user(name, f"{name}@example.org", os.environ["CAST_PASSWORD"])
    NotificationPreference.objects.update_or_create(user=user, defaults={"min_confidence": 0})
User.objects.create_superuser("ada", "ada@example.org", os.environ["CAST_PASSWORD"])
"""

RECEIVE_ALERTS = """
import sys
from signals import intake, tradingview
for line in sys.stdin:
    intake.receive(tradingview.parse(line.encode()), owner=None, origin="script")
"""


class Site:
    """One server at a fixed address, which can be killed and started again on the same database."""

    def __init__(self, folder: Path, webhook_path: str = "") -> None:
        self.folder = folder
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.webhook_path = webhook_path
        self._server: subprocess.Popen[bytes] | None = None
        self._alerts = count(1)

    def found(self) -> None:
        """Make the database with the cast and a webhook of the house."""
        self._manage("migrate", "--verbosity=0")
        self._manage("shell", "--verbosity=0", "--command", MAKE_CAST)
        self.webhook_path = urlsplit(self._manage("webhook_token", "--house").strip()).path

    def copy(self, folder: Path) -> Site:
        """Another site that starts with the same database."""
        shutil.copy(self.folder / DATABASE, folder / DATABASE)
        return Site(folder, self.webhook_path)

    def start(self) -> None:
        """Returns when the server listens."""
        command = [
            sys.executable,
            "-m",
            "daphne",
            "-b",
            "127.0.0.1",
            "-p",
            str(self.port),
            "zenithedge.asgi:application",
        ]
        with (self.folder / "console.log").open("a") as log:
            self._server = subprocess.Popen(
                command, cwd=ROOT, env=self._environment(), stdout=log, stderr=subprocess.STDOUT
            )
        deadline = time.monotonic() + STARTS_WITHIN_S
        while not listens(self.port):
            assert not exits(self._server), (self.folder / "console.log").read_text()
            assert time.monotonic() < deadline, f"The server did not listen within {STARTS_WITHIN_S} s."

    def kill(self) -> None:
        """As a fault would: without a chance to say good-bye."""
        if self._server is not None:
            self._server.kill()
            self._server.wait()
            self._server = None

    def post_alert(self, symbol: str, **fields: Any) -> int:
        """Post an alert to the real webhook, as TradingView would; returns the signal's id."""
        request = urllib.request.Request(self.url + self.webhook_path, self._alert(symbol, **fields).encode())  # noqa: S310 - ours
        with urllib.request.urlopen(request, timeout=10) as response:  # noqa: S310
            assert response.status == 201
            signal_id: int = json.load(response)["signal_id"]
            return signal_id

    def make_insights(self, *symbols: str, **fields: Any) -> None:
        """Make insights in another process: the way in when no server runs."""
        alerts = "".join(f"{self._alert(symbol, **fields)}\n" for symbol in symbols)
        self._manage("shell", "--verbosity=0", "--command", RECEIVE_ALERTS, stdin=alerts)

    def replay(self, first: str, last: str) -> None:
        """Post the setups of these days of real market data to the webhook; days as YYYY-MM-DD."""
        days = ["--from", first, "--to", last, "--position", str(self.folder / "replay.json")]
        token = self.webhook_path.strip("/").rpartition("/")[2]
        self._manage("replay_market", *days, "--per-minute=0", "--url", self.url, ZENITHEDGE_WEBHOOK_TOKEN=token)

    def _alert(self, symbol: str, **fields: Any) -> str:
        alert = {
            "symbol": symbol,
            "timeframe": "60",
            "side": "buy",
            "price": "1.0850",
            "sl": "1.0800",
            "tp": "1.0960",
            "confidence": 82,
            "strategy": "ZenithEdge",
            "alert_id": f"browser-{next(self._alerts)}",
        }
        return json.dumps(alert | fields)

    def _manage(self, *arguments: str, stdin: str | None = None, **variables: str) -> str:
        environment = self._environment() | {"NOTIFICATIONS_WORKER": "false", "CAST_PASSWORD": PASSWORD} | variables
        command = [sys.executable, str(ROOT / "manage.py"), *arguments]
        done = subprocess.run(command, env=environment, input=stdin, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def _environment(self) -> dict[str, str]:
        return os.environ | {
            "DATABASE_URL": f"sqlite:///{self.folder / DATABASE}",
            "REDIS_URL": "",
            "SITE_URL": self.url,
            "LOG_FILE": str(self.folder / "site.log"),
            "DJANGO_SECRET_KEY": "of-a-test-" + "x" * 50,
            "DJANGO_DEBUG": "false",
        }


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def exits(process: subprocess.Popen[bytes], within_s: float = 0.05) -> bool:
    try:
        process.wait(within_s)
    except subprocess.TimeoutExpired:
        return False
    return True
