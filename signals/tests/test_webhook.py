"""The address that alerts are posted to: what it answers, stores and records."""

import io
import json
import logging
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import OperationalError, connection
from django.db.backends.utils import CursorWrapper
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from signals import signatures
from signals.models import Outcome, Signal, TradeValidation, Verdict, WebhookRequest, WebhookSource
from signals.tests import validators
from signals.tests.alerts import GOOD_ALERT, MISSING, alert_body
from signals.tests.conftest import Post
from signals.tradingview import REQUIRED_FIELDS

pytestmark = pytest.mark.django_db


@pytest.fixture
def console() -> Iterator[io.StringIO]:
    """What Django's own loggers write to the console, as it is configured."""
    (handler,) = (handler for handler in logging.getLogger("django").handlers if handler.get_name() == "console")
    assert isinstance(handler, logging.StreamHandler)
    text = io.StringIO()
    stream = handler.setStream(text)
    yield text
    handler.setStream(stream)


def error_of(response: Any) -> dict[str, Any]:
    error: dict[str, Any] = response.json()["error"]
    return error


def test_good_alert_becomes_a_validated_signal_of_the_sources_owner(
    post: Post, alice: User, source: WebhookSource
) -> None:
    response = post(timestamp="2026-05-04T09:30:00Z", notes="n", structure="BOS", extra={"explain": "why"})

    signal = Signal.objects.get()
    assert response.status_code == 201
    assert response.json() == {"signal_id": signal.pk, "status": "approved", "truth_index": 81.5}
    assert (signal.user, signal.webhook_source, signal.source) == (alice, source, "webhook")
    assert (signal.symbol, signal.timeframe, signal.side, signal.strategy) == ("EURUSD", "1h", "buy", "ZenithEdge")
    assert (signal.price, signal.sl, signal.tp) == (Decimal("1.085"), Decimal("1.08"), Decimal("1.095"))
    assert (signal.regime, signal.session, signal.structure) == ("Trend", "London", "BOS")
    assert (signal.notes, signal.extra, signal.outcome) == ("n", {"explain": "why"}, Outcome.PENDING)
    assert str(signal.bar_time) == "2026-05-04 09:30:00+00:00"
    assert signal.validation.context_summary == "A setup on EURUSD."


def test_accepted_request_is_recorded_with_its_signal_and_its_warnings(post: Post, source: WebhookSource) -> None:
    post(regime="lunar")

    record = WebhookRequest.objects.get()
    source.refresh_from_db()
    assert (record.source, record.signal, record.verdict) == (source, Signal.objects.get(), Verdict.ACCEPTED)
    assert (record.status_code, record.content_type) == (201, "application/json")
    assert json.loads(record.body) == GOOD_ALERT | {"regime": "lunar"}
    assert record.warnings == ["regime: “lunar” is not known here and was left blank."]
    assert source.last_alert_at is not None


def test_webhook_without_an_owner_brings_house_signals(post: Post, source: WebhookSource) -> None:
    WebhookSource.objects.update(user=None)
    assert post().status_code == 201
    assert Signal.objects.get().user is None


@pytest.mark.parametrize("content_type", ["text/plain; charset=utf-8", "application/x-www-form-urlencoded", ""])
def test_json_is_read_whatever_the_header_says(post: Post, token: str, content_type: str) -> None:
    response = Client().post(reverse("webhook", args=[token]), data=alert_body(), content_type=content_type)
    assert response.status_code == 201


def test_address_without_its_last_slash_works(post: Post, token: str) -> None:
    address = reverse("webhook", args=[token]).rstrip("/")
    assert Client().post(address, data=alert_body(), content_type="text/plain").status_code == 201


def test_csrf_token_is_not_asked_for(post: Post, token: str) -> None:
    client = Client(enforce_csrf_checks=True)
    response = client.post(reverse("webhook", args=[token]), data=alert_body(), content_type="application/json")
    assert response.status_code == 201


@pytest.mark.parametrize("name", REQUIRED_FIELDS)
@pytest.mark.parametrize("value", [MISSING, "", float("nan"), [], "x" * 200])
def test_refused_alert_names_the_field_and_stores_the_request_only(post: Post, name: str, value: Any) -> None:
    response = post(**{name: value})

    record = WebhookRequest.objects.get()
    assert response.status_code == 400
    assert error_of(response)["code"] == "invalid_alert"
    assert set(error_of(response)["fields"]) == {name}
    assert (record.verdict, record.status_code, record.signal) == (Verdict.REFUSED, 400, None)
    assert record.field_errors == error_of(response)["fields"]
    assert record.reason
    assert not Signal.objects.exists()


