"""The restore of docs/operations.md: a backup that was taken in use goes into a new database, and the site to that."""

from __future__ import annotations

import asyncio

import psycopg

from scripts.faults import backup
from scripts.processes import Process, all_at_once
from scripts.rehearsals.stage import Stage

CALM_S = 4.0  # of load before the backup, between it and the disaster, and after the restore
NEW_DATABASE = "hub_restored"
SIGNALS = "SELECT id FROM signals_signal WHERE id = ANY(%s)"


async def rehearse(stage: Stage) -> None:
    """What came after the backup is gone, as it must be; all before it and all after the restore has to be there."""
    await asyncio.sleep(CALM_S)
    promised = set(stage.load.posted_at)
    file = stage.stack.directory / "hub.dump"
    with stage.step("pg_dump, while alerts come in"):
        await asyncio.to_thread(backup.back_up, stage.stack.database_url, file)
    await asyncio.sleep(CALM_S)
    processes = [*stage.stack.asgi, *stage.stack.workers, stage.stack.processes["beat"]]
    with stage.step("stop servers, workers and beat"):
        await asyncio.to_thread(all_at_once, processes, Process.stop)
    before = set(stage.load.posted_at)
    with stage.step("createdb and pg_restore"):
        stage.database_url = await asyncio.to_thread(backup.restore_into, stage.stack.database_url, NEW_DATABASE, file)
    restored = await asyncio.to_thread(_present, stage.database_url, before)
    if not promised <= restored:
        stage.remarks.append(f"{len(promised - restored)} signals of before the backup are not in it")
    with stage.step("renew_epochs"):
        await stage.manage("renew_epochs")
    with stage.step("reconcile_insights"):
        await stage.manage("reconcile_insights")
    for process in processes:
        process.environment = {**process.environment, "DATABASE_URL": stage.database_url}
    with stage.step("start them, on the new database"):
        await asyncio.to_thread(all_at_once, processes, Process.start)
    await stage.until_level()
    await asyncio.sleep(CALM_S)
    print(f"  {len(restored)} of {len(before)} signals were in the backup", flush=True)
    # Ids are given out again: what is asked for by id are those of the restored database.
    stage.kept = await asyncio.to_thread(_all_signals, stage.database_url)


def _present(database_url: str, signal_ids: set[int]) -> set[int]:
    with psycopg.connect(database_url) as connection:
        return {number for (number,) in connection.execute(SIGNALS, [list(signal_ids)])}


def _all_signals(database_url: str) -> set[int]:
    with psycopg.connect(database_url) as connection:
        return {number for (number,) in connection.execute("SELECT id FROM signals_signal")}
