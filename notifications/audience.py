"""Who would get an insight: the decision about each user, made as a dispatch makes it, with nothing written or sent.

For an insight that there is, one that somebody thinks up, or other defaults of the preferences. It is decided as if it
were handed out at one moment, to everybody whom it concerns, whether or not they have it already, and as if the brake
were off.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import NamedTuple

from django.db import connection

from notifications import dispatching, rules_sql
from notifications.deciding import THE_DEFAULTS, Defaults, decide_each, default_of
from notifications.delivery.registry import CHANNELS
from notifications.fan_out import OvertakenError
from notifications.models import InsightDispatch, NotificationPreference
from notifications.preferences import Channel, Facts, Reason, Verdict
from notifications.preview import NIGHT
from notifications.quiet import QuietHours, zone_or_utc
from signals.models import Signal
from zenithedge.chunks import chunks

USERS_AT_ONCE = 10_000  # bounds what is in hand at a time

_Decided = tuple[int, Verdict, Reason, frozenset[str]]


class Fate(NamedTuple):
    """What becomes of the insight for one user."""

    verdict: Verdict
    reason: Reason
    channels: frozenset[str]  # by which it goes out now; empty unless it is sent

    @property
    def reached(self) -> bool:
        return bool(self.channels)


@dataclass(slots=True)
class Figures:
    """Users by what becomes of the insight for them.

    `reached` are those whom it reaches now, over one channel or more; `at_night` are those among them at whose clocks
    it is night. Who has no target of the only channels that are on gets it stored, and is not reached.
    """

    users: int = 0
    reached: int = 0
    at_night: int = 0
    held: int = 0
    channels: Counter[str] = field(default_factory=Counter)
    suppressed: Counter[Reason] = field(default_factory=Counter)

    def add(self, fate: Fate, *, night: bool) -> None:
        self.users += 1
        self.reached += fate.reached
        self.at_night += fate.reached and night
        self.channels.update(fate.channels)
        if fate.verdict is Verdict.HOLD:
            self.held += 1
        elif fate.verdict is Verdict.SUPPRESS:
            self.suppressed[fate.reason] += 1


class Member(NamedTuple):
    """One user: by the defaults that are tried, and by those of today."""

    user_id: int
    tried: Fate
    today: Fate


@dataclass(frozen=True, slots=True)
class Audience:
    """`members` are all users whom the insight concerns, by id."""

    members: Sequence[Member]
    tried: Figures
    today: Figures

    def chosen(self, wanted: Callable[[Member], bool]) -> list[Member]:
        return [member for member in self.members if wanted(member)]


def look(signal: Signal, facts: Facts, now: dt.datetime, defaults: Defaults = THE_DEFAULTS) -> Audience:
    """Of `signal` only its owner is asked, and whether that is the house; it need not be stored."""
    audience = Audience([], Figures(), Figures())
    members: list[Member] = []
    night = _Night(now)
    everyone = dispatching.next_users(InsightDispatch(opened_at=now), signal)
    for user_ids in chunks(everyone, USERS_AT_ONCE):
        targets = _owners_of_targets(user_ids)
        today = _fates(user_ids, facts, now, THE_DEFAULTS, targets)
        tried = _fates(user_ids, facts, now, defaults, targets) if defaults else today
        asleep = night.of(user_ids)
        for user_id in user_ids:
            members.append(Member(user_id, tried[user_id], today[user_id]))
            audience.tried.add(tried[user_id], night=user_id in asleep)
            audience.today.add(today[user_id], night=user_id in asleep)
    return Audience(members, audience.tried, audience.today)


def _fates(
    user_ids: Sequence[int], facts: Facts, now: dt.datetime, defaults: Defaults, targets: dict[str, set[int]]
) -> dict[int, Fate]:
    decided = dispatching.again_when_overtaken(lambda: list(_decide(user_ids, facts, now, defaults)))
    return dict(_with_channels(decided, targets))


def _with_channels(decided: Iterable[_Decided], targets: dict[str, set[int]]) -> Iterator[tuple[int, Fate]]:
    for user_id, verdict, reason, on in decided:
        by = frozenset[str]()
        if verdict is Verdict.SEND:
            carried = (name for name, owners in targets.items() if user_id in owners and _may_carry(name, on))
            by = frozenset((*carried, *(on & {Channel.WEBSOCKET})))
        yield user_id, _fate(verdict, reason, by)


@cache
def _fate(verdict: Verdict, reason: Reason, channels: frozenset[str]) -> Fate:
    """There are few different ones, and very many users."""
    return Fate(verdict, reason, channels)


def _may_carry(name: str, on: frozenset[str]) -> bool:
    """A channel without a switch of its own carries all that is sent."""
    return not CHANNELS[name].switch or name in on


def _decide(user_ids: Sequence[int], facts: Facts, now: dt.datetime, defaults: Defaults) -> Iterable[_Decided]:
    """With the names of those channels that the user has on."""
    if connection.vendor == "postgresql":
        yield from _decide_together(user_ids, facts, now, defaults)
        return
    for user_id, (rules, decision) in decide_each(user_ids, facts, now, defaults=defaults).items():
        on = _switches(rules.web_enabled, rules.push_enabled, rules.webhook_enabled)
        yield user_id, decision.verdict, decision.reason, on


def _decide_together(user_ids: Sequence[int], facts: Facts, now: dt.datetime, defaults: Defaults) -> Iterator[_Decided]:
    """The statement of the fan-out. Raises OvertakenError when preferences are changed meanwhile."""
    values = rules_sql.judge(user_ids, facts, now, braked=False, defaults=defaults)
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT user_id, verdict, reason, web, push, webhook FROM ({rules_sql.decide_with(defaults)}) AS decided",
            {"user_ids": list(user_ids)} | values,
        )
        found = cursor.fetchall()
    for user_id, verdict, reason, *switches in found:
        if reason == rules_sql.UNFORESEEN:
            raise OvertakenError(f"User {user_id} changed the preferences meanwhile")
        yield user_id, _VERDICTS[verdict], _REASONS[reason], _switches(*switches)


_VERDICTS = {verdict.value: verdict for verdict in Verdict}
_REASONS = {reason.value: reason for reason in Reason}


@cache
def _switches(web: bool, push: bool, webhook: bool) -> frozenset[str]:
    switches = {Channel.WEBSOCKET: web, Channel.PUSH: push, Channel.WEBHOOK: webhook}
    return frozenset(channel.value for channel, on in switches.items() if on)


def _owners_of_targets(user_ids: Sequence[int]) -> dict[str, set[int]]:
    """By channel beside the browser, who of these has somewhere for it to go."""
    return {
        name: set(
            channel.targets()
            .filter(user_id__gte=user_ids[0], user_id__lte=user_ids[-1])
            .order_by()
            .values_list("user_id", flat=True)
        )
        for name, channel in CHANNELS.items()
    }


class _Night:
    """At whose clocks it is night at this moment: each zone is judged once."""

    def __init__(self, now: dt.datetime) -> None:
        self._now = now
        self._zones: dict[str, bool] = {}

    def of(self, user_ids: Sequence[int]) -> set[int]:
        rows = NotificationPreference.objects.filter(user_id__gte=user_ids[0], user_id__lte=user_ids[-1])
        zones = dict(rows.values_list("user_id", "time_zone"))
        without = default_of("time_zone")
        return {user_id for user_id in user_ids if self._is_night(zones.get(user_id, without))}

    def _is_night(self, zone: str) -> bool:
        if zone not in self._zones:
            self._zones[zone] = QuietHours((NIGHT,), zone_or_utc(zone)).cover(self._now)
        return self._zones[zone]
