"""`manage.py test` as it is typed. What is run here needs no database, because these tests run inside the suite."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.management.base import CommandError

from zenithedge import test_runner
from zenithedge.test_runner import PytestRunner

BASE = settings.BASE_DIR


def manage_test(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "manage.py", "test", *arguments]
    return subprocess.run(command, cwd=BASE, capture_output=True, text=True, timeout=120)


def test_manage_py_test_runs_the_labelled_test_with_pytest() -> None:
    result = manage_test("zenithedge.tests.test_logs.test_nobody_forges_an_entry_through_a_traceback", "-v", "2")

    assert result.returncode == 0, result.stdout + result.stderr
    assert "test_logs.py::test_nobody_forges_an_entry_through_a_traceback PASSED" in result.stdout
    assert "1 passed" in result.stdout


def test_failing_tests_fail_the_command(tmp_path: Path) -> None:
    failing = tmp_path / "test_failing.py"
    failing.write_text("def test_one():\n    assert False\n\n\ndef test_two():\n    assert False\n")

    result = manage_test(str(failing), "--failfast")

    assert result.returncode == 1, result.stdout + result.stderr
    assert "1 failed" in result.stdout


def test_missing_pytest_is_said_with_the_way_to_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(test_runner, "find_spec", lambda name: None)
    with pytest.raises(CommandError, match="make test"):
        PytestRunner().run_tests([])


@pytest.mark.parametrize(
    ("label", "argument"),
    [
        ("notifications", f"{BASE}/notifications"),
        ("zenithedge.tests", f"{BASE}/zenithedge/tests"),
        ("zenithedge.tests.test_logs", f"{BASE}/zenithedge/tests/test_logs.py"),
        ("zenithedge.tests.test_logs.TestOne.test_two", f"{BASE}/zenithedge/tests/test_logs.py::TestOne::test_two"),
        ("zenithedge/tests/test_logs.py", f"{BASE}/zenithedge/tests/test_logs.py"),
        ("zenithedge/tests/test_logs.py::test_two", f"{BASE}/zenithedge/tests/test_logs.py::test_two"),
    ],
)
def test_a_label_may_be_an_app_a_path_or_a_dotted_path(
    label: str, argument: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(BASE)

    assert PytestRunner().command([label])[-1] == argument


@pytest.mark.parametrize(
    ("options", "passed_on"),
    [
        ({}, []),
        ({"verbosity": 0}, ["--quiet"]),
        ({"verbosity": 3}, ["--verbose", "--verbose"]),
        ({"failfast": True}, ["--exitfirst"]),
        ({"keepdb": True}, ["--reuse-db"]),
        ({"keyword": "bell and not admin"}, ["-k", "bell and not admin"]),
        ({"interactive": False, "settings": None}, []),  # Django's own, which say nothing to pytest
    ],
)
def test_options_are_passed_on(options: dict[str, Any], passed_on: list[str]) -> None:
    assert PytestRunner(**options).command([]) == [sys.executable, "-m", "pytest", *passed_on]


def test_a_label_that_names_nothing_is_an_error() -> None:
    with pytest.raises(CommandError, match=r"zenithedge\.no_such_place"):
        PytestRunner().command(["zenithedge.no_such_place"])
