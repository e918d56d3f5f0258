"""How many processes and how much memory so many connected traders need, computed from what was measured."""

from math import ceil

from benchmarks.arena import OURS, Contestant
from benchmarks.results import Row

TRADERS = (1_000, 10_000, 100_000)
SYNC_EVERY_S = 25  # what each client does
RETURN_WITHIN_S = 60  # everybody again, after a restart of all servers
FAN_OUT_WITHIN_S = 2  # one house insight on all sockets
BUSY = 0.5  # of a core at most, in everyday work: the other half is for bursts
LEAST_PROCESSES = 2  # one may be restarted
ASKED = {
    "sync": "`sync` of clients that have missed nothing",
    "connect": "Signed-in connects",
    "forward": "Messages forwarded to 1,000 sockets by one process",
    "socket_kb": "Memory for an idle signed-in socket",
    "process_mb": "Memory of a server process with 50 sockets",
}


def table(rows: list[Row]) -> str:
    """Markdown; raises LookupError when a row that it is computed from was not measured."""
    titles = {row.title: row for row in rows}
    lines = [
        "| Traders connected | Server | Processes (and cores) | decided by | Memory of all processes |",
        "| --- | --- | --- | --- | --- |",
    ]
    for traders in TRADERS:
        for server in OURS:
            rates = {name: _measured(titles[title], server) for name, title in ASKED.items()}
            needs = {
                "`sync` every 25 s": traders / SYNC_EVERY_S / (rates["sync"] * BUSY),
                "all connect again within a minute": traders / RETURN_WITHIN_S / rates["connect"],
                "one insight to all within 2 s": traders / FAN_OUT_WITHIN_S / rates["forward"],
                "one may be restarted": LEAST_PROCESSES,
            }
            reason, most = max(needs.items(), key=lambda need: need[1])
            processes = ceil(most)
            memory_gb = (processes * rates["process_mb"] + traders * rates["socket_kb"] / 1000) / 1000
            lines.append(f"| {traders:,} | {server.server} | {processes} | {reason} | {memory_gb:.1f} GB |")
    return "\n".join(lines)


def _measured(row: Row, contestant: Contestant) -> float:
    figure = row.median(contestant)
    if not figure:
        raise LookupError(f"{row.title} was not measured for {contestant}.")
    return figure
