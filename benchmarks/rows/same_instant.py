"""A hundred insights for a hundred users at the same instant: until all of them are on the sockets."""

from benchmarks.arena import WITH_SOCKETS, Arena, connect
from benchmarks.results import Row, times_as_many
from benchmarks.scale import Scale

USERS = 100


def measure(arena: Arena, scale: Scale) -> list[Row]:
    together = Row("instant", "100 insights for 100 users, stored in one transaction", "ms")
    one_after_another = Row("instant", "the same, each in a transaction of its own", "ms")
    with arena.programs() as programs:
        servers = programs.servers(WITH_SOCKETS, USERS)
        clients = {one: programs.client() for one in servers}
        writers = {one: programs.writer_for(server) for one, server in servers.items()}
        for one, server in servers.items():
            connect(clients[one], server, USERS)
            writers[one].ask(do="one_by_one", users=server.population.users, count=20, first_tag=arena.tags(20))
        for _round in range(2 * scale.rounds):
            for row, in_one in ((together, True), (one_after_another, False)):
                for one, server in servers.items():
                    clients[one].ask(do="arm", keep="count")
                    begun = writers[one].ask(
                        do="same_instant",
                        users=server.population.users,
                        first_tag=arena.tags(USERS),
                        together=in_one,
                    )
                    got = clients[one].ask(do="collect", frames=USERS, timeout_s=20)
                    if got["frames"] < USERS:
                        row.note = f"{one}: {USERS - got['frames']} of {USERS} did not arrive."
                    row.add(one, (got["last"] - begun[0][1]) * 1000)
    together.compare(times_as_many, at_most=1 / 5)
    one_after_another.compare(times_as_many, at_most=1 / 5)
    return [together, one_after_another]
