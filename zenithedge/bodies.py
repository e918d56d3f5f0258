"""What daphne takes in of a request's body, which it does before the application is asked."""

from typing import Any

from daphne import http_protocol

# Far above what any view takes, so that what is only too large for a view gets that view's own answer.
MAX_BODY_BYTES = 1024 * 1024

TOO_LARGE = b"HTTP/1.1 413 Content Too Large\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"


class BoundedRequest(http_protocol.WebRequest):  # type: ignore[misc]  # daphne ships no types
    """A request whose body is taken up to MAX_BODY_BYTES, and read by the application only.

    Stock, any sender has daphne store a body of any size, and parse one that calls itself a form, whole, on the loop
    that serves everybody: a few MB stop all pages and sockets for seconds, a few hundred take the machine's memory.
    """

    refused = False
    received_bytes = 0

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{**kwargs, "parsePOSTFormSubmission": False})

    def gotLength(self, length: int | None) -> None:  # noqa: N802 - twisted's name
        """The headers are read; there is no length when the body comes in chunks."""
        super().gotLength(length)
        self._refuse_above_limit(length or 0)

    def handleContentChunk(self, data: bytes) -> None:  # noqa: N802 - twisted's name
        self.received_bytes += len(data)
        self._refuse_above_limit(self.received_bytes)
        if not self.refused:
            super().handleContentChunk(data)

    def requestReceived(self, *args: Any) -> None:  # noqa: N802 - twisted's name
        if not self.refused:
            super().requestReceived(*args)

    def _refuse_above_limit(self, size: int) -> None:
        if size > MAX_BODY_BYTES and not self.refused:
            self.refused = True
            self.content.close()  # what was taken so far lies on the disk
            self.channel.transport.write(TOO_LARGE)
            self.channel.loseConnection()


def bound_daphnes_bodies() -> None:
    """Have daphne make its requests so; it offers no setting for it."""
    http_protocol.WebRequest = BoundedRequest
