"""A run of faults on one stack: each is struck under load, and what it did is found out before the next."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from scripts.faults import backup, ledger, levels
from scripts.faults.audience import Audience
from scripts.faults.catalogue import Fault
from scripts.faults.ledger import Findings
from scripts.faults.levels import Levels
from scripts.faults.writing import Commit, Writing
from scripts.stack import Stack

HEALED_WITHIN_S = 30.0  # of the fault's end
SAVED_WITHIN_S = 3.0  # when TradingView gives up; a database that is away is no fault of ours
CALM_S = 1.0  # of load before the strike
AFTER_S = 3.0  # of load after the end, which has to arrive as well
SHORT_AFTER_S = 1.5
LEVELS_WITHIN_S = 15.0
POLL_S = 0.1


@dataclass
class Result:
    """What one fault did. `wire_doubles`: frames that came again and were recognized as such."""

    fault: str
    findings: Findings
    healed_s: float
    slowest_save_s: float
    saves_repeated: int
    wire_doubles: int
    took_s: float  # with what it needed beforehand, the check and its undoing
    restarted: list[str]  # what ended by itself

    @property
    def passed(self) -> bool:
        return self.findings.clean and self.healed_s <= HEALED_WITHIN_S


@dataclass
class Run:
    """`full`: faults last as long as they were asked to; else as short as they can be told by."""

    stack: Stack
    writing: Writing
    audience: Audience
    backup: Path  # the file
    full: bool
    remarks: list[str] = field(default_factory=list)
    restarted: list[str] = field(default_factory=list)  # since the last strike, by the supervisor
    before: Levels | None = None
    backed_up: int = 0  # commits that the backup holds
    backed_up_at: float = 0.0  # time.monotonic()
    _checked: int = 0

    async def warm_up(self, seconds: float) -> None:
        """Some load without a fault, so that pools and caches have filled before their level counts."""
        await self.until(lambda: self.audience.level, HEALED_WITHIN_S)
        await self.writing.order("resume")
        await asyncio.sleep(seconds)
        await self.writing.order("pause")
        findings = await self._settle(self.writing.commits, time.monotonic() + HEALED_WITHIN_S)
        if not findings.clean:
            raise RuntimeError(f"Without any fault: {findings}")
        self._checked = len(self.writing.commits)
        self.before = await asyncio.to_thread(levels.measure, self.stack)

    async def back_up(self) -> None:
        """Of what has been checked; to be done while nothing is written."""
        await asyncio.to_thread(backup.back_up, self.stack.database_url, self.backup)
        self.backed_up, self.backed_up_at = self._checked, time.monotonic()

    async def write_until(self, moment: float) -> None:
        """Load without a fault until that time of `time.monotonic`."""
        await self.writing.order("resume")
        await asyncio.sleep(max(0.0, moment - time.monotonic()))
        await self.writing.order("pause")

    async def strike(self, fault: Fault) -> Result:
        self.remarks, self.restarted = [], []
        began = time.monotonic()
        await fault.prepare(self)
        await self.until(lambda: self.audience.level, HEALED_WITHIN_S)
        failures, doubles, disorder = len(self.writing.failures), self.audience.doubled_on_the_wire, self._disorder()
        await self.writing.order("resume")
        await asyncio.sleep(CALM_S)
        await fault.strike(self)
        await asyncio.sleep(fault.lasts_s if self.full else min(fault.lasts_s, fault.short_s))
        await fault.end(self)
        ended = time.monotonic()
        await self._supervise()
        level = asyncio.create_task(self._level_at())
        made_by_then = len(self.writing.commits)
        await asyncio.sleep(AFTER_S if self.full else SHORT_AFTER_S)
        await self.writing.order("pause")
        commits = self.writing.commits[self._checked :]
        findings = await self._settle(commits, ended + HEALED_WITHIN_S)
        healed_at = max(await level, self._last_arrival(self.writing.commits[self._checked : made_by_then]))
        await self._find_what_else_is_wrong(fault, findings, commits, failures)
        findings.disordered = self._disorder() - disorder
        self._checked = len(self.writing.commits)
        await fault.undo(self)
        return Result(
            fault.name,
            findings,
            healed_s=max(0.0, healed_at - ended),
            slowest_save_s=max((commit.took_s for commit in commits), default=0.0),
            saves_repeated=sum(commit.retries for commit in commits),
            wire_doubles=self.audience.doubled_on_the_wire - doubles,
            took_s=time.monotonic() - began,
            restarted=self.restarted,
        )

    async def check_everything(self) -> Findings:
        """All that was written, once more, after the last fault."""
        return await self._settle(self.writing.commits, time.monotonic() + HEALED_WITHIN_S)

    def forget_what_the_backup_lacks(self) -> None:
        """The insights since then never were, for the restored database; all that is left is looked at again."""
        del self.writing.commits[self.backed_up :]
        self._checked = 0

    async def until(self, holds: Callable[[], bool], timeout_s: float) -> bool:
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                while not holds():  # noqa: ASYNC110 - of many clients, no one event
                    await asyncio.sleep(POLL_S)
                return True
        return False

    async def _settle(self, commits: Sequence[Commit], deadline: float) -> Findings:
        """Look until everything is where it belongs, or the time is over."""
        signal_ids = [commit.signal_id for commit in commits]
        while True:
            await self._supervise()
            rows = await asyncio.to_thread(ledger.read, self.stack.database_url, signal_ids)
            findings = ledger.compare(rows, self.audience.listeners)
            if (findings.clean and self.audience.level) or time.monotonic() >= deadline:
                return findings
            await asyncio.sleep(POLL_S)

    async def _supervise(self) -> None:
        """Start again what has ended by itself, as systemd does on a real host (Restart=always)."""
        for process in self.stack.processes.values():
            if not process.is_running:
                self.restarted.append(process.name)
                await asyncio.to_thread(process.restart)

    async def _level_at(self) -> float:
        await self.until(lambda: self.audience.level, HEALED_WITHIN_S + 1)
        return time.monotonic()

    def _last_arrival(self, commits: Sequence[Commit]) -> float:
        wanted = {commit.signal_id for commit in commits}
        arrivals = (listener.arrived_at for listener in self.audience.listeners)
        return max((at for arrived_at in arrivals for number, at in arrived_at.items() if number in wanted), default=0)

    def _disorder(self) -> int:
        listeners = self.audience.listeners
        return sum(listener.disordered + listener.client.state.tally.disordered for listener in listeners)

    async def _find_what_else_is_wrong(
        self, fault: Fault, findings: Findings, commits: Sequence[Commit], failures_before: int
    ) -> None:
        findings.remarks += self.remarks
        findings.remarks += [f"the writer failed: {text}" for text in self.writing.failures[failures_before:]]
        if not fault.takes_database_away:
            repeated = sum(commit.retries for commit in commits)
            slow = [commit for commit in commits if commit.took_s > SAVED_WITHIN_S]
            findings.remarks += [f"{repeated} saves had to be repeated"] if repeated else []
            findings.remarks += [f"{len(slow)} saves took more than {SAVED_WITHIN_S:g} s"] if slow else []
        if not self.audience.level:
            findings.remarks.append(f"not level with the server: {self._unsettled()}")
        if self.audience.ended:
            findings.remarks.append(f"{self.audience.ended} clients have given up")
        findings.remarks += await self._leaks()

    def _unsettled(self) -> str:
        clients = [listener.client for listener in self.audience.listeners if not listener.client.level]
        apart = sum(client.connection is None for client in clients)
        behind, stale = sum(client.state.behind for client in clients), sum(client.state.stale for client in clients)
        return f"{len(clients)} clients, {apart} without a socket, {behind} behind, {stale} waiting for the list"

    async def _leaks(self) -> list[str]:
        deadline = time.monotonic() + LEVELS_WITHIN_S
        while True:
            now = await asyncio.to_thread(levels.measure, self.stack)
            grown = now.too_high(self.before) if self.before else []
            if not grown or time.monotonic() >= deadline:
                return grown
            await asyncio.sleep(1)
