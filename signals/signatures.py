"""HMAC-SHA256 for senders that can set headers (TradingView cannot): over `id.timestamp.body`, keyed by the token."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping

ID_HEADER = "X-Signature-Id"
TIMESTAMP_HEADER = "X-Signature-Timestamp"
SIGNATURE_HEADER = "X-Signature"

WINDOW_S = 5 * 60

_ID = re.compile(r"[\x21-\x7e]{1,128}")
_EPOCH_SECONDS = re.compile(r"[0-9]{1,12}")


class SignatureError(Exception):
    """The message says what is wrong with the signature."""


def sign(token: str, *, message_id: str, timestamp: int | str, body: bytes) -> str:
    """The hexadecimal signature of a message; `timestamp` is epoch seconds."""
    return hmac.new(token.encode(), f"{message_id}.{timestamp}.".encode() + body, hashlib.sha256).hexdigest()


def check(headers: Mapping[str, str], *, token: str, body: bytes, now_s: float) -> str | None:
    """The id of a rightly signed message, None for one that is not signed at all. Raises SignatureError."""
    names = (ID_HEADER, TIMESTAMP_HEADER, SIGNATURE_HEADER)
    message_id, timestamp, signature = (headers.get(name, "") for name in names)
    if not any(name in headers for name in names):
        return None
    if not _ID.fullmatch(message_id):
        raise SignatureError(f"{ID_HEADER} must be 1 to 128 printable characters.")
    if not _EPOCH_SECONDS.fullmatch(timestamp):
        raise SignatureError(f"{TIMESTAMP_HEADER} must be epoch seconds.")
    expected = sign(token, message_id=message_id, timestamp=timestamp, body=body)
    if not hmac.compare_digest(expected.encode(), signature.strip().lower().encode()):
        raise SignatureError(f"{SIGNATURE_HEADER} does not match id, timestamp and body.")
    if abs(now_s - int(timestamp)) > WINDOW_S:
        raise SignatureError(f"{TIMESTAMP_HEADER} is more than {WINDOW_S // 60} minutes away from the server's time.")
    return message_id