def test_refused_body_is_kept_as_text_that_every_database_stores(post: Post) -> None:
    assert post(b'{"symbol": \x00\xff "token": "hush"').status_code == 400
    assert WebhookRequest.objects.get().body == '{"symbol": \ufffd\ufffd "token": "***"'


def test_secrets_are_blanked_before_anything_is_stored(post: Post, token: str) -> None:
    secrets = {"Api_Key": "hush", "auth": {"PassPhrase": ["hush"]}, "note": f"posted to /signals/webhook/{token}/"}
    assert post(**secrets, extra={"explain": {"token": "hush", "why": "x"}}).status_code == 201

    record = WebhookRequest.objects.get()
    assert "hush" not in record.body
    assert token not in record.body
    assert Signal.objects.get().extra == {"explain": {"token": "***", "why": "x"}}


@pytest.mark.parametrize("changes", [{}, {"sl": "NaN"}, {"password": "hush"}])
def test_token_and_secrets_are_in_no_log(
    post: Post, token: str, changes: dict[str, Any], console: io.StringIO, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG, logger="signals"):
        post(**changes)
        Client().post(reverse("webhook", args=[token + "x"]), data=b"{}", content_type="application/json")

    own = "\n".join(record.getMessage() for record in caplog.records if record.name.startswith("signals"))
    assert "Not Found: /signals/webhook/***" in console.getvalue()
    assert own
    for secret in (token, "hush"):
        assert secret not in console.getvalue()
        assert secret not in own


def test_same_body_within_a_minute_is_the_same_signal(post: Post) -> None:
    first, second = post(), post()

    assert (first.status_code, second.status_code) == (201, 200)
    assert second.json() == first.json() | {"duplicate": True}
    assert Signal.objects.count() == TradeValidation.objects.count() == 1
    verdicts = WebhookRequest.objects.order_by("pk").values_list("verdict", "signal")
    assert list(verdicts) == [(Verdict.ACCEPTED, Signal.objects.get().pk), (Verdict.DUPLICATE, Signal.objects.get().pk)]


def test_same_body_after_a_minute_is_another_signal(post: Post, move_clock: Callable[[float], None]) -> None:
    post()
    move_clock(61)
    assert post().status_code == 201
    assert Signal.objects.count() == 2


def test_same_body_after_the_clock_was_set_back_an_hour_is_another_signal(
    post: Post, move_clock: Callable[[float], None]
) -> None:
    post()
    move_clock(-3600)
    assert post().status_code == 201
    assert Signal.objects.count() == 2


def test_same_alert_id_is_the_same_signal_whatever_else_changed(post: Post) -> None:
    post(alert_id="a-1")
    assert post(alert_id="a-1", confidence=90).status_code == 200
    assert post(alert_id="a-2").status_code == 201
    assert Signal.objects.count() == 2


def test_same_time_symbol_timeframe_side_and_strategy_is_the_same_signal(post: Post) -> None:
    post(timestamp="2026-05-04T09:30:00Z")
    assert post(timestamp=1777887000, confidence=90).status_code == 200
    assert post(timestamp="2026-05-04T09:30:00Z", timeframe="5").status_code == 201
    assert post(timestamp="2026-05-04T09:31:00Z").status_code == 201
    assert Signal.objects.count() == 3


def test_another_senders_same_alert_is_a_signal_of_its_own(post: Post, bob: User) -> None:
    WebhookSource.objects.create(user=bob, token_hash=WebhookSource.hash_token("bobs-token"))
    assert post(alert_id="a-1").status_code == 201
    assert post(alert_id="a-1", to="bobs-token").status_code == 201
    assert set(Signal.objects.values_list("user__username", flat=True)) == {"alice", "bob"}


def test_validator_that_raises_leaves_the_signal_and_says_so(post: Post, settings: Any) -> None:
    settings.SIGNALS_VALIDATOR = validators.RAISING
    response = post()
    assert response.status_code == 201
    assert response.json() == {"signal_id": Signal.objects.get().pk, "status": "unvalidated", "truth_index": None}
    assert post().json() == response.json() | {"duplicate": True}


