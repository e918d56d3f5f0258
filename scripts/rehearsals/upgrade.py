"""The upgrade of docs/operations.md: tables and static files first, then every process in turn, while all goes on."""

from __future__ import annotations

import asyncio

from scripts.processes import Process
from scripts.rehearsals.stage import MIGRATING, POLL_S, RehearsalError, Stage
from scripts.stack import Stack, is_green

NEXT_RELEASE = {"DJANGO_SETTINGS_MODULE": "scripts.rehearsals.next_release.settings"}
CALM_S = 4.0  # of load before, and after
READY_WITHIN_S = 30.0


async def rehearse(stage: Stage) -> None:
    """Fails what was not answered, too: nobody may notice an upgrade."""
    await asyncio.sleep(CALM_S)
    with stage.step("migrate: a column for notifications, and an index of it"):
        await stage.manage("migrate", "--no-input", environment=MIGRATING | NEXT_RELEASE)
    with stage.step("collectstatic: a changed file"):
        await stage.manage("collectstatic", "--no-input", "--ignore", "tests", environment=NEXT_RELEASE)
    for server in stage.stack.asgi:
        with stage.step(f"restart {server.name}"):
            await _restart(server)
            await _until_ready(stage.stack, server)
    for process in (*stage.stack.workers, stage.stack.processes["beat"]):
        with stage.step(f"restart {process.name}"):
            await _restart(process)
    await asyncio.sleep(CALM_S)
    stage.remarks += [f"{len(stage.load.bad_pages)} pages failed"] if stage.load.bad_pages else []
    stage.remarks += [f"{len(stage.load.given_up)} alerts were not taken"] if stage.load.given_up else []


async def _restart(process: Process) -> None:
    """SIGTERM, and the next release in its place."""
    process.environment = {**process.environment, **NEXT_RELEASE}
    await asyncio.to_thread(process.restart)


async def _until_ready(stack: Stack, server: Process) -> None:
    try:
        async with asyncio.timeout(READY_WITHIN_S):
            while not await asyncio.to_thread(is_green, f"{stack.server_addresses[server.name]}/readyz"):  # noqa: ASYNC110
                await asyncio.sleep(POLL_S)
    except TimeoutError as error:
        raise RehearsalError(f"{server.name} was not ready within {READY_WITHIN_S:g} s.") from error
