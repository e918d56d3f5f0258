"""Guessing passwords is slow, and costs nobody but the guesser."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Any

import pytest
import time_machine
from axes.models import AccessAttempt
from django.contrib.auth import authenticate
from django.contrib.auth.models import User
from django.core.mail import EmailMessage
from django.test import Client
from django.urls import reverse
from pytest_django.asserts import assertContains, assertTemplateUsed

from zenithedge import sign_in

GUESSER, OFFICE = "198.51.100.7", "203.0.113.9"
RIGHT, WRONG = "alice-password", "a-guess"
LIMIT = 5


@pytest.fixture(autouse=True)
def clock() -> Iterator[Any]:
    with time_machine.travel("2026-05-04T09:30:00Z", tick=False) as traveller:
        yield traveller


def attempt(name: str = "alice", password: str = WRONG, address: str = GUESSER, page: str = "login") -> Any:
    return Client(REMOTE_ADDR=address).post(reverse(page), {"username": name, "password": password})


def is_signed_in(response: Any) -> bool:
    return "sessionid" in response.cookies


@pytest.mark.parametrize("page", ["login", "admin:login"])
def test_after_some_failures_even_the_right_password_is_refused_with_the_time_to_wait(ada: User, page: str) -> None:
    failures = [attempt("ada", page=page).status_code for _ in range(LIMIT)]
    refused = attempt("ada", "ada-password", page=page)

    assert failures == [200] * (LIMIT - 1) + [429]
    assert (refused.status_code, refused["Retry-After"]) == (429, "900")
    assert not is_signed_in(refused)
    assertTemplateUsed(refused, "429.html")
    assertContains(refused, "Wait 15 minutes", status_code=429)


def test_the_owner_signs_in_from_elsewhere_while_the_guesser_is_locked_out(alice: User) -> None:
    for _ in range(LIMIT):
        attempt()
    assert is_signed_in(attempt(password=RIGHT, address=OFFICE))


def test_the_lock_ends_by_itself_and_trying_does_not_prolong_it(alice: User, clock: Any) -> None:
    for _ in range(LIMIT):
        attempt()
    clock.shift(dt.timedelta(minutes=10))
    assert attempt()["Retry-After"] == "300"
    clock.shift(dt.timedelta(minutes=5, seconds=1))
    assert is_signed_in(attempt(password=RIGHT))


def test_an_address_that_tries_many_names_is_locked_whole(alice: User) -> None:
    statuses = {attempt(f"name-{number}").status_code for number in range(LIMIT * sign_in.ADDRESS_PER_NAME - 1)}
    assert statuses == {200}
    assert attempt("one-more").status_code == 429
    assert attempt(password=RIGHT).status_code == 429
    assert is_signed_in(attempt(password=RIGHT, address=OFFICE))


def test_an_own_account_buys_no_guesses_at_others(alice: User, bob: User) -> None:
    for _ in range(LIMIT - 1):
        attempt()
    assert is_signed_in(attempt("bob", "bob-password"))
    assert attempt().status_code == 429


def test_another_browser_buys_no_guesses(alice: User) -> None:
    for number in range(LIMIT):
        Client(REMOTE_ADDR=GUESSER, headers={"user-agent": f"browser {number}"}).post(
            reverse("login"), {"username": "alice", "password": WRONG}
        )
    assert attempt(password=RIGHT).status_code == 429


def test_another_address_of_the_same_network_buys_no_guesses(alice: User) -> None:
    for number in range(LIMIT):
        attempt(address=f"2001:db8:1:2::{number + 1}")
    assert attempt(password=RIGHT, address="2001:db8:1:2:ffff::1").status_code == 429


def test_a_forged_header_buys_no_guesses(alice: User) -> None:
    for number in range(LIMIT):
        Client(REMOTE_ADDR=GUESSER, headers={"x-forwarded-for": f"192.0.2.{number}"}).post(
            reverse("login"), {"username": "alice", "password": WRONG}
        )
    assert attempt(password=RIGHT).status_code == 429


def test_a_success_forgets_the_failures_before_it(alice: User) -> None:
    for _ in range(3):
        for _ in range(LIMIT - 1):
            attempt()
        assert is_signed_in(attempt(password=RIGHT))


def test_no_password_is_kept_or_logged(alice: User, caplog: pytest.LogCaptureFixture) -> None:
    for _ in range(LIMIT + 1):
        attempt(password="hunter2-hunter2")
    assert "hunter2" not in caplog.text
    assert "hunter2" not in str(list(AccessAttempt.objects.values()))


@pytest.mark.parametrize("name", ["n" * 150, "ali\x00ce", "🟢" * 9, "\u202ealice", "<b>", "a\nb"], ids=ascii)
@pytest.mark.django_db
def test_hostile_names_are_counted_like_others(name: str) -> None:
    assert {attempt(name).status_code for _ in range(LIMIT + 1)} <= {200, 429}


def test_a_shell_is_not_slowed_down(alice: User) -> None:
    for _ in range(LIMIT + 1):
        authenticate(username="alice", password=WRONG)
    assert authenticate(username="alice", password=RIGHT) == alice


class TestPasswordReset:
    def ask(self, mailbox: str, address: str = GUESSER) -> Any:
        return Client(REMOTE_ADDR=address).post(reverse("password_reset"), {"email": mailbox})

    def test_a_mailbox_is_not_filled(self, alice: User, mailoutbox: list[EmailMessage]) -> None:
        answers = [self.ask(mailbox) for mailbox in ["alice@example.org", "Alice@Example.org"] * 2]
        assert [answer.status_code for answer in answers] == [302, 302, 302, 429]
        assert int(answers[-1]["Retry-After"]) == 30 * 60
        assert len(mailoutbox) == 3

    @pytest.mark.django_db
    def test_an_unknown_mailbox_is_answered_alike(self) -> None:
        assert [self.ask("nobody@example.org").status_code for _ in range(4)] == [302, 302, 302, 429]

    def test_an_address_asks_so_often_only(self, alice: User, mailoutbox: list[EmailMessage]) -> None:
        answers = [self.ask(f"name-{number}@example.org").status_code for number in range(21)]
        assert answers == [302] * 20 + [429]
        assert self.ask("alice@example.org").status_code == 429
        assert self.ask("alice@example.org", OFFICE).status_code == 302
        assert len(mailoutbox) == 1


class TestPasswordChange:
    @pytest.fixture
    def client(self, alice: User) -> Client:
        client = Client(REMOTE_ADDR=GUESSER)
        client.force_login(alice)
        return client

    def change(self, client: Client, old: str, page: str = "password_change") -> Any:
        fields = {"old_password": old, "new_password1": "a-new-one-41", "new_password2": "a-new-one-41"}
        return client.post(reverse(page), fields)

    @pytest.mark.parametrize("page", ["password_change", "admin:password_change"])
    def test_who_finds_a_signed_in_browser_does_not_try_until_one_fits(
        self, alice: User, client: Client, page: str
    ) -> None:
        User.objects.filter(pk=alice.pk).update(is_staff=True)
        guesses = [self.change(client, WRONG, page).status_code for _ in range(sign_in.WRONG_OLD_PASSWORDS_AN_HOUR)]
        refused = self.change(client, RIGHT, page)

        assert set(guesses) == {200}
        assert (refused.status_code, refused["Retry-After"]) == (429, str(30 * 60))
        alice.refresh_from_db()
        assert alice.check_password(RIGHT)

    def test_an_hour_later_and_for_others_it_goes_on(self, alice: User, bob: User, client: Client, clock: Any) -> None:
        for _ in range(sign_in.WRONG_OLD_PASSWORDS_AN_HOUR):
            self.change(client, WRONG)
        other = Client(REMOTE_ADDR=GUESSER)
        other.force_login(bob)

        assert self.change(other, "bob-password").status_code == 302
        clock.shift(dt.timedelta(hours=1))
        assert self.change(client, RIGHT).status_code == 302

    def test_a_new_password_that_does_not_do_is_no_guess(self, client: Client) -> None:
        fields = {"old_password": RIGHT, "new_password1": "one", "new_password2": "another"}
        for _ in range(sign_in.WRONG_OLD_PASSWORDS_AN_HOUR + 1):
            assert client.post(reverse("password_change"), fields).status_code == 200
