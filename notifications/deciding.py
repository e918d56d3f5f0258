"""What users' stored preferences say about an insight, one user at a time."""

from __future__ import annotations

import datetime as dt
import logging
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from django.db import DataError

from notifications import preferences
from notifications.models import Mute, NotificationPreference, QuietWindow
from notifications.preferences import Decision, Facts, Rules

logger = logging.getLogger(__name__)

# One row that something wrote past the forms must cost nobody else a notification, nor its own user.
UNREADABLE = "Preferences of user %s can't be read, the defaults decide"


class Decided(NamedTuple):
    """A decision, and the rules that led to it."""

    rules: Rules
    decision: Decision


# Other defaults than the model's, by the names of the fields, to see what they would do.
Defaults = Mapping[str, Any]
THE_DEFAULTS: Defaults = {}


def decide_each(
    user_ids: Iterable[int],
    facts: Facts,
    now: dt.datetime,
    *,
    braked: bool = False,
    defaults: Defaults = THE_DEFAULTS,
) -> dict[int, Decided]:
    """The decision about the notification for each of these users, by user id; who has no row has the defaults."""
    rules = rules_of(user_ids, defaults)
    return {user_id: decide_by(own, facts, now, braked=braked) for user_id, own in rules.items()}


def decide_by(rules: Rules, facts: Facts, now: dt.datetime, *, braked: bool = False) -> Decided:
    decision = preferences.decide(rules, facts, rules.leading_channel, now)
    return Decided(rules, preferences.braked(decision) if braked else decision)


def rules_of(user_ids: Iterable[int], defaults: Defaults = THE_DEFAULTS) -> dict[int, Rules]:
    """What each of these users wants, by user id, in at most three queries; the defaults for who has no row.

    The further windows of a user whose quiet hours are off are left out: they count for nothing then.
    """
    rules = dict.fromkeys(user_ids, default_rules(defaults))
    stored = [with_defaults(preference, defaults) for preference in _stored(list(rules))]
    windows: dict[int, list[QuietWindow]] = defaultdict(list)
    quiet = [preference.pk for preference in stored if preference.quiet_hours_enabled]
    for window in QuietWindow.objects.filter(preference__in=quiet):  # no query for none
        windows[window.preference_id].append(window)
    mutes: dict[int, list[Mute]] = defaultdict(list)
    for mute in Mute.objects.filter(user__in=[preference.user_id for preference in stored]):
        mutes[mute.user_id].append(mute)
    for preference in stored:
        rules[preference.user_id] = readable_rules(
            preference, windows=windows[preference.pk], mutes=mutes[preference.user_id], defaults=defaults
        )
    return rules


def default_rules(defaults: Defaults = THE_DEFAULTS) -> Rules:
    """The preferences of a user without a row."""
    return with_defaults(NotificationPreference(), defaults).rules(windows=[], mutes=[])


def with_defaults(preference: NotificationPreference, defaults: Defaults) -> NotificationPreference:
    """Whatever says what the model's default says gets the other one; not to be saved."""
    for name, value in defaults.items():
        if getattr(preference, name) == default_of(name):
            setattr(preference, name, value)
    return preference


def default_of(field: str) -> Any:
    column: Any = NotificationPreference._meta.get_field(field)
    return column.get_default()


def _stored(user_ids: list[int]) -> list[NotificationPreference]:
    """The rows of these users; without those that hold a value for which Python has none, such as 24:00."""
    try:
        return list(NotificationPreference.objects.filter(user_id__in=user_ids))
    except (DataError, ValueError):
        if len(user_ids) == 1:
            logger.exception(UNREADABLE, user_ids[0])
            return []
    return [row for user_id in user_ids for row in _stored([user_id])]


def readable_rules(
    preference: NotificationPreference,
    *,
    windows: Sequence[QuietWindow],
    mutes: Sequence[Mute],
    defaults: Defaults = THE_DEFAULTS,
) -> Rules:
    """What the rows say; the defaults when something in them is of another kind than the forms write."""
    try:
        return preference.rules(windows=windows, mutes=mutes)
    except (TypeError, ValueError, ArithmeticError):
        logger.exception(UNREADABLE, preference.user_id)
        return default_rules(defaults)
