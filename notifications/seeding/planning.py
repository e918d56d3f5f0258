"""Who there is to be and what came in, so that together it makes exactly so many notifications."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random

from django.utils import timezone

from notifications.seeding import insights, people
from notifications.seeding.insights import Clock, Insight, Source, Storms
from notifications.seeding.people import Person, Profile
from signals.vocabulary import KNOWN_STRATEGIES

SHARE_OF_HOUSE = 0.85


@dataclass(slots=True)
class Plan:
    """Everything that is to be stored, but for the streams, which are made while they are written."""

    seed: int
    now: dt.datetime
    begin: dt.datetime
    profiles: list[Profile] = field(default_factory=list)
    people: list[Person] = field(default_factory=list)
    sources: list[Source] = field(default_factory=list)
    insights: list[Insight] = field(default_factory=list)  # in order of time
    own: dict[int, list[Insight]] = field(default_factory=dict)  # by the number of their owner
    notifications: int = 0

    def random(self, what: object) -> Random:
        """The same draws for the same seed, whatever else is drawn."""
        return Random(f"{self.seed} {what}")  # noqa: S311 - no secret hangs on it


def plan(*, users: int, notifications: int, days: int, seed: int) -> Plan:
    """Draw people and insights so that together they make exactly so many notifications, if that can be had."""
    now = timezone.now()
    made = Plan(seed, now, now - dt.timedelta(days=days))
    rng, clock = made.random("plan"), Clock(made.begin, now)
    made.profiles, made.people = people.draw(rng, users, made.begin, now)
    made.sources = _sources(rng, made)
    house = _house_insights(rng, made, clock, int(notifications * SHARE_OF_HOUSE))
    own = _own_insights(rng, made, clock, notifications - _total(house))
    made.insights = insights.in_order([*house, *own])
    made.notifications = _total(made.insights)
    for insight in made.insights:
        if insight.owner is not None:
            made.own.setdefault(insight.owner.number, []).append(insight)
    return made


def _sources(rng: Random, made: Plan) -> list[Source]:
    """Five of the house, the last of them silent; and one of every fifth person, some silent and some new."""
    begin, now = made.begin, made.now
    desks = [Source(None, f"Seeded desk {number + 1}", (KNOWN_STRATEGIES[number % 4],), begin) for number in range(5)]
    desks[-1].silent_from = now - (now - begin) * 0.15
    own = []
    for person in rng.sample(made.people, max(1, len(made.people) // 5)):
        source = Source(person, "TradingView", tuple(rng.sample(insights.OWN_STRATEGIES, 2)), max(begin, person.joined))
        luck = rng.random()
        if luck < 0.03:
            source.silent_from = source.created_at + (now - source.created_at) * rng.uniform(0.6, 0.9)
        elif luck < 0.06:
            source.created_at = now - (now - source.created_at) * 0.08
        own.append(source)
    return [*desks, *own]


def _house_insights(rng: Random, made: Plan, clock: Clock, wanted: int) -> list[Insight]:
    """As many as reach about so many people altogether, never more."""
    desks = [source for source in made.sources if source.owner is None]
    drawing = insights.of_house(rng, desks, clock)

    def draw(number: int) -> list[Insight]:
        drawn: list[Insight] = []
        while len(drawn) < number:
            drawn += [insight for insight in next(drawing) if insight.received_at < made.now]
        return _scored(rng, made, drawn[:number])

    pilot = draw(40)
    drawn = draw(round(wanted * len(pilot) / max(1, _total(pilot))))
    while drawn and _total(drawn) > wanted:
        del drawn[0]
    return drawn


def _own_insights(rng: Random, made: Plan, clock: Clock, wanted: int) -> list[Insight]:
    """Exactly so many that their owners are told of, and those that their owners are not."""
    own = [source for source in made.sources if source.owner is not None]
    weights = [rng.paretovariate(2) for _ in own]

    def draw(number: int) -> list[Insight]:
        drawn = [insights.of_source(rng, source, clock) for source in rng.choices(own, weights, k=number)]
        return _scored(rng, made, drawn)

    drawn = draw(wanted + 20)
    # Half as many again as would do, for those who are few; but some want to hear of nothing at all.
    while _total(drawn) < wanted and len(drawn) < 100 * wanted:
        drawn = draw(int(len(drawn) * max(1.1, 1.03 * wanted / max(1, _total(drawn)))))
    return _without_oldest(drawn, _total(drawn) - wanted)


def _without_oldest(drawn: Sequence[Insight], excess: int) -> list[Insight]:
    """Less so many notifications, of the oldest that have any."""
    kept = []
    for insight in drawn:
        told = _total([insight])
        if 0 < told <= excess:
            excess -= told
        else:
            kept.append(insight)
    return kept


def _scored(rng: Random, made: Plan, drawn: list[Insight]) -> list[Insight]:
    """In order of time, each with its scores and what people's preferences say to them."""
    storms = Storms()
    for insight in (ordered := insights.in_order(drawn)):
        insights.score(rng, insight, storms.place(insight), made.now)
        for score in insight.scores:
            insight.counts.append(_counts(made, insight, score))
    return ordered


def _counts(made: Plan, insight: Insight, score: insights.Score) -> insights.Counts:
    """What a dispatch keeps: people by verdict and by reason."""
    counts = insights.Counts()
    owner = insight.owner
    reached = (
        [(owner.profile, 1)]
        if owner is not None
        else [(profile, profile.people_at(insight.received_at)) for profile in made.profiles]
    )
    for profile, number in reached:
        if number:
            decision = profile.decide(score.facts, score.at)
            score.decisions[profile.number] = decision
            counts.verdicts[decision.verdict.value] += number
            counts.reasons[decision.reason.value] += number
    return counts


def _total(some: Sequence[Insight]) -> int:
    return sum(counts.told for insight in some for counts in insight.counts)


def rows_of(made: Plan) -> int:
    """How many rows `fill` will report of it, but for the daily e-mails."""
    return len(made.people) + len(made.insights) + made.notifications
