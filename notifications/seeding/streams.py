"""One person's month: what came, was held and let go, read, replaced and ran out, each change at its position."""

from __future__ import annotations

import datetime as dt
import heapq
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from enum import IntEnum
from itertools import count
from random import Random

from notifications.delivery import draining, webpush, websocket
from notifications.models import DeliveryState
from notifications.payloads import to_milliseconds
from notifications.preferences import AT_ONCE, Channel, Decision, Reason, Rules, Verdict
from notifications.retention import SUPPRESSION_DAYS
from notifications.seeding.insights import Insight, Score
from notifications.seeding.people import Person
from signals.models import ValidationStatus

JUST_NOW = dt.timedelta(minutes=20)  # what is younger may still be on its way to a push service or an address
PENDING_AFTER = dt.timedelta(minutes=5)
MOST_EXPIRY_WAIT_S = 30.0


@dataclass(frozen=True, slots=True)
class Arrival:
    """One revision of an insight, decided for the person by the rules of that moment."""

    insight: Insight
    revision: int
    decision: Decision
    rules: Rules

    @property
    def score(self) -> Score:
        return self.insight.scores[self.revision - 1]


@dataclass(slots=True, eq=False)
class Notification:
    arrival: Arrival
    id: int
    created_at: dt.datetime
    min_confidence: Decimal
    seq: int | None = None
    held_until: dt.datetime | None = None
    released_at: dt.datetime | None = None
    expired_at: dt.datetime | None = None
    superseded_by: int | None = None
    repeat_of: int | None = None
    earlier_confidence: Decimal | None = None
    new_status: str | None = None
    quiet: bool = False
    read_at: dt.datetime | None = None
    delivered_at: dt.datetime | None = None


@dataclass(slots=True, eq=False)
class Delivery:
    notification_id: int
    channel: str
    target: str
    created_at: dt.datetime
    state: DeliveryState = DeliveryState.PENDING
    success: bool | None = None
    error: str = ""
    attempts: int = 0
    attempted_at: dt.datetime | None = None
    acknowledged_at: dt.datetime | None = None
    visible: bool | None = None
    next_attempt_at: dt.datetime | None = None


@dataclass(slots=True)
class Stream:
    """What is to be stored of one person; `last_seq` is the number of changes that the person could see."""

    notifications: list[Notification] = field(default_factory=list)
    deliveries: list[Delivery] = field(default_factory=list)
    suppressed: list[tuple[Insight, int, Reason, dt.datetime]] = field(default_factory=list)
    last_seq: int = 0


class _What(IntEnum):
    ARRIVES, IS_RELEASED, IS_READ, RUNS_OUT = range(4)


def live(rng: Random, person: Person, arrivals: Iterable[Arrival], ids: Iterator[int], now: dt.datetime) -> Stream:
    """All that happened to the person until now."""
    return _Life(rng, person, ids, now).through(arrivals)


