"""What a run leaves behind: its figures as JSON, the plots, and the tables inside docs/performance.md."""

import json
import os
import platform
import re
import subprocess
from dataclasses import asdict
from pathlib import Path
from typing import Any

import psycopg

from benchmarks import capacity, environments
from benchmarks.results import Row, table
from benchmarks.scale import Scale

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "performance.md"
PICTURES = ROOT / "docs" / "performance"


def as_json(rows: list[Row], scale: Scale, database_url: str) -> dict[str, Any]:
    return {"machine": machine(database_url), "scale": asdict(scale), "rows": [row.as_json() for row in rows]}


def publish(rows: list[Row], results: dict[str, Any]) -> None:
    """Replace what docs/ shows."""
    PICTURES.mkdir(exist_ok=True)
    figures = PICTURES / "results.json"
    figures.write_text(json.dumps(results, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    draw = [environments.python("tools"), ROOT / "benchmarks" / "tools" / "plots.py", figures, PICTURES]
    subprocess.run(draw, check=True)
    page = PAGE.read_text(encoding="utf-8")
    for name, text in {
        "machine": _machine_in_words(results["machine"], results["scale"]),
        "table": table(rows) + _notes(rows),
        "capacity": capacity.table(rows),
    }.items():
        page = _replaced(page, name, text)
    PAGE.write_text(page, encoding="utf-8")


def machine(database_url: str) -> dict[str, str]:
    """What the figures were measured on."""
    processors = re.findall(r"^model name\s*: (.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    memory = re.findall(r"^MemTotal:\s+(\d+)", Path("/proc/meminfo").read_text(), re.MULTILINE)
    with psycopg.connect(database_url) as connection:
        version = connection.execute("SHOW server_version").fetchone()
    return {
        "processors": f"{os.cpu_count()} × {processors[0] if processors else platform.machine()}",
        "memory": f"{int(memory[0]) / 2**20:.0f} GiB" if memory else "",
        "system": platform.system(),
        "python": platform.python_version(),
        "postgresql": str(version[0]).split()[0] if version else "",
    }


def _machine_in_words(on: dict[str, str], scale: dict[str, int]) -> str:
    return (
        f"Measured on {on['processors']}, {on['memory']}, {on['system']}, Python {on['python']},"
        f" PostgreSQL {on['postgresql']}; medians of {scale['rounds']} rounds."
    )


def _notes(rows: list[Row]) -> str:
    notes = dict.fromkeys(f"- {row.title}: {row.note}" for row in rows if row.note)
    return "\n\n" + "\n".join(notes) if notes else ""


def _replaced(page: str, name: str, text: str) -> str:
    """Put the text between the two comments of that name; raises ValueError for a page without them."""
    begin, end = f"<!-- {name} -->", f"<!-- end of {name} -->"
    head, found, rest = page.partition(begin)
    _, found_end, tail = rest.partition(end)
    if not found or not found_end:
        raise ValueError(f"docs/performance.md has no {begin} … {end}")
    return f"{head}{begin}\n{text}\n{end}{tail}"
