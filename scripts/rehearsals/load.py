"""What goes on meanwhile: alerts to the webhooks through nginx, as TradingView sends them, and pages that are read.

python -m scripts.rehearsals.load 24    makes so many traders, each with a webhook; prints [{id, cookie, token}, …]
"""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any, Self

from notifications.stream_client import Account
from scripts.stack import ROOT
from signals.webhook_client import Answer, UnreachableError, WebhookClient

ALERTS_PER_S = 10.0
HOUSE_EVERY = 10  # each of those is a notification for every trader
PAGES_PER_S = 2.0
PAGE_TIMEOUT_S = 10
# TradingView's own: a 5xx other than 504 is sent again, up to three times, 5 s later; nothing else is.
ATTEMPTS = 4
AGAIN_AFTER_S = 5.0
SENT_AGAIN = {500, 502, 503}


@dataclass(frozen=True, slots=True)
class Trader:
    user_id: int
    cookie: str
    token: str

    def account(self, site: str) -> Account:
        return Account(site, self.user_id, self.cookie)


@dataclass
class Load:
    """Runs as long as the block. `posted_at` has the signals that the webhook has promised to keep, by id.

    `given_up`: alerts that it has not taken, however often they were sent. `bad_pages` says what was wrong with each.
    """

    site: str
    traders: Sequence[Trader]
    house: str
    posted_at: dict[int, float] = field(default_factory=dict)
    answered_s: list[float] = field(default_factory=list)
    sent_again: int = 0
    given_up: list[str] = field(default_factory=list)
    pages: int = 0
    bad_pages: list[str] = field(default_factory=list)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)
    _clients: threading.local = field(default_factory=threading.local)
    _over: asyncio.Event = field(default_factory=asyncio.Event)

    async def __aenter__(self) -> Self:
        self._pacing = asyncio.gather(self._at(ALERTS_PER_S, self._alert), self._at(PAGES_PER_S, self._look))
        return self

    async def __aexit__(self, *exception: object) -> None:
        """Nothing new is begun; what has been begun is waited for."""
        self._over.set()
        await self._pacing
        await asyncio.gather(*self._tasks)

    async def _at(self, per_s: float, begin: Any) -> None:
        for number in count(1):
            task = asyncio.create_task(begin(number))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
            await asyncio.sleep(1 / per_s)
            if self._over.is_set():
                return

    async def _alert(self, number: int) -> None:
        token = self.house if number % HOUSE_EVERY == 0 else self.traders[number % len(self.traders)].token
        at, refusal = time.monotonic(), ""
        for attempt in range(1, ATTEMPTS + 1):
            try:
                answer, took_s = await asyncio.to_thread(self._post, token, _alert(number))
            except UnreachableError as error:
                refusal = f"no answer: {error}"
                break
            if answer.status in (200, 201):
                self.answered_s.append(took_s)
                self.posted_at[answer.body["signal_id"]] = at
                return
            refusal = f"answered with {answer.status}"
            if answer.status not in SENT_AGAIN or attempt == ATTEMPTS:
                break
            self.sent_again += 1
            await asyncio.sleep(AGAIN_AFTER_S)
        self.given_up.append(refusal)

    def _post(self, token: str, alert: Mapping[str, Any]) -> tuple[Answer, float]:
        """The answer, and after how many seconds. A client is a connection, so each thread has one."""
        if not hasattr(self._clients, "webhook"):
            self._clients.webhook = WebhookClient(self.site)
        began = time.monotonic()
        answer: Answer = self._clients.webhook.post(token, alert)
        return answer, time.monotonic() - began

    async def _look(self, number: int) -> None:
        trader = self.traders[number % len(self.traders)]
        self.pages += 1
        try:
            await asyncio.to_thread(self._page, trader)
        except OSError as error:
            self.bad_pages.append(str(error))

    def _page(self, trader: Trader) -> None:
        """The page with the list, and a file that it names."""
        page = self._get("/notifications/", trader.cookie).decode()
        named = re.search(r'href="(/static/[^"]+)"', page)
        if named is None:
            raise OSError("a page that names no file")
        self._get(named[1])

    def _get(self, path: str, cookie: str = "") -> bytes:
        request = urllib.request.Request(self.site + path, headers={"Cookie": cookie})  # noqa: S310 - our own
        with urllib.request.urlopen(request, timeout=PAGE_TIMEOUT_S) as answer:  # noqa: S310 - our own
            body: bytes = answer.read()
        return body


def _alert(number: int) -> dict[str, Any]:
    """Of so many strategies and symbols that none counts as repeating itself."""
    return {
        "symbol": f"PAIR{number % 997}",
        "timeframe": "1h",
        "side": "buy",
        "price": "1.0850",
        "sl": "1.0800",
        "tp": "1.0960",
        "confidence": 82,
        "strategy": f"Strategy {number % 9973}",
        "regime": "Trend",
        "session": "London",
        "alert_id": f"rehearsal-{number}",
    }


def make_traders(environment: Mapping[str, str], number: int) -> list[Trader]:
    command = [sys.executable, "-m", "scripts.rehearsals.load", str(number)]
    done = subprocess.run(command, cwd=ROOT, env=dict(environment), capture_output=True, text=True, check=True)
    return [Trader(**trader) for trader in json.loads(done.stdout)]


def _make(number: int) -> list[dict[str, Any]]:
    from scripts.faults import writer
    from signals.models import WebhookSource

    made = []
    for trader in writer.make_traders(number):
        source = WebhookSource(name="Rehearsal", user_id=trader["id"])
        made.append({"user_id": trader["id"], "cookie": trader["cookie"], "token": source.rotate_token()})
        source.save()
    return made


if __name__ == "__main__":
    import django

    django.setup()
    print(json.dumps(_make(int(sys.argv[1]))))
