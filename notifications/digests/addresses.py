"""Addresses that a digest carries: of the site's pages, and of leaving without signing in."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.signing import BadSignature, Signer
from django.urls import reverse
from django.utils.crypto import salted_hmac

if TYPE_CHECKING:
    from django.contrib.auth.models import User

MAX_ID = 2**63 - 1  # what a bigint column holds
MAX_ID_DIGITS = len(str(MAX_ID))  # Python refuses to read a number of thousands
# The purpose is in the signature: no other signed value of the site is a token, and a token is good for nothing else.
TOKEN_SALT = "notifications.digest.unsubscribe"  # noqa: S105 - no secret
MESSAGE_SALT = "notifications.digest.message"


def site(path: str) -> str:
    return f"{settings.SITE_URL}{path}"


def unsubscribe(user: User) -> str:
    return site(reverse("digest_unsubscribe", args=[token(user)]))


def token(user: User) -> str:
    """Never expires: a mail may be years old when somebody wants no more of them.

    It is the mailbox's: with another address the account has another one, so that whoever reads the old mailbox has no
    say in the mails to the new one.
    """
    return _signer(user).sign(str(user.pk))


def user_of(given: str) -> User | None:
    """The user whom the token was made for; None for one that was not made here, or for another mailbox."""
    user_id = given.partition(".")[0]
    # Not every text of digits is an id that a database can be asked for.
    digits = user_id.isascii() and user_id.isdigit() and len(user_id) <= MAX_ID_DIGITS
    named = digits and int(user_id) <= MAX_ID
    user = get_user_model().objects.filter(pk=int(user_id)).first() if named else None
    try:
        return user if user is not None and _signer(user).unsign(given) else None
    except BadSignature:
        return None


def _signer(user: User) -> Signer:
    return Signer(salt=f"{TOKEN_SALT}:{user.email.lower()}", sep=".")


def message_id(user_id: int, what: str) -> str:
    """The same for the same user and words on the same site, and nobody's guess."""
    digest = salted_hmac(MESSAGE_SALT, f"{user_id}:{what}", algorithm="sha256").hexdigest()
    return f"<digest.{digest[:40]}@{mail_domain()}>"


def mail_domain() -> str:
    host = urlsplit(settings.SITE_URL).hostname or "localhost"
    return f"[IPv6:{host}]" if ":" in host else host
