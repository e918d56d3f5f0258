"""Follows a trader's insights: ZENITHEDGE_PASSWORD=… python client.py http://127.0.0.1:8000 alice

Needs Python 3.11 or newer and `pip install websockets`. docs/tutorial.md explains it; docs/protocol.md is the protocol.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import sys
from collections.abc import Callable
from contextlib import suppress
from http.cookiejar import CookieJar
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import HTTPCookieProcessor, Request, build_opener

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake

Row = dict[str, Any]

SIGNED_OUT = 4401
TOO_MANY_MESSAGES = 4429
UNANSWERED = 4000  # our own: closed by this side because nothing came back

CHANGES = {"new_notification", "notification_updated", "notification_read", "notification_unread", "brief"}

RECONNECT_MIN_S, RECONNECT_MAX_S = 0.5, 10.0
SYNC_EVERY_S = 25.0
SYNC_JITTER = 0.2
ANSWER_WITHIN_S = 10.0
GAP_S = 0.3
ACK_EVERY_S = 0.25


def backoff_s(attempt: int) -> float:
    """Full jitter: anywhere between the minimum and a ceiling that doubles with each failed attempt (1, 2, …)."""
    return random.uniform(RECONNECT_MIN_S, min(RECONNECT_MAX_S, RECONNECT_MIN_S * 2 ** min(attempt, 10)))


class SignedOutError(Exception):
    """Nobody is signed in, or not any more."""


class Session:
    """Who is signed in where. What it asks blocks. Raises OSError while the site is away."""

    def __init__(self, site: str) -> None:
        self.site = site.rstrip("/")
        self._cookies = CookieJar()
        self._opener = build_opener(HTTPCookieProcessor(self._cookies))

    def sign_in(self, username: str, password: str) -> None:
        self._open("/accounts/login/")  # brings the CSRF cookie
        token = next(cookie.value for cookie in self._cookies if cookie.name == "csrftoken")
        form = {"username": username, "password": password, "csrfmiddlewaretoken": token}
        self._open("/accounts/login/", urlencode(form).encode())
        if not any(cookie.name == "sessionid" for cookie in self._cookies):
            raise SignedOutError(f"Could not sign in as {username}.")

    def get(self, path: str) -> dict[str, Any]:
        """The API's answer."""
        try:
            answer: dict[str, Any] = json.loads(self._open(f"/notifications/api/{path}"))
        except HTTPError as error:
            if error.code == 401:
                raise SignedOutError from error
            raise
        return answer

    @property
    def cookie(self) -> str:
        return "; ".join(f"{cookie.name}={cookie.value}" for cookie in self._cookies)

    def _open(self, path: str, form: bytes | None = None) -> bytes:
        request = Request(self.site + path, form, {"Origin": self.site})
        with self._opener.open(request, timeout=ANSWER_WITHIN_S) as answer:
            body: bytes = answer.read()
        return body


class Insights:
    """State from frames. `tell` is called with each unread insight that was not known before."""

    def __init__(self, tell: Callable[[Row], None]) -> None:
        self.rows: dict[int, Row] = {}
        self.position = 0
        self.epoch = ""
        self.stale = True
        self._horizon = 0
        self._tell = tell

    @property
    def behind(self) -> bool:
        """Whether the server is known to be further: something was missed."""
        return not self.stale and self._horizon > self.position

    def replace(self, answer: dict[str, Any]) -> None:
        """The list as read over HTTP takes the place of everything."""
        known = self.rows if answer["epoch"] == self.epoch else {}
        first = self.epoch == ""
        self.rows = {row["id"]: row for row in answer["notifications"]}
        self.position, self.epoch, self.stale = answer["last_seq"], answer["epoch"], False
        if not first:
            self._announce([row for row in self.rows.values() if row["id"] not in known])

    def receive(self, frame: dict[str, Any]) -> None:
        if frame["type"] == "connection_established":
            if frame["recovered"]:
                self._horizon = max(self._horizon, frame["last_seq"])
            else:
                self._become_stale()
        elif frame["type"] == "missed_notifications":
            self._catch_up(frame)
        elif frame["type"] in CHANGES:
            self._horizon = max(self._horizon, frame["seq"])
            if not self.stale:
                self._apply(frame)

    def _become_stale(self) -> None:
        self.stale = True
        self._horizon = 0  # it may have been counted by another epoch

    def _catch_up(self, page: dict[str, Any]) -> None:
        if not page["recovered"] or page["epoch"] != self.epoch:
            self._become_stale()
            return
        self._horizon = max(self._horizon, page["last_seq"])
        if self.stale:  # the list is being read
            return
        self._put(page["notifications"])
        if not page["more"]:
            self.position = max(self.position, page["last_seq"])

    def _apply(self, frame: dict[str, Any]) -> None:
        """A row says what it is now, whatever came before; the rows of a brief come with the sync."""
        is_next = frame["seq"] == self.position + 1
        if frame["type"] == "brief":
            return
        if "notification" in frame:
            self._put([frame["notification"]])
        elif is_next:
            self._mark(frame)
        if is_next:
            self.position = frame["seq"]

    def _put(self, rows: list[Row]) -> None:
        fresh = [row for row in rows if row["id"] not in self.rows]
        for row in rows:
            if row["id"] not in self.rows or self.rows[row["id"]]["seq"] <= row["seq"]:
                self.rows[row["id"]] = row
        self._announce(fresh)

    def _mark(self, frame: dict[str, Any]) -> None:
        for row in self.rows.values():
            if frame["type"] == "notification_unread":
                meant = row["seq"] == frame["read_at_seq"] and row["read"] and is_live(row)
            elif "ids" in frame:
                meant = row["id"] in frame["ids"]
            else:
                meant = is_unread(row) and row["seq"] <= frame["up_to_seq"]
            if meant:
                row.update(read=frame["type"] == "notification_read", seq=frame["seq"])

    def _announce(self, rows: list[Row]) -> None:
        for row in sorted(filter(is_unread, rows), key=lambda row: row["seq"]):
            self._tell(row)


