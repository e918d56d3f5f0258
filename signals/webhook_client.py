"""Posts messages to the webhook of a ZenithEdge server, near or far, as TradingView would. Never shows a token."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from typing import Any
from urllib.parse import urlsplit

TIMEOUT_S = 10
# Far more than any answer of the webhook; what is longer is not read.
MAX_ANSWER_BYTES = 64 * 1024
TOKEN = re.compile(r"[A-Za-z0-9_-]{1,200}")


class AddressError(ValueError):
    """The address or a token cannot be used; the message does not repeat the token."""


class UnreachableError(Exception):
    """No answer came: refused, timed out, broken off."""


@dataclass(frozen=True)
class Answer:
    status: int
    retry_after_s: float | None = None
    body: Mapping[str, Any] = field(default_factory=dict)


class WebhookClient:
    """One kept-alive connection. Follows no redirect: a token must not travel to an address that nobody gave."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query or parts.username:
            raise AddressError(f"{parts.scheme}://{parts.hostname or ''} is no address like http://127.0.0.1:8000.")
        self._path = parts.path.rstrip("/")
        connection = HTTPSConnection if parts.scheme == "https" else HTTPConnection
        self._connection = connection(parts.hostname, _port(url), timeout=TIMEOUT_S)

    def post(self, token: str, message: Mapping[str, Any]) -> Answer:
        """Raises UnreachableError when no answer came."""
        if not TOKEN.fullmatch(token):
            raise AddressError("A webhook token consists of letters, digits, - and _ only.")
        path, body = f"{self._path}/signals/webhook/{token}/", json.dumps(message).encode()
        reused = self._connection.sock is not None
        try:
            return self._exchange(path, body)
        except UnreachableError:
            # The server may have closed an idle connection. Sending twice is safe: an alert id is accepted once.
            if not reused:
                raise
        return self._exchange(path, body)

    def close(self) -> None:
        self._connection.close()

    def _exchange(self, path: str, body: bytes) -> Answer:
        try:
            self._connection.request("POST", path, body, {"Content-Type": "application/json"})
            response = self._connection.getresponse()
            content = response.read(MAX_ANSWER_BYTES)
        except (OSError, HTTPException) as error:
            self._connection.close()
            raise UnreachableError(_in_words(error)) from error
        if not response.isclosed():
            self._connection.close()
        return Answer(response.status, _retry_after_s(response), _json_object(content))


def _port(url: str) -> int | None:
    try:
        return urlsplit(url).port
    except ValueError as error:
        raise AddressError("The address has no valid port.") from error


def _in_words(error: Exception) -> str:
    """The operating system's words where there are some."""
    return (getattr(error, "strerror", None) or str(error) or type(error).__name__).rstrip(".")


def _retry_after_s(response: HTTPResponse) -> float | None:
    """In seconds; the header's other form, a date, is treated as absent."""
    text = response.headers.get("Retry-After", "")
    return float(text) if text.isascii() and text.isdigit() else None


def _json_object(content: bytes) -> dict[str, Any]:
    """Empty for anything else: a proxy between may answer with a page."""
    try:
        decoded = json.loads(content)
    except ValueError:
        return {}
    return decoded if isinstance(decoded, dict) else {}
