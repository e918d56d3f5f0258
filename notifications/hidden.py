"""What a user's preferences kept back since some moment: insights that reached them over no channel, and why.

What was decided about the user's own insights is on record. For the insights of the house it is decided once more, with
the preferences that were valid when each was handed out: a row for each trader and insight would be too many.
"""

from __future__ import annotations

import datetime as dt
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from operator import attrgetter
from typing import TYPE_CHECKING

from django.db.models import Exists, OuterRef
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from notifications import past_insights, preferences
from notifications.deciding import default_rules
from notifications.explaining import explain_kept_back, plain
from notifications.models import (
    InsightDispatch,
    InsightNotification,
    NotificationPreference,
    PreferenceVersion,
    SuppressedInsight,
)
from notifications.preferences import Channel, Facts, Reason, Rules, Verdict

if TYPE_CHECKING:
    from django.contrib.auth.models import User

MOST_DAYS = 14  # as long as reasons are on record


@dataclass(frozen=True, slots=True)
class Hidden:
    """One insight; `facts` None when no more is known than the rule."""

    signal_id: int
    reason: Reason
    decided_at: dt.datetime
    rules: Rules
    facts: Facts | None

    @property
    def explanation(self) -> str:
        """In words, with the figures of that time."""
        return explain_kept_back(self.reason, self.rules, self.facts, self.decided_at)


@dataclass(frozen=True, slots=True)
class Count:
    """`label` goes on from the count: "7 below 75%"."""

    reason: Reason
    label: str
    count: int


def hidden_since(user: User, since: dt.datetime, until: dt.datetime | None = None) -> list[Hidden]:
    """Newest first, each insight once; in a number of queries that does not grow with them."""
    versions = _Versions.read(user, since)
    past = {insight.signal_id: insight for insight in past_insights.read(user, since)}
    found = _own(user, since, versions, {signal_id: insight.facts for signal_id, insight in past.items()})
    if _gets_house_insights(user):
        found += _of_the_house(user, since, versions, past.values())
    if until is not None:
        found = [one for one in found if one.decided_at < until]
    return sorted(found, key=attrgetter("decided_at", "signal_id"), reverse=True)


def count_by_reason(hidden: Sequence[Hidden]) -> list[Count]:
    """The most frequent first."""
    minima = {one.rules.min_confidence for one in hidden if one.reason is Reason.BELOW_MIN_CONFIDENCE}
    counts = Counter(one.reason for one in hidden)
    return [Count(reason, _label(reason, minima), count) for reason, count in counts.most_common()]


def in_words(counts: Iterable[Count]) -> str:
    """Such as "12 hidden today: 7 below 75%, 4 quiet hours, 1 muted"."""
    counts = list(counts)
    total = sum(count.count for count in counts)
    if not total:
        return _("Nothing hidden today")
    return ngettext("%(total)d hidden today: %(reasons)s", "%(total)d hidden today: %(reasons)s", total) % {
        "total": total,
        "reasons": ", ".join(f"{count.count} {count.label}" for count in counts),
    }


def _label(reason: Reason, minima: set[Decimal]) -> str:
    if reason is Reason.BELOW_MIN_CONFIDENCE and len(minima) == 1:
        return _("below %(minimum)s%%") % {"minimum": plain(*minima)}
    return {
        Reason.CHANNEL_OFF: _("with notifications off"),
        Reason.PAUSED: _("paused"),
        Reason.MUTED: _("muted"),
        Reason.NOT_HIGH_PRIORITY: _("not of high priority"),
        Reason.BELOW_MIN_CONFIDENCE: _("below your minimum"),
        Reason.STRATEGY_NOT_CHOSEN: _("of other strategies"),
        Reason.SYMBOL_NOT_CHOSEN: _("of other symbols"),
        Reason.QUIET_HOURS: _("quiet hours"),
    }[reason]


def _gets_house_insights(user: User) -> bool:
    return user.is_active and (not user.is_staff or NotificationPreference.of(user).house_insights_for_staff)


@dataclass(frozen=True, slots=True)
class _Versions:
    """The user's preferences from some moment on, as they were at each later one."""

    valid_from: list[dt.datetime]
    rules: list[Rules]

    @classmethod
    def read(cls, user: User, since: dt.datetime) -> _Versions:
        own = PreferenceVersion.objects.filter(user=user)
        before = own.filter(valid_from__lte=since).order_by("-valid_from", "-pk")[:1]
        later = own.filter(valid_from__gt=since).order_by("valid_from", "pk")
        kept = [*before, *later]
        return cls([one.valid_from for one in kept], [Rules.from_json(one.snapshot) for one in kept])

    def at(self, moment: dt.datetime) -> Rules:
        number = bisect_right(self.valid_from, moment)
        return self.rules[number - 1] if number else default_rules()


def _own(user: User, since: dt.datetime, versions: _Versions, facts: dict[int, Facts]) -> list[Hidden]:
    """By the latest revision that was kept back; those of which the user has a notification came through."""
    told = InsightNotification.objects.filter(user=user, signal=OuterRef("signal"))
    kept_back = SuppressedInsight.objects.filter(
        ~Exists(told), user=user, channel=Channel.WEBSOCKET, created_at__gte=since
    )
    latest = {row.signal_id: row for row in kept_back.order_by("revision")}
    return [
        Hidden(row.signal_id, Reason(row.reason), row.created_at, versions.at(row.created_at), facts.get(row.signal_id))
        for row in latest.values()
    ]


def _of_the_house(
    user: User, since: dt.datetime, versions: _Versions, past: Iterable[past_insights.PastInsight]
) -> list[Hidden]:
    told = _told(user, since) | _opened_before(user, since)
    found = []
    for insight in past:
        if not insight.house or insight.signal_id in told:
            continue
        decided_at = dt.datetime.fromtimestamp(insight.handed_out_s, dt.UTC)
        rules = versions.at(decided_at)
        verdict, reason = preferences.judge(rules, insight.facts, rules.leading_channel, decided_at, rules.quiet_at)
        if verdict is Verdict.SUPPRESS:
            found.append(Hidden(insight.signal_id, reason, decided_at, rules, insight.facts))
    return found


def _told(user: User, since: dt.datetime) -> set[int]:
    margin = dt.timedelta(seconds=past_insights.MARGIN_S)
    rows = InsightNotification.objects.for_user(user).filter(created_at__gte=since - margin)
    return set(rows.values_list("signal_id", flat=True))


def _opened_before(user: User, since: dt.datetime) -> set[int]:
    """Insights that came before the account was made, and were never meant for it."""
    if user.date_joined <= since:
        return set()
    rows = InsightDispatch.objects.filter(opened_at__lt=user.date_joined, finished_at__gte=since)
    return set(rows.values_list("signal_id", flat=True))
