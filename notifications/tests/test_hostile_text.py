"""A hostile text in any field of an alert is shown as text, wherever it is shown."""

from __future__ import annotations

import csv
import io
import json
import logging
import re
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote

import msgpack
import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth.models import User
from django.http import StreamingHttpResponse
from django.test import Client
from django.urls import reverse

from notifications import payloads
from notifications.models import InsightNotification, NotificationPreference
from notifications.tests.rows import store_notification
from signals.models import Signal, TradeValidation, WebhookRequest, WebhookSource
from signals.tests.alerts import alert_body
from signals.tests.hostile import MARK, TEXTS, UNSTORABLE, Escapes
from zenithedge import csv_files
from zenithedge.tests.test_logs import site_formatter

EACH = pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS.keys())
STORABLE = {name: text for name, text in TEXTS.items() if name not in UNSTORABLE}
EACH_STORABLE = pytest.mark.parametrize("text", STORABLE.values(), ids=STORABLE.keys())
ANY_FIELD = (
    *("symbol", "timeframe", "side", "price", "sl", "tp", "confidence", "strategy", "regime", "session"),
    *("structure", "timestamp", "notes", "news_headline", "news_context", "alert_id", "unheard_of"),
)
# What no alert brings into a row: all but tab and line end of the control characters, what turns the direction of what
# follows, and half a character.
CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
PAGES = ("dashboard", "history", "connect", "preferences")
ADMIN_LISTS = (
    *("signals_signal", "signals_webhookrequest", "notifications_insightnotification"),
    *("notifications_insightdispatch", "notifications_notificationdeliverylog"),
)


@pytest.fixture
def webhook_of_alice(alice: User) -> str:
    NotificationPreference.objects.filter(user=alice).update(min_confidence=0)
    source = WebhookSource(user=alice)
    token = source.rotate_token()
    source.save()
    return reverse("webhook", args=[token])


def post(address: str, **changes: Any) -> Any:
    return Client().post(address, data=alert_body(**changes), content_type="application/json")


def everything_shown(alice: User, ada: User) -> Iterator[tuple[str, Any]]:
    """Every page and answer with something of an alert in it, by its address."""
    of_alice, of_ada = Client(), Client()
    of_alice.force_login(alice)
    of_ada.force_login(ada)
    addresses = [reverse(name) for name in PAGES] + [reverse("api_list"), reverse("history_export")]
    addresses += [reverse("insight", args=[signal.pk]) for signal in Signal.objects.order_by("pk")[:2]]
    yield from ((address, of_alice.get(address)) for address in addresses)
    admins = [reverse(f"admin:{name}_changelist") for name in ADMIN_LISTS]
    for model in (Signal, WebhookRequest, InsightNotification):
        first = model._default_manager.order_by("pk").first()
        if first is not None:
            admins += [reverse(f"admin:{model._meta.label_lower.replace('.', '_')}_change", args=[first.pk])]
    admins += [reverse("admin:signals_signal_delete", args=[signal.pk]) for signal in Signal.objects.all()[:1]]
    answers = reverse("admin:notifications_decision")
    admins += [f"{answers}?user={alice.pk}", f"{answers}?q={quote(MARK)}"]
    admins += [f"{answers}?signal={signal.pk}&user={alice.pk}" for signal in Signal.objects.all()[:1]]
    yield from ((address, of_ada.get(address)) for address in admins)


def assert_shown_as_text(alice: User, ada: User) -> None:
    shown = 0
    for address, response in everything_shown(alice, ada):
        assert response.status_code in (200, 403), address
        content = body_of(response).decode()
        if response.headers["Content-Type"].startswith("text/html"):
            assert Escapes(content).found == [], address
        elif response.headers["Content-Type"].startswith("application/json"):
            json.loads(content)
        assert MARK not in str(response.headers)
        shown += 1
    assert shown > 10


def texts_of_signals() -> list[str]:
    return [str(value) for signal in Signal.objects.values() for value in signal.values() if isinstance(value, str)]


def body_of(response: Any) -> bytes:
    return async_to_sync(streamed)(response) if response.streaming else bytes(response.content)


