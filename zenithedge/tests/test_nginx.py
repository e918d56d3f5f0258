"""nginx's configuration: a real nginx takes it, and shows no token in any log."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from django.conf import settings

from scripts import needs
from scripts.nginx import Site, write_own
from scripts.processes import Process, free_port

TOKEN = "the-secret-of-a-webhook"
SPELLINGS = (
    f"/signals/webhook/{TOKEN}/",
    f"/signals/webhook/{TOKEN}?from=tradingview",
    f"//signals//webhook//{TOKEN}",
    f"/signals%2Fwebhook%2f{TOKEN}/",
    f"/Signals/Webhook/{TOKEN}/",
    f"/notifications/digest/unsubscribe/{TOKEN}/",
    f"/notifications//digest%2funsubscribe/{TOKEN}",
    f"/accounts/reset/MQ/{TOKEN}/",
    f"/accounts%2freset//MQ%2f{TOKEN}/further",
)


@pytest.fixture
def nginx() -> str:
    path = needs.installed_nginx()
    if path is None:
        pytest.skip("There is no nginx here; `make test-all` and `make stack` install it where they may")
    return path


@pytest.fixture
def site() -> Site:
    """Its one server does not run, so that every request ends in an error, of which nginx says more than of success."""
    return Site([f"127.0.0.1:{free_port()}"], listen=f"127.0.0.1:{free_port()}")


@pytest.fixture
def run(nginx: str, tmp_path: Path) -> Iterator[Callable[[Site], Process]]:
    started: list[Process] = []

    def start(site: Site) -> Process:
        own = Site(site.servers, listen=site.listen, logs=str(tmp_path), webhook_rate=site.webhook_rate)
        command = [nginx, "-e", str(tmp_path / "error.log"), "-c", str(write_own(own, tmp_path)), "-p", str(tmp_path)]
        process = Process("nginx", command, tmp_path / "console.log", lambda process: listens(site.listen))
        started.append(process)
        process.start()
        return process

    yield start
    for process in started:
        process.stop()


def listens(address: str) -> bool:
    host, port = address.split(":")
    with socket.socket() as client:
        return client.connect_ex((host, int(port))) == 0


def test_the_configuration_of_a_host_with_a_certificate_names_everything(tmp_path: Path) -> None:
    text = Site(["10.0.0.1:8001"], listen="443", name="hub.example", certificate="/c.pem", key="/k.pem").render()

    assert "listen 443 ssl" in text
    assert "ssl_certificate /c.pem;" in text
    assert "server_name hub.example;" in text
    assert "server 10.0.0.1:8001" in text
    assert "@" not in text


@pytest.mark.parametrize("webhook_rate", ["", "10r/s"])
def test_no_log_of_nginx_shows_a_token(
    site: Site, run: Callable[[Site], Process], tmp_path: Path, webhook_rate: str
) -> None:
    running = run(Site(site.servers, listen=site.listen, webhook_rate=webhook_rate))

    for path in SPELLINGS:
        request = urllib.request.Request(f"http://{site.listen}{path}", b"{}", method="POST")
        with contextlib.suppress(urllib.error.HTTPError):
            urllib.request.urlopen(request, timeout=10).close()  # noqa: S310 - http
    running.stop()  # a line is written after its answer

    logs = "".join(log.read_text() for log in tmp_path.glob("*.log"))
    assert logs.count("POST") >= len(SPELLINGS)
    assert TOKEN not in logs


def test_the_command_prints_what_a_host_needs(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "scripts.nginx", "--name", "hub.example", "--server", "127.0.0.1:8001"]

    done = subprocess.run(command, cwd=settings.BASE_DIR, capture_output=True, text=True, check=True)

    assert "server_name hub.example;" in done.stdout