def is_unread(row: Row) -> bool:
    return not row["read"] and is_live(row)


def is_live(row: Row) -> bool:
    return not row["expired_at"] and not row["superseded_by"]


class Client:
    def __init__(self, session: Session, insights: Insights) -> None:
        self._session = session
        self._insights = insights
        self._stream = ""
        self._greeted = False
        self._acknowledged = 0
        self._attempt = 0
        self._due: dict[str, float] = {}  # what is to be done, and when by the loop's clock

    async def run(self) -> None:
        """Read the list, then follow it. Raises SignedOutError when nobody is signed in any more."""
        answer = await asyncio.to_thread(self._session.get, "list/?limit=100")
        self._insights.replace(answer)
        self._stream = answer["stream"]
        print(f"{answer['unread_count']} unread", flush=True)
        while True:
            code = await self._follow_one_socket()
            if code == SIGNED_OUT or not self._greeted:
                await self._check_sign_in()
            self._attempt = 10 if code == TOO_MANY_MESSAGES else self._attempt + 1
            await asyncio.sleep(backoff_s(self._attempt))

    async def _follow_one_socket(self) -> int:
        """Open a socket and follow it to its end; gives the code that ended it."""
        query = urlencode({"since": self._insights.position, "epoch": self._insights.epoch})
        address = f"ws{self._session.site.removeprefix('http')}{self._stream}?{query}"
        self._greeted, self._acknowledged = False, self._insights.position
        try:
            async with connect(
                address, additional_headers={"Cookie": self._session.cookie}, ping_interval=None, proxy=None
            ) as socket:
                return await self._follow(socket)
        except (OSError, InvalidHandshake):  # TimeoutError is an OSError
            return 0

    async def _follow(self, socket: ClientConnection) -> int:
        self._due = {"answer": now() + ANSWER_WITHIN_S}
        try:
            while True:
                try:
                    async with asyncio.timeout_at(min(self._due.values(), default=None)):
                        text = await socket.recv()
                except TimeoutError:
                    pass
                else:
                    self._receive(json.loads(text))
                self._plan()
                await self._do_what_is_due(socket)
        except ConnectionClosed as closed:
            return closed.rcvd.code if closed.rcvd else 1006

    def _receive(self, frame: dict[str, Any]) -> None:
        self._due.pop("answer", None)
        if frame["type"] == "connection_established":
            self._greeted, self._attempt = True, 0
            self._due["beat"] = next_beat()
        if frame["type"] == "error":
            print(f"Refused: {frame['message']}", file=sys.stderr)
        self._insights.receive(frame)

    def _plan(self) -> None:
        if self._insights.stale and self._greeted:
            self._due.setdefault("list", now())
        elif self._insights.behind:
            self._due.setdefault("gap", now() + GAP_S)
        if self._insights.position > self._acknowledged:
            self._due.setdefault("ack", now())

    async def _do_what_is_due(self, socket: ClientConnection) -> None:
        for name in [name for name, at in self._due.items() if at <= now()]:
            del self._due[name]
            if name == "ack":
                await self._acknowledge(socket)
            elif name == "list":
                await self._read_list(socket)
            elif name == "answer":
                await socket.close(UNANSWERED)
            elif name == "beat" or self._insights.behind:
                await self._sync(socket)

    async def _sync(self, socket: ClientConnection) -> None:
        await send(socket, command="sync", since=self._insights.position, epoch=self._insights.epoch)
        self._due["beat"] = next_beat()
        self._due.setdefault("answer", now() + ANSWER_WITHIN_S)

    async def _acknowledge(self, socket: ClientConnection) -> None:
        if self._insights.position > self._acknowledged:
            self._acknowledged = self._insights.position
            await send(socket, command="ack", seq=self._acknowledged, visible=True)
            self._due["ack"] = now() + ACK_EVERY_S

    async def _read_list(self, socket: ClientConnection) -> None:
        """What comes meanwhile waits in the connection, and is applied after the list."""
        try:
            self._insights.replace(await asyncio.to_thread(self._session.get, "list/?limit=100"))
        except OSError:
            await socket.close(UNANSWERED)  # and once more when it is open again

    async def _check_sign_in(self) -> None:
        with suppress(OSError):  # a site that is away has not said no
            await asyncio.to_thread(self._session.get, "unread-count/")


async def send(socket: ClientConnection, **command: Any) -> None:
    await socket.send(json.dumps(command))


def now() -> float:
    return asyncio.get_running_loop().time()


def next_beat() -> float:
    """Every now and then: what was lost last is followed by nothing that would show the gap."""
    return now() + SYNC_EVERY_S * (1 + SYNC_JITTER * random.uniform(-1, 1))


def main(site: str, username: str) -> None:
    def tell(row: Row) -> None:
        print(f"#{row['id']} {row['title']}, {row['confidence']}%", flush=True)

    session = Session(site)
    try:
        session.sign_in(username, os.environ["ZENITHEDGE_PASSWORD"])
        asyncio.run(Client(session, Insights(tell)).run())
    except (SignedOutError, OSError) as error:
        sys.exit(str(error) or "Signed out.")


if __name__ == "__main__":
    main(*sys.argv[1:])
