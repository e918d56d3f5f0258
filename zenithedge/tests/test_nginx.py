"""nginx's configuration: a real nginx takes it, and shows no token in any log."""

from __future__ import annotations

import contextlib
import gzip
import shutil
import socket
import ssl
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import replace
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
    f"/signals/%77ebhook/{TOKEN}/",
    f"/%73ignals%2fwebhoo%6B/{TOKEN}",
    f"/notifications/digest/unsubscribe/{TOKEN}/",
    f"/notifications//digest%2funsubscribe/{TOKEN}",
    f"/accounts/reset/MQ/{TOKEN}/",
    f"/accounts%2freset//MQ%2f{TOKEN}/further",
    f"/accounts/%72eset/MQ/{TOKEN}/",
    f"/notifications/%64igest/unsubscribe/{TOKEN}/",
    f"/signals/webhook/{TOKEN}%2f..",
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
        own = replace(site, logs=str(tmp_path))
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


class Stay(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *arguments: object) -> None:
        """Where it would lead is looked at instead."""


def refusal(url: str) -> tuple[int, str | None]:
    """The code of an answer that is none, and where it leads."""
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.build_opener(Stay).open(url, timeout=10)
    refused.value.close()
    return refused.value.code, refused.value.headers["Location"]


def test_the_configuration_of_a_host_with_a_certificate_names_everything(tmp_path: Path) -> None:
    text = Site(["10.0.0.1:8001"], listen="443", name="hub.example", certificate="/c.pem", key="/k.pem").render()

    assert "listen 443 ssl" in text
    assert "return 308 https://$host$request_uri;" in text
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


def test_static_files_of_a_release_come_from_nginx_and_are_kept_for_ever(
    site: Site, run: Callable[[Site], Process], tmp_path: Path
) -> None:
    """The application does not run: what it would have to be asked for fails."""
    module = tmp_path / "static" / "v-0123456789ab" / "main.js"
    module.parent.mkdir(parents=True)
    module.write_text("plain")
    module.with_name("main.js.gz").write_bytes(gzip.compress(b"plain"))
    run(replace(site, static=str(tmp_path / "static")))
    address = f"http://{site.listen}/static"

    request = urllib.request.Request(  # noqa: S310 - http
        f"{address}/v-0123456789ab/main.js", headers={"Accept-Encoding": "gzip"}
    )
    with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310 - http
        assert gzip.decompress(answer.read()) == b"plain"
        assert answer.headers["Content-Type"].startswith("text/javascript")
        assert answer.headers["Cache-Control"] == "max-age=31536000, public, immutable"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Vary"] == "Accept-Encoding"
    for path in ("/v-ba9876543210/main.js", "/notifications/main.js"):
        assert refusal(address + path) == (502, None)


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[str, str]:
    """Of this machine's own making, with its key."""
    files = str(tmp_path / "hub.pem"), str(tmp_path / "hub.key")
    options = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-subj", "/CN=localhost", "-days", "1"]
    command = ["openssl", "req", "-x509", "-nodes", *options, "-out", files[0], "-keyout", files[1]]
    if shutil.which("openssl") is None:
        pytest.skip("There is no openssl here")
    subprocess.run(command, check=True, capture_output=True)
    return files


def test_with_a_certificate_nginx_speaks_tls_and_sends_the_others_there(
    site: Site, run: Callable[[Site], Process], certificate: tuple[str, str]
) -> None:
    plain = f"127.0.0.1:{free_port()}"
    run(replace(site, certificate=certificate[0], key=certificate[1], plain=plain))

    assert refusal(f"http://{plain}/accounts/login/?next=/") == (308, "https://127.0.0.1/accounts/login/?next=/")
    host, port = site.listen.split(":")
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        context = ssl.create_default_context(cafile=certificate[0])
        context.minimum_version = context.maximum_version = version
        context.set_alpn_protocols(["h2"])
        with (
            socket.create_connection((host, int(port))) as raw,
            context.wrap_socket(raw, server_hostname="localhost") as tls,
        ):
            assert tls.selected_alpn_protocol() == "h2"


def test_the_command_prints_what_a_host_needs(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "scripts.nginx", "--name", "hub.example", "--server", "127.0.0.1:8001"]

    done = subprocess.run(command, cwd=settings.BASE_DIR, capture_output=True, text=True, check=True)

    assert "server_name hub.example;" in done.stdout
