"""What a user sees of their digests: when the next one comes, and that the last one did not."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
import time_machine
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from notifications import trouble
from notifications.digests import runs
from notifications.models import DigestRun, DigestState, NotificationPreference

pytestmark = pytest.mark.django_db

NOON = dt.datetime(2026, 5, 5, 12, tzinfo=dt.UTC)


@pytest.fixture
def reader(alice: User) -> User:
    NotificationPreference.objects.filter(user=alice).update(email_digest_enabled=True, digest_time=dt.time(18))
    return User.objects.select_related("notification_preference").get(pk=alice.pk)


def store(user: User, **fields: Any) -> DigestRun:
    values = {"local_date": NOON.date(), "due_at": timezone.now(), "message_id": "<1@x>"}
    return DigestRun.objects.create(user=user, **values | fields)


class TestOutlook:
    @pytest.mark.parametrize(
        ("fields", "next_at"),
        [
            ({}, dt.datetime(2026, 5, 5, 18, tzinfo=dt.UTC)),
            ({"digest_time": dt.time(7)}, dt.datetime(2026, 5, 6, 7, tzinfo=dt.UTC)),
            ({"time_zone": "Asia/Kolkata"}, dt.datetime(2026, 5, 5, 12, 30, tzinfo=dt.UTC)),
            ({"digest_paused_until": NOON + dt.timedelta(days=2)}, dt.datetime(2026, 5, 7, 18, tzinfo=dt.UTC)),
            ({"email_digest_enabled": False}, None),
        ],
    )
    def test_it_says_when_the_next_one_comes(
        self, reader: User, fields: dict[str, Any], next_at: dt.datetime | None
    ) -> None:
        NotificationPreference.objects.update(**fields)

        outlook = runs.outlook(NotificationPreference.of(reader), NOON)

        assert outlook.next_at == next_at
        assert outlook.paused is ("digest_paused_until" in fields)

    def test_who_has_had_todays_gets_the_next_tomorrow(self, reader: User) -> None:
        store(reader, state=DigestState.NOTHING)

        assert runs.outlook(NotificationPreference.of(reader), NOON).next_at == dt.datetime(
            2026, 5, 6, 18, tzinfo=dt.UTC
        )

    def test_the_page_of_the_preferences_says_it_and_has_a_button(self, client: Client, reader: User) -> None:
        client.force_login(reader)

        with time_machine.travel(NOON, tick=False):
            page = client.get(reverse("preferences")).content.decode()

        assert "The next one: Tuesday" in page
        assert f'formaction="{reverse("digest_now")}"' in page


class TestTrouble:
    def test_who_did_not_get_the_last_one_is_told_why_in_the_panel(self, client: Client, reader: User) -> None:
        store(reader, state=DigestState.FAILED, error="550 no such user <here>")
        client.force_login(reader)

        page = client.get(reverse("dashboard")).content.decode()

        assert "The last daily e-mail did not get through: 550 no such user &lt;here&gt;" in page
        assert 'href="/notifications/preferences/#digest"' in page

    def test_who_has_no_address_is_told_so(self, reader: User) -> None:
        store(reader, state=DigestState.SKIPPED, error=runs.NO_ADDRESS)

        [told] = trouble.of(reader)

        assert "your account has no address" in told.text

    @pytest.mark.parametrize("state", [DigestState.NOTHING, DigestState.PENDING])
    def test_a_later_one_that_said_nothing_ends_no_trouble(self, reader: User, state: DigestState) -> None:
        store(reader, state=DigestState.FAILED, error="550")
        store(reader, state=state, local_date=NOON.date() + dt.timedelta(days=1))

        assert len(trouble.of(reader)) == 1

    def test_one_that_was_sent_on_request_ends_it(self, reader: User) -> None:
        store(reader, state=DigestState.FAILED, error="550")
        store(reader, state=DigestState.SENT, trial=True, sent_at=NOON)

        assert trouble.of(reader) == []

    def test_who_paused_is_in_no_trouble(self, reader: User) -> None:
        store(reader, state=DigestState.SKIPPED, error=runs.PAUSED)

        assert trouble.of(reader) == []
