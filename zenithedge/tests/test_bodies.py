"""daphne's own taking of a request, up to the point at which it would ask the application."""

from types import SimpleNamespace
from typing import Any

import pytest
from daphne.http_protocol import HTTPFactory
from twisted.internet.error import ConnectionDone
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure

from zenithedge.bodies import MAX_BODY_BYTES, BoundedRequest, bound_daphnes_bodies

FORM = b"Content-Type: application/x-www-form-urlencoded\r\n"


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The bodies that got as far as the application, each with what was parsed of it."""
    bodies: list[Any] = []

    def take(request: BoundedRequest) -> None:
        bodies.append((request.content.read(), request.args))
        request.content.close()

    monkeypatch.setattr(BoundedRequest, "process", take)
    return bodies


def send(head: bytes, body: bytes) -> bytes:
    """What daphne answers by itself to a POST."""
    bound_daphnes_bodies()
    server = SimpleNamespace(protocol_connected=lambda request: None, protocol_disconnected=lambda request: None)
    protocol = HTTPFactory(server).buildProtocol(None)
    transport: Any = StringTransport()  # type: ignore[no-untyped-call]  # twisted's
    protocol.makeConnection(transport)
    protocol.dataReceived(b"POST / HTTP/1.1\r\nHost: localhost\r\n" + head + b"\r\n")
    for start in range(0, len(body), 65536):
        if not transport.disconnecting:
            protocol.dataReceived(body[start : start + 65536])
    protocol.connectionLost(Failure(ConnectionDone()))  # type: ignore[no-untyped-call]  # twisted's
    return bytes(transport.value())


def length(body: bytes) -> bytes:
    return b"Content-Length: %d\r\n" % len(body)


def chunked(body: bytes) -> bytes:
    return b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)


def test_a_body_within_the_limit_reaches_the_application_whole(asked: list[Any]) -> None:
    body = b"a" * MAX_BODY_BYTES

    assert send(length(body), body) == b""
    assert send(b"Transfer-Encoding: chunked\r\n", chunked(body)) == b""

    assert [taken == body for taken, _ in asked] == [True, True]


def test_a_larger_body_is_refused_before_it_is_sent(asked: list[Any]) -> None:
    body = b"a" * (MAX_BODY_BYTES + 1)

    answer = send(length(body), b"")

    assert answer.startswith(b"HTTP/1.1 413 ")
    assert asked == []


def test_a_larger_body_without_a_length_is_refused_when_it_gets_too_large(asked: list[Any]) -> None:
    answer = send(b"Transfer-Encoding: chunked\r\n", chunked(b"a" * (MAX_BODY_BYTES + 1)))

    assert answer.count(b"HTTP/1.1 413 ") == 1
    assert asked == []


def test_forms_are_left_to_the_application(asked: list[Any]) -> None:
    """daphne would parse them on the loop that serves everybody."""
    body = b"a=1&b=2"

    send(FORM + length(body), body)

    assert asked == [(body, {})]


def test_what_only_calls_itself_a_form_reaches_the_application(asked: list[Any]) -> None:
    body = b'{"symbol": "EURUSD"}'

    answer = send(b"Content-Type: multipart/form-data; boundary=x\r\n" + length(body), body)

    assert answer == b""
    assert asked == [(body, {})]
