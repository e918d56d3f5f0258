"""`preferences.decide` for many users at once, as SQL for PostgreSQL; a property test holds the two together.

Each rule is one place on each side: a condition here, over a user's row `preference`, for each `if` there. SQL decides
for the rows that it can read beyond doubt. Odd rows and quiet hours are judged in Python and joined as values: there is
no second reading of what something wrote past the forms, and no zone arithmetic in the database.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from django.db import connection

from notifications.deciding import (
    THE_DEFAULTS,
    Decided,
    Defaults,
    decide_by,
    decide_each,
    default_of,
    default_rules,
)
from notifications.models import Mute, NotificationPreference, QuietWindow, as_weekdays
from notifications.preferences import UNTIL_LIFTED, Chosen, Facts, MuteKind, QuietMode, Reason, Verdict, chosen_by
from notifications.priority import Priority
from notifications.quiet import QuietHours, Window, zone_or_utc

_TABLE = f'"{NotificationPreference._meta.db_table}"'
_WINDOW = f'"{QuietWindow._meta.db_table}"'
_MUTE = f'"{Mute._meta.db_table}"'

# The rules of `preferences.decide` for the leading channel, in the order in which they are asked. `quiet` is joined
# when the user has quiet hours; its `held_until` is null outside of them.
RULES: tuple[tuple[Reason, str], ...] = (
    (
        Reason.CHANNEL_OFF,
        "NOT (preference.web_enabled OR preference.push_enabled OR preference.webhook_enabled)",
    ),
    (Reason.PAUSED, "preference.paused_until > %(now)s"),
    (
        Reason.MUTED,
        # Nothing of the row itself: these users' mutes are read once, not once a row.
        f"""preference.user_id IN (
            SELECT mute.user_id FROM {_MUTE} mute
            WHERE mute.user_id = ANY(%(user_ids)s::bigint[]) AND (mute.until IS NULL OR mute.until > %(now)s)
            AND (mute.kind, mute.name)
                IN (('{MuteKind.SYMBOL}', %(symbol)s), ('{MuteKind.STRATEGY}', %(strategy)s))
        )""",
    ),
    (Reason.NOT_HIGH_PRIORITY, "preference.high_priority_only AND NOT %(urgent)s"),
    (Reason.BELOW_MIN_CONFIDENCE, "%(ai_confidence)s < preference.min_confidence"),
    (
        Reason.STRATEGY_NOT_CHOSEN,
        "preference.strategies_filter <> '[]' AND NOT preference.strategies_filter ? %(strategy)s",
    ),
    (Reason.SYMBOL_NOT_CHOSEN, "preference.symbols_filter <> '[]' AND NOT preference.symbols_filter ? %(symbol)s"),
    (
        Reason.BRAKE,
        "%(braked)s AND (quiet.held_until IS NULL OR preference.urgent_bypasses_quiet AND %(urgent)s)",
    ),
    (Reason.ALL_RULES_PASSED, "quiet.held_until IS NULL"),
    (Reason.URGENT_IN_QUIET_HOURS, "preference.urgent_bypasses_quiet AND %(urgent)s"),
    (Reason.QUIET_HOURS, "TRUE"),
)
VERDICT = f"""CASE rule.reason
    WHEN '{Reason.ALL_RULES_PASSED}' THEN '{Verdict.SEND}'
    WHEN '{Reason.URGENT_IN_QUIET_HOURS}' THEN '{Verdict.SEND}'
    WHEN '{Reason.BRAKE}' THEN '{Verdict.HOLD}'
    WHEN '{Reason.QUIET_HOURS}' THEN
        CASE preference.quiet_mode WHEN '{QuietMode.SKIP}' THEN '{Verdict.SUPPRESS}' ELSE '{Verdict.HOLD}' END
    ELSE '{Verdict.SUPPRESS}'
