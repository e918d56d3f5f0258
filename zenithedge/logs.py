"""How a log line looks: for people or as JSON, and without secrets or forgeries, whichever server writes it."""

import logging
import re
from typing import Any
from urllib.parse import unquote

import structlog
from daphne.access import AccessLogGenerator
from django.core.exceptions import BadRequest, SuspiciousOperation
from structlog.types import EventDict, WrappedLogger

from zenithedge import log_context

# In the spellings that reach the views (an encoded slash does) or that somebody mistypes.
TOKEN_PATH = re.compile(
    r"((?:signals(?:/|%2f)+webhook|digest(?:/|%2f)+unsubscribe|accounts(?:/|%2f)+reset(?:/|%2f)+[^/\s\"'?]+?)(?:/|%2f)+)"
    r"[^/\s\"'?]+",
    re.IGNORECASE,
)


# Mail servers and databases like to repeat the address that they refuse. What stands before the @ of a service's
# address is a password, and looks the same.
MAILBOX = re.compile(r"[^\s@<>\"'(),;=/\\]+@(?=[\w.-]*\w)")
# Nothing of ours reads such a thing; somebody may write it all the same.
QUERY = re.compile(r"([?&][\w-]*(?:key|token|secret|passphrase|password|signature)=)[^&\s\"']+", re.IGNORECASE)

# PostgreSQL repeats what it refuses: a key's values, or the whole row, whose texts may have several lines.
REFUSED_ROW = re.compile(
    r"((?:Failing row contains |Key \([^)]*\)=)\().*?\)(?=\.?\s*$| already| is )", re.DOTALL | re.MULTILINE
)


def mask_secrets(text: str) -> str:
    """Blank e-mail addresses, passwords of services, rows that a database refuses, and the secret in some addresses of
    ours: of a webhook, of a daily e-mail's way out and of `/accounts/reset/<user>/<token>/`.
    """
    text = TOKEN_PATH.sub(r"\1***", text)
    if "@" in text:
        text = MAILBOX.sub("***@", text)
    if "DETAIL: " in text:
        text = REFUSED_ROW.sub(r"\1***)", text)
    return QUERY.sub(r"\1***", text) if "=" in text else text


def in_one_line(text: str) -> str:
    """Write out what would break the line, drive a terminal, turn the reading direction or not encode at all."""
    if text.isprintable():
        return text
    return "".join(sign if sign.isprintable() else sign.encode("unicode_escape").decode() for sign in text)


class LineFormatter(logging.Formatter):
    """For people. One entry, one line, whatever somebody sent us; a traceback follows indented, so that it can't pass
    for one. What the line belongs to stands at its end: [request_id=… user_id=…].

    Secrets are masked in the whole of it: message, arguments and traceback.
    """

    def format(self, record: logging.LogRecord) -> str:
        return mask_secrets(super().format(record))

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's name
        line = super().formatMessage(record)
        known = log_context.current()
        if known and "connection_id" not in known:  # what sockets say names user and connection itself
            line += f" [{' '.join(f'{name}={value}' for name, value in sorted(known.items()))}]"
        return in_one_line(line)

    def formatException(self, ei: Any) -> str:  # noqa: N802 - logging's name
        if _is_a_clients_fault(ei[1]):
            return ""
        return "\n".join(f"    {in_one_line(line)}" for line in super().formatException(ei).split("\n"))


class JsonFormatter(structlog.stdlib.ProcessorFormatter):
    """For machines. Each entry is one JSON object in one line: `timestamp` (ISO 8601, UTC), `level`, `logger`, `event`
    (the message), what it belongs to, what the call gave as `extra`, and `exception` (the traceback) when there is one.

    Secrets are masked in every value of it. JSON escapes what would break a line.
    """

    def __init__(self) -> None:
        super().__init__(
            foreign_pre_chain=[
                structlog.stdlib.add_log_level,
                structlog.stdlib.add_logger_name,
                structlog.stdlib.ExtraAdder(),
                _add_context,
                structlog.processors.TimeStamper(fmt="iso", utc=True),
            ],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                _leave_out_what_clients_did_wrong,
                structlog.processors.format_exc_info,
                _mask_values,  # before they are escaped: to cut an escape in two would break the line
                structlog.processors.JSONRenderer(default=lambda value: mask_secrets(str(value))),
            ],
        )


class MaskSecrets(logging.Filter):
    """Masks the secrets in a record's message and arguments, leaving the shape to a formatter that is not ours."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg = _masked(record.msg)
        if isinstance(record.args, tuple):
            record.args = tuple(_masked(argument) for argument in record.args)
        return True


def mask_server_access_logs() -> None:
    """Mask the access logs that do not pass through our LOGGING: uvicorn's logger and daphne's own stream."""
    logging.getLogger("uvicorn.access").addFilter(MaskSecrets())
    # daphne writes its access log straight to a stream and offers no hook, so its one writing method is wrapped.
    if not hasattr(AccessLogGenerator, "write_unmasked_entry"):
        AccessLogGenerator.write_unmasked_entry = AccessLogGenerator.write_entry
        AccessLogGenerator.write_entry = _write_masked_entry


def _add_context(logger: WrappedLogger, method: str, entry: EventDict) -> EventDict:
    """What the call itself gave goes before what is known around it."""
    return {**log_context.current(), **entry}


def _leave_out_what_clients_did_wrong(logger: WrappedLogger, method: str, entry: EventDict) -> EventDict:
    fault = entry.get("exc_info")
    if isinstance(fault, tuple) and _is_a_clients_fault(fault[1]):
        del entry["exc_info"]
    return entry


def _is_a_clients_fault(fault: BaseException | None) -> bool:
    """Its traceback is left out: with 4 kB for each, anybody could push the rest out of the log."""
    return isinstance(fault, SuspiciousOperation | BadRequest)


def _write_masked_entry(
    self: AccessLogGenerator, host: str, date: object, request: str, *rest: object, **named: object
) -> None:
    """daphne writes an address as it was sent; the views know it with its %-codes resolved (/signals/%77ebhook/)."""
    masked = mask_secrets(request)
    resolved = unquote(masked)
    if mask_secrets(resolved) != resolved:
        masked = in_one_line(mask_secrets(resolved))
    self.write_unmasked_entry(host, date, masked, *rest, **named)


def _mask_values(logger: WrappedLogger, method: str, entry: EventDict) -> EventDict:
    return {name: _masked(value) for name, value in entry.items()}


def _masked(value: object) -> object:
    if isinstance(value, str):
        return mask_secrets(value)
    if isinstance(value, dict):
        return {name: _masked(inner) for name, inner in value.items()}
    return [_masked(inner) for inner in value] if isinstance(value, list | tuple) else value
