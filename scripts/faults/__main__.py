"""Runs the faults; see the package."""

from __future__ import annotations

import argparse
import asyncio
import datetime as dt
import os
import shutil
import signal
import sys
import time
from collections.abc import Sequence
from typing import Any

from notifications.stream_client import Account
from scripts import needs
from scripts.faults import catalogue, report
from scripts.faults.audience import Audience
from scripts.faults.catalogue import Fault
from scripts.faults.run import Result, Run
from scripts.faults.writer import INSIGHTS_PER_S
from scripts.faults.writing import WriterError, Writing, make_traders
from scripts.processes import ProcessError
from scripts.stack import LAYERS, ROOT, Stack, stack

DOCUMENT = ROOT / "docs" / "reliability.md"
KEPT_LOGS = ROOT / "logs" / "faults"
TRADERS = 50
SHORT_TRADERS = 25
SOCKETS_EACH = 4
WARM_UP_S = 15.0
SHORT_WARM_UP_S = 5.0


def main() -> int:
    options = _options()
    signal.signal(signal.SIGTERM, _exit_on_signal)
    began = time.monotonic()
    try:
        with stack(layer=options.layer) as running:
            return asyncio.run(_run(running, options, began))
    except (ProcessError, needs.MissingError, WriterError) as error:
        print(error, file=sys.stderr)
        return 1


async def _run(running: Stack, options: argparse.Namespace, began: float) -> int:
    faults = _chosen(catalogue.catalogue(running.server_addresses), options)
    traders = await make_traders(running.environment, options.traders)
    writing = Writing(running.environment, [trader["id"] for trader in traders])
    accounts = [Account(running.address, trader["id"], trader["cookie"]) for trader in traders]
    print(
        f"{options.traders} traders, {options.traders * SOCKETS_EACH} sockets, {INSIGHTS_PER_S:g} insights a second, "
        f"{len(faults)} faults",
        flush=True,
    )
    async with Audience(accounts, sockets_each=SOCKETS_EACH) as audience:
        run = Run(running, writing, audience, running.directory / "backup", full=options.full)
        await writing.start()
        await writing.order("pause")
        try:
            results = await _strike_all(run, faults)
            passed = all(result.passed for result in results) and await _everything_is_there(run)
        finally:
            await writing.end()
    print(f"{'Passed' if passed else 'FAILED'} after {time.monotonic() - began:.0f} s.", flush=True)
    if not passed:
        _keep_logs(running)
    if options.full and not options.only:
        report.write(results, _conditions(options), DOCUMENT)
    return 0 if passed else 1


async def _strike_all(run: Run, faults: Sequence[Fault]) -> list[Result]:
    await run.warm_up(WARM_UP_S if run.full else SHORT_WARM_UP_S)
    await run.back_up()
    results = []
    for fault in faults:
        results.append(await run.strike(fault))
        print(report.line(results[-1]), flush=True)
    return results


async def _everything_is_there(run: Run) -> bool:
    findings = await run.check_everything()
    print(
        f"In all: {findings.insights} insights, {findings.notifications} notifications, {findings.received} of "
        f"{findings.expected} on the sockets, {findings.lost} lost, {findings.doubled} doubled.",
        *findings.remarks,
        sep="\n",
        flush=True,
    )
    return findings.clean


def _keep_logs(running: Stack) -> None:
    shutil.rmtree(KEPT_LOGS, ignore_errors=True)
    KEPT_LOGS.mkdir(parents=True)
    for process in running.processes.values():
        shutil.copy(process.log, KEPT_LOGS)
    print(f"The processes' logs are in {KEPT_LOGS.relative_to(ROOT)}.", flush=True)


def _chosen(faults: Sequence[Fault], options: argparse.Namespace) -> list[Fault]:
    if options.only:
        return [fault for fault in faults if any(word.lower() in fault.name.lower() for word in options.only)]
    return [fault for fault in faults if options.full or fault.in_short_run]


def _conditions(options: argparse.Namespace) -> str:
    today = dt.datetime.now(dt.UTC).date()
    return (
        f"`make faults FULL=1`, {today}, {os.cpu_count()} cores: {options.traders} traders with "
        f"{options.traders * SOCKETS_EACH} sockets, {INSIGHTS_PER_S:g} insights a second, PostgreSQL, Redis "
        f"({options.layer} layer), daphne and uvicorn behind nginx, one Celery worker and beat."
    )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--full", action="store_true", help="every fault, at its full length")
    parser.add_argument("--only", nargs="+", metavar="WORD", help="faults whose name contains a word")
    parser.add_argument("--traders", type=int, help=f"default: {TRADERS}; {SHORT_TRADERS} in the short run")
    parser.add_argument("--layer", choices=LAYERS, default=LAYERS[0], help="channel layer (default: %(default)s)")
    options = parser.parse_args()
    options.traders = options.traders or (TRADERS if options.full or options.only else SHORT_TRADERS)
    return options


def _exit_on_signal(number: int, frame: Any) -> None:
    raise SystemExit(128 + number)


if __name__ == "__main__":
    raise SystemExit(main())
