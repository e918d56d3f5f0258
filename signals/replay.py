"""Replaying the setups of past days over the webhook: in order, paced, waiting out a busy or absent server."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count, islice
from pathlib import Path
from typing import Protocol

from signals import market
from signals.strategies import Setup
from signals.webhook_client import Answer, UnreachableError, WebhookClient

FIRST_BACKOFF_S, LONGEST_BACKOFF_S = 1.0, 15.0
# When a busy server does not say how long to wait, and the longest that it is believed.
BUSY_WAIT_S, LONGEST_BUSY_WAIT_S = 5.0, 60.0
# The replay ends when one alert could not be delivered for so long.
GIVE_UP_AFTER_S = 300.0
# The token is wrong, perhaps because its owner rotated it. (A paused webhook answers 403 and may come back.)
WRONG_TOKEN = frozenset({401, 404, 410})


class ReplayError(Exception):
    """The replay cannot go on; the message says why."""


class Stop(Protocol):
    """A `threading.Event`: set when the replay is asked to end."""

    def is_set(self) -> bool: ...

    def wait(self, timeout: float) -> bool: ...


@dataclass(frozen=True)
class Alert:
    """One setup as it is posted. The id is the same in every run, so that the server accepts it once a round."""

    setup: Setup
    round: int = 1

    @property
    def id(self) -> str:
        suffix = f"-{self.round}" if self.round > 1 else ""
        return f"replay-{self.setup.date}-{self.setup.symbol}-{self.setup.strategy}{suffix}"

    def message(self) -> dict[str, str]:
        """As an alert in TradingView would word it: numbers as text, the exchange before the symbol."""
        setup = self.setup
        return {
            "alert_id": self.id,
            "symbol": f"FX:{setup.symbol}",
            "timeframe": "D",
            "side": setup.side.value,
            "price": str(setup.price),
            "sl": str(setup.sl),
            "tp": str(setup.tp),
            "confidence": str(setup.confidence),
            "strategy": setup.strategy,
            "regime": setup.regime.value,
            "timestamp": market.close_time(setup.date).strftime("%Y-%m-%dT%H:%M:%SZ"),
        }


def alerts(setups: Sequence[Setup], *, loop: bool = False, after: str = "") -> Iterator[Alert]:
    """The setups as alerts, round after round if `loop`; those up to the alert with the id `after` are left out.

    An `after` that is not among them (another period, other symbols) leaves nothing out.
    """
    for number in count(_round(after) if loop else 1) if setups else ():
        this_round = [Alert(setup, number) for setup in setups]
        done = next((index for index, alert in enumerate(this_round, start=1) if alert.id == after), 0)
        yield from islice(this_round, done, None)
        if not loop:
            return


def token_for(setup: Setup, tokens: Sequence[str]) -> str:
    """The same strategy on the same symbol always goes to the same token, so that its owner sees its whole record."""
    digest = hashlib.sha256(f"{setup.symbol}/{setup.strategy}".encode()).digest()
    return tokens[int.from_bytes(digest[:4]) % len(tokens)]


class Position:
    """The id of the last delivered alert for these tokens, kept in a file, so that a later run goes on after it."""

    def __init__(self, path: Path, tokens: Sequence[str]) -> None:
        self._path = path
        # A digest: the file is no place for secrets. The address is left out: the demo's port may change between runs.
        self._key = hashlib.sha256(",".join(sorted(tokens)).encode()).hexdigest()[:16]

    def read(self) -> str:
        """Empty when there was no run yet."""
        return self._all().get(self._key, "")

    def write(self, alert_id: str) -> None:
        positions = self._all() | {self._key: alert_id}
        self._path.parent.mkdir(parents=True, exist_ok=True)
        draft = self._path.with_name(f"{self._path.name}.{os.getpid()}")
        draft.write_text(json.dumps(positions), encoding="utf-8")
        draft.replace(self._path)

    def _all(self) -> dict[str, str]:
        try:
            return dict(json.loads(self._path.read_text(encoding="utf-8")))
        except FileNotFoundError:
            return {}
        except (ValueError, TypeError) as error:
            raise ReplayError(f"{self._path} is damaged: delete it to start from the beginning.") from error


class Pace:
    """The first `burst` at once, then so many a minute; 0 a minute is as fast as the server takes them."""

    def __init__(self, per_minute: float, burst: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._interval_s = 60 / per_minute if per_minute else 0.0
        self._burst_left = burst
        self._clock = clock
        self._next_at = clock()

    def delay_s(self) -> float:
        return max(0.0, self._next_at - self._clock())

    def spend(self) -> None:
        """One was sent. A server that was away is not flooded afterwards: what was missed is not made up for."""
        self._burst_left -= 1
        if self._burst_left <= 0:
            self._next_at = max(self._next_at, self._clock()) + self._interval_s


@dataclass
class Summary:
    accepted: int = 0
    duplicates: int = 0
    refused: int = 0

    def __str__(self) -> str:
        return f"{self.accepted:,} accepted, {self.duplicates:,} already known, {self.refused:,} refused"


@dataclass
class Replay:
    """Delivers alerts one after the other. `say` gets a line about each, and about each wait."""

    client: WebhookClient
    tokens: Sequence[str]
    pace: Pace
    stop: Stop
    say: Callable[[str], None]
    position: Position | None = None
    summary: Summary = field(default_factory=Summary)
    wrong_tokens: set[str] = field(default_factory=set)

    def run(self, all_alerts: Iterator[Alert]) -> Iterator[Alert]:
        """Deliver them, yielding each when it is done, until they or the patience end. Raises ReplayError.

        The alerts for a wrong token are passed over, as long as another token is left.
        """
        for alert in all_alerts:
            token = token_for(alert.setup, self.tokens)
            if token not in self.wrong_tokens and not self._handle(alert, token):
                return
            yield alert

    def _handle(self, alert: Alert, token: str) -> bool:
        """False when the end was asked for before the server had an answer."""
        if self.stop.is_set() or self._pause(self.pace.delay_s()):
            return False
        answer = self._deliver(alert, token)
        if answer is None:
            return False
        if answer.status in WRONG_TOKEN:
            self._give_up_on(token, answer)
        else:
            self._note(alert, answer)
        return True

    def _deliver(self, alert: Alert, token: str) -> Answer | None:
        """Post until the server takes or refuses it; None when the end was asked for meanwhile."""
        waited_s, backoff_s = 0.0, FIRST_BACKOFF_S
        while True:
            answer, trouble = self._post(alert, token)
            if answer and not trouble:
                return answer
            wait_s = _busy_wait_s(answer) if answer and answer.status == 429 else backoff_s
            if waited_s + wait_s > GIVE_UP_AFTER_S:
                raise ReplayError(f"Gave up after {waited_s:.0f} s of trying: {trouble}.")
            self.say(f"{trouble}; trying again in {wait_s:.0f} s")
            if self._pause(wait_s):
                return None
            waited_s, backoff_s = waited_s + wait_s, min(2 * backoff_s, LONGEST_BACKOFF_S)

    def _post(self, alert: Alert, token: str) -> tuple[Answer | None, str]:
        """The answer, and what is the matter when trying again may help. Raises ReplayError when it cannot."""
        try:
            answer = self.client.post(token, alert.message())
        except UnreachableError as error:
            return None, f"The server is not reachable ({error})"
        if 300 <= answer.status < 400:
            raise ReplayError(f"The server redirects ({answer.status}): give its final address with --url.")
        if answer.status == 429:
            return answer, "The server is busy (429)"
        return answer, f"The server has a fault ({answer.status})" if answer.status >= 500 else ""

    def _give_up_on(self, token: str, answer: Answer) -> None:
        self.wrong_tokens.add(token)
        number = self.tokens.index(token) + 1
        self.say(f"The server does not know token {number} of {len(self.tokens)} ({answer.status}); was it rotated?")
        if self.wrong_tokens >= set(self.tokens):
            raise ReplayError("No token is left that the server knows.")

    def _note(self, alert: Alert, answer: Answer) -> None:
        if answer.status == 200:
            self.summary.duplicates += 1
        else:
            self.pace.spend()
            self.say(f"{describe(alert.setup)}: {_verdict(answer)}")
            if answer.status < 300:
                self.summary.accepted += 1
            else:
                self.summary.refused += 1
        if self.position:
            self.position.write(alert.id)

    def _pause(self, seconds: float) -> bool:
        return seconds > 0 and self.stop.wait(seconds)


def describe(setup: Setup) -> str:
    return f"{setup.date} {setup.symbol} {setup.strategy} {setup.side} {setup.price}"


def _busy_wait_s(answer: Answer) -> float:
    return min(LONGEST_BUSY_WAIT_S, max(1.0, answer.retry_after_s or BUSY_WAIT_S))


def _verdict(answer: Answer) -> str:
    if answer.status < 300:
        return f"{answer.body.get('status') or 'not validated yet'} {answer.body.get('truth_index') or ''}".rstrip()
    error = answer.body.get("error")
    reason = (error.get("fields") or error.get("message")) if isinstance(error, dict) else None
    return f"refused ({answer.status}) {json.dumps(reason) if reason else ''}".rstrip()


def _round(alert_id: str) -> int:
    """The round that an alert's id belongs to; 1 for an id that is none of ours."""
    number = alert_id.rsplit("-", 1)[-1]
    return int(number) if alert_id.startswith("replay-") and number.isdigit() else 1
