"""`manage.py test` hands over to pytest, so that there is one way in which the tests run."""

import argparse
import subprocess
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError


class PytestRunner:
    """Runs pytest in a process of its own: here the settings are loaded already, and conftest.py comes before them.

    Labels are apps, paths, pytest's node ids or dotted paths down to a test.
    """

    def __init__(
        self,
        *,
        verbosity: int = 1,
        failfast: bool = False,
        keepdb: bool = False,
        keyword: str | None = None,
        **_unused: Any,
    ) -> None:
        self._options: list[str] = []
        if verbosity == 0:
            self._options.append("--quiet")
        self._options += ["--verbose"] * (verbosity - 1)
        if failfast:
            self._options.append("--exitfirst")
        if keepdb:
            self._options.append("--reuse-db")
        if keyword:
            self._options += ["-k", keyword]

    @classmethod
    def add_arguments(cls, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--failfast", action="store_true", help="stop at the first failure")
        parser.add_argument("--keepdb", action="store_true", help="pytest's --reuse-db")
        parser.add_argument("-k", dest="keyword", help="pytest's -k: an expression over the tests' names")

    def run_tests(self, test_labels: Sequence[str]) -> int:
        """Return 0 when all tests passed, else pytest's exit code. Raises CommandError when pytest is not installed."""
        if find_spec("pytest") is None:
            raise CommandError("pytest is not installed here: `make test` installs it, as does requirements-dev.txt.")
        command = self.command(test_labels)
        return subprocess.run(command, cwd=settings.BASE_DIR).returncode  # noqa: S603 - our own program

    def command(self, test_labels: Sequence[str]) -> list[str]:
        """Raises CommandError for a label that names nothing."""
        return [sys.executable, "-m", "pytest", *self._options, *map(_pytest_argument, test_labels)]


def _pytest_argument(label: str) -> str:
    path, separator, inside = label.partition("::")
    if Path(path).exists():
        return f"{Path(path).resolve()}{separator}{inside}"
    parts = label.split(".")
    for length in range(len(parts), 0, -1):
        place = settings.BASE_DIR.joinpath(*parts[:length])
        if length == len(parts) and place.is_dir():
            return str(place)
        if place.with_name(f"{place.name}.py").is_file():
            return "::".join([f"{place}.py", *parts[length:]])
    raise CommandError(f"No app, path or dotted path of a test: {label}")
