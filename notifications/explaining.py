"""Decisions in words: with the figures of the user's and of the insight's that led to them, without a full stop."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import TYPE_CHECKING

from django.utils.dates import WEEKDAYS_ABBR
from django.utils.formats import number_format
from django.utils.translation import gettext as _

from notifications import preferences
from notifications.preferences import (
    UNTIL_TURNED_ON,
    Channel,
    Chosen,
    Decision,
    Facts,
    MuteKind,
    MuteRule,
    Reason,
    Rules,
    Verdict,
    chosen_by,
)
from notifications.quiet import zone_or_utc

if TYPE_CHECKING:
    from notifications.models import InsightNotification


def explain(decision: Decision, rules: Rules, facts: Facts) -> str:
    """Why it was decided so."""
    match decision.reason:
        case Reason.ALL_RULES_PASSED:
            return _passed(facts.ai_confidence, rules.min_confidence, chosen_by(rules))
        case Reason.URGENT_IN_QUIET_HOURS:
            return _("high priority, which you let through your quiet hours")
        case Reason.QUIET_HOURS:
            return _quiet(decision, rules)
        case Reason.BRAKE:
            return _("sending is stopped for everybody; held until it goes on")
        case reason:
            return _against(reason, rules, facts)


def explain_kept_back(reason: Reason, rules: Rules, facts: Facts | None, moment: dt.datetime) -> str:
    """Why this rule kept an insight back at that moment.

    The figures are left out where they do not lead to that rule, as when the insight was scored again meanwhile, and
    where nothing is known of it any more.
    """
    if facts is None or preferences.decide(rules, facts, rules.leading_channel, moment).reason != reason:
        return str(reason.label).lower()
    return explain(Decision(Verdict.SUPPRESS, reason), rules, facts)


def _against(reason: Reason, rules: Rules, facts: Facts) -> str:
    match reason:
        case Reason.CHANNEL_OFF:
            return _("this channel is switched off")
        case Reason.PAUSED:
            return _("you paused notifications %(until)s") % {"until": _until(rules.paused_until, rules)}
        case Reason.MUTED:
            return _mute(rules, facts)
        case Reason.NOT_HIGH_PRIORITY:
            return _("priority %(priority)s, and you want high priority only") % {
                "priority": str(facts.priority.label).lower()
            }
        case Reason.BELOW_MIN_CONFIDENCE:
            return _("AI confidence %(confidence)s < your %(minimum)s") % {
                "confidence": plain(facts.ai_confidence),
                "minimum": plain(rules.min_confidence),
            }
        case Reason.STRATEGY_NOT_CHOSEN:
            return _("%(name)s is not among your strategies (%(names)s)") % {
                "name": facts.strategy,
                "names": ", ".join(sorted(rules.strategies)),
            }
        case Reason.SYMBOL_NOT_CHOSEN:
            return _("%(name)s is not among your symbols (%(names)s)") % {
                "name": facts.symbol,
                "names": ", ".join(sorted(rules.symbols)),
            }
        case _other:
            return str(reason.label).lower()


def why(notification: InsightNotification) -> str:
    """Why it came, by the figures that were kept with it; a row of earlier times has none."""
    if notification.reason == Reason.URGENT_IN_QUIET_HOURS:
        return _("high priority, which you let through your quiet hours")
    if notification.min_confidence is None:
        return _("it passed every rule of your preferences")
    passed = _passed(notification.confidence, notification.min_confidence, Chosen(notification.chosen))
    if notification.reason == Reason.QUIET_HOURS:
        return _("%(passed)s; held in your quiet hours") % {"passed": passed}
    if notification.reason == Reason.BRAKE:
        return _("%(passed)s; held while sending was stopped for everybody") % {"passed": passed}
    return passed


def plain(number: Decimal) -> str:
    """70.00 → 70, 79.50 → 79.5; with the decimal sign of the reader's language."""
    return number_format(f"{number:.2f}".rstrip("0").rstrip("."))


def _passed(confidence: Decimal, minimum: Decimal, chosen: Chosen) -> str:
    parts = [
        _("AI confidence %(confidence)s ≥ your %(minimum)s")
        % {"confidence": plain(confidence), "minimum": plain(minimum)}
    ]
    if Chosen.HIGH_PRIORITY in chosen:
        parts.append(_("high priority"))
    if Chosen.SYMBOL in chosen:
        parts.append(_("symbol in your list"))
    if Chosen.STRATEGY in chosen:
        parts.append(_("strategy in your list"))
    return "; ".join(parts)


