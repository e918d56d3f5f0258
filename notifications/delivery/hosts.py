"""What this process knows of the hosts that it calls: how many calls are under way, and which seem to be down."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field

# So that a host that lets every call run into its time-out holds a part of the threads only.
CALLS_AT_ONCE = 4
# That many failures in a row are no accident of one target.
DOWN_AFTER = 5
PROBE_AFTER_S = 10.0
PROBE_AT_LEAST_EVERY_S = 60.0


@dataclass(slots=True)
class _Host:
    calls: int = 0
    failures: int = 0
    closed_until: float = 0.0
    kept_waiting: set[int] = field(default_factory=set)


class Hosts:
    """Times are of any steady clock, in seconds. While a host is down its deliveries wait, uncounted, but for one at a
    time that finds out whether it is back; then all of them go at once, and so in their order."""

    def __init__(self) -> None:
        self._hosts: defaultdict[str, _Host] = defaultdict(_Host)

    def may_be_called(self, name: str, now: float) -> bool:
        host = self._hosts[name]
        if host.failures >= DOWN_AFTER:
            return host.calls == 0 and host.closed_until <= now
        return host.calls < CALLS_AT_ONCE

    def called(self, name: str) -> None:
        self._hosts[name].calls += 1

    def answered(self, name: str) -> set[int]:
        """The host is there; returns the deliveries that failed while it was not, which need not wait any longer."""
        host = self._hosts[name]
        host.calls -= 1
        kept_waiting = host.kept_waiting if host.failures >= DOWN_AFTER else set()
        host.failures, host.kept_waiting = 0, set()
        return kept_waiting

    def failed(self, name: str, delivery_id: int, now: float) -> None:
        host = self._hosts[name]
        host.calls -= 1
        host.failures += 1
        host.kept_waiting.add(delivery_id)
        beyond = host.failures - DOWN_AFTER
        if beyond >= 0:
            host.closed_until = now + min(PROBE_AT_LEAST_EVERY_S, PROBE_AFTER_S * 2.0 ** min(beyond, 16))
