"""A superuser's list address with nonsense in it is a mistake of the asker, not of the server."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.urls import reverse

from signals.admin import SignalAdmin

LIST = "admin:signals_signal_changelist"


@pytest.fixture
def adas(ada: User) -> Client:
    client = Client(raise_request_exception=False)
    client.force_login(ada)
    return client


@pytest.mark.parametrize(
    "query",
    [
        {"received_at__year": "9" * 30},
        {"user__in": "9" * 30},
        {"symbol__range": ""},
        {"symbol__range": "1,2,3"},
        {"extra__contains": "1"},
    ],
    ids=str,
)
def test_a_lookup_that_the_database_cannot_answer_is_400(adas: Client, query: dict[str, str]) -> None:
    response = adas.get(reverse(LIST), query)
    assert response.status_code == 400 or (connection.vendor == "postgresql" and response.status_code == 200)


@pytest.mark.parametrize("selected", ["9" * 30, "x", ""])
def test_an_action_on_rows_that_cannot_be_is_400(adas: Client, selected: str) -> None:
    action = {"action": "delete_selected", "_selected_action": [selected]}
    assert adas.post(reverse(LIST), action).status_code in (200, 302, 400)


@pytest.mark.parametrize(("query", "status"), [({}, 500), ({"q": "x"}, 400)])
def test_a_fault_of_ours_stays_one_where_nobody_asked_for_anything(
    adas: Client, monkeypatch: pytest.MonkeyPatch, query: dict[str, Any], status: int
) -> None:
    def broken(*args: object) -> None:
        raise ValueError("on purpose")

    monkeypatch.setattr(SignalAdmin, "get_queryset", broken)
    assert adas.get(reverse(LIST), query).status_code == status
