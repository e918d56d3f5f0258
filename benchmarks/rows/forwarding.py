"""How many messages one server process brings to 1,000 sockets in a second, and whether a stalled client slows others.

The messages are published to Redis at once and wait for the server. The stock consumer is on the pub/sub layer here, so
that the consumers are compared and not the layers.
"""

import itertools

from benchmarks.arena import OURS_DAPHNE, OURS_UVICORN, WITH_SOCKETS, Arena, connect
from benchmarks.results import Row, times_as_many
from benchmarks.scale import Scale

STALLED = 1


def measure(arena: Arena, scale: Scale) -> list[Row]:
    rate = Row("forwarding", "Messages forwarded to 1,000 sockets by one process", "messages/s")
    cost = Row("forwarding", "the same, processor time of the server", "µs/message")
    stalled = Row("forwarding", "the same, with one client that does not read", "messages/s")
    users, each = scale.sockets, scale.messages_a_socket
    with arena.programs() as programs:
        servers = programs.servers(WITH_SOCKETS, users, {"LAYER": "pubsub"})
        clients = {one: programs.client() for one in servers}
        writers = {one: programs.writer_for(server) for one, server in servers.items()}
        for one, server in servers.items():
            connect(clients[one], server, users)
        # In turns, with and without: what the machine does beside this changes from one second to the next.
        for turn, row in itertools.product(range(scale.rounds + 1), (rate, stalled)):
            for one, server in servers.items():
                client = clients[one]
                silent = STALLED if row is stalled else 0
                if silent:
                    client.ask(do="stall", sockets=silent)
                client.ask(do="arm", keep="count")
                before = server.program.cpu_s()
                writers[one].ask(do="forward", users=server.population.users, rounds=each, first_tag=arena.tags(each))
                wanted = (users - silent) * each
                got = client.ask(do="collect", frames=wanted, timeout_s=60)
                if got["frames"] < wanted:
                    row.note = f"{one}: {wanted - got['frames']} of {wanted} did not arrive."
                if silent:
                    client.ask(do="arm", keep="count")
                    client.ask(do="resume")
                    client.ask(do="collect", frames=silent * each, timeout_s=60)
                if turn:  # the first one warms up
                    row.add(one, got["frames"] / (got["last"] - got["first"]))
                if turn and not silent:
                    cost.add(one, (server.program.cpu_s() - before) / got["frames"] * 1e6)
                if one == OURS_UVICORN:
                    cost.note = f"A frame of ours has {got['mean_octets']:.0f} octets."
    rate.compare(times_as_many, at_least={OURS_UVICORN: 5, OURS_DAPHNE: 3})
    for ours in (OURS_DAPHNE, OURS_UVICORN):
        with_one, without = stalled.median(ours), rate.median(ours)
        if with_one and without:
            stalled.check(f"{ours.server} with : without", with_one / without, at_least=0.9)
    return [rate, cost, stalled]
