"""Options of servers and proxy of which a fault run has shown what they cost."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from scripts import asgi_servers, nginx, units

COMMON = units.UNITS / "zenithedge-.service.d" / "common.conf"


def test_daphne_may_send_a_client_all_that_it_missed() -> None:
    """Its limit for messages holds for sent ones too: a catch-up above it failed again and again."""
    assert "--websocket-max-message-size" not in asgi_servers.command("daphne", 8000)


def test_nginx_lets_every_socket_back_to_a_server_that_was_restarted() -> None:
    """It forgives a failure at the end of a good request only; with sockets, which live for hours, that took long."""
    assert "server 127.0.0.1:8001 max_fails=0;" in nginx.Site(["127.0.0.1:8001"]).render()


def test_a_unit_is_started_here_as_on_a_host() -> None:
    assert units.command("worker@", "2") == [
        *(sys.executable, "-m", "celery", "-A", "zenithedge.celery", "worker"),
        *("--hostname=worker-2@%h", "--concurrency=2"),
    ]


def test_an_unknown_unit_is_named() -> None:
    with pytest.raises(ValueError, match=r"zenithedge-hypercorn@\.service"):
        units.command("hypercorn@", "1")


@pytest.mark.parametrize("unit", sorted(units.UNITS.glob("*.service")), ids=lambda path: path.name)
def test_every_unit_is_one_that_systemd_reads(unit: Path, tmp_path: Path) -> None:
    """What systemd does not know, it ignores with a line in a log that nobody reads."""
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd is not here")
    instance = tmp_path / unit.name.replace("@.", "@8001.")
    parts = [unit, COMMON, *sorted((units.UNITS / f"{unit.name}.d").glob("*.conf"))]
    text = "".join(part.read_text(encoding="utf-8") for part in parts)
    instance.write_text(text.replace(units.PYTHON, "/bin/true"), encoding="utf-8")

    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(instance)], capture_output=True, text=True, check=False
    )

    assert [line for line in done.stderr.splitlines() if instance.name in line] == []
