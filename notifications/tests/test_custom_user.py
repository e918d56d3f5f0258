"""An installation may bring a user model of its own: everything here asks Django which one it is."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.conf import settings

STORY = "notifications/tests/custom_user/story.py"
SETTINGS = "notifications.tests.custom_user.settings"


@pytest.mark.services
def test_the_main_story_is_the_same_with_a_custom_user_model(tmp_path: Path) -> None:
    """In a process of its own, with the migrations from nothing: models are bound to the user model when they load."""
    on_sqlite = settings.DATABASES["default"]["ENGINE"].endswith("sqlite3")
    database = str(tmp_path / "custom_user.sqlite3") if on_sqlite else f"test_custom_user_{os.getpid()}"
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}

    told = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--tb=short", f"--ds={SETTINGS}", STORY],
        cwd=settings.BASE_DIR,
        env=environment | {"CUSTOM_USER_DATABASE": database},
        capture_output=True,
        text=True,
    )

    assert told.returncode == 0, told.stdout[-4000:] + told.stderr[-1000:]
