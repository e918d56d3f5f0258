"""The site as a trader meets it: a real server process with a database of its own, and alerts posted to its webhook."""

from __future__ import annotations

import email
import email.policy
import json
import os
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.request
from contextlib import closing
from itertools import count
from pathlib import Path
from typing import Any

from scripts import asgi_servers

ROOT = Path(__file__).resolve().parents[3]
PATIENCE_S = 60  # a busy machine is no failure; what is waited for ends the wait
LOOKS_EVERY_S = 0.01
PASSWORD = "a-long-password-of-the-cast"

# In one process: to start one takes longer than what it does.
FOUND = """
import io, json, os
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import User
from django.core.management import call_command
from django.test import Client

from notifications.models import NotificationPreference

call_command("migrate", verbosity=0)
password = make_password(os.environ["CAST_PASSWORD"])
sessions = {}
for name in ("alice", "bob", "ada"):
    is_admin = name == "ada"
    user = User.objects.create(
        username=name, email=f"{name}@example.org", password=password, is_staff=is_admin, is_superuser=is_admin
    )
    client = Client()
    client.force_login(user)
    sessions[name] = client.cookies[settings.SESSION_COOKIE_NAME].value
    if not is_admin:
        NotificationPreference.objects.update_or_create(user=user, defaults={"min_confidence": 0})
address = io.StringIO()
call_command("webhook_token", house=True, stdout=address, stderr=io.StringIO())
print(json.dumps({"sessions": sessions, "webhook_path": urlsplit(address.getvalue().strip()).path}))
"""

RECEIVE_ALERTS = """
import sys
from signals import intake, tradingview
for line in sys.stdin:
    intake.receive(tradingview.parse(line.encode()), owner=None, origin="script")
"""

READ_TOKEN = """
from notifications.delivery import webpush
from notifications.models import InsightNotification
print(webpush.read_token(InsightNotification.objects.filter(user__username={name!r}).latest("pk")))
"""

OPEN_DIGEST = """
from django.contrib.auth.models import User
from django.utils import timezone
from notifications.digests import runs
runs.open_trial(User.objects.get(username={name!r}), timezone.now())
"""

PENDING_DIGESTS = "SELECT count(*) FROM notifications_digestrun WHERE state = 'pending'"
UNFINISHED_DISPATCHES = "SELECT count(*) FROM notifications_insightdispatch WHERE state IN ('open', 'running')"


