"""The address that alerts are posted to. Answers are final: 4xx is not sent again by TradingView, 503 is.

After the alert is stored nothing here can fail into a 5xx, which would have it sent, and stored, again.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import logging
import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from django.conf import settings
from django.db import Error as DatabaseFault
from django.db import connection
from django.db.models import Count, Min, Q
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.http.request import UnreadablePostError
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt

from signals import intake, signatures, tradingview
from signals.alert_json import FieldErrors, clean_line
from signals.blanking import BLANKED, blank_text
from signals.metrics import WEBHOOK_ANSWERS, WEBHOOK_REQUESTS
from signals.models import Verdict, WebhookRequest, WebhookSource
from zenithedge import rates
from zenithedge.clients import limited_address
from zenithedge.languages import in_english

logger = logging.getLogger(__name__)

MAX_BODY_BYTES = 16 * 1024
RATE_WINDOW = dt.timedelta(minutes=1)
TOO_MANY = 429
# Unknown tokens that an address may bring in a minute. A rotated one comes as often as its alerts do.
UNKNOWN_TOKENS_PER_MINUTE = 30
# TradingView gives an alert up after 3 s and does not send it again; what is answered with 503 before that, it does.
LOCK_WAIT_MS = 2500


@dataclass(eq=False)
class RefusalError(Exception):
    """An answer other than 2xx, and what the request's record says about it."""

    status: int
    code: str
    message: str
    fields: FieldErrors = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    recorded: bool = True

    def response(self) -> JsonResponse:
        error: dict[str, Any] = {"code": self.code, "message": self.message}
        if self.fields:
            error["fields"] = self.fields
        return JsonResponse({"error": error}, status=self.status, headers=self.headers)


@csrf_exempt
@never_cache
@in_english
@WEBHOOK_ANSWERS.time()
def webhook(request: HttpRequest, token: str) -> HttpResponse:
    """201 with the new signal, 200 for a duplicate, else `{error: {code, message, fields?}}`."""
    try:
        with _short_lock_waits():
            response, verdict = _take(request, token)
    except RefusalError as refusal:
        response, verdict = refusal.response(), refusal.code
    except DatabaseFault:
        logger.exception("A webhook request could not be stored and was answered with 503")
        away = _database_away()
        response, verdict = away.response(), away.code
    WEBHOOK_REQUESTS.labels(verdict).inc()
    return response


def webhook_address(token: str) -> str:
    """The full address for TradingView's field "Webhook URL"."""
    return f"{settings.SITE_URL}{reverse('webhook', args=[token])}"


@contextmanager
def _short_lock_waits() -> Iterator[None]:
    """Let a statement wait LOCK_WAIT_MS for SQLite's one writer; other requests have the patience of the settings."""
    if connection.vendor != "sqlite":
        yield
        return
    connection.ensure_connection()
    connection.connection.execute(f"PRAGMA busy_timeout = {LOCK_WAIT_MS}")
    try:
        yield
    finally:
        if connection.connection is not None:
            patience_s = connection.settings_dict["OPTIONS"]["timeout"]
            connection.connection.execute(f"PRAGMA busy_timeout = {patience_s * 1000}")


def _take(request: HttpRequest, token: str) -> tuple[HttpResponse, str]:
    """The answer, and a word for it."""
    if request.method != "POST":
        raise RefusalError(405, "method_not_allowed", "Alerts are posted.", headers={"Allow": "POST"})
    address = limited_address(request)
    _check_address(address)
    source = _find_source(token, address)
    body = _read(request)
    record = _new_record(request, source, token, body)
    try:
        _check_rate(source)
        _check_open(source)
        received = _receive(request, source, token, body, record)
    except RefusalError as refusal:
        _record_refusal(record, refusal)
        raise
    return _answer(received), "received" if received.created else "duplicate"


def _check_address(address: str | None) -> None:
    """Before the database is asked. TradingView's alerts all come from the same few addresses, so an address that has
    brought a good token today is not shut out for the bad ones that somebody else makes it bring.
    """
    limit = settings.WEBHOOK_REQUESTS_PER_MINUTE_AND_ADDRESS
    if rates.add("webhook", address, rates.MINUTE_S) > limit:
        raise _too_many(f"More than {limit} requests from this address within a minute.")
    guesses = rates.count("webhook-unknown", address, rates.MINUTE_S)
    if guesses >= UNKNOWN_TOKENS_PER_MINUTE and not rates.count("webhook-known", address, rates.DAY_S):
        raise _too_many("Too many requests to addresses that do not exist.")


def _find_source(token: str, address: str | None) -> WebhookSource:
    source = WebhookSource.objects.for_token(token)
    if source is None:
        rates.add("webhook-unknown", address, rates.MINUTE_S)
        raise RefusalError(404, "unknown_address", "There is no webhook at this address.")
    rates.add("webhook-known", address, rates.DAY_S)
    return source


