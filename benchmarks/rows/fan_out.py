"""One house insight for 1,000 connected users: from the call that saves it until the last socket has it."""

from benchmarks.arena import OURS_DAPHNE, OURS_UVICORN, WITH_SOCKETS, Arena, connect
from benchmarks.results import Row, times_faster
from benchmarks.scale import Scale


def measure(arena: Arena, scale: Scale) -> list[Row]:
    row = Row("fanout", "One house insight → 1,000 connected users, stored and on the sockets", "ms")
    users = scale.sockets
    with arena.programs() as programs:
        servers = programs.servers(WITH_SOCKETS, users)
        clients = {one: programs.client() for one in servers}
        writers = {one: programs.writer_for(server) for one, server in servers.items()}
        for one, server in servers.items():
            if one.side == "ours":
                programs.worker(server.population)
            connect(clients[one], server, users)
        for turn in range(scale.rounds + 1):
            for one, server in servers.items():
                tag = arena.tags(1)
                extra = {} if one.side in ("ours", "tutorial") else {"users": server.population.users}
                clients[one].ask(do="arm", keep="count")
                began = writers[one].ask(do="house", tag=tag, **extra)
                got = clients[one].ask(do="collect", frames=users, timeout_s=40)
                if got["frames"] < users:
                    row.note = f"{one}: {users - got['frames']} of {users} did not arrive."
                if turn:  # the first one warms up
                    row.add(one, (got["last"] - began) * 1000)
    row.compare(times_faster, at_least={OURS_UVICORN: 100, OURS_DAPHNE: 50})
    return [row]
