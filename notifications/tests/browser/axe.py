"""axe-core in a page: finds what stands in the way of somebody who cannot see, hear or point well."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from playwright.sync_api import Page

from scripts import needs


def violations(page: Page) -> list[str]:
    """Every rule that the page breaks as it is shown now, in words. The page's policy must let scripts in."""
    if not page.evaluate("() => 'axe' in window"):
        page.evaluate(_source())
    result = page.evaluate("() => axe.run(document, { resultTypes: ['violations'] })")
    return [_in_words(rule) for rule in result["violations"]]


@cache
def _source() -> str:
    return (Path(needs.node_packages()) / "axe-core" / "axe.min.js").read_text(encoding="utf-8")


def _in_words(rule: dict[str, Any]) -> str:
    lines = [f"{rule['id']} ({rule['impact']}): {rule['help']}"]
    for node in rule["nodes"]:
        reasons = "; ".join(check["message"] for kind in ("any", "all", "none") for check in node[kind])
        lines.append(f"    {' '.join(map(str, node['target']))}: {reasons}")
    return "\n".join(lines)
