"""One insight and one user: the whole decision, by rule and by channel, as it was and as it would be now."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from django.utils.translation import gettext as _

from notifications import preferences
from notifications.explaining import asked, explain, found
from notifications.models import (
    DispatchState,
    InsightDispatch,
    InsightNotification,
    NotificationPreference,
    SuppressedInsight,
)
from notifications.preferences import Channel, Decision, Facts, Reason, Rules, Standing
from notifications.priority import Priority
from notifications.reasons import facts_of, rules_at

if TYPE_CHECKING:
    from django.contrib.auth.models import User

    from signals.models import Signal


class RuleRow(NamedTuple):
    """One rule: what the user asked for, what the insight had, and how the rule stood to each channel's decision."""

    reason: Reason
    asked: str
    found: str
    standings: list[Standing]


class Verdict(NamedTuple):
    channel: Channel
    decision: Decision
    explanation: str


@dataclass(frozen=True, slots=True)
class Story:
    """All channels decided at one moment, with the preferences and the figures of that moment."""

    moment: dt.datetime
    verdicts: list[Verdict]
    rows: list[RuleRow]


class Moment(NamedTuple):
    """When it was decided, what is on record of it, and the insight's figures then as far as they were kept."""

    at: dt.datetime
    on_record: str
    facts: Facts


def tell(rules: Rules, facts: Facts, now: dt.datetime) -> Story:
    """Pure."""
    traces = {channel: preferences.trace(rules, facts, channel, now) for channel in Channel}
    verdicts = [
        Verdict(channel, decision, explain(decision, rules, facts)) for channel, (decision, _steps) in traces.items()
    ]
    columns = [steps for _decision, steps in traces.values()]
    rows = [
        RuleRow(
            steps[0].reason,
            asked(steps[0].reason, rules),
            found(steps[0].reason, rules, facts, now),
            [step.standing for step in steps],
        )
        for steps in zip(*columns, strict=True)
    ]
    return Story(now, verdicts, rows)


def story_then(user: User, signal: Signal) -> tuple[Story, Moment] | None:
    """As it was decided; None when it has not been."""
    moment = moment_of(user, signal)
    return (tell(rules_at(user, moment.at), moment.facts, moment.at), moment) if moment else None


def story_now(user: User, signal: Signal, now: dt.datetime) -> Story:
    return tell(NotificationPreference.of(user).rules(), facts_of(signal), now)


def moment_of(user: User, signal: Signal) -> Moment | None:
    """By what is on record, the latest revision first; a house signal's suppression is not, but its dispatch is."""
    facts = facts_of(signal)
    told = InsightNotification.objects.filter(user=user, signal=signal).order_by("-revision").first()
    kept_back = SuppressedInsight.objects.filter(user=user, signal=signal, channel=Channel.WEBSOCKET)
    suppressed = kept_back.order_by("-revision").first()
    if told and (suppressed is None or told.revision >= suppressed.revision):
        facts = Facts(signal.symbol, signal.strategy, told.confidence, Priority(told.priority))
        return Moment(told.created_at, _("A notification: %(rule)s") % {"rule": told.get_reason_display()}, facts)
    if suppressed:
        words = _("Kept back: %(rule)s") % {"rule": suppressed.get_reason_display()}
        return Moment(suppressed.created_at, words, facts)
    dispatch = InsightDispatch.objects.filter(signal=signal).order_by("-revision").first()
    if dispatch is None or dispatch.finished_at is None:
        return None
    return Moment(dispatch.finished_at, _("No notification"), facts)


def before_any_rule(user: User, signal: Signal) -> list[str]:
    """What keeps an insight from a user before the preferences are asked at all."""
    dispatch = InsightDispatch.objects.filter(signal=signal).order_by("-revision").first()
    preference = NotificationPreference.of(user)
    house = signal.user_id is None
    hindrances = {
        _("It is another user's own insight."): not house and signal.user_id != user.pk,
        _("The account is not active."): not user.is_active,
        _("It has not been handed out yet."): dispatch is None or not dispatch.finished,
        _("It was closed without notifying anybody."): (
            dispatch is not None and dispatch.state == DispatchState.CLOSED
        ),
        _("It came before the account was made."): (
            house and dispatch is not None and user.date_joined > dispatch.opened_at
        ),
        _("House insights go to staff only when they opt in."): (
            house and user.is_staff and not preference.house_insights_for_staff
        ),
    }
    return [words for words, holds in hindrances.items() if holds]
