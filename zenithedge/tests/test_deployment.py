"""deploy/: what stands in two files is the same in both, and the example of the environment, filled in, is complete."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import psycopg
import pytest
import redis
import yaml
from django.conf import settings
from django.db import connection

from notifications.tests.test_checks import PRODUCTION
from scripts import units
from zenithedge import static_versions

DEPLOY = Path(settings.BASE_DIR) / "deploy"
EXAMPLE = (DEPLOY / ".env.example").read_text(encoding="utf-8")
DOCKERFILE = (DEPLOY / "Dockerfile").read_text(encoding="utf-8").replace("\\\n", " ")
COMPOSE: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
# Service, unit, instance: in a container a server listens on every address and is reached by its own.
PROCESSES = [
    ("web-daphne", "daphne@", "8001"),
    ("web-uvicorn", "uvicorn@", "8002"),
    ("worker", "worker@", "1"),
    ("beat", "beat", ""),
]
# Of compose.yaml itself, not of the site.
OF_COMPOSE = {"COMPOSE_PROJECT_NAME", "SITE_NAME", "POSTGRES_PASSWORD"}
POOL_SIZE = 16


def variables(text: str) -> dict[str, str]:
    lines = (line for line in text.splitlines() if line and not line.startswith("#"))
    return {name: value for name, _, value in (line.partition("=") for line in lines)}


def unit_lines(unit: str) -> dict[str, str]:
    return variables((units.UNITS / f"zenithedge-{unit}.service").read_text(encoding="utf-8"))


def unit_command(unit: str, instance: str) -> list[str]:
    words = shlex.split(unit_lines(unit)["ExecStart"])
    everywhere = "0.0.0.0"  # noqa: S104 - of a container, which has a network of its own
    return [word.replace("%i", instance).replace("%%", "%").replace("127.0.0.1", everywhere) for word in words]


@pytest.mark.parametrize(("service", "unit", "instance"), PROCESSES, ids=[name for name, _, _ in PROCESSES])
def test_a_container_runs_what_the_unit_runs(service: str, unit: str, instance: str) -> None:
    composed, lines = SERVICES[service], unit_lines(unit)

    assert composed["command"] == unit_command(unit, instance)
    assert composed["stop_grace_period"] == f"{lines['TimeoutStopSec']}s"
    assert str(composed.get("ulimits", {}).get("nofile", "")) == lines.get("LimitNOFILE", "")


def test_an_image_alone_is_a_server() -> None:
    [command] = [line.removeprefix("CMD ") for line in DOCKERFILE.splitlines() if line.startswith("CMD ")]

    assert yaml.safe_load(command) == unit_command("uvicorn@", "8001")


def test_nginx_in_compose_is_told_of_the_servers_where_they_are() -> None:
    told = re.findall(r"--server (\S+)", DOCKERFILE)
    addresses = [SERVICES[name]["networks"]["outside"]["ipv4_address"] for name, *_ in PROCESSES[:2]]
    proxy = SERVICES["nginx"]["networks"]["outside"]["ipv4_address"]

    assert told == [f"{address}:{port}" for address, (_, _, port) in zip(addresses, PROCESSES, strict=False)]
    assert COMPOSE["x-site"]["environment"]["TRUSTED_PROXIES"] == proxy


def test_each_service_of_compose_says_whether_it_is_well_or_why_not() -> None:
    """The image's own check asks port 8001; beat, the migrations and the holder of ids answer nothing."""
    without = {name for name, service in SERVICES.items() if "healthcheck" not in service}
    disabled = {name for name, service in SERVICES.items() if service.get("healthcheck", {}).get("disable")}

    assert without == {"pids", "web-daphne"}
    assert disabled == {"release", "beat"}
    assert "HEALTHCHECK" in DOCKERFILE


def test_compose_takes_its_own_file(tmp_path: Path) -> None:
    compose = shutil.which("docker-compose")
    command = [compose] if compose else ["docker", "compose"]
    if not compose and subprocess.run([*command, "version"], capture_output=True, check=False).returncode:
        pytest.skip("There is no compose here")
    shutil.copy(DEPLOY / "compose.yaml", tmp_path)
    (tmp_path / ".env").write_text(re.sub("^POSTGRES_PASSWORD=$", "POSTGRES_PASSWORD=p", EXAMPLE, flags=re.MULTILINE))

    done = subprocess.run([*command, "config", "--quiet"], cwd=tmp_path, capture_output=True, text=True, check=False)

    assert (done.returncode, done.stderr) == (0, "")


def test_images_are_pinned_and_run_as_nobody_in_particular() -> None:
    images = re.findall(r"^FROM (\S+)", DOCKERFILE, flags=re.MULTILINE)
    stages = set(re.findall(r"^FROM \S+ AS (\S+)", DOCKERFILE, flags=re.MULTILINE))
    images += [service["image"] for service in SERVICES.values() if "build" not in service and "image" in service]
    from_elsewhere = [image for image in images if image not in stages and not image.startswith("zenithedge")]

    assert all(re.search(r":\d+\.?\d*[\w.-]*$", image) for image in from_elsewhere), from_elsewhere
    application = DOCKERFILE[DOCKERFILE.index("AS application") : DOCKERFILE.index("AS proxy-configuration")]
    assert re.findall(r"^USER (\S+)", application, flags=re.MULTILINE) == ["10001:10001"]
    proxy = DOCKERFILE[DOCKERFILE.index("AS proxy\n") :]
    assert "nginx-unprivileged" in DOCKERFILE
    assert re.findall(r"^USER (\S+)", proxy, flags=re.MULTILINE)[-1] == "101"


