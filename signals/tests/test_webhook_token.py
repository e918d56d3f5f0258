"""`manage.py webhook_token`: who gets an address, and that it works."""

import io
from urllib.parse import urlsplit

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.test import Client

from signals.models import Signal, WebhookSource
from signals.tests.alerts import alert_body

pytestmark = pytest.mark.django_db


def printed(*arguments: str) -> str:
    out = io.StringIO()
    call_command("webhook_token", *arguments, stdout=out, stderr=io.StringIO())
    return out.getvalue().strip()


def test_printed_address_takes_alerts_for_the_user(alice: User, fixed_validator: None) -> None:
    address = printed("alice", "--name", "My chart")
    response = Client().post(urlsplit(address).path, alert_body(), content_type="text/plain")

    assert response.status_code == 201
    assert Signal.objects.get().user == alice
    assert WebhookSource.objects.get().name == "My chart"


@pytest.mark.parametrize("arguments", [["--house"], ["alice", "--house"]])
def test_house_address_takes_alerts_for_everybody(alice: User, fixed_validator: None, arguments: list[str]) -> None:
    address = printed(*arguments)
    Client().post(urlsplit(address).path, alert_body(), content_type="text/plain")
    assert Signal.objects.get().user is None


@pytest.mark.parametrize(
    "arguments", [["nobody"], ["nobody", "--house"], [], ["alice", "--name", ""], ["alice", "--name", "x" * 65]]
)
def test_wrong_arguments_are_told_and_make_nothing(alice: User, arguments: list[str]) -> None:
    with pytest.raises(CommandError):
        printed(*arguments)
    assert not WebhookSource.objects.exists()
