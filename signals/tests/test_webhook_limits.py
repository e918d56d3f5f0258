"""What the webhook refuses without reading it, and how long it waits for the database."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.conf import settings as site_settings
from django.db import connection
from django.test import Client
from django.urls import reverse

from signals import webhook
from signals.metrics import WEBHOOK_REQUESTS
from signals.models import Signal, WebhookSource
from signals.tests.alerts import alert_body
from signals.tests.conftest import Post

pytestmark = pytest.mark.django_db

TRADINGVIEW, STRANGER = "52.89.214.238", "198.51.100.7"
MoveClock = Callable[[float], None]


def knock(token: str, address: str = STRANGER, **headers: str) -> Any:
    client = Client(REMOTE_ADDR=address, headers=headers)
    return client.post(reverse("webhook", args=[token]), data=alert_body(), content_type="application/json")


def statuses_of(guesses: int, address: str = STRANGER) -> list[int]:
    return [knock(f"guess-{number}", address).status_code for number in range(guesses)]


@pytest.mark.services
def test_who_guesses_tokens_is_told_429_with_the_time_to_wait(source: WebhookSource, move_clock: MoveClock) -> None:
    limit = webhook.UNKNOWN_TOKENS_PER_MINUTE

    assert statuses_of(limit + 2) == [404] * limit + [429] * 2
    refused = knock("one-more")
    assert refused.json()["error"]["code"] == "too_many_requests"
    assert 1 <= int(refused["Retry-After"]) <= 60
    assert knock("guess", "203.0.113.9").status_code == 404
    move_clock(60)
    assert knock("one-more").status_code == 404


def test_a_guesser_who_was_told_429_is_not_told_even_the_right_token(
    source: WebhookSource, token: str, fixed_validator: None, move_clock: MoveClock, django_assert_num_queries: Any
) -> None:
    statuses_of(webhook.UNKNOWN_TOKENS_PER_MINUTE)
    with django_assert_num_queries(0):
        assert knock(token).status_code == 429
    assert not Signal.objects.exists()


def test_nobody_can_shut_tradingview_out_by_having_it_post_bad_tokens(
    source: WebhookSource, token: str, fixed_validator: None, move_clock: MoveClock
) -> None:
    """TradingView sends all its users' alerts from the same addresses, and any of them can name our address."""
    assert knock(token, TRADINGVIEW).status_code == 201
    assert set(statuses_of(webhook.UNKNOWN_TOKENS_PER_MINUTE * 2, TRADINGVIEW)) == {404}
    assert knock(token, TRADINGVIEW).status_code == 200


def test_a_forged_header_does_not_change_who_is_counted(source: WebhookSource, move_clock: MoveClock) -> None:
    for number in range(webhook.UNKNOWN_TOKENS_PER_MINUTE):
        knock("guess", **{"x-forwarded-for": f"192.0.2.{number}"})
    assert knock("guess").status_code == 429


def test_behind_a_trusted_proxy_each_client_is_counted_by_itself(
    source: WebhookSource, settings: Any, move_clock: MoveClock
) -> None:
    settings.TRUSTED_PROXIES = ["127.0.0.1"]
    for _ in range(webhook.UNKNOWN_TOKENS_PER_MINUTE):
        knock("guess", "127.0.0.1", **{"x-forwarded-for": STRANGER})
    assert knock("guess", "127.0.0.1", **{"x-forwarded-for": STRANGER}).status_code == 429
    assert knock("guess", "127.0.0.1", **{"x-forwarded-for": TRADINGVIEW}).status_code == 404


def test_an_address_has_its_limit_over_all_its_tokens(
    source: WebhookSource, token: str, fixed_validator: None, settings: Any, move_clock: MoveClock
) -> None:
    settings.WEBHOOK_REQUESTS_PER_MINUTE_AND_ADDRESS = 3
    assert [knock(token).status_code for _ in range(5)] == [201, 200, 200, 429, 429]
    assert knock(token, TRADINGVIEW).status_code == 200


def test_redis_away_costs_no_alert(
    source: WebhookSource, token: str, fixed_validator: None, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("zenithedge.rates._skip_redis_until", 0.0)
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    assert knock(token).status_code == 201


@pytest.mark.parametrize(
    ("body", "verdict"), [(alert_body(), "received"), (b"{", "invalid_alert"), (b" " * 20_000, "too_large")]
)
def test_every_answer_is_counted_by_what_became_of_it(post: Post, body: bytes, verdict: str) -> None:
    before = WEBHOOK_REQUESTS.labels(verdict)._value.get()
    post(body)
    assert WEBHOOK_REQUESTS.labels(verdict)._value.get() == before + 1


@pytest.fixture
def other_writer(transactional_db: None) -> Iterator[sqlite3.Connection]:
    """Somebody who holds SQLite's one write lock."""
    writer = sqlite3.connect(site_settings.DATABASES["default"]["NAME"], isolation_level=None)
    yield writer
    writer.close()


@pytest.mark.skipif(connection.vendor != "sqlite", reason="PostgreSQL has more than one writer")
@pytest.mark.django_db(transaction=True)
def test_a_locked_database_is_answered_with_503_before_the_sender_gives_up(
    other_writer: sqlite3.Connection, source: WebhookSource, token: str, fixed_validator: None, monkeypatch: Any
) -> None:
    assert webhook.LOCK_WAIT_MS < 3000  # when TradingView gives up
    monkeypatch.setattr(webhook, "LOCK_WAIT_MS", 1)  # with the settings' 20 s instead, this test takes them
    other_writer.execute("BEGIN IMMEDIATE")
    waits: list[int] = []
    refused = knock(token)
    other_writer.execute("ROLLBACK")

    assert (refused.status_code, refused["Retry-After"]) == (503, "5")
    waits += connection.cursor().execute("PRAGMA busy_timeout").fetchone()
    assert waits == [20_000]  # other requests keep their patience
    assert knock(token).status_code == 201