class _Life:
    """Takes what happens in its order, as the project's code would have: see stream.py, lifecycle.py, row_by_row.py."""

    def __init__(self, rng: Random, person: Person, ids: Iterator[int], now: dt.datetime) -> None:
        self._rng, self._person, self._ids, self._now = rng, person, ids, now
        self._stream = Stream()
        self._by_insight: dict[int, list[Notification]] = {}
        self._held: dict[dt.datetime, list[Notification]] = {}
        self._order = count()
        self._ahead: list[tuple[dt.datetime, int, _What, object]] = []

    def through(self, arrivals: Iterable[Arrival]) -> Stream:
        for arrival in arrivals:
            self._will(_What.ARRIVES, arrival.score.at + self._way_here(), arrival)
        while self._ahead:
            at, _, what, whom = heapq.heappop(self._ahead)
            match what, whom:
                case _What.ARRIVES, Arrival():
                    self._arrive(whom, at)
                case _What.IS_RELEASED, dt.datetime():
                    self._release(self._held.pop(whom), at)
                case _What.IS_READ, Notification():
                    self._read(whom, at)
                case _What.RUNS_OUT, Notification() if whom.expired_at is None:
                    whom.expired_at, whom.seq = at, self._advance()
        return self._stream

    # --- What happens -----------------------------------------------------------------------------------------------

    def _arrive(self, arrival: Arrival, at: dt.datetime) -> None:
        verdict, insight = arrival.decision.verdict, arrival.insight
        if verdict is Verdict.SUPPRESS:
            if insight.owner is not None and at > self._now - dt.timedelta(days=SUPPRESSION_DAYS):
                self._stream.suppressed.append((insight, arrival.revision, arrival.decision.reason, at))
            return
        row = Notification(arrival, next(self._ids), at, arrival.rules.min_confidence)
        row.repeat_of = self._first_of_repeats(arrival)
        if arrival.revision > 1:
            self._compare(row)
        self._stream.notifications.append(row)
        self._by_insight.setdefault(insight.id, []).append(row)
        if verdict is Verdict.HOLD:
            self._hold(row)
        elif arrival.rules.web_enabled:
            row.seq = self._advance()
            self._supersede_earlier(row)
            self._show(row, at)
        if verdict is Verdict.SEND:
            self._send_elsewhere(row, at)

    def _hold(self, row: Notification) -> None:
        row.held_until = until = row.arrival.decision.held_until
        if until is None or until + dt.timedelta(seconds=15) > self._now:
            return
        if until not in self._held:
            self._held[until] = []
            self._will(_What.IS_RELEASED, until + dt.timedelta(seconds=self._rng.uniform(0, 10)), until)
        self._held[until].append(row)

    def _release(self, rows: Sequence[Notification], at: dt.datetime) -> None:
        """All of them at one position, as one brief tells of them."""
        rows = [row for row in rows if row.superseded_by is None]
        if not rows:
            return
        on_web = self._person.profile.rules_at(at).web_enabled
        seq = self._advance() if on_web else None
        for row in rows:
            row.seq, row.held_until = seq, None
            if on_web:
                row.released_at = to_milliseconds(at)
                row.expired_at = at if row.arrival.insight.expires_at <= at else None
        for row in rows:
            if on_web:
                self._supersede_earlier(row)
                self._show(row, at)
            if row.arrival.insight.expires_at > at:
                self._send_elsewhere(row, at)

    def _supersede_earlier(self, row: Notification) -> None:
        for earlier in self._by_insight.get(row.arrival.insight.id, ()):
            if earlier.arrival.revision < row.arrival.revision and earlier.superseded_by is None:
                earlier.superseded_by, earlier.held_until = row.id, None
                if earlier.seq is not None:
                    earlier.seq = self._advance()

    def _read(self, row: Notification, at: dt.datetime) -> None:
        if row.superseded_by is None:
            row.read_at, row.seq = at, self._advance()

    def _show(self, row: Notification, at: dt.datetime) -> None:
        """To the browser, at once or at the next visit; some are read, and each runs out."""
        row.delivered_at = self._seen_at(at)
        self._log_of_browser(row, at)
        if row.delivered_at and self._rng.random() < self._person.reads:
            wait = dt.timedelta(seconds=self._rng.expovariate(1 / 1800))
            self._will(_What.IS_READ, row.delivered_at + wait, row)
        expires_at = row.arrival.insight.expires_at
        if expires_at <= self._now and row.expired_at is None:
            late = dt.timedelta(seconds=self._rng.uniform(0, MOST_EXPIRY_WAIT_S))
            self._will(_What.RUNS_OUT, max(at, min(expires_at + late, self._now)), row)

    # --- Parts of it ------------------------------------------------------------------------------------------------

    def _will(self, what: _What, at: dt.datetime, whom: object) -> None:
        if at <= self._now:
            heapq.heappush(self._ahead, (at, next(self._order), what, whom))

    def _advance(self) -> int:
        self._stream.last_seq += 1
        return self._stream.last_seq

    def _way_here(self) -> dt.timedelta:
        """From the commit of the insight to that of the notification; a fan-out takes 500 people at a time."""
        return dt.timedelta(milliseconds=20 + 35 * (self._person.number // 500) + self._rng.randrange(15))

    def _seen_at(self, at: dt.datetime) -> dt.datetime | None:
        rng = self._rng
        if self._person.away:
            return None
        if rng.random() < self._person.online:
            seen = at + dt.timedelta(seconds=rng.lognormvariate(-2.3, 0.6))
        else:
            seen = at + dt.timedelta(hours=rng.expovariate(1 / 9))
        return seen if seen <= self._now else None

    def _first_of_repeats(self, arrival: Arrival) -> int | None:
        """The latest first row among those that it may join, as `Max` finds it."""
        same = [*arrival.insight.repeats, *([arrival.insight] if arrival.revision > 1 else [])]
        firsts = [
            row.id
            for insight in same
            for row in self._by_insight.get(insight.id, ())
            if row.repeat_of is None and (row.seq is not None or row.held_until is not None)
        ]
        return max(firsts, default=None)

    def _compare(self, row: Notification) -> None:
        """What the revision changed, and whether it takes the place of the one before it."""
        arrival = row.arrival
        before, after = arrival.insight.scores[arrival.revision - 2 : arrival.revision]
        if before.confidence != after.confidence:
            row.earlier_confidence = before.confidence
        status = ValidationStatus.for_truth_index(after.confidence)
        if status != ValidationStatus.for_truth_index(before.confidence):
            row.new_status = status.value
        seen = [
            earlier
            for earlier in self._by_insight.get(arrival.insight.id, ())
            if earlier.seq is not None and earlier.superseded_by is None
        ]
        goes_up = seen and before.facts.priority.rank < after.facts.priority.rank
        if arrival.decision.verdict is Verdict.SEND and seen and not goes_up:
            row.quiet, row.created_at = True, seen[-1].created_at

    # --- Deliveries -------------------------------------------------------------------------------------------------

    def _log_of_browser(self, row: Notification, at: dt.datetime) -> None:
        log = Delivery(row.id, Channel.WEBSOCKET.value, "", at, attempts=1)
        log.attempted_at = min(self._now, at + dt.timedelta(milliseconds=self._rng.uniform(2, 40)))
        if row.delivered_at is not None:
            row.delivered_at = max(row.delivered_at, log.attempted_at)
            log.state, log.success = DeliveryState.ACKNOWLEDGED, True
            log.acknowledged_at, log.visible = row.delivered_at, self._rng.random() < 0.6
        elif self._rng.random() < 0.01:
            log.error = websocket.NOT_TAKEN
        else:
            log.state = DeliveryState.SENT
        self._stream.deliveries.append(log)

    def _send_elsewhere(self, row: Notification, at: dt.datetime) -> None:
        person = self._person
        rules = person.profile.rules_at(at)
        targets = {Channel.PUSH: person.device_ids, Channel.WEBHOOK: [person.webhook_id] if person.webhook_id else []}
        for channel in AT_ONCE[1:]:
            if rules.enables(channel):
                for target in targets[channel]:
                    self._stream.deliveries.append(self._outgoing(row, channel, str(target), at))

    def _outgoing(self, row: Notification, channel: Channel, target: str, at: dt.datetime) -> Delivery:
        rng = self._rng
        log = Delivery(row.id, channel.value, target, at)
        if at > self._now - JUST_NOW and rng.random() < 0.5:
            log.next_attempt_at = self._now + PENDING_AFTER
            return log
        who = "The push service" if channel == Channel.PUSH else "Your address"
        endings = (
            (84, DeliveryState.SENT, True, "", 1),
            (3, DeliveryState.SENT, True, "", 2),
            (3, DeliveryState.SKIPPED, None, webpush.READ, 0),
            (2, DeliveryState.SKIPPED, None, draining.EXPIRED, 0),
            (3, DeliveryState.FAILED, False, f"{who} answered 500.", draining.ATTEMPTS),
            (2, DeliveryState.FAILED, False, f"{who} answered 404.", 1),
            (1, DeliveryState.FAILED, False, draining.INTERRUPTED, 2),
            (2, DeliveryState.GONE, False, draining.TARGET_GONE, 0),
        )
        _, log.state, log.success, log.error, log.attempts = rng.choices(endings, [ending[0] for ending in endings])[0]
        log.next_attempt_at = at
        if log.attempts:
            tried = at + dt.timedelta(seconds=rng.uniform(0.1, 12) + 14.0 * (2 ** (log.attempts - 1) - 1))
            log.attempted_at = min(self._now, tried)
        return log
