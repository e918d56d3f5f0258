"""One insight at a time: from the call that saves it until the frame is in the client, one writer process."""

from benchmarks.arena import OURS, STOCK, WITH_SOCKETS, Arena, connect
from benchmarks.results import Row, percentile, times_as_many
from benchmarks.scale import Scale

USERS = 100


def measure(arena: Arena, scale: Scale) -> list[Row]:
    rate = Row("one", "One insight at a time, saved → on the socket", "insights/s")
    p50 = Row("one", "the same, p50", "ms")
    p99 = Row("one", "the same, p99", "ms")
    with arena.programs() as programs:
        servers = programs.servers(WITH_SOCKETS, USERS)
        clients = {one: programs.client() for one in servers}
        writers = {one: programs.writer_for(server) for one, server in servers.items()}
        for one, server in servers.items():
            connect(clients[one], server, USERS)
            writers[one].ask(do="one_by_one", users=server.population.users, count=20, first_tag=arena.tags(20))
        for _round in range(scale.rounds):
            for one, server in servers.items():
                count, first_tag = scale.single_insights, arena.tags(scale.single_insights)
                clients[one].ask(do="arm", keep="tags")
                users = server.population.users
                begun = dict(writers[one].ask(do="one_by_one", users=users, count=count, first_tag=first_tag))
                got = clients[one].ask(do="collect", frames=count, timeout_s=20)
                arrived = {tag: at for tag, _socket, at in got["tags"]}
                times_ms = [(arrived[tag] - at) * 1000 for tag, at in begun.items() if tag in arrived]
                if len(times_ms) < count:
                    rate.note = f"{one}: {count - len(times_ms)} of {count} did not arrive."
                rate.add(one, len(times_ms) / (max(arrived.values()) - min(begun.values())))
                p50.add(one, percentile(times_ms, 50))
                p99.add(one, percentile(times_ms, 99))
    rate.compare(times_as_many, at_least=4)
    for ours in OURS:
        slowest, theirs = p99.median(ours), p50.median(STOCK[ours])
        if slowest and theirs:
            p99.check(f"{ours.server} to the tutorial's p50", slowest / theirs, at_most=1)
    return [rate, p50, p99]
