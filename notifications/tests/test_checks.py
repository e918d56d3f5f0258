"""`manage.py check --deploy`: clean for a production as it should be, and a name for each thing that is not."""

from __future__ import annotations

import os
import re
import subprocess
import sys
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


def complaints(tmp_path: Path, **changes: str | None) -> list[str]:
    """The ids that the checks name in that environment, and the exit code's word for it."""
    variables = PRODUCTION | {"LOG_FILE": str(tmp_path / "django.log")} | changes
    done = subprocess.run(
        [sys.executable, "manage.py", "check", "--deploy", "--fail-level", "WARNING"],
        cwd=settings.BASE_DIR,
        env={"PATH": os.environ["PATH"]} | {name: value for name, value in variables.items() if value is not None},
        capture_output=True,
        text=True,
        check=False,
    )
    found = re.findall(r"\(((?:\w+\.)+[EW]\d+)\)", done.stderr)
    assert bool(found) == bool(done.returncode), done.stderr
    assert done.stderr.count("HINT:") >= len([each for each in found if each.startswith("notifications.")])
    return sorted(found)


def test_a_production_as_it_should_be_is_clean(tmp_path: Path) -> None:
    assert complaints(tmp_path) == []


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
    tmp_path: Path, changes: dict[str, str | None], ids: list[str]
) -> None:
    assert complaints(tmp_path, **changes) == ids