def test_no_secret_can_get_into_an_image() -> None:
    """What is named is copied, all else is not; and no variable that stays is a secret."""
    named = (Path(settings.BASE_DIR) / ".dockerignore").read_text(encoding="utf-8").splitlines()
    kept = re.findall(r"^(?:ENV|ARG) (.*)$", DOCKERFILE, flags=re.MULTILINE)

    ignored = (Path(settings.BASE_DIR) / ".gitignore").read_text(encoding="utf-8").splitlines()
    of_the_site = {line for line in ignored if line.startswith("deploy/")}  # its environment, its certificate's key

    assert named[1] == "*"
    assert of_the_site >= {"deploy/.env", "deploy/certificates/"}
    assert of_the_site | {"deploy/.env.*", "**/tests"} <= set(named)
    assert not any(re.search("SECRET|PASSWORD|TOKEN|PRIVATE", line) for line in kept)


def test_the_example_of_the_environment_passes_the_checks_when_filled_in(tmp_path: Path) -> None:
    example = variables(EXAMPLE)
    empty = {name for name, value in example.items() if not value} - OF_COMPOSE
    collected = tmp_path / "static"
    collected.mkdir()
    (collected / static_versions.VERSION_FILE).write_text("v-0123456789ab")
    here = {"LOG_FILE": str(tmp_path / "django.log"), "STATIC_ROOT": str(collected)}
    filled = example | {name: PRODUCTION[name] for name in empty} | here

    done = subprocess.run(
        [sys.executable, "manage.py", "check", "--deploy", "--fail-level", "WARNING"],
        cwd=settings.BASE_DIR,
        env={"PATH": os.environ["PATH"]} | filled,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr


def test_every_variable_of_the_example_is_one_that_something_reads() -> None:
    settings_text = (Path(settings.BASE_DIR) / "zenithedge" / "settings.py").read_text(encoding="utf-8")
    compose_text = (DEPLOY / "compose.yaml").read_text(encoding="utf-8")

    for name in variables(EXAMPLE).keys() - {"COMPOSE_PROJECT_NAME"}:
        assert f'"{name}"' in settings_text or f"${{{name}" in compose_text, name


def test_postgresql_takes_more_connections_than_all_pools_have() -> None:
    [limit] = re.findall(r"^max_connections = (\d+)", (DEPLOY / "postgresql.conf").read_text(), flags=re.MULTILINE)
    [concurrency] = re.findall(r"--concurrency=(\d+)", unit_lines("worker@")["ExecStart"])
    processes = {"web-daphne": 1, "web-uvicorn": 1, "worker": 1 + int(concurrency), "beat": 1, "a command": 1}

    if connection.vendor == "postgresql":
        assert connection.settings_dict["OPTIONS"]["pool"]["max_size"] == POOL_SIZE
    assert sum(processes.values()) * POOL_SIZE < int(limit)


@pytest.mark.services
def test_the_services_that_are_started_here_run_on_the_files_for_a_host() -> None:
    if connection.vendor != "postgresql" or not settings.REDIS_URL:
        pytest.skip("PostgreSQL and Redis only")
    of_redis = dict(re.findall(r"^([\w-]+) (.+)$", (DEPLOY / "redis.conf").read_text(), flags=re.MULTILINE))
    values = {key: connection.settings_dict[key] for key in ("HOST", "PORT", "USER", "PASSWORD")}
    address = f"postgresql://{values['USER']}@{values['HOST']}:{values['PORT']}/postgres"

    with psycopg.connect(address, password=values["PASSWORD"]) as own:
        applied = own.execute("SELECT count(*) FROM pg_file_settings WHERE error IS NOT NULL").fetchone()
        shown = own.execute("SELECT current_setting('statement_timeout'), current_setting('jit')").fetchone()
    with redis.Redis.from_url(settings.REDIS_URL) as client:
        policy = client.config_get("maxmemory-policy")

    assert (applied, shown) == ((0,), ("5min", "off"))
    assert policy == {"maxmemory-policy": of_redis["maxmemory-policy"]}


def test_the_sites_account_owns_nothing_that_root_reads() -> None:
    """Else whoever got hold of the site would get hold of the machine when root's shell reads its environment."""
    operations = (Path(settings.BASE_DIR) / "docs" / "operations.md").read_text(encoding="utf-8")
    made = re.findall(r"\binstall (-d .*?)(?: &&| +#|$)", operations, flags=re.MULTILINE)
    of_the_site = {
        path for line in made if "-o zenithedge" in line for path in re.findall(r" (\S*/\S+|var)(?= |$)", line)
    }

    assert {"var", "/var/lib/zenithedge/static", "/var/log/zenithedge"} == of_the_site
    assert "install -d -m 0750 -g zenithedge /etc/zenithedge" in operations
