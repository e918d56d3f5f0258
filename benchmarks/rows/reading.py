"""The latest 20 and the unread count of one busy user, against raw SQL, in a small table and in one 10 × as large."""

import psycopg

from benchmarks.arena import POSTGRESQL, Arena
from benchmarks.processes import Program
from benchmarks.results import Row, percentile
from benchmarks.rows.filling import add_notifications, add_signals, tidy
from benchmarks.scale import Scale

OURS = "ours"
TIMES = 100
OTHER_USERS = 1000


def measure(arena: Arena, scale: Scale) -> list[Row]:
    population = arena.population("ours", OTHER_USERS + 1)
    reader, others = population.users[0], population.users[1:]
    read = scale.user_rows - scale.user_unread
    small, large = int(scale.user_rows * 1.1), int(scale.user_rows * 11)
    rows: list[Row] = []
    with arena.programs() as programs, psycopg.connect(population.database_url, autocommit=True) as connection:
        writer = programs.writer("ours", population)
        signal = add_signals(connection, scale.user_rows)
        add_notifications(connection, [reader], scale.user_rows, first_signal=signal, read=read, age_days=0)
        held = scale.user_rows
        for total in (small, large):
            each = (total - held) // len(others)
            add_notifications(connection, others, each, first_signal=signal + held // 100, read=each // 2, age_days=0)
            held += each * len(others)
            tidy(connection)
            rows += _ask(writer, reader, scale, held)
    arena.drop(population)
    for before, after in zip(rows[:2], rows[2:], strict=True):
        ours_before, ours_after = before.median(OURS), after.median(OURS)
        if ours_before and ours_after:
            after.check("to a tenth of the rows", ours_after / ours_before, at_most=1.2)
    return rows


def _ask(writer: Program, reader: int, scale: Scale, held: int) -> list[Row]:
    latest = Row("reading", f"Latest 20 of a user with {scale.user_rows:,}, {held:,} rows in all", "ms")
    unread = Row("reading", f"Unread count of a user with {scale.user_unread:,} unread, {held:,} rows in all", "ms")
    writer.ask(do="reading", user_id=reader, times=20)
    for _round in range(scale.rounds):
        taken = writer.ask(do="reading", user_id=reader, times=TIMES)
        for row, what in ((latest, "latest"), (unread, "unread")):
            row.add(OURS, percentile(taken[f"{what} ours"], 50) * 1000)
            row.add(POSTGRESQL, percentile(taken[f"{what} raw"], 50) * 1000)
    for row in (latest, unread):
        ours, raw = row.median(OURS), row.median(POSTGRESQL)
        if ours and raw:
            row.check("to bare SQL", ours / raw, at_most=1.5)
    return [latest, unread]
