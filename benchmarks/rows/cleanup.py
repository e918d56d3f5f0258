"""Deleting old notifications with their logs, while new ones are inserted: rate, memory, and what the inserts feel."""

import threading
import time

import psycopg

from benchmarks.arena import Arena, Population
from benchmarks.results import Row, percentile
from benchmarks.rows.filling import add_logs, add_notifications, add_signals, tidy
from benchmarks.scale import Scale

USERS = 500
PAUSE_S = 0.005  # between two inserts
INSERT = """
INSERT INTO notifications_insightnotification (user_id, signal_id, revision, title, snippet, confidence, priority,
    reason, seq, created_at, expires_at, read, delivered)
VALUES (%s, %s, 1, 'live', 'live', 88.4, 'high', 'all_rules_passed', %s, now(), now() + interval '1 hour', false, false)
"""


def measure(arena: Arena, scale: Scale) -> list[Row]:
    rate = Row("cleanup", "Cleanup of old notifications with their logs, beside live inserts", "notifications/s")
    memory = Row("cleanup", "the same, growth of memory", "MB")
    inserts = Row("cleanup", "the same, live inserts, p99", "ms")
    for by, rows in (("orm", scale.old_rows_orm), ("ours", scale.old_rows)):
        population = arena.population("ours", USERS + 1)
        _fill(population, rows)
        with arena.programs() as programs:
            writer = programs.writer("ours", population)
            with LiveInserts(population) as live:
                answer = writer.ask(do="clean_up", by=by)
        arena.drop(population)
        rate.add(by, answer["rows"] / answer["seconds"])
        memory.add(by, answer["grown"] / 1e6)
        inserts.add(by, percentile(live.seconds, 99) * 1000)
        if answer["rows"] != rows:
            rate.note = f"{by}: {answer['rows']} of {rows} were deleted."
    rate.check("to the ORM", rate.figures["ours"][0] / rate.figures["orm"][0], at_least=5)
    memory.check("MB", memory.figures["ours"][0], at_most=16)
    inserts.check("ms", inserts.figures["ours"][0], at_most=10)
    return [rate, memory, inserts]


def _fill(population: Population, rows: int) -> None:
    users = population.users[1:]
    with psycopg.connect(population.database_url, autocommit=True) as connection:
        each = rows // USERS
        signal = add_signals(connection, each)
        add_notifications(connection, users, each, first_signal=signal, read=each, age_days=40)
        add_logs(connection, users)
        tidy(connection)


class LiveInserts:
    """A thread that inserts one notification after another, each committed, and keeps what each took."""

    def __init__(self, population: Population) -> None:
        self.seconds: list[float] = []
        self._user = population.users[0]
        self._connection = psycopg.connect(population.database_url, autocommit=True)
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._insert)

    def __enter__(self) -> "LiveInserts":
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._ending.set()
        self._thread.join()
        self._connection.close()

    def _insert(self) -> None:
        first = add_signals(self._connection, 50_000)
        number = 0
        while not self._ending.wait(PAUSE_S):
            began = time.perf_counter()
            self._connection.execute(INSERT, [self._user, first + number, number + 1])
            self.seconds.append(time.perf_counter() - began)
            number += 1
