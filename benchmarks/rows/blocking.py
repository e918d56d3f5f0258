"""A user's own "mark read" while a house insight is being stored for everybody: how long it waits for a chunk."""

from concurrent.futures import ThreadPoolExecutor

from benchmarks.arena import Arena
from benchmarks.results import Row, percentile
from benchmarks.scale import Scale

OURS = "ours"
AT_MOST_MS = 50


def measure(arena: Arena, scale: Scale) -> list[Row]:
    alone = Row("blocking", "Mark read, nothing else going on, p99", "ms")
    beside = Row("blocking", f"Mark read while {scale.many_users:,} users are told, p99", "ms")
    longest = Row("blocking", "the same, the longest", "ms")
    population = arena.population(OURS, scale.many_users)
    with arena.programs() as programs, ThreadPoolExecutor(1) as beside_thread:
        teller, reader = programs.writer(OURS, population), programs.writer(OURS, population)
        teller.ask(do="push_house", tag=arena.tags(1))  # what there is to be read
        for _round in range(scale.rounds):
            taken = reader.ask(do="mark_reads", users=population.users, times=200, seed=arena.tags(1))
            alone.add(OURS, percentile(taken, 99) * 1000)
            telling = beside_thread.submit(teller.ask, do="push_house", tag=arena.tags(1))
            waited: list[float] = []
            while not telling.done():
                waited += reader.ask(do="mark_reads", users=population.users, times=20, seed=arena.tags(1))
            beside.add(OURS, percentile(waited, 99) * 1000)
            longest.add(OURS, max(waited) * 1000)
    arena.drop(population)
    middle = longest.median(OURS)
    if middle is not None:
        longest.check("ms", middle, at_most=AT_MOST_MS)
    return [alone, beside, longest]
