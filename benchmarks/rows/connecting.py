"""Signed-in connects a second, and what an idle socket costs in memory: fresh servers each round."""

import time

from benchmarks.arena import WITH_SOCKETS, Arena, connect
from benchmarks.results import Row, times_as_many
from benchmarks.scale import Scale

AT_ONCE = 50
WARM = 50  # the first sockets load code and open connections
SETTLE_S = 1.0


def measure(arena: Arena, scale: Scale) -> list[Row]:
    memory = Row("memory", "Memory for an idle signed-in socket", "kB")
    rate = Row("connects", "Signed-in connects", "connects/s")
    process = Row("memory", "Memory of a server process with 50 sockets", "MB")
    for _round in range(scale.rounds):
        for contestant in WITH_SOCKETS:
            if not arena.can_be_had(contestant):
                continue
            with arena.programs() as programs:
                [server] = programs.servers([contestant], scale.sockets + WARM).values()
                client = programs.client()
                connect(client, server, WARM, first=scale.sockets)
                time.sleep(SETTLE_S)
                before = server.program.memory()
                process.add(contestant, before / 1e6)
                opened = connect(client, server, scale.sockets, at_once=AT_ONCE)
                time.sleep(SETTLE_S)
                memory.add(contestant, (server.program.memory() - before) / scale.sockets / 1000)
                rate.add(contestant, scale.sockets / opened["seconds"])
                arena.drop(server.population)
    memory.compare(times_as_many, at_most=0.8)
    rate.compare(times_as_many, at_least=2)
    rate.note = "socketio, nchan and websockets look nobody up."
    return [memory, process, rate]
