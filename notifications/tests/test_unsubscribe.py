"""Leaving the daily e-mail from the mail itself, and asking for one now."""

from __future__ import annotations

import datetime as dt

import pytest
from django.contrib.auth.models import User
from django.core.signing import Signer
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from notifications.digests import addresses
from notifications.models import DigestRun, NotificationPreference, PreferenceVersion
from notifications.tests.rows import stored_rows

pytestmark = pytest.mark.django_db


@pytest.fixture
def reader(alice: User) -> User:
    preference = NotificationPreference.of(alice)
    preference.email_digest_enabled = True
    preference.save()
    return alice


def address(user: User) -> str:
    return reverse("digest_unsubscribe", args=[addresses.token(user)])


def preference_of(user: User) -> NotificationPreference:
    return NotificationPreference.objects.get(user=user)


def test_one_click_ends_the_mails_without_cookie_or_csrf_token(reader: User) -> None:
    client = Client(enforce_csrf_checks=True)

    response = client.post(address(reader), {"List-Unsubscribe": "One-Click"})

    assert response.status_code == 200
    assert not preference_of(reader).email_digest_enabled
    assert not response.cookies
    latest = PreferenceVersion.objects.filter(user=reader).first()
    assert latest is not None
    assert latest.snapshot["email_digest_enabled"] is False


def test_opening_the_link_changes_nothing_and_asks(reader: User) -> None:
    before = stored_rows()

    response = Client().get(address(reader))

    assert stored_rows() == before
    assert not response.cookies
    text = response.content.decode()
    assert "No more daily e-mails?" in text
    assert "a…@example.org" in text
    assert "alice" not in text
    assert response["Referrer-Policy"] == "no-referrer"
    assert "no-store" in response["Cache-Control"]


def test_a_pause_of_a_week_leaves_the_rest_as_it_is(reader: User) -> None:
    response = Client(enforce_csrf_checks=True).post(address(reader), {"pause": "week"})

    preference = preference_of(reader)
    assert "pauses for a week" in response.content.decode()
    assert preference.email_digest_enabled
    assert preference.paused_until is None
    assert preference.digest_paused_until is not None
    assert dt.timedelta(days=6, hours=23) < preference.digest_paused_until - timezone.now() <= dt.timedelta(days=7)


def test_leaving_twice_is_fine_and_works_for_an_account_without_preferences(reader: User, bob: User) -> None:
    NotificationPreference.objects.filter(user=bob).delete()

    for user in (reader, reader, bob):
        assert Client().post(address(user)).status_code == 200

    assert not preference_of(bob).email_digest_enabled


def test_a_token_is_good_for_its_user_and_purpose_only(reader: User, bob: User) -> None:
    theirs, _, signature = addresses.token(bob).partition(".")
    others = [
        f"{reader.pk}.{signature}",
        Signer(sep=".").sign(str(reader.pk)),
        Signer(salt="password reset", sep=".").sign(str(reader.pk)),
        f"{reader.pk}",
        "x.y",
        addresses.token(reader)[:-1],
        addresses.token(User(pk=10**30)),
        f"{'9' * 5000}.{signature}",
        addresses.token(User(pk=reader.pk, email="another@example.org")),
    ]

    statuses = [Client().post(reverse("digest_unsubscribe", args=[token])).status_code for token in others]

    assert theirs == str(bob.pk)
    assert set(statuses) == {404}
    assert preference_of(reader).email_digest_enabled


def test_with_another_mailbox_the_account_has_another_token(reader: User) -> None:
    of_old_mails = address(reader)
    reader.email = "new@example.org"
    reader.save()

    assert Client().post(of_old_mails).status_code == 404
    assert preference_of(reader).email_digest_enabled
    assert Client().post(address(reader)).status_code == 200


def test_who_is_signed_in_as_somebody_else_ends_the_mails_of_the_tokens_user(reader: User, bob: User) -> None:
    NotificationPreference.objects.filter(user=bob).update(email_digest_enabled=True)
    client = Client()
    client.force_login(bob)

    client.post(address(reader))

    assert preference_of(bob).email_digest_enabled
    assert not preference_of(reader).email_digest_enabled


class TestSendOneNow:
    def test_it_is_on_its_way_once(self, client: Client, reader: User) -> None:
        client.force_login(reader)

        said = [client.post(reverse("digest_now"), follow=True).content.decode() for _number in range(2)]

        assert "goes out within a minute" in said[0]
        assert "on its way already" in said[1]
        assert DigestRun.objects.get().trial

    def test_nobody_has_their_mailbox_filled(self, client: Client, reader: User) -> None:
        client.force_login(reader)
        for _number in range(7):
            client.post(reverse("digest_now"))
            DigestRun.objects.update(state="nothing")

        assert DigestRun.objects.count() == 5

    def test_without_an_address_it_says_so(self, client: Client, reader: User) -> None:
        User.objects.filter(pk=reader.pk).update(email="")
        client.force_login(reader)

        assert "no e-mail address" in client.post(reverse("digest_now"), follow=True).content.decode()
        assert not DigestRun.objects.exists()
