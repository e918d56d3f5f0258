"""The demo's accounts and webhook tokens: made once, kept for the next run in a file outside of git."""

from __future__ import annotations

import json
import os
import secrets
from dataclasses import asdict, dataclass, field
from pathlib import Path

from django.contrib.auth import get_user_model
from django.contrib.auth.models import User
from django.db import transaction

from signals.models import WebhookSource

TRADERS = ("alice", "bob")
ADMIN = "ada"
HOUSE = "house"
# Marks an account as the demo's own: `.invalid` can never be anybody's address (RFC 2606).
EMAIL_DOMAIN = "zenithedge-demo.invalid"
SOURCE_NAME = "Market replay"


class DemoError(Exception):
    """The demo cannot be set up; the text says why and what to do."""


@dataclass
class Secrets:
    """What the demo must remember, because the database keeps hashes only."""

    passwords: dict[str, str] = field(default_factory=dict)
    tokens: dict[str, str] = field(default_factory=dict)

    @classmethod
    def load(cls, path: Path) -> Secrets:
        """Those of the last run; new, empty ones when there was none."""
        try:
            kept = json.loads(path.read_text(encoding="utf-8"))
            return cls(_texts(kept["passwords"]), _texts(kept["tokens"]))
        except FileNotFoundError:
            return cls()
        except (ValueError, TypeError, KeyError) as error:
            raise DemoError(f"{path} is damaged ({error!r}): delete it, and new passwords are made.") from error

    def save(self, path: Path) -> None:
        """Write the file whole and readable by its owner only, or leave it as it was."""
        draft = path.with_name(f"{path.name}.{os.getpid()}")
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump(asdict(self), file, indent=2)
        draft.replace(path)


@transaction.atomic
def prepare(path: Path) -> Secrets:
    """Make what is missing of the accounts and the replay's webhooks; return the secrets, which are true afterwards.

    Raises DemoError when one of the names belongs to an account that is not the demo's.
    """
    kept = Secrets.load(path)
    for name in (*TRADERS, ADMIN):
        kept.passwords.setdefault(name, secrets.token_urlsafe(9))
        account = _account(name, kept.passwords[name])
        if name in TRADERS:
            _webhook(account, name, kept.tokens)
    _webhook(None, HOUSE, kept.tokens)
    kept.save(path)
    return kept


def _account(name: str, password: str) -> User:
    is_admin = name == ADMIN
    account, created = get_user_model().objects.get_or_create(
        username=name,
        defaults={"email": f"{name}@{EMAIL_DOMAIN}", "is_staff": is_admin, "is_superuser": is_admin},
    )
    if not created and not account.email.endswith(f"@{EMAIL_DOMAIN}"):
        raise DemoError(
            f"The account {name!r} in this database is not the demo's, and the demo would have to change its password. "
            "Give the demo a database of its own in DATABASE_URL."
        )
    if created or not account.check_password(password):
        account.set_password(password)
        account.save(update_fields=["password"])
    return account


def _webhook(owner: User | None, name: str, tokens: dict[str, str]) -> None:
    if name in tokens and WebhookSource.objects.for_token(tokens[name]):
        return
    source = WebhookSource(user=owner, name=SOURCE_NAME)
    tokens[name] = source.rotate_token()
    source.save()


def _texts(kept: object) -> dict[str, str]:
    if not isinstance(kept, dict) or not all(isinstance(text, str) for text in kept.values()):
        raise TypeError("not names with texts")
    return kept
