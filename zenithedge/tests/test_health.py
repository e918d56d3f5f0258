import pytest
from django.db import DatabaseError, connection
from django.test import Client
from django.urls import reverse

from notifications import brake, realtime


def test_livez_answers_without_touching_the_database(client: Client) -> None:
    response = client.get(reverse("livez"))  # the test has no database: a query would raise

    assert response.status_code == 200
    assert response.json() == {"status": "ok"}


@pytest.mark.services
@pytest.mark.django_db
def test_readyz_answers_when_database_and_channel_layer_do(client: Client) -> None:
    response = client.get(reverse("readyz"))

    assert response.status_code == 200
    assert response.json() == {"status": "ok", "database": True, "channel_layer": True, "sending_stopped": False}


@pytest.mark.django_db
def test_readyz_names_the_database_that_does_not_answer(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> None:
        raise DatabaseError("gone")

    monkeypatch.setattr(connection, "cursor", refuse)

    response = client.get(reverse("readyz"))

    assert response.status_code == 503
    assert response.json() == {
        "status": "unavailable", "database": False, "channel_layer": True, "sending_stopped": None,
    }  # fmt: skip


@pytest.mark.django_db
def test_readyz_names_the_channel_layer_that_does_not_answer(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(realtime, "layer_answers", lambda: False)

    response = client.get(reverse("readyz"))

    assert response.status_code == 503
    assert response.json() == {
        "status": "unavailable", "database": True, "channel_layer": False, "sending_stopped": False,
    }  # fmt: skip


@pytest.mark.django_db
def test_readyz_says_that_sending_is_stopped_and_is_ready_all_the_same(client: Client) -> None:
    brake.engage("A source went mad", by=None, name="ada")

    response = client.get(reverse("readyz"))

    assert (response.status_code, response.json()["sending_stopped"]) == (200, True)


@pytest.mark.parametrize("name", ["livez", "readyz"])
def test_health_pages_refuse_to_be_posted_to(client: Client, name: str) -> None:
    assert client.post(reverse(name)).status_code == 405
