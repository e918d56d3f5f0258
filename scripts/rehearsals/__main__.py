"""Runs the rehearsals; see the package."""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any

from scripts import needs, rehearsals
from scripts.faults.audience import Audience
from scripts.processes import ProcessError
from scripts.rehearsals import restore, upgrade
from scripts.rehearsals.load import Load, make_traders
from scripts.rehearsals.stage import RehearsalError, Stage
from scripts.stack import stack

TRADERS = 24
SOCKETS_EACH = 2
REHEARSALS: dict[str, Callable[[Stage], Awaitable[None]]] = {
    "upgrade": upgrade.rehearse,
    "restore": restore.rehearse,
}


def main() -> int:
    parser = argparse.ArgumentParser(
        description=rehearsals.__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("which", nargs="*", choices=[*REHEARSALS, []], help="all, if none is named")
    names: list[str] = parser.parse_args().which or list(REHEARSALS)
    signal.signal(signal.SIGTERM, _exit_on_signal)
    try:
        passed = [_rehearse(name) for name in names]
    except (ProcessError, needs.MissingError, RehearsalError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0 if all(passed) else 1


def _rehearse(name: str) -> bool:
    """On a stack of its own; whether it passed."""
    began = time.monotonic()
    with stack(workers=2) as running:
        passed = asyncio.run(_on(Stage(running), REHEARSALS[name], name))
    print(f"{'Passed' if passed else 'FAILED'}: {name}, {time.monotonic() - began:.0f} s in all.\n", flush=True)
    return passed


async def _on(stage: Stage, rehearse: Callable[[Stage], Awaitable[None]], name: str) -> bool:
    traders = await asyncio.to_thread(make_traders, stage.stack.environment, TRADERS)
    accounts = [trader.account(stage.stack.address) for trader in traders]
    stage.load = Load(stage.stack.address, traders, house=stage.stack.tokens["house"])
    async with Audience(accounts, sockets_each=SOCKETS_EACH) as stage.audience:
        print(f"{name}: {TRADERS} traders, {TRADERS * SOCKETS_EACH} sockets", flush=True)
        await stage.until_level()
        async with stage.load:
            await rehearse(stage)
        findings = await stage.settle()
    print(*stage.summary(findings), sep="\n", flush=True)
    return findings.clean


def _exit_on_signal(number: int, frame: Any) -> None:
    raise SystemExit(128 + number)


if __name__ == "__main__":
    raise SystemExit(main())
