"""Why an insight did not reach a user, in a sentence for that user.

For an owned signal the rule that decided is on record. For a house signal the decision is made once more, with the
preferences that were valid when its dispatch finished: a row for each trader and insight would be too many.
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

from notifications import announcing, deciding, preferences
from notifications.models import (
    DispatchState,
    InsightDispatch,
    NotificationPreference,
    PreferenceVersion,
    SuppressedInsight,
)
from notifications.preferences import Channel, Facts, Reason, Rules, Verdict

if TYPE_CHECKING:
    from django.contrib.auth.models import User

    from signals.models import Signal


def why_not_notified(user: User, signal: Signal) -> str:
    """For a user who may see the signal and has no notification of it."""
    dispatch = InsightDispatch.objects.filter(signal=signal).order_by("-revision").first()
    if dispatch is None or not dispatch.finished or dispatch.finished_at is None:
        return "It has not been handed out yet."
    if dispatch.state == DispatchState.CLOSED:
        return "It had lost its meaning before anybody could be notified."
    if signal.user_id is not None:
        return _of_own_signal(user, signal)
    return _of_house_signal(user, signal, dispatch, dispatch.finished_at)


def _of_own_signal(user: User, signal: Signal) -> str:
    kept_back = SuppressedInsight.objects.filter(user=user, signal=signal, channel=Channel.WEBSOCKET)
    latest = kept_back.order_by("-revision").first()
    return _by_rule(Reason(latest.reason)) if latest else "The reason is no longer on record."


def _of_house_signal(user: User, signal: Signal, dispatch: InsightDispatch, finished_at: dt.datetime) -> str:
    if user.date_joined > dispatch.opened_at:
        return "It came before your account was made."
    if user.is_staff and not NotificationPreference.of(user).house_insights_for_staff:
        return "As a member of staff you get house insights only when you opt in."
    facts = Facts(signal.symbol, signal.strategy, signal.ai_confidence, announcing.calculate_priority(signal))
    decision = preferences.decide(_rules_at(user, finished_at), facts, Channel.WEBSOCKET, finished_at)
    if decision.verdict is Verdict.SUPPRESS:
        return _by_rule(decision.reason)
    return "Your notification of it has been deleted since."


def _rules_at(user: User, moment: dt.datetime) -> Rules:
    version = PreferenceVersion.objects.filter(user=user, valid_from__lte=moment).order_by("-valid_from", "-pk").first()
    return Rules.from_json(version.snapshot) if version else deciding.default_rules()


def _by_rule(reason: Reason) -> str:
    return f"Your preferences kept it back: {str(reason.label).lower()}."
