"""What `make test` does around the tests."""

import json
import os
import socket
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from django.conf import settings

from scripts import needs, run_tests

PROBE = """
import json, os, psycopg, redis
with psycopg.connect(os.environ["DATABASE_URL"]) as connection:
    version = connection.info.server_version
redis.from_url(os.environ["REDIS_URL"]).ping()
print(json.dumps([version, os.environ["DATABASE_URL"], os.environ["REDIS_URL"]]))
raise SystemExit(7)
"""


def test_a_command_gets_a_postgresql_and_a_redis_that_end_with_it() -> None:
    command = [sys.executable, "-m", "scripts.with_services", sys.executable, "-c", PROBE]

    result = subprocess.run(command, cwd=settings.BASE_DIR, capture_output=True, text=True, timeout=60)

    assert result.returncode == 7, result.stderr
    version, *addresses = json.loads(result.stdout)
    assert version >= 140000
    for address in map(urlsplit, addresses):
        with socket.socket() as client:
            assert address.hostname == "127.0.0.1"
            assert client.connect_ex((address.hostname, address.port or 0)) != 0


@dataclass
class Command:
    words: list[str]
    variables: dict[str, str]


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> list[Command]:
    """The commands that run_tests would run; all of them pass."""
    commands: list[Command] = []

    def run(command: tuple[str, ...], *, env: dict[str, str], **_options: object) -> subprocess.CompletedProcess[str]:
        commands.append(Command(list(command), env))
        return subprocess.CompletedProcess(command, 0)

    monkeypatch.setattr("scripts.run_tests.subprocess.run", run)
    monkeypatch.setattr(sys, "argv", ["run_tests"])
    monkeypatch.setattr(needs, "chromium", lambda: "/usr/bin/chromium")
    monkeypatch.setattr(needs, "node_packages", lambda: "node_modules")
    monkeypatch.setattr(needs, "nginx", lambda: "/usr/sbin/nginx")
    monkeypatch.delenv("CI", raising=False)
    return commands


@pytest.fixture
def no_chromium(ran: list[Command], monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> str:
        raise needs.MissingError("Chromium cannot be had")

    monkeypatch.setattr(needs, "chromium", refuse)


def test_each_test_runs_once_where_it_says_most(ran: list[Command]) -> None:
    assert run_tests.main() == 0

    front_end, services, browser, others = (command.words for command in ran)
    assert "--test" in front_end
    assert "static/notifications/tests/store.test.js" in front_end
    assert services[1:3] == ["-m", "scripts.with_services"]
    assert services[-2:] == ["-m", "services and not browser"]
    assert browser == [*run_tests.PYTEST, *run_tests.BROWSERS, "-m", "browser and not narrow"]
    assert others == [*run_tests.PYTEST, *run_tests.ON_EVERY_CORE, "-m", "not browser and not services"]


def test_elsewhere_it_is_the_other_way_round_and_on_the_other_layer_and_server_and_with_the_faults(
    ran: list[Command], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["run_tests", "--elsewhere"])

    assert run_tests.main() == 0

    others, services, core, uvicorn, faults = ran
    assert others.words[1:3] == ["-m", "scripts.with_services"]
    assert others.words[-2:] == ["-m", "database and not browser and not services"]
    assert services.words == [*run_tests.PYTEST, *run_tests.ON_EVERY_CORE, "-m", "services and not browser"]
    assert set(run_tests.ON_BOTH_LAYERS) < set(core.words)
    assert core.variables["CHANNEL_LAYER"] == "core"
    assert uvicorn.words[-2:] == ["-m", "browser and (server or narrow)"]
    assert uvicorn.variables["TEST_SERVER"] == "uvicorn"
    assert faults.words == [*run_tests.FAULTS]


def test_the_processes_that_share_a_redis_have_a_prefix_each() -> None:
    processes = run_tests.PROCESSES_ON_SERVICES[1::2]

    assert len(set(processes)) == len(processes) == (os.cpu_count() or 1)
    assert all(process.startswith("popen//env:REDIS_PREFIX=") for process in processes)


def test_a_failing_phase_ends_the_run(ran: list[Command], monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(command: tuple[str, ...], **_options: object) -> subprocess.CompletedProcess[str]:
        ran.append(Command(list(command), {}))
        return subprocess.CompletedProcess(command, 3)

    monkeypatch.setattr("scripts.run_tests.subprocess.run", fail)

    assert run_tests.main() == 1
    assert len(ran) == 1


@pytest.mark.usefixtures("no_chromium")
def test_without_chromium_the_other_tests_run_and_it_is_said(
    ran: list[Command], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_tests.main() == 0

    assert [command.words[-1] for command in ran[1:]] == ["services and not browser", "not browser and not services"]
    assert "MISSING: Chromium cannot be had" in capsys.readouterr().out


def test_without_npms_packages_the_accessibility_checks_are_left_out_and_it_is_said(
    ran: list[Command], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse() -> str:
        raise needs.MissingError("The packages cannot be had")

    monkeypatch.setattr(needs, "node_packages", refuse)

    assert run_tests.main() == 0

    assert ran[-2].words[-2:] == ["-m", "browser and not axe and not narrow"]
    assert "MISSING: The packages cannot be had" in capsys.readouterr().out


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the files that say which packages are wanted, and no node_modules."""
    monkeypatch.setattr(needs, "ROOT", tmp_path)
    for name in ("package.json", "package-lock.json", ".npmrc"):
        (tmp_path / name).touch()
    return tmp_path


def npm_that(monkeypatch: pytest.MonkeyPatch, *, returns: int, makes: Path) -> list[list[str]]:
    commands: list[list[str]] = []

    def run(command: list[str], **_options: object) -> subprocess.CompletedProcess[bytes]:
        commands.append(command)
        makes.mkdir(exist_ok=True)
        return subprocess.CompletedProcess(command, returns)

    monkeypatch.setattr("scripts.needs.subprocess.run", run)
    return commands


def test_npm_installs_the_packages_once_and_again_after_their_list_has_changed(
    checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commands = npm_that(monkeypatch, returns=0, makes=checkout / "node_modules")

    assert needs.node_packages() == needs.node_packages() == str(checkout / "node_modules")
    assert [command[-4:-2] for command in commands] == [["npm", "ci"]]

    stamp = (checkout / "node_modules" / ".made").stat()
    os.utime(checkout / "package-lock.json", (stamp.st_atime + 5, stamp.st_mtime + 5))
    needs.node_packages()
    assert len(commands) == 2


def test_packages_that_npm_cannot_get_count_as_missing(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    commands = npm_that(monkeypatch, returns=1, makes=checkout / "node_modules")

    for _attempt in range(2):
        with pytest.raises(needs.MissingError, match="npm"):
            needs.node_packages()
    assert len(commands) == 2


@pytest.mark.usefixtures("no_chromium")
def test_in_continuous_integration_nothing_may_be_missing(ran: list[Command], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")

    assert run_tests.main() == 1
    assert ran == []
