"""An owner hears once that a webhook has gone silent, by mail, in the own language; and sees it on the page."""

from __future__ import annotations

import datetime as dt
from io import StringIO

import pytest
import time_machine
from django.contrib.auth.models import Group, User
from django.core import mail
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone

from notifications import brake, silent_sources
from notifications.models import NotificationPreference
from notifications.roles import Role
from notifications.tests.mail_server import MailServer
from signals.models import Verdict, WebhookRequest, WebhookSource

NOW = dt.datetime(2026, 11, 19, 12, tzinfo=dt.UTC)  # a Thursday
LAST = NOW - dt.timedelta(hours=26)

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def thursday() -> object:
    with time_machine.travel(NOW, tick=False):
        yield


def silent(owner: User | None, name: str = "EURUSD, 1 h") -> WebhookSource:
    source = WebhookSource(user=owner, name=name, last_alert_at=LAST)
    source.rotate_token()
    source.save()
    WebhookRequest.objects.bulk_create(
        [
            WebhookRequest(
                source=source,
                received_at=LAST - dt.timedelta(hours=back),
                body_digest="",
                verdict=Verdict.ACCEPTED,
                status_code=201,
            )
            for back in range(30)
        ]
    )
    return source


def run(*arguments: str) -> str:
    out = StringIO()
    call_command("check_sources", *arguments, stdout=out)
    return out.getvalue()


def test_the_owner_is_told_once_an_episode(alice: User, bob: User) -> None:
    source = silent(alice)

    assert "gone silent: 1, mails: 1" in run()
    assert "gone silent: 0, mails: 0" in run()

    [told] = mail.outbox
    assert told.to == ["alice@example.org"]
    assert told.subject == "Your webhook EURUSD, 1 h has gone silent"
    for words in ("no alert for 1\xa0day, 2\xa0hours", "there usually are 1\xa0hour", "/signals/connect/"):
        assert words in told.body

    with time_machine.travel(NOW + dt.timedelta(minutes=1), tick=False):
        WebhookSource.objects.filter(pk=source.pk).update(last_alert_at=timezone.now())
    with time_machine.travel(NOW + dt.timedelta(days=5), tick=False):
        run()
    assert len(mail.outbox) == 2, "the next silence is told of again"


def test_it_is_written_in_the_language_and_by_the_clock_of_who_reads_it(alice: User) -> None:
    NotificationPreference.objects.filter(user=alice).update(language="de", time_zone="Asia/Tokyo")
    silent(alice)

    run()

    assert mail.outbox[0].subject == "Ihr Webhook EURUSD, 1 h ist verstummt"
    assert "18. Nov. 2026, 19:00 (JST)" in mail.outbox[0].body


def test_a_webhook_of_the_house_concerns_the_staff_who_may_pause_it(alice: User, bob: User, ada: User) -> None:
    for user in (alice, bob):
        user.is_staff = True
        user.save()
    alice.groups.add(Group.objects.get(name=Role.OPERATOR))
    bob.groups.add(Group.objects.get(name=Role.SUPPORT))
    source = silent(None)

    run()

    assert sorted(message.to[0] for message in mail.outbox) == ["ada@example.org", "alice@example.org"]
    assert f"/admin/signals/webhooksource/{source.pk}/change/" in mail.outbox[0].body


def test_who_has_no_address_sees_it_on_the_page(alice: User, client: Client) -> None:
    User.objects.filter(pk=alice.pk).update(email="")
    source = silent(alice)
    client.force_login(alice)
    assert "Silent" not in client.get("/signals/connect/").content.decode()

    assert "without one: 1" in run()

    assert "far longer than it usually does" in client.get("/signals/connect/").content.decode()
    WebhookSource.objects.filter(pk=source.pk).update(last_alert_at=NOW)
    assert "far longer than it usually does" not in client.get("/signals/connect/").content.decode()


def test_a_dry_run_tells_nobody(alice: User) -> None:
    source = silent(alice)

    assert f"source {source.pk}, user {alice.pk}: since 2026-11-18 10:00 UTC" in run("--dry-run")
    assert mail.outbox == []
    assert not WebhookSource.objects.silent().exists()


def test_while_the_brake_is_on_nobody_is_told_and_afterwards_everybody_is(alice: User, ada: User) -> None:
    silent(alice)
    present, _ = brake.engage("Flood", by=ada, name="ada")

    run()
    assert mail.outbox == []

    brake.lift(present.pk, by=ada, name="ada")
    run()
    assert len(mail.outbox) == 1


def test_when_the_mail_server_is_away_the_next_run_tells(
    alice: User, mail_server: MailServer, settings: object
) -> None:
    silent(alice)
    port = settings.EMAIL_PORT  # type: ignore[attr-defined]  # pytest-django's
    settings.EMAIL_PORT = 9  # type: ignore[attr-defined]
    with pytest.raises(CommandError, match="of no use now"):
        run()
    assert not WebhookSource.objects.silent().exists()

    settings.EMAIL_PORT = port  # type: ignore[attr-defined]
    assert silent_sources.check().mails == 1
    assert mail_server.recipients == ["alice@example.org"]


def test_a_name_that_would_break_a_header_is_told_in_one_line(alice: User) -> None:
    silent(alice, "one\nBcc: two@example.org")

    run()

    assert mail.outbox[0].to == ["alice@example.org"]
    assert "\n" not in mail.outbox[0].subject
