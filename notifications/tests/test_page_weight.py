"""How much of our own JavaScript a page loads, as it is written: with it, and later when it is needed."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from django.conf import settings

MODULES = settings.BASE_DIR / "static/notifications"
TEMPLATES = settings.BASE_DIR / "templates"
WITH_THE_PAGE_BYTES = 40_000
# The preferences page has most: its preview, windows and devices come with the first touch of each.
IN_ALL_BYTES = 78_000

ENTRY = re.compile(r"""<script type="module" src="{% static 'notifications/([\w.-]+)' %}">""")
IMPORT = re.compile(r"""^(?:import|\} from|export .*from)\b.*?["']\./([\w.-]+)["'];""", re.MULTILINE)
LATER = re.compile(r"""\bimport\(["']\./([\w.-]+)["']\)""")


def entries(template: Path) -> set[str]:
    return set(ENTRY.findall(template.read_text()))


COMMON = entries(TEMPLATES / "base.html")
PAGES = {
    str(template.relative_to(TEMPLATES)): COMMON | entries(template)
    for template in sorted(TEMPLATES.rglob("*.html"))
    if entries(template)
}


def loaded(modules: set[str], *, later: bool = False) -> set[str]:
    """These modules and all that they import; with `later` also what they may fetch when it is needed."""
    found: set[str] = set()
    waiting = list(modules)
    while waiting:
        module = waiting.pop()
        if module not in found:
            found.add(module)
            text = (MODULES / module).read_text()
            waiting += IMPORT.findall(text) + (LATER.findall(text) if later else [])
    return found


def size(modules: set[str]) -> int:
    return sum((MODULES / module).stat().st_size for module in modules)


def test_every_import_is_found() -> None:
    imports = re.compile(r"""from ["']\./|^import ["']\./|\bimport\(""", re.MULTILINE)
    for module in MODULES.glob("*.js"):
        text = module.read_text()
        assert len(imports.findall(text)) == len(IMPORT.findall(text) + LATER.findall(text)), module.name


def test_no_module_is_left_over() -> None:
    used: set[str] = set()
    for page in PAGES.values():
        used |= loaded(page, later=True)
    assert {module.name for module in MODULES.glob("*.js")} == used


@pytest.mark.parametrize("page", PAGES)
def test_a_page_loads_at_most_40_kilobytes_of_our_javascript(page: str) -> None:
    assert size(loaded(PAGES[page])) <= WITH_THE_PAGE_BYTES


@pytest.mark.parametrize("page", PAGES)
def test_what_comes_later_stays_small(page: str) -> None:
    assert size(loaded(PAGES[page], later=True)) <= IN_ALL_BYTES