class Site:
    """One server at a fixed address, which can be killed and started again on the same database."""

    def __init__(self, folder: Path, **variables: str) -> None:
        """`variables` are added to the environment of its processes."""
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.webhook_path = ""
        self.sessions: dict[str, str] = {}  # a session's key for each of the cast
        self._folder = folder
        self._variables = variables
        self._database = folder / "site.sqlite3"
        self._as_founded = folder / "as_founded.sqlite3"
        self._server: subprocess.Popen[bytes] | None = None
        self._alerts = count(1)

    def found(self) -> None:
        """Make the database, with the cast, each of them signed in once, and a webhook of the house."""
        founded = json.loads(self._manage("shell", "--verbosity=0", "--command", FOUND))
        self.webhook_path = founded["webhook_path"]
        self.sessions = founded["sessions"]
        copy_database(self._database, self._as_founded)

    def begin_anew(self) -> None:
        """Make the database what it was when the site was founded; the server, if it runs, goes on with it."""
        copy_database(self._as_founded, self._database)

    def start(self) -> None:
        """Returns when the server listens; does nothing when it runs."""
        if self._server is not None:
            return
        command = asgi_servers.command(asgi_servers.of_tests(), self.port)
        with (self._folder / "console.log").open("a") as log:
            server = subprocess.Popen(command, cwd=ROOT, env=self._environment(), stdout=log, stderr=subprocess.STDOUT)
        self._server = server
        deadline = time.monotonic() + PATIENCE_S
        while not listens(self.port):
            assert not exits(server), (self._folder / "console.log").read_text()
            assert time.monotonic() < deadline, f"The server did not listen within {PATIENCE_S} s."

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

    def post_alerts(self, *symbols: str, **fields: Any) -> list[int]:
        """Post them one after the other; returns the signals' ids when every trader has been notified.

        Each is an entry of its own: the same symbol again comes of another strategy.
        """
        signal_ids = [
            self.post_alert(symbol, **{"strategy": strategy_of_its_own(symbols[:number].count(symbol))} | fields)
            for number, symbol in enumerate(symbols)
        ]
        self._wait_until_there_is_none(UNFINISHED_DISPATCHES, "dispatches")
        return signal_ids

    def make_insights(self, *symbols: str, **fields: Any) -> None:
        """Make insights in another process: the way in when no server runs."""
        alerts = "".join(f"{self._alert(symbol, **fields)}\n" for symbol in symbols)
        self._manage("shell", "--verbosity=0", "--command", RECEIVE_ALERTS, stdin=alerts)

    def read_token(self, name: str) -> str:
        """What a push of this user's newest notification brings along."""
        code = READ_TOKEN.format(name=name)
        return self._manage("shell", "--verbosity=0", "--command", code).strip()

    def digest_of(self, name: str) -> str:
        """The HTML of the daily e-mail that this user would get now."""
        self._manage("shell", "--verbosity=0", "--command", OPEN_DIGEST.format(name=name))
        self._manage("send_digests", "--user", name)
        self._wait_until_there_is_none(PENDING_DIGESTS, "digests")  # the server may have been faster
        [sent] = (self._folder / "mails").glob("*.log")
        html = email.message_from_bytes(sent.read_bytes(), policy=email.policy.default).get_body(("html",))
        assert html is not None
        sent.unlink()
        return str(html.get_content())

    def stop_sending(self) -> None:
        self._manage("sending_brake", "on", "--reason", "A source went mad")

    def let_sending_go_on(self) -> None:
        self._manage("sending_brake", "off")

    def roll_up(self) -> None:
        """Count the figures of the delivery health page."""
        self._manage("roll_up_figures")

    def fill_with_a_month(self) -> None:
        """Made-up traders with a month of notifications, and the figures of all that."""
        numbers = ("--users", "200", "--notifications", "20000")
        self._manage("seed_notifications", *numbers, "--yes-into-this-database")
        self.roll_up()

    def replay(self, first: str, last: str) -> None:
        """Post the setups of these days of real market data to the webhook; days as YYYY-MM-DD."""
        days = ["--from", first, "--to", last, "--position", str(self._folder / "replay.json")]
        token = self.webhook_path.strip("/").rpartition("/")[2]
        self._manage("replay_market", *days, "--per-minute=0", "--url", self.url, ZENITHEDGE_WEBHOOK_TOKEN=token)

    def _wait_until_there_is_none(self, query: str, what: str) -> None:
        deadline = time.monotonic() + PATIENCE_S
        with closing(sqlite3.connect(self._database)) as database:
            while database.execute(query).fetchone() != (0,):
                assert time.monotonic() < deadline, f"The {what} did not end within {PATIENCE_S} s."
                time.sleep(LOOKS_EVERY_S)

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
            "DATABASE_URL": f"sqlite:///{self._database}",
            "REDIS_URL": "",
            "SITE_URL": self.url,
            "EMAIL_URL": f"filemail:///{self._folder / 'mails'}",
            "LOG_FILE": str(self._folder / "site.log"),
            "DJANGO_SECRET_KEY": "of-a-test-" + "x" * 50,
            "DJANGO_DEBUG": "false",
            "WEBHOOK_REQUESTS_PER_MINUTE": "10000",  # the tests of a minute share one webhook
            **self._variables,
        }


def strategy_of_its_own(times_before: int) -> str:
    return f"ZenithEdge {times_before + 1}" if times_before else "ZenithEdge"


def copy_database(source: Path, target: Path) -> None:
    """Through SQLite, so that others may have the target open: they see the one or the other, whole."""
    with closing(sqlite3.connect(source)) as origin, closing(sqlite3.connect(target, timeout=PATIENCE_S)) as copy:
        origin.backup(copy)


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
