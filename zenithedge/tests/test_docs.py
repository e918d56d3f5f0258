"""What the documents say of the code is so."""

import re
from functools import cache

import pytest
from django.conf import settings

SECURITY = (settings.BASE_DIR / "docs/security.md").read_text(encoding="utf-8")
GUARANTEES = (settings.BASE_DIR / "docs/guarantees.md").read_text(encoding="utf-8")
NAMED_TESTS = re.findall(r"^- `([\w/]+\.py)(?:::(\w+))?`$", GUARANTEES, re.MULTILINE)


def test_each_of_the_ten_guarantees_names_tests() -> None:
    sections = re.split(r"^\*\*(G\d+) ", GUARANTEES, flags=re.MULTILINE)[1:]

    assert sections[::2] == [f"G{number}" for number in range(1, 11)]
    assert all("\n- `" in text for text in sections[1::2])


@pytest.mark.parametrize(("path", "test"), NAMED_TESTS)
def test_each_named_test_exists(path: str, test: str) -> None:
    source = (settings.BASE_DIR / path).read_text(encoding="utf-8")

    assert re.search(rf"def {test or 'test_'}", source)


@cache
def every_test() -> str:
    """The text of all tests, each file behind its path."""
    folders = [settings.BASE_DIR / name for name in ("signals", "notifications", "zenithedge", "scripts")]
    files = [path for folder in folders for path in folder.rglob("test_*.py")]
    return "\n".join(f"\n=== {path}\n{path.read_text(encoding='utf-8')}" for path in files)


@pytest.mark.parametrize("name", sorted(set(re.findall(r"`([\w/]*\btest_\w+(?:\.py)?|Test\w+)`", SECURITY))))
def test_each_test_that_the_page_of_threats_names_exists(name: str) -> None:
    written = rf"^=== .*/{name}$" if name.endswith(".py") else rf"^ *(?:async )?(?:def|class) {name}\b"

    assert re.search(written, every_test(), re.MULTILINE)


def test_each_item_of_the_standard_is_answered_once_and_those_that_hold_name_a_test() -> None:
    holds, open_ = SECURITY.split("### Holds")[1].split("### Does not hold")
    rows = [re.findall(r"^\| (\d[\d., ]*) \|.*\| (.*) \|$", text, re.MULTILINE) for text in (holds, open_)]
    items = [item for items, _ in rows[0] + rows[1] for item in items.split(", ")]

    assert len(items) == len(set(items)) > 70
    assert [items for items, tried_by in rows[0] if not re.search(r"`[\w/]*(test_|Test)", tried_by)] == []