def test_other_methods_are_told_to_post(post: Post, token: str) -> None:
    response = Client().get(reverse("webhook", args=[token]))
    assert (response.status_code, response.headers["Allow"]) == (405, "POST")
    assert error_of(response)["code"] == "method_not_allowed"


def test_unknown_token_is_404_and_leaves_no_trace(post: Post) -> None:
    response = post(to="another-token")
    assert response.status_code == 404
    assert error_of(response)["code"] == "unknown_address"
    assert not WebhookRequest.objects.exists()


def test_body_of_16_kib_is_read_and_one_byte_more_is_413(post: Post) -> None:
    whole = alert_body().ljust(16 * 1024)
    assert post(whole).status_code == 201
    assert post(whole + b" ").status_code == 413

    record = WebhookRequest.objects.latest("pk")
    assert (record.verdict, record.status_code, record.body) == (Verdict.REFUSED, 413, "")
    assert Signal.objects.count() == 1


def test_body_beyond_djangos_own_limit_is_413_too(post: Post) -> None:
    assert post(b" " * 1024 * 1024).status_code == 413
    assert WebhookRequest.objects.get().status_code == 413


def test_paused_webhook_refuses_and_records(post: Post) -> None:
    WebhookSource.objects.update(paused=True)
    response = post()
    assert (response.status_code, error_of(response)["code"]) == (403, "paused")
    assert WebhookRequest.objects.get().reason == "This webhook is paused by its owner."
    assert not Signal.objects.exists()


def test_webhook_of_an_inactive_account_refuses(post: Post) -> None:
    User.objects.update(is_active=False)
    response = post()
    assert (response.status_code, error_of(response)["code"]) == (403, "account_inactive")
    assert not Signal.objects.exists()


def test_too_many_requests_a_minute_are_told_when_to_come_again(
    post: Post, settings: Any, move_clock: Callable[[float], None]
) -> None:
    settings.WEBHOOK_REQUESTS_PER_MINUTE = 2
    assert [post(alert_id=str(n)).status_code for n in range(3)] == [201, 201, 429]
    response = post(alert_id="3")

    assert error_of(response)["code"] == "too_many_requests"
    assert 1 <= int(response.headers["Retry-After"]) <= 60
    move_clock(61)
    assert post(alert_id="4").status_code == 201


def test_a_clock_that_is_set_back_an_hour_silences_no_sender(
    post: Post, settings: Any, move_clock: Callable[[float], None]
) -> None:
    settings.WEBHOOK_REQUESTS_PER_MINUTE = 2
    assert [post(alert_id=str(n)).status_code for n in range(3)] == [201, 201, 429]
    move_clock(-3600)
    assert post(alert_id="3").status_code == 201


def test_refused_haste_does_not_count_against_a_sender(
    post: Post, settings: Any, move_clock: Callable[[float], None]
) -> None:
    settings.WEBHOOK_REQUESTS_PER_MINUTE = 2
    assert [post(b"x").status_code for _ in range(2)] == [400, 400]
    move_clock(30)
    assert [post(b"x").status_code for _ in range(2)] == [429, 429]
    move_clock(31)
    assert post().status_code == 201


def test_flood_is_recorded_up_to_twice_its_limit(post: Post, settings: Any) -> None:
    settings.WEBHOOK_REQUESTS_PER_MINUTE = 2
    statuses = [post(b"x").status_code for _ in range(7)]
    assert statuses == [400, 400, 429, 429, 429, 429, 429]
    assert WebhookRequest.objects.count() == 4


def test_database_that_is_away_is_503_so_that_the_alert_is_sent_again(
    post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*args: Any, **kwargs: Any) -> None:
        raise OperationalError("the connection is closed")

    with monkeypatch.context() as broken:
        broken.setattr(CursorWrapper, "execute", refuse)
        response = post()

    assert (response.status_code, error_of(response)["code"]) == (503, "unavailable")
    assert response.headers["Retry-After"] == "5"
    assert post().status_code == 201


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    "statement",
    ['INSERT INTO "signals_signal"', 'INSERT INTO "signals_webhookrequest"', 'UPDATE "signals_webhooksource"'],
)
def test_fault_half_way_is_503_and_nothing_is_stored(post: Post, statement: str) -> None:
    def fail(execute: Any, sql: str, *arguments: Any) -> Any:
        if sql.startswith(statement):
            raise OperationalError("the connection is closed")
        return execute(sql, *arguments)

    with connection.execute_wrapper(fail):
        assert post().status_code == 503
    assert not Signal.objects.exists()
    assert not TradeValidation.objects.exists()
    assert not WebhookRequest.objects.exists()
    assert post().status_code == 201


