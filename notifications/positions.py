"""How far one socket has been brought along its user's stream."""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass

from notifications.stream import CatchUp


@dataclass(slots=True)
class SentPosition:
    """What was sent on a socket, and what its browser has acknowledged.

    `through`: everything up to it was sent, or was there before the socket. `ahead`: positions sent beyond a gap.
    `acknowledged`: the browser has acknowledged up to it; what came before the socket was never sent on it, so a fresh
    socket starts there and can't acknowledge what it has not seen.
    """

    through: int
    epoch: str
    acknowledged: int
    ahead: Set[int] = frozenset()  # shared while it is empty, which for an idle socket is always

    @property
    def highest(self) -> int:
        return max(self.ahead, default=self.through)

    def is_new(self, seq: int) -> bool:
        """Whether this position still has to be sent."""
        return seq > self.through and seq not in self.ahead

    def sent(self, seq: int) -> None:
        """Note a frame as sent; frames may go out in any order."""
        if seq == self.through + 1 and not self.ahead:
            self.through = seq
        else:
            self.ahead = self.ahead | {seq}
            self._close_gap()

    def acknowledgeable(self, seq: int) -> int:
        """The position up to which an acknowledgement of `seq` counts: what was sent without a gap, and no further."""
        return min(seq, self.through)

    def catch_up(self, answer: CatchUp, *, since: int, through: int) -> None:
        """Follow an answer to a client at `since`; `through` was this position's when the answer was asked for."""
        if answer.epoch != self.epoch or answer.last_seq < through:
            self._restart(answer)
            return
        self.through = max(self.through, answer.last_seq)
        # Recovered: whatever came after `since` has been sent. Else the client reads the list: nothing was.
        floor = min(self.acknowledged, since) if answer.recovered else max(self.acknowledged, answer.last_seq)
        self.acknowledged = floor
        self._close_gap()

    def _restart(self, answer: CatchUp) -> None:
        """The stream is another one (restored from a backup): the old positions mean nothing."""
        self.through = self.acknowledged = answer.last_seq
        self.epoch = answer.epoch
        self.ahead = frozenset()

    def _close_gap(self) -> None:
        while self.through + 1 in self.ahead:
            self.through += 1
        self.ahead = frozenset(seq for seq in self.ahead if seq > self.through)
