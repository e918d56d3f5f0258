"""What a digest says: read for a batch of users at once, in a number of queries that does not grow with the batch.

A digest is about the time since the one before it (a day, as a rule). What belongs to every trader, the house's
insights, is read once for each such time, and judged once for each set of rules: most users share theirs with many.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from functools import cached_property, reduce
from operator import or_
from typing import Any

from django.contrib.auth import get_user_model
from django.db.models import Count, F, Q, QuerySet, Window
from django.db.models.functions import RowNumber

from notifications import announcing, deciding, hidden, preferences
from notifications.models import (
    DigestRun,
    DigestState,
    InsightNotification,
    NotificationPreference,
    PreferenceVersion,
    SuppressedInsight,
)
from notifications.preferences import Channel, Facts, Reason, Rules, Verdict
from notifications.priority import Priority
from signals.models import Outcome, Signal

UNREAD_SHOWN = 5
BEST_SHOWN = 3
OUTCOMES_SHOWN = 5
# So many of the strongest are looked at; what one source sends in a flood fills no memory.
OWN_READ = 50
HOUSE_READ = 1000
# Insights that closed are looked for among those received since then.
OLDEST_OUTCOME = dt.timedelta(days=30)
DAY = dt.timedelta(days=1)
# After a pause or a failure the digest looks back further than a day, but no further than this.
FURTHEST_BACK = dt.timedelta(days=3)
SHARED_KEPT = 2000  # answers kept for users with the same rules


@dataclass(frozen=True, slots=True)
class Period:
    """From `since` until just before `until`."""

    since: dt.datetime
    until: dt.datetime

    def holds(self, moment: dt.datetime) -> bool:
        return self.since <= moment < self.until


@dataclass(slots=True)
class Digest:
    """What one mail says. `unread`, `best` and `outcomes` hold the first few; the counts say how many there are."""

    period: Period
    unread: list[Signal] = field(default_factory=list)
    unread_count: int = 0
    best: list[Signal] = field(default_factory=list)
    outcomes: list[Signal] = field(default_factory=list)
    wins: int = 0
    losses: int = 0
    held_count: int = 0
    hidden: list[tuple[Reason, int]] = field(default_factory=list)

    @property
    def says_something(self) -> bool:
        """What was hidden is told of in a mail that has something else to say: by itself it is no news."""
        return bool(self.unread_count or self.best or self.outcomes or self.held_count)

    @property
    def hidden_count(self) -> int:
        return sum(count for _, count in self.hidden)

    @property
    def counts(self) -> dict[str, int]:
        return {
            "unread": self.unread_count,
            "best": len(self.best),
            "outcomes": self.wins + self.losses,
            "held": self.held_count,
            "hidden": self.hidden_count,
        }


@dataclass(slots=True)
class Judged:
    """Insights of a period by one user's rules: those that pass, the strongest first, and the others by reason."""

    best: list[Signal] = field(default_factory=list)
    closed: list[Signal] = field(default_factory=list)
    hidden: Counter[Reason] = field(default_factory=Counter)


class Reader:
    """Reads batch after batch, and keeps what later batches ask for again; one for each run."""

    def __init__(self) -> None:
        self._house: dict[Period, _House] = {}
        self._shared: dict[tuple[Period, Rules], Judged] = {}

    def read(self, runs: Sequence[DigestRun]) -> list[Digest]:
        """The digests of these runs, in their order."""
        users = sorted({run.user_id for run in runs})
        periods = _periods(runs)
        of_users: dict[int, set[Period]] = defaultdict(set)
        for run, period in zip(runs, periods, strict=True):
            of_users[run.user_id].add(period)
        own = _Own(of_users)
        rules = {
            # Whoever has a run wants the mail, or has asked for this one.
            user_id: replace(own_rules, email_digest_enabled=True)
            for user_id, own_rules in deciding.rules_of(users).items()
        }
        changed = _changed(of_users)
        no_house = _without_house(users)
        unread, unread_counts = _unread(users)
        held = _held(users)
        digests = []
        for user_id, period in zip((run.user_id for run in runs), periods, strict=True):
            judged = [own.judge(user_id, period, rules[user_id])]
            if user_id not in no_house:
                judged.append(self._judge_house(period, rules[user_id]))
            digest = Digest(period, unread[user_id], unread_counts[user_id], held_count=held[user_id])
            _fill(digest, judged, shown={signal.pk for signal in digest.unread})
            if user_id in changed:
                digest.hidden = _hidden_as_it_was(user_id, period)
            digests.append(digest)
        return digests

    def _judge_house(self, period: Period, rules: Rules) -> Judged:
        key = (period, rules)
        if key not in self._shared:
            if len(self._shared) >= SHARED_KEPT:
                self._shared.clear()
            if period not in self._house:
                self._house = {**dict(list(self._house.items())[-3:]), period: _House(period)}
            self._shared[key] = self._house[period].judge(rules)
        return self._shared[key]


