"""Measure the pages of somebody who is signed in with Lighthouse, and print its marks: `python -m scripts.lighthouse`.

Exits with 1 when one of them is below 95, and says then what cost it. The marks for speed differ by a few points from
run to run, and more on a busy machine.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from playwright.sync_api import sync_playwright

from notifications.tests.browser import chromium
from notifications.tests.browser.site import ROOT, Site, free_port
from scripts.showcase import insight_path, showcase, sign_in

LIGHTHOUSE = ROOT / "node_modules" / "lighthouse" / "cli" / "index.js"
CATEGORIES = {"performance": "Performance", "accessibility": "Accessibility", "best-practices": "Best practices"}
SCREENS: dict[str, tuple[str, ...]] = {"desktop": ("--preset=desktop",), "mobile": ()}
LOWEST = 95


def main() -> int:
    print(f"{'Page':<13}{'Screen':<10}{'  '.join(CATEGORIES.values())}", flush=True)
    complaints = []
    with showcase() as site, signed_in_browser(site) as (port, paths):
        for name, path in paths.items():
            for screen, options in SCREENS.items():
                report = measure(f"{site.url}{path}", port, options)
                marks = {key: round(report["categories"][key]["score"] * 100) for key in CATEGORIES}
                columns = "  ".join(f"{marks[key]:>{len(title)}}" for key, title in CATEGORIES.items())
                print(f"{name:<13}{screen:<10}{columns}", flush=True)
                complaints += [
                    f"{name}, {screen}, {CATEGORIES[key]} {mark}: {costs(report, key)}"
                    for key, mark in marks.items()
                    if mark < LOWEST
                ]
    print("\n".join(["", f"Below {LOWEST}:", *complaints] if complaints else ["", f"Every mark is {LOWEST} or more."]))
    return 1 if complaints else 0


@contextmanager
def signed_in_browser(site: Site) -> Iterator[tuple[int, dict[str, str]]]:
    """A Chromium that Lighthouse can drive at the port, and the addresses of the pages to measure."""
    port = free_port()
    with sync_playwright() as playwright, tempfile.TemporaryDirectory() as profile:
        browser = playwright.chromium.launch_persistent_context(
            profile,
            executable_path=chromium.path(),
            args=[*chromium.arguments(), f"--remote-debugging-port={port}"],
        )
        page = browser.new_page()
        sign_in(page, site)
        paths = {
            "dashboard": "/",
            "insight": insight_path(page, site),
            "history": "/notifications/",
            "preferences": "/notifications/preferences/",
        }
        page.close()
        yield port, paths
        browser.close()


def measure(url: str, port: int, options: tuple[str, ...]) -> dict[str, Any]:
    """Lighthouse's report of one visit with an empty cache; a visit whose start it has missed is repeated."""
    command = [
        *(sys.executable, "-m", "scripts.node", str(LIGHTHOUSE), url),
        *(f"--port={port}", f"--only-categories={','.join(CATEGORIES)}", *options),
        *("--output=json", "--quiet", "--no-enable-error-reporting", "--disable-full-page-screenshot"),
    ]
    for _attempt in range(2):
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        if done.returncode == 0:
            report: dict[str, Any] = json.loads(done.stdout)
            return report
    raise SystemExit(f"Lighthouse failed for {url}:\n{done.stderr}")


def costs(report: dict[str, Any], category: str) -> str:
    """The audits that took most from that mark."""
    audits = [
        (reference["weight"] * (1 - report["audits"][reference["id"]]["score"]), reference["id"])
        for reference in report["categories"][category]["auditRefs"]
        if reference["weight"] and report["audits"][reference["id"]]["score"] is not None
    ]
    worst = sorted((audit for audit in audits if audit[0] > 0), reverse=True)[:4]
    return ", ".join(f"{name} {report['audits'][name].get('displayValue', '')}".strip() for _cost, name in worst)


if __name__ == "__main__":
    raise SystemExit(main())
