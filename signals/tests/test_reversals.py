"""Which older signals an opposite one turns, and who is told."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth.models import User

from signals import intake, outcomes, reversals
from signals.events import insights_reversed, insights_settled
from signals.models import Outcome, Signal
from signals.tradingview import Alert, parse

pytestmark = [pytest.mark.services, pytest.mark.django_db]

MakeSignal = Callable[..., Signal]
NOON = dt.datetime(2026, 3, 4, 12, tzinfo=dt.UTC)
SELL = {"side": "sell", "price": Decimal("1.0850"), "sl": Decimal("1.0900"), "tp": Decimal("1.0750")}


@pytest.fixture
def told() -> Iterator[list[tuple[str, list[int], int | None]]]:
    """What was announced, as (what, signal ids, owner id)."""
    heard: list[tuple[str, list[int], int | None]] = []

    def hear_reversed(signal_ids: list[int], owner_id: int | None, **kwargs: Any) -> None:
        heard.append(("reversed", signal_ids, owner_id))

    def hear_settled(signal_ids: list[int], owner_id: int | None, **kwargs: Any) -> None:
        heard.append(("settled", signal_ids, owner_id))

    insights_reversed.connect(hear_reversed)
    insights_settled.connect(hear_settled)
    yield heard
    insights_reversed.disconnect(hear_reversed)
    insights_settled.disconnect(hear_settled)


def reverser(older: Signal) -> Signal | None:
    older.refresh_from_db()
    return older.reversed_by


def test_an_opposite_signal_turns_the_older_live_ones(make_signal: MakeSignal, alice: User) -> None:
    older = [make_signal(alice, received_at=NOON + dt.timedelta(minutes=minutes)) for minutes in (0, 5)]
    newer = make_signal(alice, received_at=NOON + dt.timedelta(minutes=10), **SELL)

    assert reversals.reverse(newer) == 2
    assert reversals.reverse(newer) == 0

    assert [reverser(signal) for signal in older] == [newer, newer]


@pytest.mark.parametrize(
    "changes",
    [
        {"side": "buy", "sl": Decimal("1.0800"), "tp": Decimal("1.0950")},
        {"symbol": "GBPUSD"},
        {"timeframe": "4h"},
        {"strategy": "SMC"},
        {"received_at": NOON + dt.timedelta(hours=3)},  # just when the older one expires
        {"bar_time": NOON - dt.timedelta(seconds=1)},  # an older alert that came late
    ],
)
def test_what_is_no_opposite_of_a_live_one_turns_nothing(make_signal: MakeSignal, changes: dict[str, Any]) -> None:
    older = make_signal(received_at=NOON)
    fields = {**SELL, "received_at": NOON + dt.timedelta(minutes=10), **changes}

    assert reversals.reverse(make_signal(**fields)) == 0
    assert reverser(older) is None


@pytest.mark.parametrize(("owner", "other"), [("alice", "bob"), ("alice", None), (None, "alice")])
def test_signals_of_different_owners_leave_each_other_alone(
    make_signal: MakeSignal, alice: User, bob: User, owner: str | None, other: str | None
) -> None:
    users = {"alice": alice, "bob": bob, None: None}
    older = make_signal(users[owner], received_at=NOON)

    assert reversals.reverse(make_signal(users[other], received_at=NOON + dt.timedelta(minutes=1), **SELL)) == 0
    assert reverser(older) is None


def test_a_settled_or_turned_one_stays_as_it_is(make_signal: MakeSignal) -> None:
    won = make_signal(received_at=NOON, outcome=Outcome.WIN)
    turned = make_signal(received_at=NOON)
    first = make_signal(received_at=NOON + dt.timedelta(minutes=1), **SELL)
    reversals.reverse(first)

    assert reversals.reverse(make_signal(received_at=NOON + dt.timedelta(minutes=2), **SELL)) == 0
    assert (reverser(won), reverser(turned)) == (None, first)


def test_intake_marks_and_tells_within_its_transaction(
    alice: User, told: list[Any], django_capture_on_commit_callbacks: Any
) -> None:
    first = intake.receive(alert("buy", "1"), owner=alice, origin="script").signal
    with django_capture_on_commit_callbacks():  # what waits for the commit does not run: the telling did not wait
        second = intake.receive(alert("sell", "2"), owner=alice, origin="script").signal

    assert reverser(first) == second
    assert told == [("reversed", [first.pk], alice.pk)]


def test_settling_tells_of_all_that_it_closed_and_only_then(make_signal: MakeSignal, told: list[Any]) -> None:
    older = [make_signal(symbol="XAUUSD", received_at=NOON) for _ in range(2)]
    newer = make_signal(symbol="XAUUSD", price=Decimal("1.1"), tp=Decimal("1.2"), received_at=NOON + dt.timedelta(1))

    outcomes.settle(newer)
    outcomes.settle(newer)

    assert told == [("settled", [signal.pk for signal in older], None)]


def test_a_fault_in_it_costs_neither_signal_nor_validation(
    alice: User, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(signal: Signal) -> int:
        raise ValueError("no")

    monkeypatch.setattr(reversals, "reverse", fail)

    assert intake.receive(alert("sell", "1"), owner=alice, origin="script").validation
    assert "could not be marked" in caplog.text


def alert(side: str, alert_id: str) -> Alert:
    levels = {"buy": (1.08, 1.095), "sell": (1.09, 1.075)}[side]
    fields = {"symbol": "XAUUSD", "timeframe": "1h", "side": side, "sl": levels[0], "tp": levels[1], "confidence": 70}
    return parse(json.dumps(fields | {"strategy": "SMC", "alert_id": alert_id}).encode())
