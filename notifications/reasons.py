"""Why an insight did not reach a user, in words for that user.

For an owned signal the rule that decided is on record. For a house signal the decision is made once more, with the
preferences that were valid when its dispatch finished: a row for each trader and insight would be too many.
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, NamedTuple

from django.urls import reverse
from django.utils.translation import gettext as _

from notifications import announcing, deciding, preferences
from notifications.explaining import explain_kept_back
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

# The ids of the preferences page.
SETTINGS = {
    Reason.CHANNEL_OFF: "id_web_enabled",
    Reason.PAUSED: "id_paused_until",
    Reason.MUTED: "mutes",
    Reason.NOT_HIGH_PRIORITY: "id_high_priority_only",
    Reason.BELOW_MIN_CONFIDENCE: "id_min_confidence",
    Reason.STRATEGY_NOT_CHOSEN: "id_strategies_filter",
    Reason.SYMBOL_NOT_CHOSEN: "id_symbols_filter",
    Reason.QUIET_HOURS: "id_quiet_hours_enabled",
}


class WhyNot(NamedTuple):
    """A sentence, and the address of the setting that kept it back; empty when none did."""

    words: str
    setting: str = ""


def setting_url(reason: Reason) -> str:
    """Where "notify me about such ones" leads: the setting on the preferences page that a rule stands on."""
    return f"{reverse('preferences')}#{SETTINGS[reason]}"


def why_not_notified(user: User, signal: Signal) -> WhyNot:
    """For a user who may see the signal and has no notification of it."""
    dispatch = InsightDispatch.objects.filter(signal=signal).order_by("-revision").first()
    if dispatch is None or not dispatch.finished or dispatch.finished_at is None:
        return WhyNot(_("It has not been handed out yet."))
    if dispatch.state == DispatchState.CLOSED:
        return WhyNot(_("It had lost its meaning before anybody could be notified."))
    if signal.user_id is not None:
        return _of_own_signal(user, signal)
    return _of_house_signal(user, signal, dispatch, dispatch.finished_at)


def rules_at(user: User, moment: dt.datetime) -> Rules:
    """The user's preferences as they were; the defaults before there were any."""
    version = PreferenceVersion.objects.filter(user=user, valid_from__lte=moment).order_by("-valid_from", "-pk").first()
    return Rules.from_json(version.snapshot) if version else deciding.default_rules()


def facts_of(signal: Signal) -> Facts:
    """As they are now."""
    return Facts(signal.symbol, signal.strategy, signal.ai_confidence, announcing.calculate_priority(signal))


def _of_own_signal(user: User, signal: Signal) -> WhyNot:
    kept_back = SuppressedInsight.objects.filter(user=user, signal=signal, channel=Channel.WEBSOCKET)
    latest = kept_back.order_by("-revision").first()
    if latest is None:
        return WhyNot(_("The reason is no longer on record."))
    return _by_rule(Reason(latest.reason), rules_at(user, latest.created_at), facts_of(signal), latest.created_at)


def _of_house_signal(user: User, signal: Signal, dispatch: InsightDispatch, finished_at: dt.datetime) -> WhyNot:
    if user.date_joined > dispatch.opened_at:
        return WhyNot(_("It came before your account was made."))
    if user.is_staff and not NotificationPreference.of(user).house_insights_for_staff:
        return WhyNot(_("As a member of staff you get house insights only when you opt in."))
    facts, rules = facts_of(signal), rules_at(user, finished_at)
    decision = preferences.decide(rules, facts, rules.leading_channel, finished_at)
    if decision.verdict is Verdict.SUPPRESS:
        return _by_rule(decision.reason, rules, facts, finished_at)
    return WhyNot(_("Your notification of it has been deleted since."))


def _by_rule(reason: Reason, rules: Rules, facts: Facts, moment: dt.datetime) -> WhyNot:
    words = explain_kept_back(reason, rules, facts, moment)
    return WhyNot(_("Your preferences kept it back: %(why)s.") % {"why": words}, setting_url(reason))
