"""What an answer over HTTP means for a delivery."""

from __future__ import annotations

import time
from email.utils import mktime_tz, parsedate_tz
from http import HTTPStatus

from notifications.delivery.base import DeliveryError
from zenithedge.outgoing import Answer

# Those of the 4xx that say "later": time-out, too early, too many.
LATER = {HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS}
# Three times what a date takes.
LONGEST_RETRY_AFTER = 90


def raise_unless_taken(answer: Answer, who: str) -> None:
    """2xx is taken. 5xx and a few others are tried again; the rest, redirects among them, stays wrong as it is."""
    if 200 <= answer.status < 300:
        return
    message = f"{who} answered {answer.status}."
    if answer.status >= 500 or answer.status in LATER:
        raise DeliveryError(message, retry_after_s=retry_after_s(answer.headers.get("retry-after", "")))
    raise DeliveryError(message, permanent=True)


def retry_after_s(text: str) -> float | None:
    """The header as seconds or a date; None for anything else, such as a date beyond the calendar."""
    text = text.strip()[:LONGEST_RETRY_AFTER]
    if text.isdecimal() and text.isascii():
        return float(text)
    try:
        moment = parsedate_tz(text)
        return max(0.0, mktime_tz(moment) - time.time()) if moment else None
    except (ValueError, OverflowError):
        return None
