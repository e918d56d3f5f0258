"""The commands of the systemd units in deploy/systemd/, so that all is started here as it is on a host."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

UNITS = Path(__file__).resolve().parent.parent / "deploy" / "systemd"
# The interpreter on a host; here it is the one that runs this.
PYTHON = "/srv/zenithedge/.venv/bin/python"


def command(unit: str, instance: str = "") -> list[str]:
    """What `ExecStart` of this unit starts, for the instance (`%i`) where it is a template (`daphne@`).

    Raises ValueError when there is no such unit.
    """
    file = UNITS / f"zenithedge-{unit}.service"
    if not file.exists():
        raise ValueError(f"There is no unit {file.name} in deploy/systemd.")
    [line] = [line for line in file.read_text(encoding="utf-8").splitlines() if line.startswith("ExecStart=")]
    words = shlex.split(line.removeprefix("ExecStart="))
    return [sys.executable if word == PYTHON else _without_specifiers(word, instance) for word in words]


def _without_specifiers(word: str, instance: str) -> str:
    return word.replace("%i", instance).replace("%%", "%")
