"""docs/configuration.md: every variable that is read stands there with its true default, and no other."""

from __future__ import annotations

import ast
import re
import runpy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings

ROOT = Path(settings.BASE_DIR)
SETTINGS_FILE = ROOT / "zenithedge" / "settings.py"
PAGE = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
DOCUMENTED = dict(re.findall(r"^\| `(\w+)` \| (.+?) \| ", PAGE, re.MULTILINE))
EXAMPLE = (ROOT / "deploy" / ".env.example").read_text(encoding="utf-8")

# What is written into the environment of others, or belongs to the machine.
NOT_OURS = {"PATH", "DEBIAN_FRONTEND"}


def sources() -> Iterator[Path]:
    """Every module that runs in a site, a command or the tools; neither tests nor benchmarks."""
    for folder in ("zenithedge", "signals", "notifications", "scripts"):
        yield from (path for path in (ROOT / folder).rglob("*.py") if "tests" not in path.parts)
    yield ROOT / "manage.py"


def read_by(tree: ast.Module, constants: dict[str, str]) -> Iterator[str]:
    """The names of the variables that a module asks the environment for, set by a constant or as they are."""
    for node in ast.walk(tree):
        asked: ast.expr | None = None
        if isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Load) and is_environment(node.value):
            asked = node.slice
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.args:
            of, name = node.func.value, node.func.attr
            if (is_environment(of) and name in {"get", "setdefault"}) or (isinstance(of, ast.Name) and of.id == "env"):
                asked = node.args[0]
        if isinstance(asked, ast.Constant):
            yield str(asked.value)
        elif isinstance(asked, ast.Name):
            yield constants[asked.id]


def is_environment(node: ast.expr) -> bool:
    return isinstance(node, ast.Attribute) and node.attr == "environ"


def every_variable_read() -> set[str]:
    trees = [ast.parse(path.read_text(encoding="utf-8")) for path in sources()]
    constants = {
        target.id: node.value.value
        for tree in trees
        for node in tree.body
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    composed = re.findall(r"\$\{(\w+)", (ROOT / "deploy" / "compose.yaml").read_text(encoding="utf-8"))
    return {name for tree in trees for name in read_by(tree, constants)} | set(composed)


def defaults() -> dict[str, ast.expr]:
    """What the settings file gives for each variable when it is not set."""
    tree = ast.parse(SETTINGS_FILE.read_text(encoding="utf-8"))
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    return {
        str(call.args[0].value): next(keyword.value for keyword in call.keywords if keyword.arg == "default")
        for call in calls
        if isinstance(call.func, ast.Attribute)
        and isinstance(call.func.value, ast.Name)
        and call.func.value.id == "env"
        if isinstance(call.args[0], ast.Constant)
    }


@pytest.fixture
def bare_settings(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    for name in DOCUMENTED:
        monkeypatch.delenv(name, raising=False)
    return runpy.run_path(str(SETTINGS_FILE))


def test_every_variable_that_is_read_is_documented_and_every_documented_one_is_read() -> None:
    assert every_variable_read() - NOT_OURS == set(DOCUMENTED)


def test_each_documented_default_is_the_one_of_the_settings(bare_settings: dict[str, Any]) -> None:
    """One that is empty is told in words, one that depends on others by what it is when none is set."""
    values = {
        name: eval(compile(ast.Expression(default), "settings.py", "eval"), bare_settings)  # noqa: S307 - our own
        for name, default in defaults().items()
    }
    documented = {name: re.match(r"`(.+?)`", DOCUMENTED[name]) for name in values}

    assert len(values) > 30
    assert {name: found[1] if found else "" for name, found in documented.items()} == {
        name: as_documented(value) for name, value in values.items()
    }


def as_documented(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    text = ",".join(value) if isinstance(value, list) else str(value)
    return text.replace(f"{ROOT}/", "")


def test_the_example_of_an_environment_names_only_what_there_is() -> None:
    named = {name for name in re.findall(r"^#? ?([A-Z][A-Z_]+)=", EXAMPLE, re.MULTILINE) if not of_compose(name)}

    assert len(named) > 5
    assert named - set(DOCUMENTED) == set()


def of_compose(name: str) -> bool:
    return name.startswith("COMPOSE_")  # its own, such as the project's name


def test_the_units_and_containers_set_only_what_there_is() -> None:
    units = "\n".join(
        path.read_text(encoding="utf-8") for path in (ROOT / "deploy" / "systemd").rglob("*.*") if path.is_file()
    )
    named = {
        name for line in re.findall(r"^Environment=(.+)$", units, re.MULTILINE) for name in re.findall(r"(\w+)=", line)
    }

    assert named
    assert named - set(DOCUMENTED) == set()
