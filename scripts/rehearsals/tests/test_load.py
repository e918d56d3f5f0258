"""The rehearsals' load is as patient as TradingView, and no more."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from scripts.rehearsals import load
from scripts.rehearsals.load import Load, Trader
from signals.webhook_client import Answer, UnreachableError

TAKEN = Answer(201, body={"signal_id": 7})
BROKEN_OFF = UnreachableError("broken off")


def sent(monkeypatch: pytest.MonkeyPatch, *answers: Answer | UnreachableError) -> Load:
    """One alert, to a webhook that answers like this, one attempt after the other."""
    coming = iter(answers)

    def post(self: Load, token: str, alert: Mapping[str, Any]) -> tuple[Answer, float]:
        answer = next(coming)
        if isinstance(answer, UnreachableError):
            raise answer
        return answer, 0.1

    monkeypatch.setattr(Load, "_post", post)
    monkeypatch.setattr(load, "AGAIN_AFTER_S", 0)
    one = Load("http://127.0.0.1:1", [Trader(1, "sessionid=a", "token")], house="house")
    asyncio.run(one._alert(1))
    return one


def test_an_alert_that_is_answered_with_503_is_sent_again(monkeypatch: pytest.MonkeyPatch) -> None:
    one = sent(monkeypatch, Answer(503), Answer(502), TAKEN)

    assert (list(one.posted_at), one.sent_again, one.given_up) == ([7], 2, [])


@pytest.mark.parametrize(
    ("answers", "refusal"),
    [
        ((Answer(503),) * load.ATTEMPTS, "answered with 503"),
        ((Answer(504),), "answered with 504"),
        ((Answer(400),), "answered with 400"),
        ((BROKEN_OFF,), "no answer: broken off"),
    ],
)
def test_what_tradingview_would_not_send_again_is_given_up(
    monkeypatch: pytest.MonkeyPatch, answers: tuple[Answer | UnreachableError, ...], refusal: str
) -> None:
    one = sent(monkeypatch, *answers)

    assert (one.posted_at, one.given_up) == ({}, [refusal])
