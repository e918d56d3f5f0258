"""Where a rehearsal happens: the stack, who sends, who listens; and what has to be there at the end."""

from __future__ import annotations

import asyncio
import statistics
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from scripts.faults import ledger
from scripts.faults.audience import Audience
from scripts.faults.ledger import Findings
from scripts.rehearsals.load import Load
from scripts.stack import ROOT, Stack

SETTLED_WITHIN_S = 40.0
POLL_S = 0.2
# What the migrations of docs/operations.md run with: they wait for a lock for a moment only, and may take their time.
MIGRATING = {"PGOPTIONS": "-c lock_timeout=5s -c statement_timeout=0"}


class RehearsalError(Exception):
    """It could not be carried out; the text says what went wrong."""


@dataclass
class Stage:
    """`load` and `audience` are there once it has begun. `database_url`: where the site's rows are now.

    `kept` are the signals that have to be there at the end; None for all that the webhook has promised to keep.
    """

    stack: Stack
    load: Load = field(init=False)
    audience: Audience = field(init=False)
    database_url: str = field(init=False)
    kept: set[int] | None = None
    remarks: list[str] = field(default_factory=list)
    steps: list[tuple[str, float]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.database_url = self.stack.database_url

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """One step of the runbook, with the time that it took."""
        began = time.monotonic()
        yield
        self.steps.append((name, time.monotonic() - began))
        print(f"  {self.steps[-1][1]:6.1f} s  {name}", flush=True)

    async def manage(self, *arguments: str, environment: Mapping[str, str] | None = None) -> str:
        """What `manage.py` prints. Raises RehearsalError when it fails."""
        done = await asyncio.to_thread(
            subprocess.run,
            [sys.executable, "manage.py", *arguments],
            cwd=ROOT,
            env={**self.stack.environment, "DATABASE_URL": self.database_url, **(environment or {})},
            capture_output=True,
            text=True,
        )
        if done.returncode:
            raise RehearsalError(f"manage.py {arguments[0]} failed:\n{done.stderr[-2000:]}")
        return done.stdout

    async def until_level(self) -> None:
        """Every socket is open and level. Raises RehearsalError when that takes too long."""
        deadline = time.monotonic() + SETTLED_WITHIN_S
        while not self.audience.level:
            if time.monotonic() > deadline:
                raise RehearsalError(f"The sockets were not level within {SETTLED_WITHIN_S:g} s.")
            await asyncio.sleep(POLL_S)

    async def settle(self) -> Findings:
        """Look until everything is where it belongs, or the time is over."""
        deadline = time.monotonic() + SETTLED_WITHIN_S
        while True:
            findings = await self._findings()
            if (findings.clean and self.audience.level) or time.monotonic() > deadline:
                break
            await asyncio.sleep(POLL_S)
        listeners = self.audience.listeners
        findings.disordered = sum(each.disordered + each.client.state.tally.disordered for each in listeners)
        findings.remarks += self.remarks
        findings.remarks += [] if self.audience.level else ["not every socket is level with the server"]
        findings.remarks += [f"{self.audience.ended} clients have given up"] if self.audience.ended else []
        return findings

    async def _findings(self) -> Findings:
        kept = set(self.load.posted_at) if self.kept is None else self.kept
        rows = await asyncio.to_thread(ledger.read, self.database_url, kept)
        return ledger.compare(rows, self.audience.listeners)

    def summary(self, findings: Findings) -> list[str]:
        closes = sum((Counter(each.client.closes) for each in self.audience.listeners), Counter[int]())
        codes = ", ".join(f"{number} x {code or 'refused'}" for code, number in sorted(closes.items()))
        slowest = max(self.load.answered_s, default=0.0)
        return [
            f"  {len(self.load.posted_at)} alerts taken, {self.load.sent_again} times sent again, "
            f"{len(self.load.given_up)} given up{_most_common(self.load.given_up)}; answered within "
            f"{statistics.median(self.load.answered_s or [0]) * 1000:.0f} ms (median), {slowest * 1000:.0f} ms at most",
            f"  {self.load.pages} pages, {len(self.load.bad_pages)} failed{_most_common(self.load.bad_pages)}",
            f"  sockets that ended: {sum(closes.values())} ({codes or 'none'})",
            f"  {findings.insights} insights, {findings.notifications} notifications, {findings.received} of "
            f"{findings.expected} on the sockets, {findings.lost} lost, {findings.doubled} doubled, "
            f"{findings.disordered} out of order",
            *(f"  {remark}" for remark in findings.remarks),
        ]


def _most_common(texts: list[str]) -> str:
    return f" (mostly: {Counter(texts).most_common(1)[0][0]})" if texts else ""
