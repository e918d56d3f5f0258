"""Sockets under daphne that wait for a client that does not read, and do not listen to one that they can't answer.

Stock, daphne keeps whatever is sent to a client, and whatever a client sends, in memory without a limit, and breaks the
connections when it ends. Here its sockets behave as uvicorn's do: `send` waits while the connection's buffer is full
and raises OSError when the client is gone, nothing more is read from the connection while messages wait for the
application, and a server that ends says 1012, after which clients come back without alarm.
"""

from __future__ import annotations

import asyncio
from typing import Any

from daphne import ws_protocol
from daphne.server import Server
from twisted.internet import reactor
from twisted.internet.task import deferLater

# Messages of a client that may wait for the application before its connection is read no further.
MAX_UNHEARD = 16
# The consumer's own limit is 4 KiB, and it answers what is larger; daphne's default is 1 MiB.
MAX_FRAME_BYTES = 16 * 1024
RESTART = 1012
GOODBYE_S = 0.5  # for what is written when the server ends to get out


class BoundedSocket(ws_protocol.WebSocketProtocol):  # type: ignore[misc]  # daphne ships no types
    """The connection of one socket, and Twisted's producer of what it sends."""

    room: asyncio.Event | None = None  # while the connection's buffer is full
    unheard = False

    def onConnect(self, request: Any) -> Any:  # noqa: N802 - autobahn's name
        self.maxFramePayloadSize = MAX_FRAME_BYTES
        self.transport.unregisterProducer()  # the HTTP connection that it was until now
        self.transport.registerProducer(self, True)
        return super().onConnect(request)

    def onMessage(self, payload: bytes, isBinary: bool) -> None:  # noqa: N802, N803 - autobahn's names
        super().onMessage(payload, isBinary)
        if not self.unheard and self.application_queue.qsize() >= MAX_UNHEARD:
            self.unheard = True
            self.transport.pauseProducing()

    def serverSend(self, content: Any, binary: bool = False) -> None:  # noqa: N802 - daphne's name
        """Without a limit of size: autobahn's is meant for what is received, and holds for both."""
        self.sendFrame(opcode=2 if binary else 1, payload=content if binary else content.encode())

    def serverClose(self, code: int | None = None) -> None:  # noqa: N802 - daphne's name
        """With any code: autobahn's own way refuses those that are a server's, such as 1011 and 1012."""
        self.sendCloseFrame(code=1000 if code is None else code)

    async def receive(self) -> dict[str, Any]:
        """The application's next message."""
        message: dict[str, Any] = await self.application_queue.get()
        if self.unheard and self.application_queue.empty():
            self.unheard = False
            self.transport.resumeProducing()
        return message

    async def send(self, message: dict[str, Any]) -> None:
        """What the application sends. Raises ConnectionResetError when there is no client any more."""
        if self.room is not None:
            await self.room.wait()
        if self.state in (self.STATE_CLOSING, self.STATE_CLOSED):
            raise ConnectionResetError("The client is gone.")
        self.handle_reply(message)

    # --- What Twisted tells a producer ------------------------------------------------------------------------------

    def pauseProducing(self) -> None:  # noqa: N802 - twisted's name
        self.room = self.room or asyncio.Event()

    def resumeProducing(self) -> None:  # noqa: N802 - twisted's name
        if self.room is not None:
            self.room.set()
            self.room = None

    def stopProducing(self) -> None:  # noqa: N802 - twisted's name
        self.resumeProducing()


def bound_daphnes_sockets() -> None:
    """Have daphne make its sockets so; it offers no setting for it."""
    ws_protocol.WebSocketFactory.protocol = BoundedSocket
    if Server.create_application is not _create_application:
        Server.create_other_application = Server.create_application
        Server.create_application = _create_application
        Server.says_goodbye = False


def _create_application(self: Any, protocol: Any, scope: dict[str, Any]) -> asyncio.Queue[dict[str, Any]] | None:
    """The application of a connection; daphne's own way gives a socket no say in `receive` and `send`."""
    if not isinstance(protocol, BoundedSocket):
        other: asyncio.Queue[dict[str, Any]] | None = self.create_other_application(protocol, scope)
        return other
    if not self.says_goodbye:
        self.says_goodbye = True
        # twisted's stubs have the arguments in another order than the function
        reactor.addSystemEventTrigger("before", "shutdown", _say_goodbye, self)  # type: ignore[arg-type]
    queue: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    protocol.application_queue = queue
    scope.setdefault("asgi", {"version": "3.0"})
    application = self.application(scope=scope, receive=protocol.receive, send=protocol.send)
    self.connections[protocol]["application_instance"] = asyncio.ensure_future(application)
    return queue


def _say_goodbye(server: Any) -> Any:
    """Twisted ends when this has; it would drop what is still being written."""
    sockets = [protocol for protocol in server.connections if isinstance(protocol, BoundedSocket)]
    for protocol in sockets:
        protocol.serverClose(RESTART)
    return deferLater(reactor, GOODBYE_S) if sockets else None