async def streamed(response: StreamingHttpResponse) -> bytes:
    return b"".join([part async for part in aiter(response)])


def send_in_every_field(webhook: str, text: str) -> list[Any]:
    free_text = ("strategy", "notes", "news_headline", "news_context", "structure", "unheard_of")
    return [
        post(webhook, **dict.fromkeys(ANY_FIELD, text)),
        post(webhook, **dict.fromkeys(free_text, text), extra={"explain": text, text: text}),
        *(post(webhook, **{field: text}) for field in ("symbol", "alert_id", "timestamp")),
    ]


@EACH
def test_sent_in_every_field_it_is_answered_and_stored_as_text(webhook_of_alice: str, text: str) -> None:
    answers = send_in_every_field(webhook_of_alice, text)

    assert {answer.status_code for answer in answers} <= {200, 201, 400, 413}
    assert all(Escapes(answer.content.decode()).found == [] or MARK in text for answer in answers)
    assert all(answer.headers["Content-Type"] == "application/json" for answer in answers)
    assert all(CONTROL.search(stored) is None for stored in texts_of_signals())
    assert WebhookRequest.objects.exists()


def test_what_was_sent_in_every_field_is_text_everywhere(webhook_of_alice: str, alice: User, ada: User) -> None:
    for text in TEXTS.values():
        send_in_every_field(webhook_of_alice, text)

    assert_shown_as_text(alice, ada)


@EACH_STORABLE
def test_stored_past_every_check_it_is_text_everywhere(
    alice: User, ada: User, make_signal: Callable[..., Signal], text: str
) -> None:
    short = text[:60]
    words = {"strategy": short, "structure": short, "symbol": text[:20], "source": text[:12], "notes": text}
    news = {"news_headline": text[:200], "news_context": text}
    signal = make_signal(alice, **words, **news, extra={"explain": text, short: [text]})
    TradeValidation.objects.bulk_create([
        TradeValidation(
            signal=signal, truth_index=90, status="approved", context_summary=text, recommendation=text,
            breakdown={short: {"score": 50, "reason": text}}, **news,
        )
    ])  # fmt: skip
    store_notification(alice, signal, title=text[:120], snippet=text, news_headline=text[:200])
    source = WebhookSource.objects.create(user=alice, name=short, token_hash="0" * 64)
    WebhookRequest.objects.create(
        source=source, body=text, reason=text, field_errors={short: [text]}, warnings=[text], content_type=short,
        verdict="refused", status_code=400,
    )  # fmt: skip

    assert_shown_as_text(alice, ada)


@EACH_STORABLE
def test_it_goes_through_the_socket_as_text(alice: User, make_signal: Callable[..., Signal], text: str) -> None:
    row = store_notification(alice, make_signal(strategy=text[:60]), title=text[:120], snippet=text)
    frame = payloads.notification_frame("new_notification", row, unread_count=1)
    assert json.loads(json.dumps(frame))["notification"]["snippet"] == text
    assert msgpack.unpackb(msgpack.packb(frame)) == frame


@EACH
def test_it_is_one_line_of_the_log(text: str) -> None:
    record = logging.LogRecord("any", logging.INFO, __file__, 1, "Refused: %s", (text,), None)
    line = site_formatter().format(record)
    assert line.isprintable()
    line.encode()


@EACH_STORABLE
def test_it_is_one_cell_of_the_file(text: str) -> None:
    file = io.StringIO()
    csv.writer(file).writerow([csv_files.as_text(text), "next"])
    [[cell, after]] = csv.reader(io.StringIO(file.getvalue(), newline=""))
    assert after == "next"
    assert cell in (text, f"'{text}")
    assert not cell.startswith(csv_files.FORMULA_STARTS)


def test_the_reader_finds_what_gets_out() -> None:
    for name in ("script", "image", "element", "end of JSON"):
        assert Escapes(f"<p>{TEXTS[name]}</p>").found, name
    assert Escapes(f'<input value="{TEXTS["attribute"]}">').found
    assert Escapes("<p>&lt;script&gt;window.pwned = 1&lt;/script&gt;</p>").found == []