def _periods(runs: Sequence[DigestRun]) -> list[Period]:
    """Since the last digest that said what there was; a trial always tells of a day."""
    said = DigestRun.objects.daily().filter(state__in=[DigestState.SENT, DigestState.NOTHING])
    said = said.filter(user_id__in={run.user_id for run in runs})
    said_at: dict[int, list[dt.datetime]] = defaultdict(list)
    oldest = min(run.due_at for run in runs) - FURTHEST_BACK
    for user_id, due_at in said.filter(due_at__gt=oldest).values_list("user_id", "due_at"):
        said_at[user_id].append(due_at)
    return [_period(run, said_at[run.user_id]) for run in runs]


def _period(run: DigestRun, said_at: Sequence[dt.datetime]) -> Period:
    earlier = [due_at for due_at in said_at if run.due_at - FURTHEST_BACK < due_at < run.due_at]
    return Period(max(earlier) if earlier and not run.trial else run.due_at - DAY, run.due_at)


def _fill(digest: Digest, judged: Sequence[Judged], *, shown: set[int]) -> None:
    """An insight that is unread is not listed a second time among the best."""
    best = [signal for part in judged for signal in part.best if signal.pk not in shown]
    digest.best = sorted(best, key=_strength)[:BEST_SHOWN]
    closed = [signal for part in judged for signal in part.closed]
    digest.wins = sum(signal.outcome == Outcome.WIN for signal in closed)
    digest.losses = len(closed) - digest.wins
    digest.outcomes = sorted(closed, key=_strength)[:OUTCOMES_SHOWN]
    digest.hidden = sum((part.hidden for part in judged), Counter[Reason]()).most_common()


def _strength(signal: Signal) -> tuple[Decimal, int]:
    return (-signal.ai_confidence, -signal.pk)


# --- The market's side ----------------------------------------------------------------------------------------------


def _insights() -> QuerySet[Signal]:
    return Signal.objects.filter(validation__isnull=False).select_related("validation")


def _received(period: Period) -> Q:
    return Q(received_at__gte=period.since, received_at__lt=period.until)


def _closed(period: Period) -> Q:
    """`updated_at` is when the site learned of it; `closed_at` is the time of the price."""
    return Q(
        outcome__in=[Outcome.WIN, Outcome.LOSS],
        updated_at__gte=period.since,
        updated_at__lt=period.until,
        received_at__gte=period.until - OLDEST_OUTCOME,
    )


@dataclass(frozen=True)
class _Insight:
    signal: Signal

    @cached_property
    def priority(self) -> Priority:
        return announcing.calculate_priority(self.signal)

    def belongs_in_the_mail(self, rules: Rules, moment: dt.datetime) -> bool:
        verdict, _ = preferences.judge(rules, self._facts(rules), Channel.EMAIL, moment, rules.quiet_at)
        return verdict is Verdict.SEND

    def hidden_by(self, rules: Rules) -> Reason | None:
        """The rule that kept it from the user's screen when it came, or that would have for who has none of ours."""
        channel = Channel.WEBSOCKET if rules.web_enabled else Channel.EMAIL
        moment = self.signal.received_at
        verdict, reason = preferences.judge(rules, self._facts(rules), channel, moment, rules.quiet_at)
        return reason if verdict is Verdict.SUPPRESS else None

    def _facts(self, rules: Rules) -> Facts:
        # Counting repeats is a query, and no other rule asks for the priority.
        matters = rules.high_priority_only or rules.urgent_bypasses_quiet
        priority = self.priority if matters else Priority.MEDIUM
        return Facts(self.signal.symbol, self.signal.strategy, self.signal.ai_confidence, priority)


def _passing(insights: Iterable[_Insight], rules: Rules, period: Period) -> list[Signal]:
    return [insight.signal for insight in insights if insight.belongs_in_the_mail(rules, period.until)]


class _House:
    """The house's insights of a period: its strongest ones, and those that closed in it."""

    def __init__(self, period: Period) -> None:
        self._period = period
        house = _insights().filter(user__isnull=True)
        self._received = self._strongest(house.filter(_received(period)))
        self._closed = self._strongest(house.filter(_closed(period)))

    def judge(self, rules: Rules) -> Judged:
        against = [(insight, insight.hidden_by(rules)) for insight in self._received]
        shown = [insight for insight, reason in against if reason is None]
        return Judged(
            _passing(shown, rules, self._period)[: BEST_SHOWN + UNREAD_SHOWN],  # the strongest come first
            _passing(self._closed, rules, self._period),
            Counter(reason for _, reason in against if reason is not None),
        )

    @staticmethod
    def _strongest(rows: QuerySet[Signal]) -> list[_Insight]:
        return [_Insight(signal) for signal in rows.order_by("-validation__truth_index", "-pk")[:HOUSE_READ]]


