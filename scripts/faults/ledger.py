"""What has to be there, by the rows alone: who should have been notified, who was, and what each socket holds of it.

Read with statements of its own, past the project's code: a checker that asked the code under test would share its
mistakes.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

import psycopg

from scripts.faults.audience import Listener

# The traders have the default preferences, whose only rule for the web is this one (design section 6).
DEFAULT_MIN_CONFIDENCE = 65

EXPECTED = """
SELECT signal.id, trader.id
FROM signals_signal signal
JOIN signals_tradevalidation validation ON validation.signal_id = signal.id
JOIN auth_user trader ON trader.is_active AND (
    trader.id = signal.user_id
    OR (signal.user_id IS NULL AND NOT trader.is_staff AND trader.date_joined <= signal.received_at)
)
WHERE signal.id = ANY(%(signals)s) AND validation.truth_index >= %(least)s
"""
STORED = "SELECT signal_id, user_id, id, seq FROM notifications_insightnotification WHERE signal_id = ANY(%(signals)s)"
PRESENT = "SELECT id FROM signals_signal WHERE id = ANY(%(signals)s)"


@dataclass
class Findings:
    """`expected` and `received` count (notification, socket) pairs; `notifications` the rows that had to be there."""

    insights: int = 0
    notifications: int = 0
    expected: int = 0
    received: int = 0
    lost: int = 0
    doubled: int = 0
    disordered: int = 0
    remarks: list[str] = field(default_factory=list)

    @property
    def clean(self) -> bool:
        return not (self.lost or self.doubled or self.disordered or self.remarks)


@dataclass(frozen=True)
class Rows:
    """What the database says about some insights. `stored` by user: notification id → (signal id, position)."""

    asked: frozenset[int]
    vanished: frozenset[int]
    expected: Counter[tuple[int, int]]
    notified: Counter[tuple[int, int]]
    stored: Mapping[int, Mapping[int, tuple[int, int | None]]]


def read(database_url: str, signal_ids: Collection[int]) -> Rows:
    asked = {"signals": list(signal_ids), "least": DEFAULT_MIN_CONFIDENCE}
    with psycopg.connect(database_url) as connection:
        present = {number for (number,) in connection.execute(PRESENT, asked)}
        expected = Counter((signal, trader) for signal, trader in connection.execute(EXPECTED, asked))
        notifications = connection.execute(STORED, asked).fetchall()
    stored: defaultdict[int, dict[int, tuple[int, int | None]]] = defaultdict(dict)
    for signal, user, number, seq in notifications:
        stored[user][number] = (signal, seq)
    notified = Counter((row[0], row[1]) for row in notifications)
    return Rows(frozenset(signal_ids), frozenset(signal_ids) - present, expected, notified, stored)


def compare(rows: Rows, listeners: Iterable[Listener]) -> Findings:
    """The committed insights with their notifications, and those with what each socket holds."""
    findings = Findings(insights=len(rows.asked), notifications=rows.expected.total())
    _compare_rows(findings, rows)
    for listener in listeners:
        _compare_socket(findings, listener, rows.stored.get(listener.user_id, {}), rows.asked)
    return findings


def _compare_rows(findings: Findings, rows: Rows) -> None:
    missing, excess = rows.expected - rows.notified, rows.notified - rows.expected
    findings.lost += missing.total()
    findings.doubled += excess.total()
    if rows.vanished:
        findings.remarks.append(f"{len(rows.vanished)} committed insights are gone, such as {min(rows.vanished)}")
    if missing:
        findings.remarks.append(f"{missing.total()} notifications not stored, such as (signal, user) {min(missing)}")
    if excess:
        findings.remarks.append(f"{excess.total()} notifications too many, such as (signal, user) {min(excess)}")


def _compare_socket(
    findings: Findings, listener: Listener, stored: Mapping[int, tuple[int, int | None]], asked: Collection[int]
) -> None:
    state = listener.client.state
    held = {number: row["seq"] for number, row in state.rows.items() if row["signal_id"] in asked}
    right = [number for number, (_, seq) in stored.items() if held.get(number) == seq]
    findings.expected += len(stored)
    findings.received += len(right)
    findings.lost += len(stored) - len(right)
    findings.doubled += len(held.keys() - stored.keys()) + len(state.tally.twice & stored.keys())
