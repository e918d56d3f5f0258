"""The checker has to notice: each thing that can be wrong is made wrong here."""

from __future__ import annotations

from collections import Counter

import pytest

from notifications.stream_client import Account
from notifications.stream_state import Row
from scripts.faults import ledger
from scripts.faults.audience import Listener
from scripts.faults.ledger import Findings, Rows

ALICE, BOB = 1, 2


def row(number: int, signal: int, seq: int) -> Row:
    return {"id": number, "signal_id": signal, "seq": seq, "revision": 1}


@pytest.fixture
def listener() -> Listener:
    """Alice's, who holds the notifications 10 and 11 of the signals 1 and 2."""
    listener = Listener(Account("http://127.0.0.1:1", ALICE, "sessionid=x"))
    listener.client.state.replace([row(10, 1, 1), row(11, 2, 2)], last_seq=2, epoch="one", unread_count=2)
    return listener


def rows(*, vanished: set[int] | None = None, notified: Counter[tuple[int, int]] | None = None) -> Rows:
    """The signals 1, 2 and 3 were committed; 3 is below what Alice wants to hear of."""
    expected = Counter([(1, ALICE), (2, ALICE)])
    stored = {ALICE: {10: (1, 1), 11: (2, 2)}}
    return Rows(frozenset({1, 2, 3}), frozenset(vanished or ()), expected, notified or expected, stored)


def test_what_is_where_it_belongs_is_clean(listener: Listener) -> None:
    findings = ledger.compare(rows(), [listener, listener])
    assert findings == Findings(insights=3, notifications=2, expected=4, received=4)
    assert findings.clean


def test_notices_a_row_that_a_socket_lacks(listener: Listener) -> None:
    del listener.client.state.rows[11]
    assert ledger.compare(rows(), [listener]).lost == 1


def test_notices_a_row_that_a_socket_holds_at_an_old_position(listener: Listener) -> None:
    listener.client.state.rows[11]["seq"] = 1
    assert ledger.compare(rows(), [listener]).lost == 1


def test_notices_a_row_that_was_never_stored(listener: Listener) -> None:
    listener.client.state.rows[12] = row(12, 3, 3)
    assert ledger.compare(rows(), [listener]).doubled == 1


def test_notices_news_that_came_at_two_positions(listener: Listener) -> None:
    listener.client.state.tally.twice.add(11)
    assert ledger.compare(rows(), [listener]).doubled == 1


def test_notices_a_notification_that_was_not_stored(listener: Listener) -> None:
    findings = ledger.compare(rows(notified=Counter([(1, ALICE)])), [listener])
    assert findings.lost == 1
    assert "not stored" in findings.remarks[0]


def test_notices_a_notification_for_somebody_whom_it_does_not_concern(listener: Listener) -> None:
    findings = ledger.compare(rows(notified=Counter([(1, ALICE), (2, ALICE), (2, BOB)])), [listener])
    assert findings.doubled == 1


def test_notices_a_committed_insight_that_is_gone(listener: Listener) -> None:
    assert not ledger.compare(rows(vanished={3}), [listener]).clean


def test_arrivals_out_of_order_are_counted(listener: Listener) -> None:
    listener._note(row(13, 4, 4))
    listener._note(row(12, 3, 3))
    assert listener.disordered == 1
