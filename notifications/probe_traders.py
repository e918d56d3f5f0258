"""Traders of our own for trying a living installation: with a session and a webhook each, and gone afterwards.

They are told of nothing but their own insights. Deleting them deletes everything that came of them.
"""

from __future__ import annotations

import datetime as dt
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY, get_user_model
from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone

from notifications.models import Inbox, NotificationPreference
from signals.models import WebhookSource

# A house insight is for those who had joined when it came. These join tomorrow, and are gone by then.
JOINS_AFTER = dt.timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Trader:
    user_id: int
    cookie: str
    token: str


@dataclass(frozen=True, slots=True)
class Kind:
    """What the traders of one purpose are known by: `prefix` begins their names, `title` is their webhooks'."""

    prefix: str
    title: str

    @property
    def email_domain(self) -> str:
        """Nobody signs up with it: .invalid is reserved (RFC 2606)."""
        return f"{self.prefix}.invalid"


LOAD_TEST = Kind("load-test", "Load test")
CANARY = Kind("canary", "Canary")


@contextmanager
def traders(kind: Kind, count: int) -> Iterator[list[Trader]]:
    """Traders to whom every insight of their own is shown; afterwards they and all that is theirs are gone."""
    run = secrets.token_hex(4)
    made: list[Trader] = []
    try:
        with transaction.atomic():
            made = [_make(kind, f"{kind.prefix}-{run}-{number:04}") for number in range(1, count + 1)]
        yield made
    finally:
        for trader in made:
            _session_store(trader.cookie.partition("=")[2]).delete()
        remove(kind, run=run)


def remove(kind: Kind, *, run: str = "", older_than: dt.timedelta = dt.timedelta()) -> int:
    """Delete the traders of this kind, of one run or of every one that was killed; returns how many.

    Sessions of a killed run end by themselves: they are for an hour, and of nobody.
    """
    users = get_user_model()._default_manager.filter(
        username__startswith=f"{kind.prefix}-{run}",
        email__endswith=f"@{kind.email_domain}",
        is_staff=False,
        date_joined__lte=timezone.now() + JOINS_AFTER - older_than,
    )
    count: int = users.count()
    users.delete()
    return count


def session_cookie(user: User, *, lasts_s: int = 60 * 60) -> str:
    """The `Cookie` header of a new session in which the user is signed in."""
    session = _session_store()
    session[SESSION_KEY] = str(user.pk)
    session[BACKEND_SESSION_KEY] = settings.AUTHENTICATION_BACKENDS[-1]
    session[HASH_SESSION_KEY] = user.get_session_auth_hash()
    session.set_expiry(lasts_s)
    session.create()
    return f"{settings.SESSION_COOKIE_NAME}={session.session_key}"


def _make(kind: Kind, name: str) -> Trader:
    joins_at = timezone.now() + JOINS_AFTER
    user = get_user_model()._default_manager.create(
        username=name, email=f"{name}@{kind.email_domain}", date_joined=joins_at
    )
    user.set_unusable_password()
    user.save(update_fields=["password"])
    NotificationPreference.objects.filter(user=user).update(min_confidence=0)
    Inbox.objects.get_or_create(user=user)
    source = WebhookSource(user=user, name=kind.title)
    token = source.rotate_token()
    source.save()
    return Trader(user.pk, session_cookie(user), token)


def _session_store(key: str | None = None) -> Any:
    return import_module(settings.SESSION_ENGINE).SessionStore(key)
