"""One house insight for 10,000 connected users on two server processes: every socket exactly once."""

from collections import Counter

from benchmarks.arena import OURS, Arena, connect
from benchmarks.results import Row
from benchmarks.scale import Scale

CLIENTS = 2


def measure(arena: Arena, scale: Scale) -> list[Row]:
    row = Row("two-servers", "One house insight → 10,000 connected users on two server processes", "ms")
    wrong = Row("two-servers", "the same, sockets that got it not at all or twice", "sockets")
    users = scale.many_users
    for contestant in OURS:
        population = arena.population("ours", users)
        with arena.programs() as programs:
            servers = [programs.server(contestant, population) for _ in range(2)]
            programs.worker(population)
            writer = programs.writer("ours", population)
            clients = [programs.client() for _ in range(CLIENTS)]
            for place, (server, client) in enumerate(zip(servers, clients, strict=True)):
                connect(client, server, users // 2, first=place * (users // 2))
            for turn in range(scale.rounds + 1):
                for client in clients:
                    client.ask(do="arm", keep="tags")
                began = writer.ask(do="house", tag=arena.tags(1))
                got = [client.ask(do="collect", frames=users // 2, timeout_s=30) for client in clients]
                times = Counter(
                    (place, socket) for place, answer in enumerate(got) for _tag, socket, _at in answer["tags"]
                )
                if turn:
                    row.add(contestant, (max(answer["last"] for answer in got) - began) * 1000)
                    wrong.add(contestant, users - len(times) + sum(count > 1 for count in times.values()))
        arena.drop(population)
    for contestant in OURS:
        taken, amiss = row.median(contestant), wrong.figures[str(contestant)]
        if taken:
            row.check(contestant.server, taken, at_most=2000)
            wrong.check(contestant.server, max(amiss), at_most=0)
    return [row, wrong]
