"""The files of others that the pages load: whole, unmodified, with their licences, and nothing beside them."""

import hashlib
import json
import re
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings

from scripts.vendor import ICON_SHEET, ICONS, MANIFEST, VENDOR, icon_sheet, target_path

PACKAGES: list[dict[str, Any]] = json.loads(MANIFEST.read_text())["packages"]
FILES = [
    (target_path(package["folder"], name), digest) for package in PACKAGES for name, digest in package["files"].items()
]
OWN = [
    path
    for kind in ("*.css", "*.js")
    for path in (settings.BASE_DIR / "static").rglob(kind)
    if VENDOR not in path.parents and path.parent.name != "tests"
]


@pytest.mark.parametrize(("path", "digest"), FILES, ids=lambda value: getattr(value, "name", ""))
def test_a_vendored_file_is_what_was_pinned(path: Path, digest: str) -> None:
    assert hashlib.sha256(path.read_bytes()).hexdigest() == digest


def test_nothing_unpinned_lies_among_the_vendored_files() -> None:
    present = {path for path in VENDOR.rglob("*") if path.is_file() and path != MANIFEST}
    assert present == {path for path, _ in FILES}


def test_the_style_sheet_of_icons_is_made_from_the_vendored_ones() -> None:
    assert ICON_SHEET.read_text() == icon_sheet()


def test_the_vendored_icons_are_those_that_the_pages_show() -> None:
    templates = (settings.BASE_DIR / "templates").rglob("*.html")
    shown = {name for template in templates for name in re.findall(r"\bbi-([\w-]+)", template.read_text())}
    assert {path.stem for path in ICONS.glob("*.svg")} == shown


@pytest.mark.parametrize("package", PACKAGES, ids=lambda package: package["name"])
def test_each_package_names_its_licence_and_brings_its_text(package: dict[str, Any]) -> None:
    assert package["licence"] in {"MIT", "OFL-1.1", "Apache-2.0"}
    assert re.fullmatch(r"\d+\.\d+\.\d+", package["version"])
    assert {"LICENSE", "LICENSE.md"} & set(package["files"])


@pytest.mark.parametrize("path", OWN, ids=lambda path: path.name)
def test_our_own_files_ask_no_other_host_and_write_no_markup(path: Path) -> None:
    text = path.read_text()
    assert not re.search(r"(https?|wss?):\\?/\\?/", text.replace("http://www.w3.org/", ""))
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(", text)