def _quiet(decision: Decision, rules: Rules) -> str:
    windows = ", ".join(f"{window.start:%H:%M}–{window.end:%H:%M}" for window in rules.quiet_hours.windows)
    if decision.held_until is None:
        return _("your quiet hours %(windows)s (%(zone)s), in which you want insights skipped") % {
            "windows": windows,
            "zone": rules.time_zone,
        }
    return _("your quiet hours %(windows)s; held %(until)s") % {
        "windows": windows,
        "until": _until(decision.held_until, rules),
    }


def _mute(rules: Rules, facts: Facts) -> str:
    """Of those that concern it the one that lasts longest is in force when any is."""
    concerning = [mute for mute in rules.mutes if mute.concerns(facts)]
    mute = max(concerning, key=lambda mute: mute.until or UNTIL_TURNED_ON)
    words = (
        _("you muted %(name)s %(until)s")
        if mute.kind == MuteKind.SYMBOL
        else _("you muted the strategy %(name)s %(until)s")
    )
    until = _until(mute.until, rules) if mute.until else _("until you take it back")
    return words % {"name": mute.name, "until": until}


def _until(moment: dt.datetime | None, rules: Rules) -> str:
    if moment is None or moment >= UNTIL_TURNED_ON:
        return _("until you turn them on")
    local = moment.astimezone(zone_or_utc(rules.time_zone))
    return _("until %(time)s (%(zone)s)") % {"time": f"{local:%Y-%m-%d %H:%M}", "zone": rules.time_zone}


# --- Rule by rule ---------------------------------------------------------------------------------------------------


def asked(reason: Reason, rules: Rules) -> str:
    """What the user wants, as far as this rule is concerned."""
    match reason:
        case Reason.CHANNEL_OFF:
            return ", ".join(str(channel.label) for channel in Channel if rules.enables(channel)) or _("no channel")
        case Reason.PAUSED:
            return _until(rules.paused_until, rules) if rules.paused_until else _("no pause")
        case Reason.MUTED:
            return "; ".join(_one_mute(mute, rules) for mute in rules.mutes) or _("nothing muted")
        case Reason.NOT_HIGH_PRIORITY:
            return _("high only") if rules.high_priority_only else _("any")
        case Reason.BELOW_MIN_CONFIDENCE:
            return _("at least %(minimum)s") % {"minimum": plain(rules.min_confidence)}
        case Reason.STRATEGY_NOT_CHOSEN:
            return ", ".join(sorted(rules.strategies)) or _("every strategy")
        case Reason.SYMBOL_NOT_CHOSEN:
            return ", ".join(sorted(rules.symbols)) or _("every symbol")
        case _other:
            return _quiet_hours(rules) if rules.quiet_hours_enabled else _("no quiet hours")


def found(reason: Reason, rules: Rules, facts: Facts, now: dt.datetime) -> str:
    """What the insight, or the user's clock, had against it."""
    match reason:
        case Reason.MUTED:
            return f"{facts.symbol}, {facts.strategy}"
        case Reason.NOT_HIGH_PRIORITY:
            return str(facts.priority.label).lower()
        case Reason.BELOW_MIN_CONFIDENCE:
            return plain(facts.ai_confidence)
        case Reason.STRATEGY_NOT_CHOSEN:
            return facts.strategy
        case Reason.SYMBOL_NOT_CHOSEN:
            return facts.symbol
        case Reason.PAUSED | Reason.QUIET_HOURS:
            return f"{now.astimezone(zone_or_utc(rules.time_zone)):%a %Y-%m-%d %H:%M}"
        case _other:
            return ""


def _one_mute(mute: MuteRule, rules: Rules) -> str:
    return f"{mute.name} {_until(mute.until, rules) if mute.until else _('until it is taken back')}"


def _quiet_hours(rules: Rules) -> str:
    windows = "; ".join(
        f"{window.start:%H:%M}–{window.end:%H:%M} {_days(window.weekdays)}" for window in rules.quiet_hours.windows
    )
    bypass = _(", high priority comes through") if rules.urgent_bypasses_quiet else ""
    return f"{windows} ({rules.time_zone}), {str(rules.quiet_mode.label).lower()}{bypass}"


def _days(weekdays: frozenset[int]) -> str:
    """0 = Monday."""
    return ", ".join(str(WEEKDAYS_ABBR[day]) for day in sorted(weekdays)) or _("on no day")
