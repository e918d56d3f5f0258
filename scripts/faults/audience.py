"""The traders' sockets: clients that follow the protocol, and what has arrived at each."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from notifications.stream_client import Account, StreamClient
from notifications.stream_state import Row


@dataclass
class Listener:
    """A client with the times of its arrivals, by signal id, and whether they came in order of position."""

    account: Account
    client: StreamClient = field(init=False)
    arrived_at: dict[int, float] = field(default_factory=dict)
    disordered: int = 0
    _last_seq: int = 0
    _epoch: str = ""

    def __post_init__(self) -> None:
        self.client = StreamClient(self.account, on_arrival=self._note)

    @property
    def user_id(self) -> int:
        return self.account.user_id

    @property
    def positions(self) -> dict[int, int]:
        """What it holds: the position of each notification by id."""
        return {number: row["seq"] for number, row in self.client.state.rows.items()}

    def _note(self, row: Row) -> None:
        if self.client.state.epoch != self._epoch:
            self._epoch, self._last_seq = self.client.state.epoch, 0
            self.arrived_at.clear()
        self.disordered += row["seq"] < self._last_seq
        self._last_seq = row["seq"]
        self.arrived_at.setdefault(row["signal_id"], time.monotonic())


class Audience:
    """So many sockets for each trader, for as long as the block lasts."""

    def __init__(self, accounts: Sequence[Account], *, sockets_each: int) -> None:
        self.listeners = [Listener(account) for account in accounts for _ in range(sockets_each)]
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Audience:
        self._tasks = [asyncio.create_task(listener.client.run()) for listener in self.listeners]
        return self

    async def __aexit__(self, *exception: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @property
    def level(self) -> bool:
        return all(listener.client.level for listener in self.listeners)

    @property
    def ended(self) -> int:
        """Clients that gave up, which none may: signed out, or failed."""
        return sum(task.done() for task in self._tasks)

    @property
    def doubled_on_the_wire(self) -> int:
        """Frames that came again and were recognized as such."""
        return sum(listener.client.state.tally.doubled for listener in self.listeners)
