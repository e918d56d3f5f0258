"""What keeps secrets and forgeries out of the logs, whichever server writes them."""

import logging
import re
from typing import Any

from daphne.access import AccessLogGenerator
from django.core.exceptions import BadRequest, SuspiciousOperation

# In the spellings that reach the webhook (an encoded slash does) or that somebody mistypes.
WEBHOOK_PATH = re.compile(r"(signals(?:/|%2f)+webhook(?:/|%2f)+)[^/\s\"'?]+", re.IGNORECASE)


def mask_webhook_tokens(text: str) -> str:
    """Blank the secret in `/signals/webhook/<token>/`."""
    return WEBHOOK_PATH.sub(r"\1***", text)


def in_one_line(text: str) -> str:
    """Write out what would break the line, drive a terminal, turn the reading direction or not encode at all."""
    if text.isprintable():
        return text
    return "".join(sign if sign.isprintable() else sign.encode("unicode_escape").decode() for sign in text)


class MaskingFormatter(logging.Formatter):
    """One entry, one line, whatever somebody sent us; a traceback follows indented, so that it can't pass for one.

    Webhook tokens are masked in the whole of it: message, arguments and traceback.
    """

    def format(self, record: logging.LogRecord) -> str:
        return mask_webhook_tokens(super().format(record))

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's name
        return in_one_line(super().formatMessage(record))

    def formatException(self, ei: Any) -> str:  # noqa: N802 - logging's name
        if isinstance(ei[1], SuspiciousOperation | BadRequest):
            return ""  # what a client did wrong: with 4 kB for each, anybody could push the rest out of the log
        return "\n".join(f"    {in_one_line(line)}" for line in super().formatException(ei).split("\n"))


class MaskWebhookTokens(logging.Filter):
    """Masks webhook tokens in a record's message and arguments, leaving their shape to a formatter that is not ours."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg = _masked(record.msg)
        if isinstance(record.args, tuple):
            record.args = tuple(_masked(argument) for argument in record.args)
        return True


def mask_server_access_logs() -> None:
    """Mask the access logs that do not pass through our LOGGING: uvicorn's logger and daphne's own stream."""
    logging.getLogger("uvicorn.access").addFilter(MaskWebhookTokens())
    # daphne writes its access log straight to a stream and offers no hook, so its one writing method is wrapped.
    if not hasattr(AccessLogGenerator, "write_unmasked_entry"):
        AccessLogGenerator.write_unmasked_entry = AccessLogGenerator.write_entry
        AccessLogGenerator.write_entry = _write_masked_entry


def _write_masked_entry(
    self: AccessLogGenerator, host: str, date: object, request: str, *rest: object, **named: object
) -> None:
    self.write_unmasked_entry(host, date, mask_webhook_tokens(request), *rest, **named)


def _masked(value: object) -> object:
    return mask_webhook_tokens(value) if isinstance(value, str) else value
