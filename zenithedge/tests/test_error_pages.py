"""What a person sees when something is wrong, in the look of the site."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.exceptions import SuspiciousOperation
from django.test import Client
from django.urls import reverse

HEADINGS = {
    400: "That request makes no sense",
    403: "You may not do that",
    404: "There is nothing here",
    500: "Something broke on our side",
}


@pytest.fixture
def browser(alice: User) -> Client:
    client = Client(raise_request_exception=False, enforce_csrf_checks=True)
    client.force_login(alice)
    return client


@pytest.fixture
def provoke(browser: Client, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Ask for something that is answered with this status."""

    def ask(status: int) -> str:
        if status == 403:
            response = browser.post(reverse("preferences"))
        elif status == 404:
            response = browser.get("/nowhere/")
        else:
            error = SuspiciousOperation() if status == 400 else RuntimeError("on purpose")
            monkeypatch.setattr("notifications.preference_views._page", lambda *args: _raise(error))
            response = browser.get(reverse("preferences"))
        assert response.status_code == status
        return str(response.content.decode())

    return ask


def _raise(error: Exception) -> None:
    raise error


@pytest.mark.parametrize("status", HEADINGS)
def test_each_error_has_a_page_that_says_where_to_go(provoke: Any, status: int) -> None:
    page = provoke(status)
    assert f"<h1>{HEADINGS[status]}</h1>" in page
    assert f'<p class="empty-code">{status}</p>' in page
    assert 'href="/">Go to the dashboard</a>' in page


@pytest.mark.parametrize("status", HEADINGS)
@pytest.mark.parametrize(("cookie", "theme"), [("light", "light"), ("dark", "dark"), ("system-light", "light")])
def test_each_keeps_the_theme(browser: Client, provoke: Any, status: int, cookie: str, theme: str) -> None:
    browser.cookies["theme"] = cookie
    assert f'data-bs-theme="{theme}"' in provoke(status)


@pytest.mark.parametrize("status", [400, 403, 404])
def test_who_is_signed_in_keeps_the_bell_and_the_menu(provoke: Any, status: int) -> None:
    page = provoke(status)
    assert "data-bell-button" in page
    assert "Signed in as <strong>alice</strong>" in page


def test_the_page_for_a_fault_of_ours_asks_no_database(alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*args: object, **kwargs: object) -> None:
        raise RuntimeError("the database does not answer")

    browser = Client(raise_request_exception=False)
    browser.force_login(alice)
    with monkeypatch.context() as outage:
        outage.setattr("django.db.backends.utils.CursorWrapper.execute", broken)
        response = browser.get(reverse("preferences"))
    assert response.status_code == 500
    assert HEADINGS[500] in response.content.decode()
