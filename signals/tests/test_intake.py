"""One way in: signal and validation together or not at all, the same alert once, whatever the validator does."""

import datetime as dt
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import OperationalError, connection, transaction
from django.utils import timezone

from signals import intake
from signals.models import Outcome, Signal, TradeValidation, ValidationStatus, Verdict, WebhookRequest, WebhookSource
from signals.tests import validators
from signals.tests.alerts import alert_body
from signals.tests.conftest import Post
from signals.tradingview import Alert, parse


@pytest.fixture(autouse=True)
def _validator(fixed_validator: None) -> None:
    """Every test here starts with the validator that finds every signal equally good."""


def alert(**changes: Any) -> Alert:
    return parse(alert_body(**changes))


@pytest.mark.django_db(transaction=True)
def test_signal_and_validation_are_stored_together(alice: User) -> None:
    received = intake.receive(alert(), owner=alice, origin="script")

    signal = Signal.objects.get()
    assert received == intake.Received(signal, created=True, validation=signal.validation)
    assert (signal.user, signal.source, signal.webhook_source) == (alice, "script", None)
    assert (signal.validation.truth_index, signal.validation.status) == (Decimal("81.5"), ValidationStatus.APPROVED)


@pytest.mark.django_db(transaction=True)
def test_neither_is_stored_when_the_caller_rolls_back(alice: User) -> None:
    with transaction.atomic():
        assert intake.receive(alert(), owner=alice, origin="script").created
        transaction.set_rollback(True)
    assert not Signal.objects.exists()
    assert not TradeValidation.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_no_other_connection_sees_the_signal_before_its_validation(alice: User) -> None:
    seen: list[int] = []

    def look(execute: Any, sql: str, *arguments: Any) -> Any:
        if sql.startswith('INSERT INTO "signals_tradevalidation"'):
            seen.append(_counted_elsewhere())
        return execute(sql, *arguments)

    with connection.execute_wrapper(look):
        intake.receive(alert(), owner=alice, origin="script")
    assert seen == [0]
    assert _counted_elsewhere() == 1


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("validator", [validators.RAISING, validators.POISONING, validators.UNSTORABLE])
def test_validator_that_fails_leaves_the_signal_stored_and_unvalidated(
    alice: User, settings: Any, validator: str, caplog: pytest.LogCaptureFixture
) -> None:
    settings.SIGNALS_VALIDATOR = validator
    received = intake.receive(alert(), owner=alice, origin="script")

    signal = Signal.objects.get()
    assert received == intake.Received(signal, created=True, validation=None)
    assert not hasattr(received.signal, "validation")
    assert not TradeValidation.objects.exists()
    assert f"Signal {signal.pk} is stored without a validation" in caplog.text


