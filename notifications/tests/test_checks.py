"""`manage.py check --deploy`: clean for a production as it should be, and a name for each thing that is not."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from django.conf import settings

PRODUCTION = {
    "DJANGO_SECRET_KEY": "k7Qz" * 16 + "!a0-",
    "SITE_URL": "https://hub.example.org",
    "DATABASE_URL": "postgresql://hub:password@127.0.0.1:1/hub",  # checks read the models, not the data
    "REDIS_URL": "redis://127.0.0.1:1/0",
    "EMAIL_URL": "smtp+tls://hub:password@mail.example.org:587",
    "TRUSTED_PROXIES": "127.0.0.1",
    "METRICS_TOKEN": "0123456789abcdef" * 4,
    "VAPID_PUBLIC_KEY": "BE-hIKQ2yJPncMnSlbwDuULs0zZQFu40Th-VjYGCIgFZ_x9_8cGTWVy5oGQa5GCgzZJG5ifRIiPhu9b-gHOHnQQ",
    "VAPID_PRIVATE_KEY": "meUO0zJNXWWfbuRSfdmSI4MGhVX5FDnnoLpcx8Vh4k8",
    "VAPID_SUBJECT": "mailto:desk@example.org",
}


# Most of the time goes into loading libraries. They are loaded once; for each line of variables a child reads the
# settings and checks, as `manage.py` does it.
CHECKS = """
import json, os, sys
import celery, channels_redis.pubsub, daphne.server, prometheus_client
from django.core.management import execute_from_command_line
from django.core.management.commands import check
from django.db.backends.postgresql import base

for line in sys.stdin:
    told, tell = os.pipe()
    child = os.fork()
    if not child:
        os.dup2(tell, sys.stderr.fileno())
        os.dup2(tell, sys.stdout.fileno())
        os.environ.clear()
        os.environ.update(json.loads(line), DJANGO_SETTINGS_MODULE="zenithedge.settings")
        code = 0
        try:
            execute_from_command_line(["manage.py", "check", "--deploy", "--fail-level", "WARNING"])
        except SystemExit as ended:
            code = ended.code
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    os.close(tell)
    with os.fdopen(told) as words:
        said = words.read()
    print(json.dumps([os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), said]), flush=True)
"""
Complaints = Callable[..., list[str]]


@pytest.fixture(scope="module")
def checks() -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", CHECKS]
    environment = {"PATH": os.environ["PATH"]}
    pipe = subprocess.PIPE
    with subprocess.Popen(
        command, cwd=settings.BASE_DIR, env=environment, stdin=pipe, stdout=pipe, text=True
    ) as process:
        yield process
        process.communicate()


@pytest.fixture
def complaints(checks: subprocess.Popen[str], tmp_path: Path) -> Complaints:
    """The ids that the checks name in an environment; the exit code says the same."""

    def ask(**changes: str | None) -> list[str]:
        variables = PRODUCTION | {"PATH": os.environ["PATH"], "LOG_FILE": str(tmp_path / "django.log")} | changes
        assert checks.stdin is not None
        assert checks.stdout is not None
        checks.stdin.write(json.dumps({name: value for name, value in variables.items() if value is not None}) + "\n")
        checks.stdin.flush()
        code, said = json.loads(checks.stdout.readline())
        found = re.findall(r"\(((?:\w+\.)+[EW]\d+)\)", said)
        assert bool(found) == bool(code), said
        assert said.count("HINT:") >= len([each for each in found if each.startswith("notifications.")])
        return sorted(found)

    return ask


def test_a_production_as_it_should_be_is_clean(complaints: Complaints) -> None:
    assert complaints() == []


@pytest.mark.parametrize(
    ("changes", "ids"),
    [
        (
            {"SITE_URL": None},
            [
                "notifications.W001",
                "notifications.W015",
                "security.W004",
                "security.W008",
                "security.W012",
                "security.W016",
            ],
        ),
        ({"REDIS_URL": None}, ["notifications.W003"]),
        ({"DATABASE_URL": None}, ["notifications.W004"]),
        ({"CHANNEL_LAYER": "rabbit"}, ["notifications.E005"]),
        ({"LOG_FORMAT": "xml"}, ["notifications.E006"]),
        ({"REDIS_URL": None, "CHANNEL_LAYER": "core"}, ["notifications.E005"]),
        ({"REDIS_URL": None, "NOTIFICATIONS_WORKER": "off"}, ["notifications.W003", "notifications.W005"]),
        ({"TRUSTED_PROXIES": None}, ["notifications.W010"]),
        ({"VAPID_PUBLIC_KEY": None}, ["notifications.E012"]),
        ({"VAPID_PUBLIC_KEY": None, "VAPID_PRIVATE_KEY": None}, ["notifications.W014"]),
        ({"TRUSTED_PROXIES": "nginx,10.0.0.0/99"}, ["notifications.E010", "notifications.E010"]),
        ({"METRICS_TOKEN": "guess-me"}, ["notifications.W011"]),
        ({"PROMETHEUS_MULTIPROC_DIR": "/dev/null/metrics"}, ["notifications.W012"]),
        ({"STATIC_ROOT": "/nowhere/collected"}, ["notifications.W016"]),
        ({"EMAIL_URL": None}, ["notifications.W013"]),
        (
            {"DEFAULT_FROM_EMAIL": "ZenithEdge", "BOUNCE_EMAIL": "no one"},
            ["notifications.E015", "notifications.E015", "notifications.W015"],
        ),
        ({"DEFAULT_FROM_EMAIL": "root@localhost"}, ["notifications.W015"]),
        ({"DJANGO_DEBUG": "1", "DJANGO_ALLOWED_HOSTS": "*"}, ["notifications.W002", "security.W018"]),
        ({"DJANGO_SECRET_KEY": "short"}, ["security.W009"]),
        (
            {"SIGN_IN_FAILURES": "0", "WEBHOOK_REQUESTS_PER_MINUTE_AND_ADDRESS": "-1", "SITE_URL": "https://a.b/c"},
            ["notifications.E002", "notifications.E011", "notifications.E011"],
        ),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, dict) else "",
)
def test_what_is_unsafe_or_half_set_is_named_with_a_hint(
    complaints: Complaints, changes: dict[str, str | None], ids: list[str]
) -> None:
    assert complaints(**changes) == ids
