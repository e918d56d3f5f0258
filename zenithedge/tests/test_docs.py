"""What the documents say of the code is so."""

import re

import pytest
from django.conf import settings

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
