"""`make test` and `make test-all`: get what the tests need, then run them in phases; the first failing one ends it."""

import argparse
import os
import shlex
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from scripts import needs

ROOT = Path(__file__).resolve().parent.parent
FRONT_END_TESTS = "static/notifications/tests/*.test.js"
PYTEST = (sys.executable, "-m", "pytest", "-q")
ON_EVERY_CORE = ("-n", "auto", "--dist", "loadfile")  # each process has an SQLite file and a channel layer of its own
ON_SERVICES = (sys.executable, "-m", "scripts.with_services")
# The tests say themselves what they run on.
NOT_FOR_TESTS = ("DATABASE_URL", "REDIS_URL", "SITE_URL", "EMAIL_URL", "SIGNALS_VALIDATOR")


@dataclass(frozen=True)
class Phase:
    name: str
    command: tuple[str, ...]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--all-on-services", action="store_true", help="the whole suite, on PostgreSQL and Redis")
    everything_on_services: bool = parser.parse_args().all_on_services
    print("What the tests need:", flush=True)
    chromium = _have(needs.chromium)
    services = _have(needs.services)
    node = _have(needs.node_js)
    packages = _have(needs.node_packages)
    complete = bool(chromium and services and node and packages)
    if not complete and os.environ.get("CI", "").lower() in {"1", "true"}:
        print("Something is missing, and CI is set: nothing was run.")
        return 1
    left_out = [mark for mark, have in (("browser", chromium), ("axe", packages)) if not have]
    phases = _on_services(services) if everything_on_services else _usual(services, node, left_out)
    return _run(phases, _environment(chromium))


def _usual(services: str | None, node: str | None, left_out: list[str]) -> list[Phase]:
    phases = []
    if node:
        files = sorted(str(path.relative_to(ROOT)) for path in ROOT.glob(FRONT_END_TESTS))
        phases.append(Phase("Front-end modules", (node, "--test", "--test-reporter=dot", *files)))
    if services:
        phases.append(
            Phase(
                "Tests marked 'services', on PostgreSQL and Redis",
                (*ON_SERVICES, *PYTEST, *_select(left_out, "services")),
            )
        )
    if "browser" not in left_out:
        # One after the other: each of these has a server and a Chromium at work already.
        phases.append(Phase("The browser's tests", (*PYTEST, *_select(left_out, "browser"))))
    others = (*PYTEST, *ON_EVERY_CORE, *_select(["browser"]))
    return [*phases, Phase("All other tests, on SQLite and in memory", others)]


def _on_services(services: str | None) -> list[Phase]:
    if not services:
        return []
    # The browser's tests bring a server with a database of its own: here they would only be the same once more.
    command = (*ON_SERVICES, *PYTEST, *_select(["browser"]))
    return [Phase("All tests but the browser's, on PostgreSQL and Redis", command)]


def _select(left_out: list[str], mark: str = "") -> tuple[str, ...]:
    marks = [mark] if mark else []
    marks += [f"not {name}" for name in left_out]
    return ("-m", " and ".join(marks)) if marks else ()


def _run(phases: list[Phase], environment: dict[str, str]) -> int:
    for phase in phases:
        print(f"\n=== {phase.name}", flush=True)
        started = time.monotonic()
        code = subprocess.run(phase.command, cwd=ROOT, env=environment).returncode
        if code:
            print(f"\nFailed: {phase.name} (exit code {code}). To repeat it:\n  {shlex.join(phase.command)}")
            return 1
        if phase is not phases[-1]:  # the last words are pytest's own
            print(f"    passed in {time.monotonic() - started:.0f} s", flush=True)
    return 0 if phases else 1


def _have(get: Callable[[], str]) -> str | None:
    """What `get` finds; None, said in one line, when it cannot be had."""
    try:
        return get()
    except needs.MissingError as error:
        print(f"  MISSING: {error}.", flush=True)
        return None


def _environment(chromium: str | None) -> dict[str, str]:
    environment = {
        name: value
        for name, value in os.environ.items()
        if name not in NOT_FOR_TESTS and not name.startswith("DJANGO_")
    }
    return environment | ({"CHROMIUM_PATH": chromium} if chromium else {})


if __name__ == "__main__":
    raise SystemExit(main())
