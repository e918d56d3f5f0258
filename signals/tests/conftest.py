"""Fixtures of the market's side: a webhook of Alice's, and how to post to it."""

import datetime as dt
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import time_machine
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from signals.models import WebhookSource
from signals.tests import validators
from signals.tests.alerts import alert_body

Post = Callable[..., Any]


@pytest.fixture
def fixed_validator(settings: Any) -> None:
    settings.SIGNALS_VALIDATOR = validators.FIXED


@pytest.fixture
def charlie(db: None) -> User:
    return User.objects.create_user("charlie", "charlie@example.org", "charlie-password")


@pytest.fixture
def token() -> str:
    """Set by `source`; a constant, so that a test can look for it where it must not be."""
    return "a-token-that-nobody-may-see"


@pytest.fixture
def source(alice: User, token: str) -> WebhookSource:
    return WebhookSource.objects.create(user=alice, token_hash=WebhookSource.hash_token(token))


@pytest.fixture
def post(source: WebhookSource, token: str, fixed_validator: None) -> Post:
    """Post a body to Alice's webhook; without one, a good alert with the given fields changed."""

    def post_to(body: bytes | None = None, *, to: str = token, headers: Any = None, **changes: Any) -> Any:
        address = reverse("webhook", args=[to])
        posted = alert_body(**changes) if body is None else body
        return Client().post(address, data=posted, content_type="application/json", headers=headers)

    return post_to


@pytest.fixture
def move_clock() -> Iterator[Callable[[float], None]]:
    """Stop the clock at a whole second, and move it so many seconds ahead."""
    with time_machine.travel(timezone.now().replace(microsecond=0), tick=False) as traveller:
        yield lambda seconds: traveller.shift(dt.timedelta(seconds=seconds))
