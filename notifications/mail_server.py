"""A connection to the mail server, with one word for each kind of trouble: whose fault it is decides what follows."""

from __future__ import annotations

import logging
import smtplib
from typing import Any

from django.core.mail import get_connection

from notifications import metrics
from notifications.digests import mail

logger = logging.getLogger(__name__)

ERROR_CHARS = 500


class RefusedError(Exception):
    """The server took the connection and not this mail."""

    def __init__(self, why: str, *, permanent: bool) -> None:
        super().__init__(why)
        self.permanent = permanent


class ServerError(Exception):
    """It has nothing to do with this mail; the connection is not to be used any more."""


class MailServer:
    """Django's mail backend, opened once, with one word for each kind of trouble."""

    def __init__(self) -> None:
        self._backend: Any = None

    def open(self) -> None:
        """Raises ServerError."""
        if self._backend is not None:
            return
        backend = get_connection()
        try:
            backend.open()
        except (OSError, smtplib.SMTPException) as error:
            raise ServerError(_in_words(error)) from error
        self._backend = backend

    def send(self, message: Any) -> None:
        """Returns when the server has taken the mail. Raises RefusedError and ServerError."""
        try:
            with metrics.MAIL_SECONDS.time():
                self._backend.send_messages([message])
        except smtplib.SMTPRecipientsRefused as error:
            code, text = next(iter(error.recipients.values()))
            if code == 421:
                self._drop(_in_words(smtplib.SMTPResponseException(code, text)), error)
            raise RefusedError(_in_words(smtplib.SMTPResponseException(code, text)), permanent=code >= 500) from error
        except smtplib.SMTPDataError as error:
            if error.smtp_code == 421:
                self._drop(_in_words(error), error)
            raise RefusedError(_in_words(error), permanent=error.smtp_code >= 500) from error
        except smtplib.SMTPNotSupportedError as error:
            raise RefusedError(_in_words(error), permanent=True) from error
        except (OSError, smtplib.SMTPException) as error:
            self._drop(_in_words(error), error)
        except ValueError as error:  # an address, or a header, that is none
            raise RefusedError(
                f"{type(error).__name__}: the address or a header is not valid.", permanent=True
            ) from error

    def close(self) -> None:
        if self._backend is not None:
            backend, self._backend = self._backend, None
            try:
                backend.close()
            except (OSError, smtplib.SMTPException):
                logger.info("The connection to the mail server could not be closed in order")

    def _drop(self, why: str, cause: Exception) -> None:
        self.close()
        raise ServerError(why) from cause


def _in_words(error: Exception) -> str:
    if isinstance(error, smtplib.SMTPResponseException):
        text = error.smtp_error
        said = text.decode(errors="replace") if isinstance(text, bytes) else str(text)
        return mail.readable(f"{error.smtp_code} {said}")[:ERROR_CHARS]
    return mail.readable(f"{type(error).__name__}: {error}")[:ERROR_CHARS]
