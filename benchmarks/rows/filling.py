"""Large tables in one statement each. Foreign keys are not checked meanwhile: the rows are right by construction."""

import datetime as dt
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg

SIGNALS = """
INSERT INTO signals_signal (symbol, timeframe, side, sl, tp, confidence, strategy, regime, session, structure,
    news_headline, news_context, notes, extra, source, received_at, updated_at, outcome)
SELECT 'EURUSD', '1h', 'buy', 1.08, 1.095, 80, 'filling', 'Trend', 'London', '', '', '', '', '{}', 'manual',
    now(), now(), 'expired' FROM generate_series(1, %s) RETURNING id
"""
NOTIFICATIONS = """
INSERT INTO notifications_insightnotification (user_id, signal_id, revision, title, snippet, news_headline, confidence,
    priority, reason, seq, created_at, expires_at, read, read_at, delivered)
SELECT u, %(first_signal)s + n, 1, '🟢 New Insight – EURUSD (1H)',
    '🎯 High confidence (88%%). Bullish setup on EURUSD with the trend; reward is 2.0 times the risk.', NULL, 88.4,
    'high', 'all_rules_passed', n + 1, newest - (%(each)s - n) * %(period)s / %(each)s, newest, n < %(read)s,
    CASE WHEN n < %(read)s THEN newest END, false
FROM unnest(%(users)s::bigint[]) AS u, generate_series(0, %(each)s - 1) AS n,
    (SELECT now() - %(age_days)s * interval '1 day' AS newest) AS times
"""
LOGS = """
INSERT INTO notifications_notificationdeliverylog (notification_id, channel, target, attempt_group, state, success,
    error_message, attempts, created_at)
SELECT id, 'websocket', '', 1, 'acknowledged', true, '', 1, created_at FROM notifications_insightnotification
WHERE user_id = ANY(%(users)s::bigint[])
"""

PERIOD = dt.timedelta(days=20)  # from the oldest to the newest notification of a user

Connection = psycopg.Connection[tuple[int]]


def add_signals(connection: Connection, count: int) -> int:
    """The id of the first of so many signals in a row."""
    return min(row[0] for row in connection.execute(SIGNALS, [count]))


def add_notifications(
    connection: Connection, users: list[int], each: int, *, first_signal: int, read: int, age_days: int
) -> None:
    """`each` notifications for each user, evenly over PERIOD, the first `read` of them read."""
    values: dict[str, object] = {
        "users": users,
        "each": each,
        "first_signal": first_signal,
        "read": read,
        "age_days": age_days,
    }
    values["period"] = PERIOD
    with _without_checks(connection):
        connection.execute(NOTIFICATIONS, values)
        inboxes = "UPDATE notifications_inbox SET last_seq = %s WHERE user_id = ANY(%s::bigint[])"
        connection.execute(inboxes, [each, users])


def add_logs(connection: Connection, users: list[int]) -> None:
    """One final delivery for each notification of these users."""
    with _without_checks(connection):
        connection.execute(LOGS, {"users": users})


def tidy(connection: Connection) -> None:
    """What autovacuum would have done by the time a table has grown that large."""
    for table in ("notifications_insightnotification", "notifications_notificationdeliverylog", "signals_signal"):
        connection.execute(f"VACUUM ANALYZE {table}")


@contextmanager
def _without_checks(connection: Connection) -> Iterator[None]:
    connection.execute("SET session_replication_role = replica")
    yield
    connection.execute("SET session_replication_role = origin")
