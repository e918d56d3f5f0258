"""A small load on a living installation: alerts to its webhooks, and how long each takes to the trader's socket.

It makes traders of its own (`probe_traders`), so that nobody real is told anything.
"""

from __future__ import annotations

import asyncio
import math
import secrets
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from notifications.probe_traders import Trader
from notifications.stream_client import Account, Clients, StreamClient
from notifications.stream_state import Row
from signals.webhook_client import UnreachableError, WebhookClient

SENDERS = 4  # connections over which the alerts are posted, each one after the other
# 503 means "send it again", which TradingView does up to three times, if later than this.
ATTEMPTS = 4
AGAIN_AFTER_S = 0.5
CONNECTED_WITHIN_S = 30
# What has not come by then is lost: a client that follows the protocol has asked by itself meanwhile.
LOST_AFTER_S = 45
POLL_S = 0.02


class LoadTestError(Exception):
    """The test could not be made; the text says why."""


@dataclass(slots=True)
class Outcome:
    """`answered_s` and `shown_s`: from the moment an alert is posted until its answer, and until the socket has it."""

    posted: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    answered_s: list[float] = field(default_factory=list)
    shown_s: list[float] = field(default_factory=list)
    lost: int = 0
    doubled: int = 0

    def passes(self, *, slowest_s: float) -> bool:
        """Every alert was taken, and every insight came, once, in time."""
        complete = not self.refused and not self.lost and not self.doubled and len(self.shown_s) == self.posted
        return complete and max(self.shown_s, default=0.0) <= slowest_s


def percentile(values: Sequence[float], percent: float) -> float:
    """The smallest value that so many percent of them do not exceed; 0 for none."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)] if ordered else 0.0


# --- The load -------------------------------------------------------------------------------------------------------


def measure(site: str, load_traders: Sequence[Trader], insights: int) -> Outcome:
    """Open a socket for each trader, post the alerts without a pause, in turn, and wait for what they become."""
    return asyncio.run(_measure(site, load_traders, insights))


async def _measure(site: str, load_traders: Sequence[Trader], insights: int) -> Outcome:
    arrivals: dict[int, float] = {}

    def arrived(row: Row) -> None:
        arrivals.setdefault(row["signal_id"], time.perf_counter())

    clients = [
        StreamClient(Account(site, trader.user_id, trader.cookie), on_arrival=arrived) for trader in load_traders
    ]
    async with Clients(clients):
        await _wait_until_level(clients)
        outcome = Outcome(posted=insights)
        posted_at = await _post_all(site, load_traders, outcome)
        await _wait_until_arrived(posted_at, arrivals)
    outcome.shown_s = [arrivals[number] - at for number, at in posted_at.items() if number in arrivals]
    outcome.lost = sum(number not in arrivals for number in posted_at)
    outcome.doubled = sum(len(client.state.tally.twice) for client in clients)
    return outcome


async def _wait_until_level(clients: Sequence[StreamClient]) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(CONNECTED_WITHIN_S):
            while not all(client.level for client in clients):  # noqa: ASYNC110 - of many clients, no one event
                await asyncio.sleep(POLL_S)
            return
    level = sum(client.level for client in clients)
    raise LoadTestError(f"Only {level} of {len(clients)} sockets were open after {CONNECTED_WITHIN_S} s.")


async def _wait_until_arrived(posted_at: dict[int, float], arrivals: dict[int, float]) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(LOST_AFTER_S):
            while not posted_at.keys() <= arrivals.keys():  # noqa: ASYNC110 - of many clients, no one event
                await asyncio.sleep(POLL_S)


async def _post_all(site: str, load_traders: Sequence[Trader], outcome: Outcome) -> dict[int, float]:
    """The moments at which alerts that became signals were posted, by signal id."""
    loop = asyncio.get_running_loop()
    tokens = [load_traders[number % len(load_traders)].token for number in range(outcome.posted)]
    with ThreadPoolExecutor(SENDERS) as senders:
        shares = [tokens[start::SENDERS] for start in range(min(SENDERS, len(tokens)))]
        done = await asyncio.gather(*(loop.run_in_executor(senders, _post_share, site, share) for share in shares))
    posted_at: dict[int, float] = {}
    for posts in done:
        for post in posts:
            if post.signal_id is None:
                outcome.refused[post.refusal] += 1
            else:
                posted_at[post.signal_id] = post.at
                outcome.answered_s.append(post.answered_s)
    return posted_at


@dataclass(frozen=True, slots=True)
class _Post:
    at: float
    answered_s: float
    signal_id: int | None
    refusal: str = ""


def _post_share(site: str, tokens: Sequence[str]) -> list[_Post]:
    client = WebhookClient(site)
    try:
        return [_post(client, token) for token in tokens]
    finally:
        client.close()


def _post(client: WebhookClient, token: str) -> _Post:
    """The times count from the first attempt on."""
    at, alert = time.perf_counter(), _alert()
    for attempt in range(1, ATTEMPTS + 1):
        try:
            answer = client.post(token, alert)
        except UnreachableError as error:
            return _Post(at, time.perf_counter() - at, None, f"no answer: {error}")
        if answer.status != 503 or attempt == ATTEMPTS:
            break
        time.sleep(AGAIN_AFTER_S)
    signal_id = answer.body.get("signal_id") if answer.status in (200, 201) else None
    return _Post(at, time.perf_counter() - at, signal_id, f"answered with {answer.status}")


def _alert() -> dict[str, Any]:
    return {
        "symbol": "EURUSD",
        "timeframe": "1h",
        "side": "buy",
        "price": "1.0850",
        "sl": "1.0800",
        "tp": "1.0960",
        "confidence": 82,
        "strategy": "Load test",
        "alert_id": secrets.token_hex(8),
    }
