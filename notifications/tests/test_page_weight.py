"""How much of our own JavaScript a page loads: every module that its entry modules import, as it is written."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from django.conf import settings

MODULES = settings.BASE_DIR / "static/notifications"
TEMPLATES = settings.BASE_DIR / "templates"
AT_MOST_BYTES = 40_000
OPENED_LATER_AT_MOST_BYTES = 20_000

ENTRY = re.compile(r"""<script type="module" src="{% static 'notifications/([\w.-]+)' %}">""")
IMPORT = re.compile(r"""^(?:import|\} from|export .*from)\b.*?["']\./([\w.-]+)["'];""", re.MULTILINE)
IMPORT_LATER = re.compile(r"""\bimport\(["']\./([\w.-]+)["']\)""")


def entries(template: Path) -> set[str]:
    return set(ENTRY.findall(template.read_text()))


COMMON = entries(TEMPLATES / "base.html")
PAGES = {
    str(template.relative_to(TEMPLATES)): COMMON | entries(template)
    for template in sorted(TEMPLATES.rglob("*.html"))
    if entries(template)
}


def loaded(modules: set[str]) -> set[str]:
    """These modules and all that they import, at once and not later."""
    found: set[str] = set()
    waiting = list(modules)
    while waiting:
        module = waiting.pop()
        if module not in found:
            found.add(module)
            waiting += IMPORT.findall((MODULES / module).read_text())
    return found


def size(modules: set[str]) -> int:
    return sum((MODULES / module).stat().st_size for module in modules)


def loaded_later(modules: set[str]) -> set[str]:
    """What those modules import when somebody asks for it or something has come: the bell's panel, toasts, a sound."""
    later = {name for module in modules for name in IMPORT_LATER.findall((MODULES / module).read_text())}
    return loaded(later) - modules


def test_every_import_is_found() -> None:
    imports = re.compile(r"""from ["']\./|^import ["']\./|import\(["']\./""", re.MULTILINE)
    for module in MODULES.glob("*.js"):
        text = module.read_text()
        assert len(imports.findall(text)) == len(IMPORT.findall(text)) + len(IMPORT_LATER.findall(text)), module.name


def test_no_module_is_left_over() -> None:
    """Each is loaded by some page, at once or later."""
    used: set[str] = set()
    for page in PAGES.values():
        at_once = loaded(page)
        later = loaded_later(at_once)
        used |= at_once | later | loaded_later(later)
    assert {module.name for module in MODULES.glob("*.js")} == used


@pytest.mark.parametrize("page", PAGES)
def test_a_page_loads_at_most_40_kilobytes_of_our_javascript(page: str) -> None:
    assert size(loaded(PAGES[page])) <= AT_MOST_BYTES


def test_what_is_loaded_later_stays_small() -> None:
    later = loaded_later(loaded(COMMON))
    assert "toasts.js" in later
    assert size(later | loaded_later(later)) <= OPENED_LATER_AT_MOST_BYTES
