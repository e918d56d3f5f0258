"""The site's own key pair for web push (VAPID, RFC 8292): a push service learns by it who sends.

A subscription is made for one public key, so another pair means that every device has to be turned on again.
"""

from __future__ import annotations

import base64
import os
import time
from functools import lru_cache
from pathlib import Path
from urllib.parse import urlsplit

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from django.conf import settings
from py_vapid import Vapid02

# Push services refuse tokens that are good for more than a day.
TOKEN_LIFE_S = 12 * 60 * 60
NEW_TOKEN_AFTER_S = 60 * 60


def generate() -> tuple[str, str]:
    """A new pair as (public, private), each in the base64url that browsers and the settings take."""
    return _as_text(ec.generate_private_key(ec.SECP256R1()))


def public_key() -> str:
    """What a browser subscribes with."""
    return _as_text(_private_key(*_configured()))[0]


def authorization(endpoint: str) -> str:
    """The Authorization header for a message to this endpoint; the token names the endpoint's origin only."""
    parts = urlsplit(endpoint)
    now = int(time.time())
    return _signed(f"{parts.scheme}://{parts.netloc}", now - now % NEW_TOKEN_AFTER_S, *_configured())


def problem() -> str:
    """What is wrong with the configured pair; empty when nothing is."""
    public, private = settings.VAPID_PUBLIC_KEY, settings.VAPID_PRIVATE_KEY
    if bool(public) != bool(private):
        return "one of VAPID_PUBLIC_KEY and VAPID_PRIVATE_KEY is missing"
    if not private:
        return ""
    try:
        return "" if _as_text(_read(private))[0] == public else "the two keys are no pair"
    except ValueError:
        return "VAPID_PRIVATE_KEY is no key"


def subject() -> str:
    """Whom a push service may write to: a mail address or a page."""
    given: str = settings.VAPID_SUBJECT
    if given:
        return given
    site: str = settings.SITE_URL
    return site if site.startswith("https://") else "mailto:webmaster@localhost.localdomain"


@lru_cache(maxsize=64)
def _signed(audience: str, since: int, private: str, path: str) -> str:
    """A fresh claims dictionary each time: py-vapid writes into the one that it is given."""
    claims = {"aud": audience, "exp": since + TOKEN_LIFE_S, "sub": subject()}
    header: str = Vapid02(_private_key(private, path)).sign(claims)["Authorization"]
    return header


def _configured() -> tuple[str, str]:
    return settings.VAPID_PRIVATE_KEY, str(settings.VAPID_KEY_FILE)


@lru_cache(maxsize=8)
def _private_key(private: str, path: str) -> ec.EllipticCurvePrivateKey:
    return _read(private or _load_or_create(Path(path)))


def _load_or_create(path: Path) -> str:
    """As the secret key: whoever starts first makes it, and nobody reads half of one."""
    try:
        return path.read_text(encoding="ascii")
    except FileNotFoundError:
        path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    draft.touch(mode=0o600)
    draft.write_text(generate()[1], encoding="ascii")
    try:
        os.link(draft, path)
    except FileExistsError:
        pass
    finally:
        draft.unlink()
    return path.read_text(encoding="ascii")


def _as_text(key: ec.EllipticCurvePrivateKey) -> tuple[str, str]:
    point = key.public_key().public_bytes(serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint)
    return encoded(point), encoded(key.private_numbers().private_value.to_bytes(32, "big"))


def _read(text: str) -> ec.EllipticCurvePrivateKey:
    return ec.derive_private_key(int.from_bytes(decoded(text), "big"), ec.SECP256R1())


def encoded(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode("ascii")


def decoded(text: str) -> bytes:
    """Raises ValueError for what is no base64url."""
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
