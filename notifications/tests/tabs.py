"""A browser's socket in tests: the real ASGI application with a real session's cookie."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, ParamSpec, TypeVar

from channels.db import database_sync_to_async
from channels.testing import WebsocketCommunicator
from django.conf import settings
from django.contrib.auth.models import User
from django.test import Client

from notifications.models import InsightNotification
from zenithedge.asgi import application

P = ParamSpec("P")
T = TypeVar("T")

SITE = "http://testserver"
PATIENCE_S = 10  # a busy machine is no failure; what arrives ends the wait


async def in_thread(function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
    """Do what touches the database as a request would: in another thread than the sockets' loop."""
    result: T = await database_sync_to_async(function)(*args, **kwargs)
    return result


async def until(claim: Callable[[], bool | Awaitable[bool]]) -> None:
    """Wait for what tells nobody when it is so."""
    async with asyncio.timeout(PATIENCE_S):
        while not await _is_so(claim):
            await _moment()


async def _is_so(claim: Callable[[], bool | Awaitable[bool]]) -> bool:
    is_so = claim()
    return is_so if isinstance(is_so, bool) else await is_so


async def _moment() -> None:
    await asyncio.sleep(0.01)


def sign_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def cookie_of(client: Client) -> str:
    return client.cookies[settings.SESSION_COOKIE_NAME].value


@dataclass
class Tab:
    """One socket. `welcome` is its first frame."""

    communicator: WebsocketCommunicator
    welcome: dict[str, Any] = field(default_factory=dict)

    async def send(self, **message: Any) -> None:
        await self.communicator.send_json_to(message)

    async def send_raw(self, *, text: str | None = None, binary: bytes | None = None) -> None:
        frame = {"text": text} if binary is None else {"bytes": binary}
        await self.communicator.send_input({"type": "websocket.receive", **frame})

    async def frame(self) -> dict[str, Any]:
        """The next frame."""
        output = await self.communicator.receive_output(PATIENCE_S)
        assert output["type"] == "websocket.send", output
        content: dict[str, Any] = json.loads(output["text"])
        return content

    async def frames(self, count: int) -> list[dict[str, Any]]:
        return [await self.frame() for _ in range(count)]

    async def ask(self, command: str, **values: Any) -> dict[str, Any]:
        """Send a command; its answer is the next frame."""
        await self.send(command=command, **values)
        return await self.frame()

    async def settled(self) -> None:
        """Everything that was sent to the socket before is obeyed: the next frame is the answer to this ping."""
        assert await self.ask("ping") == {"type": "pong"}

    async def close_code(self) -> int:
        """The code with which the server closes the socket; it must be the next thing that it does."""
        output = await self.communicator.receive_output(PATIENCE_S)
        assert output["type"] == "websocket.close", output
        code: int = output["code"]
        return code

    async def close(self) -> None:
        """Close it from the browser's side; fine when the server ended it already."""
        if not self.communicator.future.done():
            await self.communicator.disconnect(timeout=PATIENCE_S)


def knock(
    path: str, *, cookie: str | None, origin: str | None = SITE, host: str = "testserver"
) -> WebsocketCommunicator:
    """A socket that has not been opened yet."""
    headers = [(b"host", host.encode())]
    if cookie is not None:
        headers.append((b"cookie", f"{settings.SESSION_COOKIE_NAME}={cookie}".encode()))
    if origin is not None:
        headers.append((b"origin", origin.encode()))
    return WebsocketCommunicator(application, path, headers=headers)


def stream_path(user: User, **query: Any) -> str:
    asked = "&".join(f"{name}={value}" for name, value in query.items())
    return f"/stream/insights/{user.pk}/" + (f"?{asked}" if asked else "")


def notification_of(user: User, signal_id: int) -> InsightNotification:
    return InsightNotification.objects.for_user(user).with_signal().get(signal_id=signal_id)
