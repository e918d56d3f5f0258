"""The writer's process as the fault run sees it: what it has committed, and the orders that it takes."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from scripts.stack import ROOT

ORDER_WITHIN_S = 60.0
WRITER = (sys.executable, "-m", "scripts.faults.writer")


class WriterError(Exception):
    """The writer ended, or did not do as it was told."""


@dataclass(frozen=True, slots=True)
class Commit:
    """One committed insight; `took_s` is the last attempt's, which is the one that stored it."""

    signal_id: int
    took_s: float
    retries: int


@dataclass
class Writing:
    """`commits` in the order in which they were told; `failures` are tracebacks of what no database fault explains."""

    environment: Mapping[str, str]
    trader_ids: Sequence[int]
    commits: list[Commit] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    _process: asyncio.subprocess.Process | None = None
    _reading: asyncio.Task[None] | None = None
    _obeyed: asyncio.Queue[str] = field(default_factory=asyncio.Queue)

    async def start(self, **more: str) -> None:
        """Begin to write; `more` is added to the environment."""
        traders = ",".join(map(str, self.trader_ids))
        self._process = await asyncio.create_subprocess_exec(
            *WRITER,
            "write",
            traders,
            cwd=ROOT,
            env={**self.environment, **more},
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
        self._reading = asyncio.create_task(self._read())

    async def end(self) -> None:
        """Let the insight that is being written be committed, and wait for the process."""
        if self._process is None or self._process.stdin is None or self._reading is None:
            return
        self._process.stdin.close()
        try:
            # Not `wait_for`: before Python 3.12 it may forget a cancellation, or an answer, that comes just in time.
            async with asyncio.timeout(ORDER_WITHIN_S):
                await self._process.wait()
        except TimeoutError:
            self._process.kill()
            await self._process.wait()
        await self._reading
        self._process = None

    async def order(self, order: str) -> None:
        """`pause`, `resume` or `burst N`; returns when it is done."""
        if self._process is None or self._process.stdin is None:
            raise WriterError("The writer does not run.")
        self._process.stdin.write(f"{order}\n".encode())
        await self._process.stdin.drain()
        try:
            async with asyncio.timeout(ORDER_WITHIN_S):
                while await self._obeyed.get() != order:
                    pass
        except TimeoutError as error:
            raise WriterError(f"The writer did not obey: {order}. Its failures: {self.failures[-1:]}") from error

    async def _read(self) -> None:
        if self._process is None or self._process.stdout is None:
            return
        async for line in self._process.stdout:
            self._note(json.loads(line))

    def _note(self, facts: dict[str, Any]) -> None:
        if "signal" in facts:
            self.commits.append(Commit(facts["signal"], facts["took_s"], facts["retries"]))
        elif "failure" in facts:
            self.failures.append(facts["failure"])
        else:
            self._obeyed.put_nowait(facts["obeyed"])


async def make_traders(environment: Mapping[str, str], count: int) -> list[dict[str, Any]]:
    process = await asyncio.create_subprocess_exec(
        *WRITER, "make", str(count), cwd=ROOT, env=dict(environment), stdout=asyncio.subprocess.PIPE
    )
    output, _ = await process.communicate()
    if process.returncode:
        raise WriterError("The traders could not be made.")
    made: list[dict[str, Any]] = json.loads(output)
    return made
