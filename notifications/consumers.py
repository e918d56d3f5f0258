"""The socket that brings a user's notifications to a browser, and takes its commands (protocol version 1).

Rows are the truth. A hint from the channel layer is forwarded unless this socket has had its position already; whatever
a hint failed to bring is found by the client's `sync` or by the process's own tick (`sockets`). Nothing that a client
or a hint contains ends a socket or leaves a handler as an exception.
"""

from __future__ import annotations

import asyncio
import json
import logging
import secrets
from collections.abc import Mapping
from typing import Any

from channels.exceptions import StopConsumer
from channels.generic.websocket import AsyncJsonWebsocketConsumer
from django.db import Error as DatabaseFault

from notifications import commands, frames, realtime, sockets, stream
from notifications.commands import Ack, Command, CommandError, GetUnreadCount, MarkAllRead, MarkRead, Ping, Sync
from notifications.positions import SentPosition
from notifications.sessions import SignIn
from notifications.stream import CatchUp, Position
from notifications.threads import in_database

logger = logging.getLogger(__name__)

REFUSED = 1008  # before the socket was accepted any code is a 403 in the handshake
INTERNAL_FAULT = 1011
SIGNED_OUT = 4401
TOO_MANY_MESSAGES = 4429


class InsightConsumer(AsyncJsonWebsocketConsumer):  # type: ignore[misc]  # channels ships no types
    """One socket of one user at `/stream/insights/<user_id>/[?since=<seq>&epoch=<epoch>]`.

    Refused in the handshake: no session, an inactive user, another's id, one socket too many. `turn` is held by
    whoever is sending, the socket's own task or the tick, so that an answer of several frames stays in one piece.
    """

    user_id: int
    sign_in: SignIn
    position: SentPosition
    joined_at = 0.0
    open = False  # accepted and not closed: what is sent reaches the server at least
    ended = False

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.connection = secrets.token_hex(4)
        self.turn = asyncio.Lock()
        self.flood = commands.Flood()
        self.visible: bool | None = None

    # --- Life -------------------------------------------------------------------------------------------------------

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        self.user_id = scope["url_route"]["kwargs"]["user_id"]
        self.server_send = send
        try:
            await super().__call__(scope, receive, self._send_unless_gone)
        except Exception:
            logger.exception("WebSocket failed user=%s connection=%s", self.user_id, self.connection)
            await self._end(INTERNAL_FAULT)
        finally:  # `disconnect` is not called after a fault of the layer, nor when the server is stopped
            await self._forget()

    async def dispatch(self, message: dict[str, Any]) -> None:
        """One message at a time, each type by its method; another type is of a later release and ignored.

        Stock dispatch visits the shared database thread for every message, which is three quarters of its time, and
        lets a handler's exception end the socket.
        """
        handlers = {
            "websocket.connect": self.websocket_connect,
            "websocket.receive": self.websocket_receive,
            "websocket.disconnect": self.websocket_disconnect,
            realtime.EVENT_TYPE: self.notification_event,
        }
        handler = handlers.get(message.get("type", ""))
        if handler is None:
            logger.debug("Message of type %r ignored", message.get("type"))
            return
        async with self.turn:
            try:
                await handler(message)
            except StopConsumer:
                raise
            except Exception:
                logger.exception("WebSocket message failed user=%s connection=%s", self.user_id, self.connection)

    async def connect(self) -> None:
        try:
            refusal = self._refusal()
            if refusal is None:
                await self._establish()
                return
        except sockets.TooManySocketsError:
            refusal = "too many sockets"
        except Exception:
            logger.exception("WebSocket could not be established user=%s", self.user_id)
            refusal = "fault"
        logger.info("WebSocket refused user=%s: %s", self.user_id, refusal)
        await self._end(REFUSED)
        raise StopConsumer

    async def websocket_disconnect(self, message: dict[str, Any]) -> None:
        code = message.get("code")
        logger.info("WebSocket disconnected user=%s connection=%s code=%s", self.user_id, self.connection, code)
        raise StopConsumer

    async def join_group(self) -> None:
        """Join, or stay joined. A fault of the layer costs hints only, so it is logged and the socket goes on."""
        try:
            await realtime.join(self.user_id, self.channel_name)
        except Exception:
            logger.exception("WebSocket not in its group user=%s connection=%s", self.user_id, self.connection)
        self.joined_at = asyncio.get_running_loop().time()

    async def sign_out(self) -> None:
        """End the socket because its sign-in does not hold any more; nothing is sent on it from now on."""
        logger.info("WebSocket signed out user=%s connection=%s", self.user_id, self.connection)
        await self._end(SIGNED_OUT)

    def _refusal(self) -> str | None:
        user, session_key = self.scope["user"], self.scope["session"].session_key
        if not user.is_authenticated or not user.is_active or not session_key:
            return "not signed in"
        if user.pk != self.user_id:
            return f"signed in as user {user.pk}"
        self.sign_in = SignIn(user.pk, session_key)
        return None

    async def _establish(self) -> None:
        realtime.register_loop(asyncio.get_running_loop())
        sockets.enter(self)
        await self.join_group()  # before the position is read: what comes in between is queued, not lost
        asked = commands.requested_position(self.scope["query_string"])
        if asked is None:
            present = await in_database(stream.position, self.user_id)
            await self._welcome(present, recovered=True)
        else:
            since, epoch = asked
            answer = await in_database(stream.catch_up, self.user_id, since=since, epoch=epoch)
            await self._welcome(answer, recovered=answer.recovered)
            if answer.recovered and (answer.last_seq != since or answer.notifications):
                await self._send_catch_up(answer, since=since)

    async def _welcome(self, present: Position | CatchUp, *, recovered: bool) -> None:
        await self.accept()
        self.open = True
        self.position = SentPosition(present.last_seq, present.epoch, acknowledged=present.last_seq)
        logger.info("WebSocket connected user=%s connection=%s", self.user_id, self.connection)
        await self._send(frames.connection_established(present, recovered=recovered))

    async def _end(self, code: int) -> None:
        self.open = False
        if not self.ended:
            self.ended = True
            await self._send_unless_gone({"type": "websocket.close", "code": code})

    async def _forget(self) -> None:
        sockets.leave(self)
        if self.joined_at:
            try:
                await realtime.leave(self.user_id, self.channel_name)
            except Exception:
                logger.exception("WebSocket left in its group user=%s connection=%s", self.user_id, self.connection)

    # --- Frames out -------------------------------------------------------------------------------------------------

    async def notification_event(self, message: dict[str, Any]) -> None:
        """A hint from the channel layer. An unknown kind is of a later release and ignored."""
        if message.get("recheck") is True:
            registry = sockets.current()
            if registry is not None:
                registry.recheck_soon(self.user_id)
        if message.get("user_id") == self.user_id and _is_frame(message):
            await self._forward(message["seq"], message["frame"])

    async def send_missed(self, answer: CatchUp, *, since: int) -> None:
        """The tick found changes after `since` that no hint brought: send them as if their hints had come."""
        async with self.turn:
            if answer.recovered:
                news = [row for row in answer.notifications if self.position.is_new(row["seq"] or 0)]
                for row in news:  # filtered before, because one change may stamp several rows with one position
                    await self._send(frames.changed_notification(row, unread_count=answer.unread_count))
                self.position.catch_up(answer, since=since, through=since)
            else:
                await self._send_catch_up(answer, since=since, through=since)

    async def _forward(self, seq: int | None, text: str) -> None:
        if seq is None:
            await self._send_text(text)
        elif self.position.is_new(seq):
            await self._send_text(text)
            self.position.sent(seq)

    async def _send_catch_up(self, answer: CatchUp, *, since: int, through: int | None = None) -> None:
        for frame in frames.missed_notifications(answer):
            await self._send(frame)
        self.position.catch_up(answer, since=since, through=self.position.through if through is None else through)

    async def _send(self, frame: Mapping[str, Any]) -> None:
        await self._send_text(json.dumps(frame, allow_nan=False))

    async def _send_text(self, text: str) -> None:
        if self.open:
            await self.send(text_data=text)

    async def _send_unless_gone(self, message: dict[str, Any]) -> None:
        try:
            await self.server_send(message)
        except OSError:  # uvicorn says so when the client is gone; its `websocket.disconnect` follows
            self.open = False

    # --- Frames in --------------------------------------------------------------------------------------------------

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        if not self.open:
            return
        if self.flood.rises(asyncio.get_running_loop().time()):
            logger.warning("WebSocket sends too many messages user=%s connection=%s", self.user_id, self.connection)
            await self._end(TOO_MANY_MESSAGES)
            return
        try:
            command = commands.parse(text_data, bytes_data)
        except CommandError as error:
            await self._send(frames.error(error.code, error.message, error.command))
            return
        await self._obey_or_say_why_not(command)

    async def _obey_or_say_why_not(self, command: Command) -> None:
        try:
            await self._obey(command)
        except DatabaseFault:
            logger.exception("WebSocket command %s failed user=%s", command.name, self.user_id)
            await self._send(frames.error("unavailable", "The database is away; try again soon.", command.name))
        except Exception:
            logger.exception("WebSocket command %s failed user=%s", command.name, self.user_id)
            await self._send(frames.error("internal", "The server could not do that.", command.name))

    async def _obey(self, command: Command) -> None:
        match command:
            case MarkRead():
                await self._mark_read(command)
            case MarkAllRead():
                await self._mark_all_read(command)
            case GetUnreadCount():
                await self._send(frames.unread_count(await in_database(stream.unread_count, self.user_id)))
            case Sync():
                await self._bring_up_to_date(command)
            case Ack():
                await self._acknowledge(command)
            case Ping():
                await self._send(frames.pong())
            case _:
                self.visible = command.visible

    async def _mark_read(self, command: MarkRead) -> None:
        result = await in_database(stream.mark_read, self.user_id, command.notification_id)
        unread = result.unread_count if result else await in_database(stream.unread_count, self.user_id)
        await self._send(frames.mark_read_response(command.notification_id, result, unread_count=unread))

    async def _mark_all_read(self, command: MarkAllRead) -> None:
        """Without a position: up to what was last sent here, so that what arrives during the click stays unread."""
        up_to = self.position.highest if command.up_to_seq is None else command.up_to_seq
        result = await in_database(stream.mark_all_read, self.user_id, up_to)
        await self._send(frames.mark_all_read_response(result))

    async def _bring_up_to_date(self, command: Sync) -> None:
        await self.join_group()
        answer = await in_database(stream.catch_up, self.user_id, since=command.since, epoch=command.epoch)
        await self._send_catch_up(answer, since=command.since)

    async def _acknowledge(self, command: Ack) -> None:
        after, up_to = self.position.acknowledged, self.position.acknowledgeable(command.seq)
        visible = self.visible if command.visible is None else command.visible
        if up_to > after:  # a browser acknowledges several times a second; most of it is nothing new
            await in_database(stream.acknowledge, self.user_id, after=after, up_to=up_to, visible=visible)
            self.position.acknowledged = up_to


def _is_frame(message: Mapping[str, Any]) -> bool:
    """Whether a hint can be forwarded; another server's mistake is no reason to end this socket."""
    seq = message.get("seq", 0)  # a frame without a position says so
    return isinstance(message.get("frame"), str) and (seq is None or (type(seq) is int and seq > 0))
