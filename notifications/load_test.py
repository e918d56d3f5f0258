"""A small load on a living installation: alerts to its webhooks, and how long each takes to the trader's socket.

It makes traders of its own, with a session and a webhook each, so that nobody real is told anything; deleting them
deletes everything that came of it.
"""

from __future__ import annotations

import asyncio
import math
import secrets
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY, get_user_model
from django.contrib.auth.models import User
from django.db import transaction

from notifications.models import Inbox, NotificationPreference
from notifications.stream_client import Account, Clients, StreamClient
from notifications.stream_state import Row
from signals.models import WebhookSource
from signals.webhook_client import UnreachableError, WebhookClient

# Nobody signs up with it: .invalid is reserved (RFC 2606).
EMAIL_DOMAIN = "load-test.invalid"
NAME_PREFIX = "load-test-"

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


@dataclass(frozen=True, slots=True)
class Trader:
    user_id: int
    cookie: str
    token: str


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


# --- The traders ----------------------------------------------------------------------------------------------------


@contextmanager
def traders(count: int) -> Iterator[list[Trader]]:
    """Traders to whom every insight of their own is shown; afterwards they and all that is theirs are gone."""
    run = secrets.token_hex(4)
    made: list[Trader] = []
    try:
        with transaction.atomic():
            made = [_make_trader(f"{NAME_PREFIX}{run}-{number:04}") for number in range(1, count + 1)]
        yield made
    finally:
        for trader in made:
            _session_store(trader.cookie.partition("=")[2]).delete()
        remove_traders(f"{NAME_PREFIX}{run}-")


def remove_traders(prefix: str = NAME_PREFIX) -> int:
    """Delete the test's traders, of one run or of every one that was killed; returns how many.

    Sessions of a killed run end by themselves: they are for an hour, and of nobody.
    """
    users = get_user_model()._default_manager.filter(
        username__startswith=prefix, email__endswith=f"@{EMAIL_DOMAIN}", is_staff=False
    )
    count: int = users.count()
    users.delete()
    return count


def _make_trader(name: str) -> Trader:
    user = get_user_model()._default_manager.create(username=name, email=f"{name}@{EMAIL_DOMAIN}")
    user.set_unusable_password()
    user.save(update_fields=["password"])
    NotificationPreference.objects.filter(user=user).update(min_confidence=0)
    Inbox.objects.get_or_create(user=user)
    source = WebhookSource(user=user, name="Load test")
    token = source.rotate_token()
    source.save()
    return Trader(user.pk, session_cookie(user), token)


def session_cookie(user: User, *, lasts_s: int = 60 * 60) -> str:
    """The `Cookie` header of a new session in which the user is signed in."""
    session = _session_store()
    session[SESSION_KEY] = str(user.pk)
    session[BACKEND_SESSION_KEY] = settings.AUTHENTICATION_BACKENDS[-1]
    session[HASH_SESSION_KEY] = user.get_session_auth_hash()
    session.set_expiry(lasts_s)
    session.create()
    return f"{settings.SESSION_COOKIE_NAME}={session.session_key}"


def _session_store(key: str | None = None) -> Any:
    return import_module(settings.SESSION_ENGINE).SessionStore(key)


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
