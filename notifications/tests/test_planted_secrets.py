"""Secrets are planted wherever the site takes them in, and its main ways are gone, well and badly: no log shows one."""

from __future__ import annotations

import json
import logging
import re
import secrets
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from django.conf import settings as site_settings
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from notifications import canary, stream
from notifications.delivery import draining, pending, vapid
from notifications.delivery.hosts import Hosts
from notifications.digests import addresses, sending
from notifications.models import (
    DigestRun,
    NotificationDeliveryLog,
    NotificationPreference,
    OutgoingWebhook,
    PushSubscription,
)
from notifications.models.notifications import InsightNotificationQuerySet
from notifications.preferences import Channel
from notifications.tests.live_server import live_server
from notifications.tests.mail_server import MailServer, drop_connection
from notifications.tests.receivers import Receiver, Reply, add_device, receiving
from notifications.tests.rows import store_notification
from scripts import asgi_servers
from scripts.processes import Process, free_port
from signals.models import Signal, WebhookSource
from zenithedge.logs import JsonFormatter, LineFormatter, mask_server_access_logs

PASSWORD = "planted-Passw0rd-" + "k7"
ALERT = {
    "symbol": "EURUSD", "timeframe": "1h", "side": "buy", "price": "1.0850", "sl": "1.0800", "tp": "1.0960",
    "confidence": 90, "strategy": "Planted",
}  # fmt: skip
LOGGERS = ("", "django", "django.server", "django.channels.server")
Planted = dict[str, str]


@pytest.fixture
def lines(caplog: pytest.LogCaptureFixture) -> Iterator[list[str]]:
    """Every line that the site, its libraries and its server's access log write, in both forms."""

    class Writing(logging.Handler):
        forms = (LineFormatter("{asctime} {levelname} {name}: {message}", style="{"), JsonFormatter())

        def emit(self, record: logging.LogRecord) -> None:
            written.extend(form.format(record) for form in self.forms)
            record.exc_text = None  # each formatter writes the traceback itself

    written: list[str] = []
    writing = Writing()
    mask_server_access_logs()
    for name in ("notifications", "signals", "zenithedge", "django.request", "uvicorn.access"):
        caplog.set_level(logging.DEBUG, logger=name)
    for name in LOGGERS:
        logging.getLogger(name).addHandler(writing)
    yield written
    for name in LOGGERS:
        logging.getLogger(name).removeHandler(writing)


@pytest.fixture
def receiver(settings: Any) -> Iterator[Receiver]:
    with receiving(settings) as receiver:
        yield receiver


