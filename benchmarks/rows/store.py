"""One house insight for 1,000, 10,000 and 100,000 eligible users, stored (rows, positions, log) and published."""

import time

import psycopg

from benchmarks.arena import HQ, POSTGRESQL, Arena, Population
from benchmarks.results import Row, times_faster
from benchmarks.scale import Scale
from benchmarks.sides.insight import HEADLINE, NARRATIVE

OURS = "ours"

# What every solution has to store in our tables at least, in one statement, no decision taken.
FLOOR = """
WITH eligible AS (
    SELECT u.id FROM auth_user u JOIN notifications_notificationpreference p ON p.user_id = u.id
    WHERE u.is_active AND NOT u.is_staff AND p.web_enabled AND p.min_confidence <= 88.4
), moved AS (
    UPDATE notifications_inbox i SET last_seq = last_seq + 1 FROM eligible e WHERE i.user_id = e.id
    RETURNING i.user_id, i.last_seq
), told AS (
    INSERT INTO notifications_insightnotification (user_id, signal_id, revision, title, snippet, news_headline,
        confidence, priority, reason, seq, created_at, expires_at, read, delivered)
    SELECT user_id, %(signal)s, 1, 'New Insight – EURUSD (1H)', %(snippet)s, %(headline)s, 88.4,
        'high', 'all_rules_passed', last_seq, now(), now() + interval '3 hours', false, false
    FROM moved RETURNING id
)
INSERT INTO notifications_notificationdeliverylog (notification_id, channel, target, attempt_group, state,
    error_message, attempts, created_at)
SELECT id, 'websocket', '', 1, 'pending', '', 0, now() FROM told
"""
SIGNAL = """
INSERT INTO signals_signal (symbol, timeframe, side, sl, tp, confidence, strategy, regime, session, structure,
    news_headline, news_context, notes, extra, source, received_at, updated_at, outcome)
VALUES ('EURUSD', '1h', 'buy', 1.08, 1.095, 80, 'floor', 'Trend', 'London', '', '', '', '', '{}', 'manual', now(),
    now(), 'pending') RETURNING id
"""


def measure(arena: Arena, scale: Scale) -> list[Row]:
    thousand, many, everyone = 1000, scale.many_users, scale.all_users
    rows = {
        size: Row("store", f"One house insight → {size:,} eligible users, stored and published", "ms")
        for size in (many, everyone)
    }
    growth = {
        size: Row("growth", f"Cost of a notification at {size:,} users", "µs") for size in (thousand, many, everyone)
    }
    populations = {size: arena.population("ours", size) for size in (thousand, many, everyone)}
    with arena.programs() as programs:
        writers = {size: programs.writer("ours", population) for size, population in populations.items()}
        rival = arena.population("hq", many) if arena.can_be_had(HQ) else None
        hq = programs.writer("hq", rival) if rival else None
        for turn in range(scale.rounds + 1):
            for size, writer in writers.items():
                if turn == 0 and size == everyone:
                    continue  # the smaller ones warm up well enough
                answer = writer.ask(do="push_house", tag=arena.tags(1))
                _complete(answer["stored"], size, growth[size])
                if turn:
                    growth[size].add(OURS, answer["seconds"] / size * 1e6)
                    if size in rows:
                        rows[size].add(OURS, answer["seconds"] * 1000)
            for size, row in rows.items():
                if turn:
                    row.add(POSTGRESQL, floor(populations[size]) * 1000)
            if hq and turn:
                answer = hq.ask(do="push_house", tag=arena.tags(1))
                _complete(answer["stored"], many, rows[many])
                rows[many].add(HQ, answer["seconds"] * 1000)
    for population in [*populations.values(), *([rival] if rival else [])]:
        arena.drop(population)
    _judge(rows[many], rows[everyone], list(growth.values()), everyone / many)
    return [*rows.values(), *growth.values()]


def floor(population: Population) -> float:
    """Seconds of the one statement."""
    with psycopg.connect(population.database_url, autocommit=True) as connection:
        found = connection.execute(SIGNAL).fetchone()
        values = {
            "signal": found[0] if found else None,
            "snippet": f"High confidence (88%). {NARRATIVE}",
            "headline": HEADLINE,
        }
        began = time.monotonic()
        connection.execute(FLOOR, values)
        return time.monotonic() - began


def _judge(many: Row, everyone: Row, growth: list[Row], times: float) -> None:
    ours, rival, limit = many.median(OURS), many.median(HQ), many.median(POSTGRESQL)
    if ours and rival:
        many.check("than notifications-hq", times_faster(ours, rival), at_least=15)
    if ours and limit:
        many.check("to one statement", ours / limit, at_most=3)
    larger = everyone.median(OURS)
    if ours and larger:
        everyone.check("time a user, to 10,000", larger / ours / times, at_most=1.2)
    costs = [cost for row in growth if (cost := row.median(OURS))]
    growth[-1].check("dearest : cheapest", max(costs) / min(costs), at_most=1.5)


def _complete(stored: int, wanted: int, row: Row) -> None:
    if stored != wanted:
        row.note = f"{stored} of {wanted} were stored."