END"""

HELD_UNTIL = f"CASE rule.reason WHEN '{Reason.BRAKE}' THEN '{UNTIL_LIFTED}'::timestamptz ELSE quiet.held_until END"

# All that a user's quiet hours depend on: users with equal ones are judged together, by `_held_until`. Null for users
# who keep none: their windows are not looked for.
QUIET_HOURS = f"""CASE WHEN preference.quiet_hours_enabled THEN jsonb_build_array(
    preference.time_zone, preference.quiet_start_time, preference.quiet_end_time, preference.quiet_weekdays,
    (
        SELECT jsonb_agg(DISTINCT jsonb_build_array(quiet_window.start, quiet_window.end, quiet_window.weekdays))
        FROM {_WINDOW} quiet_window WHERE quiet_window.preference_id = preference.id
    )
)::text END"""

# `preferences.chosen_by`.
CHOSEN = f"""(
    CASE WHEN preference.symbols_filter <> '[]' THEN {Chosen.SYMBOL} ELSE 0 END
    + CASE WHEN preference.strategies_filter <> '[]' THEN {Chosen.STRATEGY} ELSE 0 END
    + CASE WHEN preference.high_priority_only THEN {Chosen.HIGH_PRIORITY} ELSE 0 END
)"""

# A row that SQL might read in another way than `NotificationPreference.rules`: lists that are none, or that hold lists
# or objects (or a name with a bracket in it, which costs nothing but time); times for which Python has no value.
ODD = r"""(
    preference.strategies_filter::text || preference.symbols_filter::text || preference.quiet_weekdays::text
        !~ '^(\[[^][{}]*\]){3}$'
    OR '24:00' IN (preference.quiet_start_time, preference.quiet_end_time)
    OR NOT coalesce(isfinite(preference.paused_until), TRUE)
)"""

# No decision: the user changed the preferences after Python had judged them. Roll back and begin again.
UNFORESEEN = "unforeseen"
# Stands in the statements for the table of preferences.
PREFERENCES = "<preferences>"
NO_ROW = 0  # stands, among the users that Python decided for, for all who have no preferences

_CASES = "\n".join(f"WHEN {condition} THEN '{reason}'" for reason, condition in RULES)

_JUDGE = f"""
SELECT DISTINCT
    CASE WHEN {ODD} THEN preference.user_id END,
    CASE WHEN NOT {ODD} THEN {QUIET_HOURS} END
FROM {PREFERENCES} preference
WHERE preference.user_id = ANY(%(user_ids)s::bigint[]) AND (preference.quiet_hours_enabled OR {ODD})
"""

_DECIDE = f"""
SELECT
    reader.user_id,
    coalesce(given.reason, rule.reason) AS reason,
    coalesce(given.verdict, {VERDICT}) AS verdict,
    CASE coalesce(given.verdict, {VERDICT}) WHEN '{Verdict.HOLD}' THEN coalesce(given.held_until, {HELD_UNTIL}) END
        AS held_until,
    coalesce(given.min_confidence, preference.min_confidence) AS min_confidence,
    coalesce(given.chosen, {CHOSEN}) AS chosen,
    coalesce(given.web, preference.web_enabled) AS web,
    coalesce(given.push, preference.push_enabled) AS push,
    coalesce(given.webhook, preference.webhook_enabled) AS webhook
FROM unnest(%(user_ids)s::bigint[]) AS reader (user_id)
LEFT JOIN {PREFERENCES} preference
    -- The second condition bounds what is read of the table, whatever the planner expects.
    ON preference.user_id = reader.user_id AND preference.user_id = ANY(%(user_ids)s::bigint[])
LEFT JOIN LATERAL (
    SELECT {QUIET_HOURS} AS quiet_hours OFFSET 0  -- worked out once a user: without it, once for each that is compared
) AS own ON TRUE
LEFT JOIN jsonb_to_recordset(%(given)s::jsonb)
    AS given (
        user_id bigint, verdict text, reason text, held_until timestamptz, min_confidence numeric, chosen smallint,
        web boolean, push boolean, webhook boolean
    )
    ON given.user_id = CASE WHEN preference.user_id IS NULL THEN {NO_ROW} ELSE reader.user_id END
LEFT JOIN jsonb_to_recordset(%(quiet_hours)s::jsonb) AS quiet (hours text, held_until timestamptz)
    ON quiet.hours = own.quiet_hours
