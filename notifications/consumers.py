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
from contextlib import suppress
from typing import Any

from channels.exceptions import StopConsumer
from channels.generic.websocket import AsyncJsonWebsocketConsumer
from django.db import Error as DatabaseFault
from structlog.contextvars import bind_contextvars

from notifications import commands, frames, metrics, sessions, sockets, stream
from notifications.commands import Ack, Command, CommandError, GetUnreadCount, MarkAllRead, MarkRead, Ping, Sync
from notifications.origins import REFUSED
from notifications.outbox import Outbox
from notifications.positions import SentPosition
from notifications.sessions import SignIn
from notifications.stream import CatchUp, Position
from notifications.threads import Together, in_database

logger = logging.getLogger(__name__)

INTERNAL_FAULT = 1011
RESTARTING = 1012
SIGNED_OUT = 4401
TOO_MANY_MESSAGES = 4429

# Hints that may wait for the end of an answer; whatever is dropped here is found by the tick.
MAX_HELD_HINTS = 200

# Sockets that are opened together are looked up together. By name, so that what is asked is looked up when it is asked.
sign_ins: Together[SignIn, bool] = Together(lambda asked: sessions.validity(asked))
positions: Together[int, Position] = Together(lambda asked: stream.positions(asked))


class InsightConsumer(AsyncJsonWebsocketConsumer):  # type: ignore[misc]  # channels ships no types
    """One socket of one user at `/stream/insights/<user_id>/[?since=<seq>&epoch=<epoch>]`.

    Refused in the handshake: no session, an inactive user, another's id, one socket too many. It has no channel of its
    own: the process's hub hears for all (`sockets`). While a command is being answered, or the socket established,
    hints are held, so that they follow the answer that does not know of them; `held` is None in between.
    """

    user_id: int
    sign_in: SignIn
    position: SentPosition
    held: list[tuple[int | None, str]] | None = None
    visible: bool | None = None
    braked = False  # as this socket was last told
    open = False  # accepted and not closed: what is sent reaches the server at least
    ended = False
    close_code: int | None = None

    # --- Life -------------------------------------------------------------------------------------------------------

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        self.user_id = scope["url_route"]["kwargs"]["user_id"]
        self.connection = secrets.token_hex(4)
        bind_contextvars(user_id=self.user_id, connection_id=self.connection)
        self.flood, self.sync_pace = commands.Flood(), commands.SyncPace()
        self.scope, self.base_send = scope, send
        self.outbox = Outbox(send, self)
        try:
            with suppress(StopConsumer):
                await self._serve(receive)
        except asyncio.CancelledError:  # daphne, told to end; its clients would see a broken connection
            self._end(RESTARTING)
            raise
        except Exception:
            logger.exception("WebSocket failed user=%s connection=%s", self.user_id, self.connection)
            self._end(INTERNAL_FAULT)
        finally:  # `disconnect` is not called after a fault, nor when the server is stopped
            self._forget()

    async def dispatch(self, message: dict[str, Any]) -> None:
        """One message from the server at a time, each type by its method."""
        handlers = {
            "websocket.connect": self.websocket_connect,
            "websocket.receive": self.websocket_receive,
            "websocket.disconnect": self.websocket_disconnect,
        }
        self.held = []
        try:
            await handlers[message["type"]](message)
        except (StopConsumer, asyncio.CancelledError):
            raise
        except Exception:
            logger.exception("WebSocket message failed user=%s connection=%s", self.user_id, self.connection)
        finally:
            self._release_held()

    async def connect(self) -> None:
        try:
            refusal = await self._refusal()
            if refusal is None:
                await self._establish()
                return
        except sockets.TooManySocketsError:
            refusal = "too many sockets"
        except Exception:
            logger.exception("WebSocket could not be established user=%s", self.user_id)
            refusal = "fault"
        logger.info("WebSocket refused user=%s: %s", self.user_id, refusal)
        metrics.SOCKETS_REFUSED.labels(refusal).inc()
        self._end(REFUSED)
        raise StopConsumer

    async def websocket_disconnect(self, message: dict[str, Any]) -> None:
        code = message.get("code")
        logger.info("WebSocket disconnected user=%s connection=%s code=%s", self.user_id, self.connection, code)
        self.close_code = self.close_code or code
        raise StopConsumer

    async def _serve(self, receive: Any) -> None:
        while True:
            await self.dispatch(await receive())
            await self.outbox.flow()  # a client that does not read its answers is not listened to either

    async def _refusal(self) -> str | None:
        sign_in = self._presented_sign_in()
        if sign_in is None:
            return "not signed in"
        if not await sign_ins.ask(sign_in):
            return "not signed in as this user"
        self.sign_in = sign_in
        return None

    def _presented_sign_in(self) -> SignIn | None:
        if self.user_id > commands.MAX_POSITION:
            return None
        user = self.scope.get("user")
        if user is not None:  # no server says so: an application around this one does, and vouches for it
            return SignIn(self.user_id, None) if user.is_authenticated and user.pk == self.user_id else None
        key = sessions.presented_key(self.scope["headers"])
        return SignIn(self.user_id, key) if key else None

    async def _establish(self) -> None:
        await sockets.enter(self)  # heard of before the position is read: what comes in between is held, not lost
        asked = commands.requested_position(self.scope["query_string"])
        if asked is None:
            await self._welcome(await positions.ask(self.user_id), recovered=True)
        else:
            since, epoch = asked
            answer = await in_database(stream.catch_up, self.user_id, since=since, epoch=epoch)
            await self._welcome(answer, recovered=answer.recovered)
            if answer.recovered and (answer.last_seq != since or answer.notifications):
                self._send_catch_up(answer, since=since)

    async def _welcome(self, present: Position | CatchUp, *, recovered: bool) -> None:
        await self.accept()
        self.open = True
        self.position = SentPosition(present.last_seq, present.epoch, acknowledged=present.last_seq)
        self.braked = present.braked
        metrics.SOCKETS_OPENED.inc()
        metrics.SOCKETS_OPEN.inc()
        logger.info("WebSocket connected user=%s connection=%s", self.user_id, self.connection)
        self._send(frames.connection_established(present, recovered=recovered))
        self.scope["headers"].clear()  # held by the server as long as the socket lives, and of no use any more
        self.scope = {}

    def _end(self, code: int) -> None:
        self.open = False
        if not self.ended:
            self.ended = True
            self.close_code = code
            self.outbox.end({"type": "websocket.close", "code": code})

    def _forget(self) -> None:
        sockets.leave(self)
        if hasattr(self, "position"):
            self.open = False
            metrics.SOCKETS_OPEN.dec()
            metrics.SOCKETS_CLOSED.labels(metrics.close_label(self.close_code)).inc()

    # --- Asked by the process's sockets -----------------------------------------------------------------------------

    @property
    def idle(self) -> bool:
        """Whether everything that was to be sent has been: no answer under way, no client that does not read."""
        return self.held is None and self.outbox.flows

    def forward(self, seq: int | None, text: str) -> None:
        """A hint: send it, unless this socket has had that position."""
        if self.held is not None:
            if len(self.held) < MAX_HELD_HINTS:
                self.held.append((seq, text))
            else:
                metrics.HINTS_DROPPED.labels("slow_answer").inc()
        elif self.open and (seq is None or self.position.is_new(seq)) and self.outbox.offer(text) and seq is not None:
            self.position.sent(seq)

    def send_missed(self, answer: CatchUp, *, since: int) -> None:
        """The tick found changes after `since` that no hint brought: send them as if their hints had come."""
        if not answer.recovered:
            self._send_catch_up(answer, since=since, through=since)
            return
        news = [row for row in answer.notifications if self.position.is_new(row["seq"] or 0)]
        for row in news:  # filtered before, because one change may stamp several rows with one position
            self._send(frames.changed_notification(row, unread_count=answer.unread_count))
        self.position.catch_up(answer, since=since, through=since)

    def tell_of_brake(self, *, braked: bool) -> None:
        """Sending was stopped for everybody, or goes on."""
        self.braked = braked
        self.forward(None, json.dumps(frames.sending(stopped=braked)))

    def sign_out(self) -> None:
        """End the socket because its sign-in does not hold any more; nothing is sent on it from now on."""
        logger.info("WebSocket signed out user=%s connection=%s", self.user_id, self.connection)
        self._end(SIGNED_OUT)

    # --- Told by the outbox -----------------------------------------------------------------------------------------

    def gone(self) -> None:
        self.open = False  # the server's `websocket.disconnect` follows

    def stuck(self) -> None:
        logger.warning("WebSocket takes nothing user=%s connection=%s", self.user_id, self.connection)
        self.open = False
        self.ended = True
        abort(self.base_send)

    def fell_behind(self) -> None:
        sockets.look_after(self)

    # --- Frames out -------------------------------------------------------------------------------------------------

    def _release_held(self) -> None:
        held, self.held = self.held or (), None
        for seq, text in held:
            self.forward(seq, text)

    def _send_catch_up(self, answer: CatchUp, *, since: int, through: int | None = None) -> None:
        for frame in frames.missed_notifications(answer):
            self._send(frame)
        self.position.catch_up(answer, since=since, through=self.position.through if through is None else through)

    def _send(self, frame: Mapping[str, Any]) -> None:
        if self.open:
            self.outbox.put(json.dumps(frame, allow_nan=False))

    # --- Frames in --------------------------------------------------------------------------------------------------

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        if not self.open:
            return
        if self.flood.rises(asyncio.get_running_loop().time()):
            logger.warning("WebSocket sends too many messages user=%s connection=%s", self.user_id, self.connection)
            self._end(TOO_MANY_MESSAGES)
            return
        try:
            command = commands.parse(text_data, bytes_data)
        except CommandError as error:
            self._send(frames.error(error.code, error.message, error.command))
            return
        await self._obey_or_say_why_not(command)

    async def _obey_or_say_why_not(self, command: Command) -> None:
        try:
            await self._obey(command)
        except DatabaseFault:
            logger.exception("WebSocket command %s failed user=%s", command.name, self.user_id)
            self._send(frames.error("unavailable", "The database is away; try again soon.", command.name))
        except Exception:
            logger.exception("WebSocket command %s failed user=%s", command.name, self.user_id)
            self._send(frames.error("internal", "The server could not do that.", command.name))

    async def _obey(self, command: Command) -> None:
        match command:
            case MarkRead():
                await self._mark_read(command)
            case MarkAllRead():
                await self._mark_all_read(command)
            case GetUnreadCount():
                self._send(frames.unread_count(await in_database(stream.unread_count, self.user_id)))
            case Sync():
                await self._bring_up_to_date(command)
            case Ack():
                await self._acknowledge(command)
            case Ping():
                self._send(frames.pong())
            case _:
                self.visible = command.visible

    async def _mark_read(self, command: MarkRead) -> None:
        result = await in_database(stream.mark_read, self.user_id, command.notification_id)
        unread = result.unread_count if result else await in_database(stream.unread_count, self.user_id)
        self._send(frames.mark_read_response(command.notification_id, result, unread_count=unread))

    async def _mark_all_read(self, command: MarkAllRead) -> None:
        """Without a position: up to what was last sent here, so that what arrives during the click stays unread."""
        up_to = self.position.highest if command.up_to_seq is None else command.up_to_seq
        result = await in_database(stream.mark_all_read, self.user_id, up_to)
        self._send(frames.mark_all_read_response(result))

    async def _bring_up_to_date(self, command: Sync) -> None:
        await self._keep_pace()
        answer = await in_database(stream.catch_up, self.user_id, since=command.since, epoch=command.epoch)
        self._send_catch_up(answer, since=command.since)

    async def _keep_pace(self) -> None:
        """Let a client that syncs too often wait for its turn; what comes meanwhile need not wait with it."""
        wait_s = self.sync_pace.wait_s(asyncio.get_running_loop().time())
        if wait_s:
            self._release_held()
            await asyncio.sleep(wait_s)
            self.held = []

    async def _acknowledge(self, command: Ack) -> None:
        after, up_to = self.position.acknowledged, self.position.acknowledgeable(command.seq)
        visible = self.visible if command.visible is None else command.visible
        if up_to > after:  # a browser acknowledges several times a second; most of it is nothing new
            await in_database(stream.acknowledge, self.user_id, after=after, up_to=up_to, visible=visible)
            self.position.acknowledged = up_to


def abort(send: Any) -> None:
    """Cut the connection behind a server's `send`: a close frame would wait for a client that takes nothing.

    ASGI has no word for it. Both servers' `send` is a method of the connection, which knows its transport.
    """
    transport = getattr(getattr(send, "__self__", None), "transport", None)
    cut = getattr(transport, "abort", None) or getattr(transport, "abortConnection", None)
    if cut is not None:
        cut()
