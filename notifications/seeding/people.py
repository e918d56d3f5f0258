"""Traders that do not exist: what they want to hear of, how that changed, and what they read."""

from __future__ import annotations

import datetime as dt
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from random import Random

from notifications import preferences
from notifications.preferences import Decision, Facts, MuteKind, MuteRule, QuietMode, Rules
from notifications.quiet import Window
from signals.market import PAIRS
from signals.vocabulary import KNOWN_STRATEGIES

# Of so many sorts: what one of them is told of an insight is decided once for all who are alike.
MOST_PROFILES = 400

EVERY_DAY = frozenset(range(7))
ZONES = {
    "Europe/London": 25,
    "Europe/Berlin": 20,
    "America/New_York": 20,
    "Asia/Singapore": 10,
    "Asia/Tokyo": 8,
    "UTC": 7,
    "Australia/Sydney": 5,
    "America/Sao_Paulo": 5,
}
NIGHTS = ((dt.time(22), dt.time(7)), (dt.time(23), dt.time(6)), (dt.time(20), dt.time(8)))
DIGEST_TIMES = (dt.time(6), dt.time(7), dt.time(7, 30), dt.time(18))


@dataclass(slots=True, eq=False)
class Profile:
    """Preferences that several people share, each with the moment from which they held."""

    number: int
    versions: list[tuple[dt.datetime, Rules]]
    digest_time: dt.time
    joined: list[dt.datetime] = field(default_factory=list)  # of its people, in order

    @property
    def rules(self) -> Rules:
        """As they are now."""
        return self.versions[-1][1]

    def rules_at(self, moment: dt.datetime) -> Rules:
        return next((rules for since, rules in reversed(self.versions) if since <= moment), self.versions[0][1])

    def decide(self, facts: Facts, moment: dt.datetime) -> Decision:
        rules = self.rules_at(moment)
        return preferences.decide(rules, facts, rules.leading_channel, moment)

    def people_at(self, moment: dt.datetime) -> int:
        """How many of them had an account then."""
        return bisect_right(self.joined, moment)


@dataclass(slots=True, eq=False)
class Person:
    """`reads` and `online` are chances, from 0 to 1; who is `away` has opened no browser all the time."""

    number: int
    profile: Profile
    joined: dt.datetime
    reads: float
    online: float
    away: bool
    active: bool
    devices: int
    user_id: int = 0
    device_ids: list[int] = field(default_factory=list)
    webhook_id: int | None = None


def draw(rng: Random, count: int, begin: dt.datetime, now: dt.datetime) -> tuple[list[Profile], list[Person]]:
    """So many people, most of whom had their account before `begin`."""
    profiles = [_profile(rng, number, begin, now) for number in range(min(MOST_PROFILES, max(1, count // 2)))]
    people = [_person(rng, number, profiles, begin, now) for number in range(1, count + 1)]
    joined: defaultdict[int, list[dt.datetime]] = defaultdict(list)
    for person in people:
        joined[id(person.profile)].append(person.joined)
    for profile in profiles:
        profile.joined = sorted(joined[id(profile)])
    return profiles, people


def versions_of(person: Person) -> Iterator[tuple[dt.datetime, Rules]]:
    """What the person had from when on: those of the profile, the first one from when the account was made."""
    first = max(0, bisect_left([since for since, _ in person.profile.versions], person.joined) - 1)
    held = person.profile.versions[first:]
    yield person.joined, held[0][1]
    yield from held[1:]


def _person(rng: Random, number: int, profiles: Sequence[Profile], begin: dt.datetime, now: dt.datetime) -> Person:
    profile = rng.choice(profiles)
    newcomer = rng.random() < 0.05
    joined = begin + rng.random() * (now - begin) if newcomer else begin - dt.timedelta(days=rng.uniform(1, 400))
    return Person(
        number=number,
        profile=profile,
        joined=joined,
        reads=rng.betavariate(1.5, 1.2),
        online=rng.betavariate(3, 1.5),
        away=rng.random() < 0.07,
        active=rng.random() > 0.01,
        devices=rng.choice((1, 1, 2)) if profile.rules.push_enabled else 0,
    )


def _profile(rng: Random, number: int, begin: dt.datetime, now: dt.datetime) -> Profile:
    rules = _rules(rng)
    versions = [(begin - dt.timedelta(days=500), rules)]
    for moment in sorted(begin + rng.random() * (now - begin) for _ in range(rng.choice((0, 0, 0, 1, 2, 3)))):
        rules = _changed(rng, rules, moment)
        versions.append((moment, rules))
    return Profile(number, versions, rng.choice(DIGEST_TIMES))


def _rules(rng: Random) -> Rules:
    start, end = rng.choice(NIGHTS)
    quiet = rng.random() < 0.45
    weekend = Window(dt.time(0), dt.time(0), frozenset({5, 6}))
    return Rules(
        web_enabled=rng.random() < 0.97,
        push_enabled=rng.random() < 0.25,
        email_digest_enabled=rng.random() < 0.3,
        webhook_enabled=rng.random() < 0.03,
        min_confidence=Decimal(rng.choices((65, 50, 60, 70, 75, 80, 90), (60, 5, 8, 12, 8, 5, 2))[0]),
        strategies=frozenset(rng.sample(KNOWN_STRATEGIES, 2)) if rng.random() < 0.08 else frozenset(),
        symbols=frozenset(rng.sample(PAIRS, rng.randint(3, 10))) if rng.random() < 0.15 else frozenset(),
        high_priority_only=rng.random() < 0.06,
        quiet_hours_enabled=quiet,
        quiet_start=start,
        quiet_end=end,
        quiet_weekdays=EVERY_DAY,
        quiet_mode=QuietMode.HOLD if rng.random() < 0.85 else QuietMode.SKIP,
        urgent_bypasses_quiet=rng.random() < 0.3,
        time_zone=rng.choices(list(ZONES), list(ZONES.values()))[0],
        paused_until=None,
        quiet_windows=(weekend,) if quiet and rng.random() < 0.1 else (),
    )


def _changed(rng: Random, rules: Rules, moment: dt.datetime) -> Rules:
    """One thing that people change now and then."""
    match rng.choice(("confidence", "confidence", "confidence", "priority", "quiet", "pause", "mute")):
        case "confidence":
            return replace(rules, min_confidence=min(Decimal(90), rules.min_confidence + rng.choice((-10, -5, 5, 10))))
        case "priority":
            return replace(rules, high_priority_only=not rules.high_priority_only)
        case "quiet":
            return replace(rules, quiet_hours_enabled=not rules.quiet_hours_enabled)
        case "pause":
            return replace(rules, paused_until=moment + dt.timedelta(hours=rng.choice((1, 8, 48))))
        case _:
            return replace(rules, mutes=(MuteRule(MuteKind.SYMBOL, rng.choice(PAIRS)),))