CROSS JOIN LATERAL (
    SELECT CASE
        WHEN {ODD} OR own.quiet_hours IS NOT NULL AND quiet.hours IS NULL THEN '{UNFORESEEN}'
        {_CASES}
    END AS reason
) AS rule
"""

# (user_id, reason, verdict, held_until, min_confidence, chosen, web, push, webhook) for each of %(user_ids)s; the last
# three say which channels are on.
DECIDE = _DECIDE.replace(PREFERENCES, _TABLE)

# The same columns, of users for whom Python has decided.
GIVEN = """
SELECT given.*
FROM jsonb_to_recordset(%(given)s::jsonb) AS given (
    user_id bigint, reason text, verdict text, held_until timestamptz, min_confidence numeric, chosen smallint,
    web boolean, push boolean, webhook boolean
)
"""


def decide_with(defaults: Defaults) -> str:
    """DECIDE with other defaults; the parameters are those that `judge` gives for the same."""
    return _DECIDE.replace(PREFERENCES, _with(defaults))


def _with(defaults: Defaults) -> str:
    """`deciding.with_defaults` for the whole table."""
    if not defaults:
        return _TABLE
    names = [str(field.column) for field in NotificationPreference._meta.concrete_fields]
    columns = (
        f"CASE WHEN {name} = %(default_{name})s THEN %(changed_{name})s ELSE {name} END AS {name}"
        if name in defaults
        else name
        for name in names
    )
    return f"(SELECT {', '.join(columns)} FROM {_TABLE})"


def _values_of(defaults: Defaults) -> dict[str, Any]:
    present = {f"default_{name}": default_of(name) for name in defaults}
    return present | {f"changed_{name}": value for name, value in defaults.items()}


def judge(
    user_ids: Sequence[int],
    facts: Facts,
    now: dt.datetime,
    *,
    braked: bool,
    defaults: Defaults = THE_DEFAULTS,
) -> dict[str, Any]:
    """The parameters of DECIDE beside `user_ids`, with what Python has to judge for these users."""
    values = _values_of(defaults)
    with connection.cursor() as cursor:
        cursor.execute(_JUDGE.replace(PREFERENCES, _with(defaults)), {"user_ids": list(user_ids)} | values)
        found = cursor.fetchall()
    odd = [user_id for user_id, _ in found if user_id is not None]
    default = decide_by(default_rules(defaults), facts, now, braked=braked)
    return values | {
        "given": given(decide_each(odd, facts, now, braked=braked, defaults=defaults) | {NO_ROW: default}),
        "quiet_hours": _quiet_hours((hours for _, hours in found if hours is not None), now),
        "now": now,
        "urgent": facts.priority == Priority.HIGH,
        "braked": braked,
        "ai_confidence": facts.ai_confidence,
        "strategy": facts.strategy,
        "symbol": facts.symbol,
    }


def given(decided: Mapping[int, Decided]) -> str:
    """Decisions by user id, as the parameter of that name."""
    return json.dumps(
        [
            {
                "user_id": user_id,
                "verdict": decision.verdict,
                "reason": decision.reason,
                "held_until": decision.held_until.isoformat() if decision.held_until else None,
                "min_confidence": str(rules.min_confidence),
                "chosen": chosen_by(rules).value,
                "web": rules.web_enabled,
                "push": rules.push_enabled,
                "webhook": rules.webhook_enabled,
            }
            for user_id, (rules, decision) in decided.items()
        ]
    )


def _quiet_hours(found: Iterable[str], now: dt.datetime) -> str:
    """When each of these quiet hours lets out what comes now; null where it is not quiet now."""
    return json.dumps([{"hours": hours, "held_until": _held_until(hours, now)} for hours in found])


def _held_until(hours: str, now: dt.datetime) -> str | None:
    zone, start, end, weekdays, windows = json.loads(hours)
    further = ((start, end, as_weekdays(bits)) for start, end, bits in windows or [])
    quiet = QuietHours(
        tuple(
            Window(dt.time.fromisoformat(start), dt.time.fromisoformat(end), frozenset(weekdays))
            for start, end, weekdays in ((start, end, weekdays), *further)
        ),
        zone_or_utc(zone),
    )
    return quiet.release_after(now).isoformat() if quiet.cover(now) else None
