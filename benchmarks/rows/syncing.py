"""How many `sync` commands one process answers: each client sends one every 25 s. Nobody else has the like."""

import json

import psycopg

from benchmarks.arena import OURS, Arena, connect
from benchmarks.results import Row
from benchmarks.scale import Scale

ANSWER = "missed_notifications"


def measure(arena: Arena, scale: Scale) -> list[Row]:
    rate = Row("syncing", "`sync` of clients that have missed nothing", "syncs/s")
    cost = Row("syncing", "the same, processor time of the server", "µs/sync")
    with arena.programs() as programs:
        servers = programs.servers(OURS, scale.sockets)
        clients = {one: programs.client() for one in servers}
        commands = {}
        for one, server in servers.items():
            connect(clients[one], server, scale.sockets)
            commands[one] = _command(server.population.database_url, server.population.users[0])
        for turn in range(scale.rounds + 1):
            for one, server in servers.items():
                before = server.program.cpu_s()
                clients[one].ask(do="arm", keep="count", mark=ANSWER)
                clients[one].ask(do="send", text=commands[one])
                got = clients[one].ask(do="collect", frames=scale.sockets, timeout_s=60)
                if got["frames"] < scale.sockets:
                    rate.note = f"{one}: {scale.sockets - got['frames']} of {scale.sockets} were not answered."
                if turn:
                    rate.add(one, got["frames"] / (got["last"] - got["first"]))
                    cost.add(one, (server.program.cpu_s() - before) / got["frames"] * 1e6)
    return [rate, cost]


def _command(database_url: str, user: int) -> str:
    """The accounts are copies of one, and so are their epochs."""
    with psycopg.connect(database_url) as connection:
        found = connection.execute(
            "SELECT last_seq, epoch FROM notifications_inbox WHERE user_id = %s", [user]
        ).fetchone()
    if found is None:
        raise LookupError(f"User {user} has no inbox.")
    return json.dumps({"command": "sync", "since": found[0], "epoch": found[1]})