def signed(token: str, body: bytes, *, message_id: str = "m-1", age_s: float = 0, key: str | None = None) -> Any:
    timestamp = int(timezone.now().timestamp() - age_s)
    return {
        signatures.ID_HEADER: message_id,
        signatures.TIMESTAMP_HEADER: str(timestamp),
        signatures.SIGNATURE_HEADER: signatures.sign(
            key or token, message_id=message_id, timestamp=timestamp, body=body
        ),
    }


def test_rightly_signed_alert_is_taken_and_its_id_is_the_alerts(post: Post, token: str) -> None:
    body, other = alert_body(), alert_body(confidence=90)
    assert post(body, headers=signed(token, body)).status_code == 201
    assert post(other, headers=signed(token, other)).status_code == 200
    assert post(other, headers=signed(token, other, message_id="m-2")).status_code == 201


@pytest.mark.usefixtures("move_clock")
@pytest.mark.parametrize("age_s", [-300, 300])
def test_signature_is_good_for_five_minutes(post: Post, token: str, age_s: float) -> None:
    assert post(alert_body(), headers=signed(token, alert_body(), age_s=age_s)).status_code == 201


@pytest.mark.parametrize(
    "change",
    [
        lambda headers: headers | signed("", alert_body(), key="another key"),
        lambda headers: headers | {signatures.ID_HEADER: "m-2"},
        lambda headers: headers | {signatures.TIMESTAMP_HEADER: "1"},
        lambda headers: headers | {signatures.TIMESTAMP_HEADER: "soon"},
        lambda headers: headers | {signatures.SIGNATURE_HEADER: ""},
        lambda headers: headers | {signatures.SIGNATURE_HEADER: "é"},
        lambda headers: headers | {signatures.ID_HEADER: "x" * 129},
        lambda headers: {signatures.SIGNATURE_HEADER: headers[signatures.SIGNATURE_HEADER]},
        lambda headers: {signatures.ID_HEADER: "m-1"},
    ],
)
def test_wrong_signature_is_401(post: Post, token: str, change: Callable[[dict[str, str]], dict[str, str]]) -> None:
    response = post(alert_body(), headers=change(signed(token, alert_body())))

    assert (response.status_code, error_of(response)["code"]) == (401, "bad_signature")
    assert WebhookRequest.objects.get().verdict == Verdict.REFUSED
    assert not Signal.objects.exists()


@pytest.mark.usefixtures("move_clock")
@pytest.mark.parametrize("age_s", [-301, 301])
def test_stale_signature_is_401(post: Post, token: str, age_s: float) -> None:
    assert post(alert_body(), headers=signed(token, alert_body(), age_s=age_s)).status_code == 401
    assert not Signal.objects.exists()


def test_signature_of_another_body_is_401(post: Post, token: str) -> None:
    assert post(alert_body(confidence=99), headers=signed(token, alert_body())).status_code == 401


JSON_VALUES = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.lists(st.text(), max_size=2)
BODIES = st.one_of(
    st.binary(max_size=400),
    st.text(max_size=200).map(lambda text: text.encode("utf-8", "surrogatepass")),
    st.dictionaries(
        st.sampled_from([*GOOD_ALERT, "extra", "timestamp", "notes", "alert_id", "token"]) | st.text(max_size=5),
        JSON_VALUES | st.dictionaries(st.text(), JSON_VALUES, max_size=2),
        max_size=4,
    ).map(lambda changes: alert_body(**changes)),
)


@given(body=BODIES)
def test_whatever_is_posted_is_answered_and_stored_whole_or_not_at_all(post: Post, settings: Any, body: bytes) -> None:
    settings.WEBHOOK_REQUESTS_PER_MINUTE = 1_000_000
    signals, records = Signal.objects.count(), WebhookRequest.objects.count()

    response = post(body)

    assert response.status_code in {200, 201, 400}
    assert WebhookRequest.objects.count() == records + 1
    assert Signal.objects.count() == signals + (response.status_code == 201)
    assert TradeValidation.objects.count() == Signal.objects.count()
