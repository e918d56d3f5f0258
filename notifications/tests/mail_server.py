"""A real SMTP server in a thread of this process, which takes, refuses and breaks off as it is told."""

from __future__ import annotations

import email
import email.policy
import threading
from collections.abc import Callable
from email.message import EmailMessage
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from scripts.processes import free_port

WAIT_S = 60


class MailServer:
    """`answers` says by recipient what RCPT is answered with; `at_data` is called with each mail before it is taken."""

    def __init__(self) -> None:
        self.envelopes: list[Envelope] = []
        self.connections = 0
        self._taken = threading.Condition()
        self.answers: dict[str, str] = {}
        self.at_data: Callable[[SMTP, Envelope], str | None] = lambda server, envelope: None
        self._controller = Controller(self, hostname="127.0.0.1", port=free_port())

    @property
    def url(self) -> str:
        return f"smtp://{self._controller.hostname}:{self._controller.port}"

    @property
    def port(self) -> int:
        return int(self._controller.port)

    @property
    def recipients(self) -> list[str]:
        return [address for envelope in self.envelopes for address in envelope.rcpt_tos]

    @property
    def messages(self) -> list[EmailMessage]:
        return [parsed(envelope) for envelope in self.envelopes]

    def wait_until_it_has(self, mails: int) -> None:
        with self._taken:
            assert self._taken.wait_for(lambda: len(self.envelopes) >= mails, WAIT_S)

    def start(self) -> None:
        self._controller.start()

    def stop(self) -> None:
        """Stopping twice is fine."""
        if self._controller.loop.is_running():
            self._controller.stop()

    async def handle_EHLO(  # noqa: N802 - aiosmtpd's names, here and below
        self, server: SMTP, session: Session, envelope: Envelope, hostname: str, responses: list[str]
    ) -> list[str]:
        self.connections += 1
        session.host_name = hostname
        return responses

    async def handle_RCPT(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        answer = self.answers.get(address, "250 OK")
        if answer.startswith("250"):
            envelope.rcpt_tos.append(address)
        return answer

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        answer = self.at_data(server, envelope)
        if answer is None or answer.startswith("250"):
            with self._taken:
                self.envelopes.append(envelope)
                self._taken.notify_all()
        return answer or "250 OK"


def parsed(envelope: Envelope) -> EmailMessage:
    content: Any = envelope.content
    found = email.message_from_bytes(content, policy=email.policy.default)
    assert isinstance(found, EmailMessage)
    return found


def drop_connection(server: SMTP, envelope: Envelope) -> str:
    """The server is gone before it has answered."""
    assert server.transport is not None
    server.transport.close()
    return "451 never sent"
