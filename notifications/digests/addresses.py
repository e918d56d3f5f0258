"""Addresses that a digest carries: of the site's pages, and of leaving without signing in."""

from __future__ import annotations

from urllib.parse import urlsplit

from django.conf import settings
from django.core.signing import BadSignature, Signer
from django.urls import reverse
from django.utils.crypto import salted_hmac

# The purpose is in the signature: no other signed value of the site is a token, and a token is good for nothing else.
TOKEN_SALT = "notifications.digest.unsubscribe"  # noqa: S105 - no secret
MESSAGE_SALT = "notifications.digest.message"


def site(path: str) -> str:
    return f"{settings.SITE_URL}{path}"


def unsubscribe(user_id: int) -> str:
    return site(reverse("digest_unsubscribe", args=[token(user_id)]))


def token(user_id: int) -> str:
    """Never expires: a mail may be years old when somebody wants no more of them."""
    return Signer(salt=TOKEN_SALT, sep=".").sign(str(user_id))


def user_of(given: str) -> int | None:
    """The user whom the token was made for; None for one that was not made here."""
    try:
        return int(Signer(salt=TOKEN_SALT, sep=".").unsign(given))
    except (BadSignature, ValueError):
        return None


def message_id(user_id: int, what: str) -> str:
    """The same for the same user and words on the same site, and nobody's guess."""
    digest = salted_hmac(MESSAGE_SALT, f"{user_id}:{what}", algorithm="sha256").hexdigest()
    return f"<digest.{digest[:40]}@{mail_domain()}>"


def mail_domain() -> str:
    host = urlsplit(settings.SITE_URL).hostname or "localhost"
    return f"[IPv6:{host}]" if ":" in host else host
