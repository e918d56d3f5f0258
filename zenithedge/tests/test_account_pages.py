"""Sign-in and passwords, in the look of the site."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

import pytest
from django.contrib.auth.models import User
from django.core.mail import EmailMessage
from django.test import Client
from django.urls import reverse
from pytest_django.asserts import assertContains, assertNotContains, assertRedirects, assertTemplateUsed


def test_a_wrong_password_is_said_and_the_name_is_kept(alice: User) -> None:
    response = Client().post(reverse("login"), {"username": "alice", "password": "wrong"})
    assertContains(response, "Please enter a correct username and password")
    assertContains(response, 'value="alice"')


def test_a_weak_new_password_is_refused_beside_its_field(client: Client, alice: User) -> None:
    client.force_login(alice)
    response = client.post(
        reverse("password_change"),
        {"old_password": "alice-password", "new_password1": "12345678", "new_password2": "12345678"},
    )
    (field,) = re.findall(r'<input[^>]*name="new_password2"[^>]*>', response.content.decode())
    assert 'aria-invalid="true"' in field
    assertContains(response, 'id="id_new_password2_error"')
    assertContains(response, "This password is entirely numeric.")


def test_a_forgotten_password_is_replaced_by_the_link_in_the_mail(
    client: Client, alice: User, mailoutbox: list[EmailMessage]
) -> None:
    assertTemplateUsed(client.get(reverse("password_reset")), "base.html")
    asked = client.post(reverse("password_reset"), {"email": alice.email}, follow=True)
    assertContains(asked, "Look into your mailbox")
    (mail,) = mailoutbox
    (link,) = re.findall(r"http\S+", str(mail.body))
    form = client.get(urlsplit(link).path, follow=True)
    assertContains(form, "New password")

    new = "a-better-password-of-alice"
    done = client.post(form.request["PATH_INFO"], {"new_password1": new, "new_password2": new}, follow=True)
    assertContains(done, "Sign in with the new one.")
    assert client.login(username="alice", password=new)
    assertContains(client.get(urlsplit(link).path, follow=True), "This link no longer works")


@pytest.mark.django_db
def test_an_unknown_address_is_answered_alike(client: Client, mailoutbox: list[EmailMessage]) -> None:
    response = client.post(reverse("password_reset"), {"email": "nobody@example.org"})
    assertRedirects(response, reverse("password_reset_done"))
    assert mailoutbox == []


@pytest.mark.parametrize("way_out", ["logout", "admin:logout"])
def test_who_has_signed_out_is_told_so(client: Client, ada: User, way_out: str) -> None:
    client.force_login(ada)
    response = client.post(reverse(way_out))
    assertContains(response, "<h1>Signed out</h1>")
    assertContains(response, reverse("login"))
    assertNotContains(response, "data-app")
