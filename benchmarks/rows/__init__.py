"""The rows of the table: each a module with `measure(arena, scale) -> list[Row]`, in the order of the table."""

from collections.abc import Callable

from benchmarks.arena import Arena
from benchmarks.results import Row
from benchmarks.rows import (
    blocking,
    burst,
    cleanup,
    connecting,
    fan_out,
    forwarding,
    one_at_a_time,
    reading,
    same_instant,
    store,
    syncing,
    two_servers,
)
from benchmarks.scale import Scale

MEASURES: dict[str, Callable[[Arena, Scale], list[Row]]] = {
    "one": one_at_a_time.measure,
    "instant": same_instant.measure,
    "fanout": fan_out.measure,
    "store": store.measure,
    "blocking": blocking.measure,
    "two-servers": two_servers.measure,
    "forwarding": forwarding.measure,
    "connecting": connecting.measure,
    "syncing": syncing.measure,
    "reading": reading.measure,
    "cleanup": cleanup.measure,
    "burst": burst.measure,
}