class _Own:
    """The users' own insights, each of the periods that the batch asks for; and what their rules kept back then."""

    def __init__(self, periods: dict[int, set[Period]]) -> None:
        users: dict[Period, list[int]] = defaultdict(list)
        for user_id, of_user in periods.items():
            for period in of_user:
                users[period].append(user_id)
        self._received = self._by_user(
            reduce(or_, (Q(user__in=some) & _received(each) for each, some in users.items()))
        )
        self._closed = self._by_user(reduce(or_, (Q(user__in=some) & _closed(each) for each, some in users.items())))
        self._suppressed = self._kept_back(users, periods)

    def judge(self, user_id: int, period: Period, rules: Rules) -> Judged:
        """What was kept back when it came is on record."""
        kept_back = self._suppressed[user_id, period]
        received = [each for each in self._received[user_id] if period.holds(each.signal.received_at)]
        closed = [each for each in self._closed[user_id] if period.holds(each.signal.updated_at)]
        return Judged(
            _passing((each for each in received if each.signal.pk not in kept_back), rules, period),
            _passing(closed, rules, period),
            Counter(kept_back.values()),
        )

    @staticmethod
    def _by_user(condition: Q) -> dict[int, list[_Insight]]:
        rank = Window(RowNumber(), partition_by=F("user_id"), order_by=["-validation__truth_index", "-pk"])
        strongest = _insights().filter(condition).annotate(rank=rank).filter(rank__lte=OWN_READ)
        found: dict[int, list[_Insight]] = defaultdict(list)
        for signal in strongest:
            if signal.user_id is not None:
                found[signal.user_id].append(_Insight(signal))
        return found

    @staticmethod
    def _kept_back(
        users: dict[Period, list[int]], periods: dict[int, set[Period]]
    ) -> dict[tuple[int, Period], dict[int, Reason]]:
        found: dict[tuple[int, Period], dict[int, Reason]] = defaultdict(dict)
        in_periods = (
            Q(user__in=some, created_at__gte=period.since, created_at__lt=period.until)
            for period, some in users.items()
        )
        rows = SuppressedInsight.objects.filter(reduce(or_, in_periods), channel=Channel.WEBSOCKET)
        rows = rows.exclude(reason=Reason.CHANNEL_OFF)  # who has the screen's channel off reads about it here
        for user_id, signal_id, reason, at in rows.values_list(
            "user_id", "signal_id", "reason", "created_at"
        ).iterator():
            for period in periods[user_id]:
                if period.holds(at):
                    found[user_id, period][signal_id] = Reason(reason)
        return found


def _changed(of_users: dict[int, set[Period]]) -> set[int]:
    """Users whose preferences were others in a part of the period: few, and for them it is looked up exactly."""
    oldest = min(period.since for periods in of_users.values() for period in periods)
    rows = PreferenceVersion.objects.filter(user__in=of_users, valid_from__gt=oldest)
    return {
        user_id
        for user_id, valid_from in rows.values_list("user_id", "valid_from")
        if any(period.holds(valid_from) for period in of_users[user_id])
    }


def _hidden_as_it_was(user_id: int, period: Period) -> list[tuple[Reason, int]]:
    user = get_user_model().objects.get(pk=user_id)
    found = hidden.count_by_reason(hidden.hidden_since(user, period.since, period.until))
    return [(each.reason, each.count) for each in found if each.reason is not Reason.CHANNEL_OFF]


# --- The users' side ------------------------------------------------------------------------------------------------


def _without_house(users: Sequence[int]) -> set[int]:
    """Members of staff who have not opted in."""
    opted_out = NotificationPreference.objects.filter(user__in=users, user__is_staff=True)
    return set(opted_out.filter(house_insights_for_staff=False).values_list("user_id", flat=True))


def _unread(users: Sequence[int]) -> tuple[dict[int, list[Signal]], dict[int, int]]:
    """Of each user the strongest unread insights, and how many notifications are unread in all."""
    rows = InsightNotification.objects.unread().filter(user__in=users)
    rank = Window(RowNumber(), partition_by=F("user_id"), order_by=["-confidence", "-pk"])
    ranked = rows.annotate(rank=rank, among=Window(Count("pk"), partition_by=F("user_id")))
    ranked = ranked.filter(rank__lte=UNREAD_SHOWN)
    counts: dict[int, int] = defaultdict(int)
    shown: dict[int, list[Any]] = defaultdict(list)
    for user_id, signal_id, among in ranked.order_by("rank").values_list("user_id", "signal_id", "among"):
        counts[user_id] = among
        shown[user_id].append(signal_id)
    signals = Signal.objects.select_related("validation").in_bulk({pk for ids in shown.values() for pk in ids})
    return defaultdict(list, {user_id: [signals[pk] for pk in ids] for user_id, ids in shown.items()}), counts


def _held(users: Sequence[int]) -> dict[int, int]:
    rows = InsightNotification.objects.held().filter(user__in=users).order_by()
    return defaultdict(int, rows.values_list("user_id").annotate(held=Count("pk")))
