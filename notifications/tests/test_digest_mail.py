"""What is in the mail: both parts, headers, links; whatever texts it is made of."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable
from decimal import Decimal
from email.message import EmailMessage
from email.utils import parseaddr
from html.parser import HTMLParser
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from notifications.digests import addresses
from notifications.digests.mail import readable
from notifications.digests.sending import send_due
from notifications.models import NotificationPreference, SuppressedInsight
from notifications.tests.mail_server import MailServer
from notifications.tests.rows import store_notification
from signals.models import Outcome, Signal
from signals.tests.hostile import TEXTS, UNSTORABLE, Escapes

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.services]

Subscribe = Callable[..., User]
MakeInsight = Callable[..., Signal]


class Links(HTMLParser):
    def __init__(self, html: str) -> None:
        super().__init__()
        self.hrefs: list[str] = []
        self.resources: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        named = dict(attributes)
        self.hrefs += [named["href"] or ""] if tag == "a" and "href" in named else []
        self.resources += [tag] if tag in {"img", "link", "script", "iframe", "object"} or "src" in named else []


def the_mail(mail_server: MailServer) -> EmailMessage:
    send_due()
    [message] = mail_server.messages
    return message


def parts(message: EmailMessage) -> tuple[str, str]:
    """Text and HTML."""
    text, html = (message.get_body((kind,)) for kind in ("plain", "html"))
    assert text is not None
    assert html is not None
    return text.get_content(), html.get_content()


def test_headers_say_who_when_and_how_to_leave(
    mail_server: MailServer, subscribe: Subscribe, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settings, "DEFAULT_FROM_EMAIL", "ZenithEdge <hub@example.org>")
    monkeypatch.setattr(settings, "BOUNCE_EMAIL", "bounces@example.org")
    alice = subscribe("alice")

    message = the_mail(mail_server)

    assert mail_server.envelopes[0].mail_from == "bounces@example.org"
    assert message["From"] == "ZenithEdge <hub@example.org>"
    assert message["To"] == "alice@example.org"
    assert message["Subject"] == "1 unread insight, the best EURUSD at 82%"
    assert message["List-Unsubscribe"].strip() == f"<{addresses.unsubscribe(alice)}>"
    assert message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert message["Auto-Submitted"] == "auto-generated"
    assert re.fullmatch(r"<digest\.[0-9a-f]{40}@127\.0\.0\.1>", message["Message-ID"])
    assert len(message.get_all("Message-ID", [])) == len(message.get_all("From", [])) == 1
    sent_at = message["Date"].datetime.replace(tzinfo=dt.UTC)
    assert abs(sent_at - timezone.now()) < dt.timedelta(minutes=1)
    assert parseaddr(message["List-ID"])[1].endswith("127.0.0.1")


def test_without_a_bounce_address_bounces_go_to_the_sender(mail_server: MailServer, subscribe: Subscribe) -> None:
    subscribe("alice")

    assert the_mail(mail_server)["From"] == settings.DEFAULT_FROM_EMAIL
    assert mail_server.envelopes[0].mail_from == parseaddr(settings.DEFAULT_FROM_EMAIL)[1]


def test_the_links_of_both_parts_lead_to_pages_of_the_site(
    mail_server: MailServer, subscribe: Subscribe, make_insight: MakeInsight
) -> None:
    alice = subscribe("alice", insights=7)
    text, html = parts(the_mail(mail_server))
    client = Client()
    client.force_login(alice)

    links = {link.replace("&amp;", "&") for link in Links(html).hrefs} | set(re.findall(r"https?://\S+", text))

    assert len(links) >= 9
    for link in links:
        assert link.startswith(settings.SITE_URL), link
        assert client.get(link.removeprefix(settings.SITE_URL)).status_code == 200, link


def test_it_is_readable_without_loading_anything(mail_server: MailServer, subscribe: Subscribe) -> None:
    subscribe("alice")
    _, html = parts(the_mail(mail_server))

    assert Links(html).resources == []
    assert not re.search(r"url\(|@import|@font-face", html)


def test_both_parts_tell_the_same(mail_server: MailServer, subscribe: Subscribe, make_insight: MakeInsight) -> None:
    alice = subscribe("alice", insights=0)
    make_insight(alice, symbol="XAUUSD", truth_index=91, context_summary="Gold has broken out. And so on.")
    read = make_insight(alice, symbol="GBPUSD", truth_index=77)
    read.notifications.update(read=True, read_at=timezone.now())
    won = make_insight(alice, symbol="USDJPY", received_at=timezone.now() - dt.timedelta(days=3))
    Signal.objects.filter(pk=won.pk).update(outcome=Outcome.WIN)
    won.notifications.all().delete()
    hidden = make_insight(alice, symbol="NZDUSD", truth_index=10)
    assert SuppressedInsight.objects.get(user=alice).signal == hidden
    held = make_insight(alice, symbol="AUDUSD", truth_index=66)
    held.notifications.update(seq=None, held_until=timezone.now() + dt.timedelta(hours=2))
    move_into_the_last_day()

    text, html = parts(the_mail(mail_server))

    for part in (text, re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html))):
        for words in ("XAUUSD", "91%", "Gold has broken out.", "GBPUSD", "USDJPY", "Target reached"):
            assert words in part
        assert "Below the minimum confidence" in part
        assert "Held until your quiet hours end" in part
        assert "NZDUSD" not in part
    assert text.index("XAUUSD") < text.index("GBPUSD") < text.index("USDJPY")


def move_into_the_last_day() -> None:
    """The day of a digest that is due at midnight ended with it."""
    midnight = timezone.now().replace(hour=0, minute=0, second=0, microsecond=0)
    an_hour_before = midnight - dt.timedelta(hours=1)
    Signal.objects.filter(outcome=Outcome.PENDING).update(received_at=an_hour_before)
    Signal.objects.filter(outcome=Outcome.WIN).update(updated_at=an_hour_before)
    SuppressedInsight.objects.update(created_at=an_hour_before)


@pytest.mark.parametrize("name", sorted(set(TEXTS) - UNSTORABLE))
def test_a_hostile_text_stays_text(
    mail_server: MailServer, subscribe: Subscribe, make_insight: MakeInsight, name: str
) -> None:
    alice = subscribe("alice", insights=0)
    hostile = TEXTS[name]
    make_insight(
        alice, context_summary=hostile, strategy=hostile[:64], symbol=hostile[:32], news_headline=hostile[:200]
    )

    message = the_mail(mail_server)
    text, html = parts(message)

    assert Escapes(html).found == []
    assert all(link.startswith(settings.SITE_URL) for link in Links(html).hrefs)
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", text.replace("\r\n", "\n"))
    assert message["Set-Cookie"] is None
    assert set(message.keys()) == {
        *("Content-Type", "MIME-Version", "Subject", "From", "To", "Date", "Message-ID", "Auto-Submitted"),
        *("List-Unsubscribe", "List-Unsubscribe-Post", "List-ID", "Feedback-ID"),
    }
    assert max(len(line) for line in text.splitlines()) < 1000


def test_a_text_is_rid_of_what_drives_a_terminal_and_keeps_letters_and_emoji() -> None:
    assert readable("a\x1b[2Jb\u202egpj.exe\r\nc") == "a[2Jbgpj.exe c"
    assert readable("Zürich مرحبا 👩‍👧") == "Zürich مرحبا 👩‍👧"


def test_it_speaks_by_the_users_clock(
    mail_server: MailServer, subscribe: Subscribe, make_insight: MakeInsight, make_signal: Any
) -> None:
    alice = subscribe("alice", insights=0, time_zone="Asia/Kolkata")
    expires = dt.datetime(2030, 5, 5, 18, 30, tzinfo=dt.UTC)
    signal = make_signal(alice, received_at=expires - dt.timedelta(hours=3))
    store_notification(alice, signal, confidence=Decimal(80))

    text, _ = parts(the_mail(mail_server))

    assert "live until 6 May, 00:00" in text


def test_it_speaks_the_users_language(mail_server: MailServer, subscribe: Subscribe) -> None:
    subscribe("alice", language="de")
    subscribe("bob", language="xx")
    send_due()
    texts = [parts(message) for message in mail_server.messages]

    german = ("Montag", "Dienstag", "Mittwoch", "Donnerstag", "Freitag", "Samstag", "Sonntag")
    assert [any(day in text for day in german) for text, _ in texts] == [True, False]
    assert ['<html lang="de"' in html for _, html in texts] == [True, False]


def test_a_user_who_gets_no_toasts_is_told_by_mail_all_the_same(
    mail_server: MailServer, subscribe: Subscribe, make_insight: MakeInsight
) -> None:
    alice = subscribe("alice", insights=0)
    NotificationPreference.objects.filter(user=alice).update(web_enabled=False)
    make_insight(alice, symbol="XAUUSD")
    make_insight(None, symbol="GBPUSD")
    move_into_the_last_day()

    text, _ = parts(the_mail(mail_server))

    assert "XAUUSD" in text
    assert "GBPUSD" in text
    assert "Held or hidden" not in text
