"""Did they get it? One sentence about one user and one insight, from what is on record."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _

from notifications import decisions, hidden
from notifications.models import InsightDispatch, InsightNotification, SuppressedInsight
from notifications.preferences import AT_ONCE, Reason, Verdict
from signals.models import Signal

if TYPE_CHECKING:
    from django.contrib.auth.models import User

NEWEST = 20
HIDDEN_SINCE = dt.timedelta(days=1)


class Outcome(StrEnum):
    YES = "yes"
    NOT_YET = "not_yet"
    NO = "no"


@dataclass(frozen=True, slots=True)
class Answer:
    """`notifications` are all revisions that the user has, the latest first, each with its deliveries."""

    outcome: Outcome
    sentence: str
    notifications: list[InsightNotification]


@dataclass(frozen=True, slots=True)
class Line:
    """One insight and what became of it, for a list."""

    signal: Signal
    user: User
    at: dt.datetime
    outcome: Outcome
    words: str


def answer(user: User, signal: Signal, story: decisions.Story | None) -> Answer:
    """`story`: as it was decided, when it has been (`decisions.story_then`)."""
    held = InsightNotification.objects.filter(user=user, signal=signal)
    found = list(held.prefetch_related("delivery_logs").order_by("-revision"))
    if found:
        return Answer(*_of_notification(found[0]), found)
    kept_back = SuppressedInsight.objects.filter(user=user, signal=signal).order_by("-revision").first()
    if kept_back:
        words = _("No: it was kept back at %(time)s. %(rule)s.")
        rule = kept_back.get_reason_display()
        return Answer(Outcome.NO, words % {"time": _time(kept_back.created_at), "rule": rule}, [])
    return Answer(*_without_a_record(user, signal, story), [])


def newest_of(user: User) -> list[Line]:
    """The user's latest notifications, and what was kept back during the last day."""
    came = InsightNotification.objects.for_user(user).select_related("signal").prefetch_related("delivery_logs")
    lines = [
        Line(row.signal, user, row.created_at, *_of_notification(row))
        for row in came.order_by("-created_at", "-pk")[:NEWEST]
    ]
    kept_back = hidden.hidden_since(user, timezone.now() - HIDDEN_SINCE)[:NEWEST]
    signals = Signal.objects.in_bulk([one.signal_id for one in kept_back])
    lines += [
        Line(signals[one.signal_id], user, one.decided_at, Outcome.NO, _kept_back(one.reason))
        for one in kept_back
        if one.signal_id in signals
    ]
    return sorted(lines, key=lambda line: line.at, reverse=True)


def newest_holders(signal: Signal) -> list[Line]:
    """Some of those who have it, and the owner from whom it was kept back."""
    rows = InsightNotification.objects.filter(signal=signal, superseded_by__isnull=True)
    rows = rows.select_related("user").prefetch_related("delivery_logs").order_by("user_id")
    kept_back = SuppressedInsight.objects.filter(signal=signal).select_related("user")
    latest = {row.user_id: row for row in kept_back.order_by("revision")}
    lines = [Line(signal, row.user, row.created_at, *_of_notification(row)) for row in rows[:NEWEST]]
    told = {line.user.pk for line in lines}
    return lines + [
        Line(signal, row.user, row.created_at, Outcome.NO, _kept_back(Reason(row.reason)))
        for row in latest.values()
        if row.user_id not in told
    ]


def _of_notification(row: InsightNotification) -> tuple[Outcome, str]:
    if row.held_until:
        return Outcome.NOT_YET, _("Not yet: it is held back. %(rule)s.") % {"rule": row.get_reason_display()}
    at = _time(row.created_at)
    reached = [log for log in row.delivery_logs.all() if log.success]
    over = ", ".join(dict.fromkeys(log.get_channel_display() for log in sorted(reached, key=lambda log: log.pk)))
    if row.delivered_at:
        words = _("Yes: it came at %(time)s, and a browser showed it at %(shown)s. Reached over: %(channels)s.")
        return Outcome.YES, words % {"time": at, "shown": _time(row.delivered_at), "channels": over or "–"}
    if reached:
        words = _("Yes: it came at %(time)s. Reached over: %(channels)s.")
        return Outcome.YES, words % {"time": at, "channels": over}
    if row.read_at:  # in a list, which acknowledges nothing
        words = _("Yes: it came at %(time)s, and was marked as read at %(read)s.")
        return Outcome.YES, words % {"time": at, "read": _time(row.read_at)}
    if row.seq is None:
        return Outcome.NOT_YET, _("Not yet: since %(time)s it waits to be sent beside the browser.") % {"time": at}
    # A list that was opened later may have shown it; only what was sent to an open tab is acknowledged.
    words = _("Since %(time)s it is in the list, but no open browser has confirmed it.")
    return Outcome.NOT_YET, words % {"time": at}


def _without_a_record(user: User, signal: Signal, story: decisions.Story | None) -> tuple[Outcome, str]:
    dispatch = InsightDispatch.objects.filter(signal=signal).order_by("-revision").first()
    if dispatch is None or not dispatch.finished:
        return Outcome.NOT_YET, _("Not yet: it has not been handed out.")
    hindrances = decisions.before_any_rule(user, signal)
    if hindrances:
        return Outcome.NO, _("No: %(why)s") % {"why": " ".join(hindrances)}
    reason = _decided_by(story) if story else None
    if reason is None:
        return Outcome.NO, _("No, or not any more: notifications are deleted after 30 days.")
    return Outcome.NO, _kept_back(reason)


def _decided_by(story: decisions.Story) -> Reason | None:
    """What kept it from every channel that is on; None when it came over one of them."""
    decided = [verdict.decision for verdict in story.verdicts if verdict.channel in AT_ONCE]
    if any(decision.verdict is not Verdict.SUPPRESS for decision in decided):
        return None
    return next((decision.reason for decision in decided if decision.reason != Reason.CHANNEL_OFF), Reason.CHANNEL_OFF)


def _kept_back(reason: Reason) -> str:
    return _("No: it was kept back. %(rule)s.") % {"rule": reason.label}


def _time(moment: dt.datetime) -> str:
    local = timezone.localtime(moment)
    return f"{date_format(local, 'j M Y, H:i:s')} {local.tzname()}"