def _read(request: HttpRequest) -> bytes:
    """The body, cut one byte past its limit: enough to see that it is too long."""
    try:
        return bytes(request.read(MAX_BODY_BYTES + 1))
    except UnreadablePostError as error:
        raise RefusalError(400, "incomplete", "The body did not arrive whole.") from error


def _new_record(request: HttpRequest, source: WebhookSource, token: str, body: bytes) -> WebhookRequest:
    """Not saved yet. Without the body when it is too long, else with its secrets blanked."""
    fits = len(body) <= MAX_BODY_BYTES
    text = body.decode("utf-8", errors="replace").replace("\x00", "\ufffd").replace(token, BLANKED) if fits else ""
    return WebhookRequest(
        source=source,
        received_at=timezone.now(),
        content_type=clean_line(request.headers.get("Content-Type", ""))[:100],
        body=blank_text(text),
        body_digest=hashlib.sha256(body).hexdigest() if fits else "",
    )


def _check_rate(source: WebhookSource) -> None:
    """At most so many a minute. Those told 429 do not count, or a steady sender would never get through again."""
    limit = settings.WEBHOOK_REQUESTS_PER_MINUTE
    now = timezone.now()
    served = ~Q(status_code=TOO_MANY)
    # Bounded on both sides: what a clock that was set back left in the future is no request of this minute.
    this_minute = source.requests.filter(received_at__gt=now - RATE_WINDOW, received_at__lt=now + RATE_WINDOW)
    recent = this_minute.aggregate(
        total=Count("pk"), served=Count("pk", filter=served), oldest=Min("received_at", filter=served)
    )
    if recent["served"] < limit:
        return
    wait_s = math.ceil((recent["oldest"] + RATE_WINDOW - now).total_seconds()) if recent["oldest"] else 60
    refusal = _too_many(f"More than {limit} requests within a minute.", wait_s=wait_s)
    refusal.recorded = recent["total"] < 2 * limit  # a flood fills the answer's log, not the table
    raise refusal


def _check_open(source: WebhookSource) -> None:
    if source.user is not None and not source.user.is_active:
        raise RefusalError(403, "account_inactive", "The account of this webhook is not active.")
    if source.paused:
        raise RefusalError(403, "paused", "This webhook is paused by its owner.")


def _receive(
    request: HttpRequest, source: WebhookSource, token: str, body: bytes, record: WebhookRequest
) -> intake.Received:
    if len(body) > MAX_BODY_BYTES:
        raise RefusalError(413, "too_large", f"An alert is at most {MAX_BODY_BYTES // 1024} KiB.")
    message_id = _check_signature(request, token, body)
    alert = _parse(body)
    if message_id:
        alert = replace(alert, alert_id=message_id)
    record.warnings = list(alert.warnings)
    try:
        return intake.receive(alert, owner=source.user, source=source, origin="webhook", request=record)
    except WebhookSource.DoesNotExist as error:
        raise RefusalError(404, "unknown_address", "There is no webhook at this address.", recorded=False) from error


def _check_signature(request: HttpRequest, token: str, body: bytes) -> str | None:
    try:
        return signatures.check(request.headers, token=token, body=body, now_s=timezone.now().timestamp())
    except signatures.SignatureError as error:
        raise RefusalError(401, "bad_signature", str(error)) from error


def _parse(body: bytes) -> tradingview.Alert:
    try:
        return tradingview.parse(body)
    except tradingview.AlertError as error:
        raise RefusalError(400, "invalid_alert", "The alert was refused; see its fields.", error.fields) from error


def _record_refusal(record: WebhookRequest, refusal: RefusalError) -> None:
    logger.info("Webhook source %s: refused with %s (%s)", record.source_id, refusal.status, refusal.code)
    if not refusal.recorded:
        return
    record.verdict = Verdict.REFUSED
    record.status_code = refusal.status
    record.reason = refusal.message
    record.field_errors = refusal.fields
    record.signal = None
    record.save()


def _answer(received: intake.Received) -> JsonResponse:
    """Reads nothing from the database: the signal is stored, so from here on nothing may fail."""
    signal, validation = received.signal, received.validation
    logger.info("Signal %s: %s", signal.pk, "received" if received.created else "received again")
    answer: dict[str, Any] = {
        "signal_id": signal.pk,
        "status": str(validation.status) if validation else "unvalidated",
        "truth_index": float(validation.truth_index) if validation else None,
    }
    if not received.created:
        answer["duplicate"] = True
    return JsonResponse(answer, status=201 if received.created else 200)


def _too_many(message: str, *, wait_s: int | None = None) -> RefusalError:
    wait_s = rates.next_window_s(rates.MINUTE_S) if wait_s is None else max(1, wait_s)
    return RefusalError(TOO_MANY, "too_many_requests", message, headers={"Retry-After": str(wait_s)})


def _database_away() -> RefusalError:
    message = "The alert could not be stored; send it again."
    return RefusalError(503, "unavailable", message, headers={"Retry-After": "5"})