@pytest.mark.services
@pytest.mark.django_db(transaction=True)
def test_no_log_line_of_a_full_run_shows_a_secret(
    settings: Any, lines: list[str], receiver: Receiver, mail_server: MailServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.VAPID_PUBLIC_KEY, settings.VAPID_PRIVATE_KEY = vapid.generate()
    settings.VAPID_SUBJECT = "mailto:planted-desk@example.org"
    settings.METRICS_TOKEN = "planted-metrics-" + secrets.token_hex(8)
    monkeypatch.setattr(draining, "_hosts", Hosts())
    user = User.objects.create_user("alice", "planted.mailbox@example.org", PASSWORD)
    planted: Planted = {
        "e-mail address": user.email,
        "password": PASSWORD,
        "VAPID private key": settings.VAPID_PRIVATE_KEY,
        "metrics token": settings.METRICS_TOKEN,
        "site's key": settings.SECRET_KEY,
        "unsubscribe token": addresses.token(user),
    }
    with live_server() as site:
        client = sign_in(site, user, planted)
        send_alerts(client, site, user, planted)
        follow_the_stream(site, user, planted)
        fail_on_purpose(client, user, monkeypatch)
    deliver(user, receiver, planted)
    send_mails(user, mail_server, planted)
    reset_password(user, mail_server, planted)

    assert_said(lines, "refused with 400", "refused with 401", "Internal Server Error", "delivery failed", "Forbidden")
    assert_said(lines, "was refused", "Traceback", "WebSocket connected", "GET /metrics", "/signals/webhook/***/")
    assert_kept(planted, lines)


def assert_said(lines: list[str], *words: str) -> None:
    """Without them the run has not been where secrets could have been told."""
    assert [word for word in words if not any(word in line for line in lines)] == []


def assert_kept(planted: Planted, lines: list[str]) -> None:
    told = {
        name: [line[:400] for line in lines if secret in line or quote(secret, safe="") in line][:2]
        for name, secret in planted.items()
    }
    assert {name: found for name, found in told.items() if found} == {}


# --- The ways -------------------------------------------------------------------------------------------------------


def sign_in(site: str, user: User, planted: Planted) -> Client:
    client = Client(enforce_csrf_checks=True)
    page = reverse("login")
    client.get(page)
    token = planted["CSRF token"] = client.cookies["csrftoken"].value
    planted["wrong password"] = "planted-wr0ng-" + secrets.token_hex(4)
    client.post(page, {"username": user.email, "password": planted["wrong password"], "csrfmiddlewaretoken": token})
    client.post(page, {"username": user.username, "password": PASSWORD})  # without the token: Forbidden
    given = {"username": user.username, "password": PASSWORD, "csrfmiddlewaretoken": token}
    assert client.post(page, given).status_code == 302
    planted["session cookie"] = client.cookies["sessionid"].value
    planted["new CSRF token"] = client.cookies["csrftoken"].value
    ask(f"{site}/metrics", Authorization=f"Bearer {planted['metrics token']}")
    ask(f"{site}/notifications/api/list/?limit=x", Cookie=f"sessionid={planted['session cookie']}")
    return client


def send_alerts(client: Client, site: str, user: User, planted: Planted) -> None:
    source = WebhookSource(user=user, name="Planted")
    token = planted["webhook token"] = source.rotate_token()
    source.save()
    planted |= {name: f"planted-{name}-{secrets.token_hex(4)}" for name in ("api_key", "passphrase", "signature")}
    hidden = {"api_key": planted["api_key"], "extra": {"passphrase": planted["passphrase"]}}
    signature = {"X-Signature": planted["signature"], "X-Signature-Id": "1", "X-Signature-Timestamp": "1"}
    address = f"{site}/signals/webhook/{token}/"
    ask(address, ALERT | hidden | {"alert_id": "1"})
    ask(address, ALERT | hidden | {"sl": planted["passphrase"]})
    ask(address, ALERT | hidden, **signature)
    ask(f"{site}/signals/webhook/{token}", ALERT)
    ask(f"{site}/signals%2Fwebhook/{token}/?key={token}", ALERT)
    client.post(f"/signals/webhook/{token}/", json.dumps(ALERT | hidden), content_type="text/plain")


def follow_the_stream(site: str, user: User, planted: Planted) -> None:
    headers = {"Cookie": f"sessionid={planted['session cookie']}"}
    address = f"ws{site.removeprefix('http')}/stream/insights/{user.pk}/"
    with connect(address, additional_headers=headers, proxy=None) as socket:
        position = json.loads(socket.recv())["last_seq"]
        for message in ("no JSON", '{"command": "sync", "since": 0, "epoch": "x"}'):
            socket.send(message)
            socket.recv()
        socket.send(json.dumps({"command": "ack", "seq": position, "visible": True}))
    with suppress(InvalidStatus):
        connect(f"{address}?token=x", additional_headers={"Cookie": headers["Cookie"] + "x"}, proxy=None)


def fail_on_purpose(client: Client, user: User, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages and commands that end in a traceback."""

    def fault(*args: Any, **options: Any) -> Any:
        raise RuntimeError(f"a fault with {user.email} and postgresql://hub:{PASSWORD}@db/hub in it")

    client.raise_request_exception = False
    with monkeypatch.context() as broken:
        broken.setattr(InsightNotificationQuerySet, "with_signal", fault)
        broken.setattr(stream, "unread_count", fault)
        for page in ("/", "/notifications/"):
            assert client.get(page).status_code == 500
    canary.fly("http://127.0.0.1:9", timeout_s=0.1)


def deliver(user: User, receiver: Receiver, planted: Planted) -> None:
    NotificationPreference.objects.filter(user=user).update(push_enabled=True, webhook_enabled=True)
    planted |= {name: f"planted-{name}-{secrets.token_hex(4)}" for name in ("endpoint", "path", "secret")}
    device = add_device(user, receiver, planted["endpoint"]).subscription
    planted["push key"], planted["push secret"] = device.p256dh, device.auth
    OutgoingWebhook.objects.create(user=user, url=f"{receiver.url}/{planted['path']}", secret=planted["secret"])
    for status in (500, 403, 410):
        receiver.reply = lambda request, status=status: Reply(status)  # type: ignore[misc]  # a default binds it
        attempt(user)
    add_device(user, receiver, planted["endpoint"])
    PushSubscription.objects.update(p256dh="no key")
    attempt(user)
    PushSubscription.objects.update(p256dh=planted["push key"])
    receiver.shutdown()
    receiver.server_close()
    attempt(user)


def attempt(user: User) -> None:
    """To bring an insight of its own to every device and webhook."""
    signal = Signal.objects.filter(user=user)[0]
    signal.pk = signal.dedupe_key = None
    signal.save()
    notification = store_notification(user, signal)
    pending.write([], {Channel.PUSH: [notification.pk], Channel.WEBHOOK: [notification.pk]})
    NotificationDeliveryLog.objects.update(next_attempt_at=timezone.now())
    draining.drain()


def send_mails(user: User, server: MailServer, planted: Planted) -> None:
    NotificationPreference.objects.filter(user=user).update(email_digest_enabled=True, digest_time="00:00")
    server.answers[user.email] = f"550 <{user.email}> unknown"
    sending.send_due()
    for at_data in (lambda server, envelope: f"450 not now, {planted['e-mail address']}", drop_connection, None):
        DigestRun.objects.all().delete()
        server.answers.clear()
        server.at_data = at_data or (lambda server, envelope: None)
        sending.send_due()
    leaving = reverse("digest_unsubscribe", args=[planted["unsubscribe token"]])
    client = Client()
    client.get(leaving)
    client.post(leaving)
    client.get(f"{leaving}x")
    client.get(leaving.replace("/digest/", "/digest%2F"))


def reset_password(user: User, server: MailServer, planted: Planted) -> None:
    page, client = reverse("password_reset"), Client()
    server.answers[user.email] = f"550 <{user.email}> unknown"
    client.post(page, {"email": user.email})
    server.answers.clear()
    client.post(page, {"email": user.email})
    text = server.messages[-1].get_content()
    [link] = re.findall(r"/accounts/reset/\S+/", text)
    planted["reset link"] = link.split("/")[-2]
    client.get(link)
    client.get(link.replace("/accounts/reset/", "/accounts/reset/x"))
    client.get(f"{link}further")


def ask(address: str, body: dict[str, Any] | None = None, **headers: str) -> None:
    content = None if body is None else json.dumps(body).encode()
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    request = urllib.request.Request(address, content, headers)  # noqa: S310 - our own server
    with suppress(urllib.error.HTTPError):
        urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request).close()


# --- The servers' own logs ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("server", "form"), [("daphne", "json"), ("uvicorn", "line")])
def test_no_log_of_a_server_shows_a_secret(tmp_path: Path, server: str, form: str) -> None:
    """On a database without tables, so that most of it fails, with a traceback."""
    port = free_port()
    site = f"http://127.0.0.1:{port}"
    planted = {name: f"planted-{name}-{secrets.token_hex(6)}" for name in ("cookie", "token", "reset", "leave", "key")}
    planted["database password"] = "planted-database"
    environment = {
        "DATABASE_URL": f"sqlite:///{tmp_path / 'empty.sqlite3'}",
        "DJANGO_SECRET_KEY": planted["key"],
        "SITE_URL": site,
        "METRICS_TOKEN": planted["token"],
        "LOG_FORMAT": form,
        "LOG_FILE": str(tmp_path / "site.log"),
        "LOG_LEVEL": "DEBUG",
        "NOTIFICATIONS_WORKER": "false",
        "REDIS_URL": "",
    }
    process = Process(
        server, asgi_servers.command(server, port), tmp_path / "output.log", lambda process: answers(site),
        environment=environment, directory=site_settings.BASE_DIR,
    )  # fmt: skip
    process.start()
    try:
        cookie = {"Cookie": f"sessionid={planted['cookie']}; csrftoken={planted['cookie']}"}
        for path in ("/", f"/accounts/reset/MQ/{planted['reset']}/", "/notifications/api/list/"):
            ask(site + path, None, **cookie)
        ask(f"{site}/notifications/digest/unsubscribe/1.{planted['leave']}/")
        ask(f"{site}/signals/webhook/{planted['token']}/", ALERT | {"api_key": planted["key"]})
        ask(f"{site}/metrics", Authorization=f"Bearer {planted['token']}")
        with suppress(InvalidStatus):
            connect(f"ws://127.0.0.1:{port}/stream/insights/1/", additional_headers=cookie, proxy=None)
    finally:
        process.stop()
    written = [path.read_text(encoding="utf-8") for path in (tmp_path / "output.log", tmp_path / "site.log")]
    lines = "\n".join(written).splitlines()
    assert_said(lines, "/signals/webhook/***/", "no such table", "/accounts/reset/MQ/***/", "Traceback")
    assert_kept(planted, lines)


def answers(site: str) -> bool:
    try:
        urllib.request.build_opener(urllib.request.ProxyHandler({})).open(f"{site}/livez").close()
    except OSError:
        return False
    return True
