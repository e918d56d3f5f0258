"""`manage.py test` as it is typed. The selections need no database, because these tests run inside the suite."""

import subprocess
import sys
from pathlib import Path

import pytest
from django.conf import settings

A_TEST = "zenithedge.tests.test_logs.test_other_addresses_stay_as_they_are"


def manage_test(*arguments: str, cwd: Path = settings.BASE_DIR) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(settings.BASE_DIR / "manage.py"), "test", *arguments]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize("label", [A_TEST, "zenithedge/tests/test_logs.py::test_other_addresses_stay_as_they_are"])
def test_manage_py_test_runs_the_labelled_test_with_pytest(label: str) -> None:
    result = manage_test(label)

    assert result.returncode == 0, result.stdout + result.stderr
    assert "1 passed" in result.stdout


def test_an_app_and_a_keyword_select_tests() -> None:
    result = manage_test("zenithedge", "-k", "other_addresses_stay", "-v", "2")

    assert "test_logs.py::test_other_addresses_stay_as_they_are PASSED" in result.stdout
    assert result.returncode == 0


def test_failing_tests_fail_the_command(tmp_path: Path) -> None:
    failing = tmp_path / "test_failing.py"
    failing.write_text("def test_one():\n    assert False\n\n\ndef test_two():\n    assert False\n")

    result = manage_test(str(failing), "--failfast")

    assert result.returncode == 1
    assert "1 failed" in result.stdout


def test_an_unknown_label_is_named() -> None:
    result = manage_test("zenithedge.no_such_place")

    assert result.returncode == 1
    assert "zenithedge.no_such_place" in result.stderr
