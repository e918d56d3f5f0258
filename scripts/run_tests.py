"""`make test` and `make test-all`: get what the tests need, then run them in phases; the first failing one ends it.

`make test` runs each test once, where it says most: those marked `services` on PostgreSQL and Redis, all others on
SQLite and in memory. `make test-all` runs them the other way round, except what uses no database and is the same on
both; then on what else the site can run on: the other channel layer, the other server and a telephone's screen; and it
kills one process after another.
"""

import argparse
import os
import shlex
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from scripts import needs

ROOT = Path(__file__).resolve().parent.parent
FRONT_END_TESTS = "static/notifications/tests/*.test.js"
PYTEST = (sys.executable, "-m", "pytest", "-q")
ON_EVERY_CORE = ("-n", "auto", "--dist", "worksteal")  # each process has an SQLite file and a channel layer of its own
# A server and a Chromium are at work already: more processes than this would only be in each other's way.
BROWSERS = ("-n", "auto", "--maxprocesses=4", "--dist", "worksteal")
ON_SERVICES = (sys.executable, "-m", "scripts.with_services")
# The same where all processes share a PostgreSQL, in which each has a database, and a Redis, where a prefix keeps them
# apart: pub/sub names know no databases.
PROCESSES_ON_SERVICES = tuple(
    part for number in range(os.cpu_count() or 1) for part in ("--tx", f"popen//env:REDIS_PREFIX=tests-{number}")
)
ON_EVERY_CORE_OF_SERVICES = (*PROCESSES_ON_SERVICES, "--dist", "worksteal")
# Who speaks and who listens on a channel layer; the other layer has another way to do both.
ON_BOTH_LAYERS = tuple(
    f"notifications/tests/test_{name}.py"
    for name in (
        "realtime",
        "sockets",
        "consumer",
        "consumer_commands",
        "consumer_sign_in",
        "consumer_stream",
        "access_by_socket",
        "sign_in_elsewhere",
        "stream_client",
        "same_state",
    )
)
# What one server can do that another may not: pages, sockets, alerts, sign-outs, one that is killed and comes back, or
# cannot be reached. The other tests that start one run under both already (sockets, sign-ins elsewhere), or look at the
# pages that are made of the same answers: those on a telephone that repeat what was done at a desk come along.
UNDER_THE_OTHER_SERVER = "browser and (server or narrow)"
UVICORN = {"TEST_SERVER": "uvicorn"}
FAULTS = (sys.executable, "-m", "scripts.faults")
# The tests say themselves what they run on.
NOT_FOR_TESTS = (
    "DATABASE_URL",
    "REDIS_URL",
    "REDIS_PREFIX",
    "CHANNEL_LAYER",
    "NOTIFICATIONS_WORKER",
    "TEST_SERVER",
    "SITE_URL",
    "STATIC_ROOT",
    "EMAIL_URL",
    "SIGNALS_VALIDATOR",
)


@dataclass(frozen=True)
class Phase:
    """A command, and what it needs in the environment."""

    name: str
    command: tuple[str, ...]
    environment: dict[str, str] = field(default_factory=dict)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--elsewhere", action="store_true", help="on what else the site can run on")
    elsewhere: bool = parser.parse_args().elsewhere
    print("What the tests need:", flush=True)
    chromium = _have(needs.chromium)
    services = _have(needs.services)
    node = _have(needs.node_js)
    packages = _have(needs.node_packages)
    nginx = _have(needs.nginx) if elsewhere else None
    complete = bool(chromium and services and node and packages and (nginx or not elsewhere))
    if not complete and os.environ.get("CI", "").lower() in {"1", "true"}:
        print("Something is missing, and CI is set: nothing was run.")
        return 1
    left_out = [mark for mark, have in (("browser", chromium), ("axe", packages)) if not have]
    if elsewhere:
        phases = _elsewhere(left_out, with_faults=nginx is not None) if services else []
    else:
        phases = _usual(services, node, left_out)
    return _run(phases, _environment(chromium))


def _usual(services: str | None, node: str | None, left_out: list[str]) -> list[Phase]:
    phases = []
    if node:
        files = sorted(str(path.relative_to(ROOT)) for path in ROOT.glob(FRONT_END_TESTS))
        phases.append(Phase("Front-end modules", (node, "--test", "--test-reporter=dot", *files)))
    if services:
        marked = (*ON_SERVICES, *PYTEST, *ON_EVERY_CORE_OF_SERVICES, *_select(["browser"], "services"))
        phases.append(Phase("Tests marked 'services', on PostgreSQL and Redis", marked))
    if "browser" not in left_out:
        browser = (*PYTEST, *BROWSERS, *_select([*left_out, "narrow"], "browser"))
        phases.append(Phase("The browser's tests", browser))
    others = (*PYTEST, *ON_EVERY_CORE, *_select(["browser", "services"] if services else ["browser"]))
    return [*phases, Phase("All other tests, on SQLite and in memory", others)]


def _elsewhere(left_out: list[str], *, with_faults: bool) -> list[Phase]:
    """The browser's tests bring a server and a database of their own: for them only the server is another."""
    others = (*ON_SERVICES, *PYTEST, *ON_EVERY_CORE_OF_SERVICES, *_select(["browser", "services"], "database"))
    marked = (*PYTEST, *ON_EVERY_CORE, *_select(["browser"], "services"))
    on_core = (*ON_SERVICES, *PYTEST, *ON_EVERY_CORE_OF_SERVICES, *ON_BOTH_LAYERS)
    phases = [
        Phase("All that use the database and are not marked 'services', on PostgreSQL and Redis", others),
        Phase("Tests marked 'services', on SQLite and in memory", marked),
        Phase("Hints and sockets, on Redis's other channel layer", on_core, {"CHANNEL_LAYER": "core"}),
    ]
    if "browser" not in left_out:
        story = (*PYTEST, *BROWSERS, *_select(left_out, UNDER_THE_OTHER_SERVER))
        phases.append(Phase("The story, and the browser's tests on a telephone, under uvicorn", story, UVICORN))
    if with_faults:
        phases.append(Phase("The faults, the short way", FAULTS))
    return phases


def _select(left_out: list[str], mark: str = "") -> tuple[str, ...]:
    marks = [mark] if mark else []
    marks += [f"not {name}" for name in left_out]
    return ("-m", " and ".join(marks)) if marks else ()


def _run(phases: list[Phase], environment: dict[str, str]) -> int:
    for phase in phases:
        print(f"\n=== {phase.name}", flush=True)
        started = time.monotonic()
        code = subprocess.run(phase.command, cwd=ROOT, env=environment | phase.environment).returncode
        if code:
            variables = [f"{name}={value}" for name, value in phase.environment.items()]
            repeat = shlex.join([*variables, *phase.command])
            print(f"\nFailed: {phase.name} (exit code {code}). To repeat it:\n  {repeat}")
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