@pytest.mark.django_db(transaction=True)
def test_outcomes_that_cannot_be_settled_cost_neither_signal_nor_validation(
    alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(signal: Signal) -> None:
        validators.PoisoningValidator().validate(signal)

    monkeypatch.setattr("signals.outcomes.settle", fail)
    assert intake.receive(alert(), owner=alice, origin="script").validation == TradeValidation.objects.get()


@pytest.mark.django_db(transaction=True)
def test_alert_at_an_older_signals_target_makes_it_a_win(alice: User) -> None:
    older = intake.receive(alert(symbol="XAUUSD", alert_id="1"), owner=alice, origin="script").signal
    intake.receive(alert(symbol="XAUUSD", alert_id="2", price=1.1, tp=1.2), owner=alice, origin="script")
    older.refresh_from_db()
    assert older.outcome == Outcome.WIN


@pytest.mark.django_db(transaction=True)
def test_failing_hook_after_the_commit_does_not_undo_the_answer(alice: User, caplog: pytest.LogCaptureFixture) -> None:
    def fail() -> None:
        raise OperationalError("the connection is closed")

    def add_hook(execute: Any, sql: str, *arguments: Any) -> Any:
        if sql.startswith('INSERT INTO "signals_signal"'):
            transaction.on_commit(fail)
        return execute(sql, *arguments)

    with connection.execute_wrapper(add_hook):
        received = intake.receive(alert(), owner=alice, origin="script")

    assert received.signal == Signal.objects.get()
    assert f"Signal {received.signal.pk} is stored, but" in caplog.text


@pytest.mark.django_db
def test_same_alert_of_the_same_sender_is_one_signal(alice: User, bob: User) -> None:
    first = intake.receive(alert(alert_id="a"), owner=alice, origin="script")
    again = intake.receive(alert(alert_id="a", confidence=10), owner=alice, origin="script")

    assert again == intake.Received(first.signal, created=False, validation=first.validation)
    for owner, origin in ((bob, "script"), (None, "script"), (alice, "admin")):
        assert intake.receive(alert(alert_id="a"), owner=owner, origin=origin).created


@pytest.mark.django_db
def test_alerts_with_neither_id_nor_time_are_signals_each(alice: User) -> None:
    for _ in range(2):
        assert intake.receive(alert(), owner=alice, origin="script").created


@pytest.mark.django_db
def test_time_zone_and_spelling_make_no_other_alert(alice: User) -> None:
    intake.receive(alert(timestamp="2026-05-04T09:30:00Z", symbol="EURUSD"), owner=alice, origin="script")
    same = alert(timestamp="2026-05-04T11:30:00+02:00", symbol="FX:EUR/USD", side="long", strategy="zenithedge")
    assert not intake.receive(same, owner=alice, origin="script").created


@pytest.mark.services
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("changes", [{}, {"alert_id": "a"}, {"timestamp": "2026-05-04T09:30:00Z"}])
def test_same_alert_posted_at_the_same_instant_is_one_signal(post: Post, changes: dict[str, Any]) -> None:
    responses = _at_once([lambda: post(**changes)] * 4)

    assert sorted(response.status_code for response in responses) == [200, 200, 200, 201]
    assert {response.json()["signal_id"] for response in responses} == {Signal.objects.get().pk}
    assert TradeValidation.objects.count() == 1
    assert WebhookRequest.objects.filter(verdict=Verdict.DUPLICATE).count() == 3


@pytest.mark.services
@pytest.mark.django_db(transaction=True)
def test_same_alert_without_a_source_at_the_same_instant_is_one_signal(alice: User) -> None:
    def receive() -> intake.Received:
        return intake.receive(alert(alert_id="a"), owner=alice, origin="script")

    results = _at_once([receive] * 4)
    assert sorted(received.created for received in results) == [False, False, False, True]
    assert Signal.objects.count() == TradeValidation.objects.count() == 1


@pytest.mark.django_db
def test_unique_key_decides_when_the_earlier_alert_was_not_seen(alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    first = intake.receive(alert(alert_id="a"), owner=alice, origin="script")
    looked_up = intake._same_alert
    answers = iter([None])
    monkeypatch.setattr(intake, "_same_alert", lambda signal: next(answers, looked_up(signal)))

    again = intake.receive(alert(alert_id="a"), owner=alice, origin="script")
    assert (again.signal, again.created) == (first.signal, False)


@pytest.mark.django_db
def test_deleted_source_is_told(source: WebhookSource) -> None:
    WebhookSource.objects.all().delete()
    with pytest.raises(WebhookSource.DoesNotExist):
        intake.receive(alert(), owner=source.user, source=source, origin="webhook")
    assert not Signal.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_rescoring_replaces_the_verdict_and_keeps_the_row(make_insight: Callable[..., Signal], settings: Any) -> None:
    signal = make_insight(truth_index=40)
    validation = intake.rescore(signal)

    assert validation.pk == signal.validation.pk
    assert (validation.truth_index, validation.status) == (Decimal("81.5"), ValidationStatus.APPROVED)
    assert TradeValidation.objects.get().truth_index == Decimal("81.5")


@pytest.mark.django_db(transaction=True)
def test_rescoring_an_unvalidated_signal_validates_it(make_signal: Callable[..., Signal]) -> None:
    signal = make_signal()
    assert intake.rescore(signal) == TradeValidation.objects.get(signal=signal)


@pytest.mark.django_db(transaction=True)
def test_rescoring_with_a_broken_validator_raises_and_keeps_the_old_verdict(
    make_insight: Callable[..., Signal], settings: Any
) -> None:
    signal = make_insight(truth_index=40)
    settings.SIGNALS_VALIDATOR = validators.RAISING
    with pytest.raises(RuntimeError):
        intake.rescore(signal)
    assert TradeValidation.objects.get().truth_index == 40


@pytest.mark.services
@pytest.mark.django_db(transaction=True)
def test_rescoring_at_the_same_instant_leaves_one_validation(make_signal: Callable[..., Signal]) -> None:
    signal = make_signal()
    validations = _at_once([lambda: intake.rescore(signal)] * 3)
    assert {validation.pk for validation in validations} == {TradeValidation.objects.get().pk}


@pytest.mark.django_db(transaction=True)
def test_missing_validations_are_made_newest_first_and_young_signals_left(make_signal: Callable[..., Signal]) -> None:
    old = timezone.now() - dt.timedelta(seconds=6)
    older, newer = (make_signal(received_at=old) for _ in range(2))
    young = make_signal()

    assert intake.validate_missing(limit=1) == 1
    assert hasattr(Signal.objects.get(pk=newer.pk), "validation")
    assert intake.validate_missing() == 1
    assert hasattr(Signal.objects.get(pk=older.pk), "validation")
    assert not hasattr(Signal.objects.get(pk=young.pk), "validation")
    assert intake.validate_missing() == 0


@pytest.mark.django_db(transaction=True)
def test_missing_validations_wait_for_a_validator_that_works(
    make_signal: Callable[..., Signal], settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    signal = make_signal(received_at=timezone.now() - dt.timedelta(seconds=6))
    settings.SIGNALS_VALIDATOR = validators.POISONING

    assert intake.validate_missing() == 0
    assert f"Signal {signal.pk} is still unvalidated" in caplog.text
    settings.SIGNALS_VALIDATOR = validators.FIXED
    assert intake.validate_missing() == 1


@pytest.mark.services
@pytest.mark.django_db(transaction=True)
def test_two_sweeps_at_once_validate_each_signal_once(make_signal: Callable[..., Signal]) -> None:
    for _ in range(5):
        make_signal(received_at=timezone.now() - dt.timedelta(seconds=6))
    counts = _at_once([intake.validate_missing] * 2)
    assert sum(counts) == TradeValidation.objects.count() == 5


def _at_once(calls: list[Callable[[], Any]]) -> list[Any]:
    """Each in a thread with a database connection of its own, let loose together."""
    gate = threading.Barrier(len(calls))

    def run(call: Callable[[], Any]) -> Any:
        try:
            gate.wait(timeout=10)
            return call()
        finally:
            connection.close()

    with ThreadPoolExecutor(len(calls)) as pool:
        return [future.result() for future in [pool.submit(run, call) for call in calls]]


def _counted_elsewhere() -> int:
    """The signals that another connection sees."""

    def count() -> int:
        try:
            return Signal.objects.count()
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as pool:
        return pool.submit(count).result()
