"""Whether an insight may disturb a user: the rules, their order and the words for them."""

import datetime as dt
from dataclasses import fields, replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notifications.explaining import explain
from notifications.models import NotificationPreference
from notifications.preferences import (
    UNTIL_TURNED_ON,
    Channel,
    Decision,
    Facts,
    MuteKind,
    MuteRule,
    QuietMode,
    Reason,
    Rules,
    Verdict,
    as_decimal,
    canonical_strategies,
    canonical_symbols,
    decide,
    order_of_window,
)
from notifications.priority import Priority
from notifications.quiet import Window, zone_or_utc

NOON = dt.datetime(2026, 3, 4, 12, tzinfo=dt.UTC)  # a Wednesday
FACTS = Facts(symbol="EURUSD", strategy="SMC", ai_confidence=Decimal(70), priority=Priority.MEDIUM)
PERMISSIVE = Rules(
    web_enabled=True,
    push_enabled=True,
    email_digest_enabled=True,
    min_confidence=Decimal(65),
    strategies=frozenset(),
    symbols=frozenset(),
    high_priority_only=False,
    quiet_hours_enabled=False,
    quiet_start=dt.time(22),
    quiet_end=dt.time(7),
    quiet_weekdays=frozenset(range(7)),
    quiet_mode=QuietMode.HOLD,
    urgent_bypasses_quiet=False,
    time_zone="UTC",
    paused_until=None,
    webhook_enabled=True,
)
# Each switches on one rule that keeps FACTS back at NOON, in the order in which the rules are asked.
AGAINST: list[tuple[Reason, dict[str, Any]]] = [
    (Reason.CHANNEL_OFF, {"web_enabled": False}),
    (Reason.PAUSED, {"paused_until": NOON + dt.timedelta(microseconds=1)}),
    (Reason.MUTED, {"mutes": (MuteRule(MuteKind.SYMBOL, "EURUSD"),)}),
    (Reason.NOT_HIGH_PRIORITY, {"high_priority_only": True}),
    (Reason.BELOW_MIN_CONFIDENCE, {"min_confidence": Decimal("70.01")}),
    (Reason.STRATEGY_NOT_CHOSEN, {"strategies": frozenset({"ZenithEdge"})}),
    (Reason.SYMBOL_NOT_CHOSEN, {"symbols": frozenset({"GBPUSD"})}),
    (
        Reason.QUIET_HOURS,
        {"quiet_hours_enabled": True, "quiet_start": dt.time(12), "quiet_mode": QuietMode.SKIP},
    ),
]


def decided(facts: Facts = FACTS, *, channel: Channel = Channel.WEBSOCKET, **rules: Any) -> Decision:
    return decide(replace(PERMISSIVE, **rules), facts, channel, NOON)


# --- The rules ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("channel", Channel)
def test_without_a_rule_against_it_an_insight_is_sent(channel: Channel) -> None:
    assert decided(channel=channel) == Decision(Verdict.SEND, Reason.ALL_RULES_PASSED)


@pytest.mark.parametrize(("reason", "rule"), AGAINST)
def test_one_rule_against_it_suppresses_an_insight(reason: Reason, rule: dict[str, Any]) -> None:
    assert decided(**rule) == Decision(Verdict.SUPPRESS, reason)


@pytest.mark.parametrize("first", range(len(AGAINST)))
def test_of_several_rules_against_it_the_first_is_the_reason(first: int) -> None:
    rules = {name: value for _, rule in AGAINST[first:] for name, value in rule.items()}

    assert decided(**rules).reason is AGAINST[first][0]


@pytest.mark.parametrize(
    "rule",
    [
        {"paused_until": NOON},
        {"mutes": (MuteRule(MuteKind.SYMBOL, "EURUSD", NOON), MuteRule(MuteKind.STRATEGY, "SMC", NOON))},
        {"mutes": (MuteRule(MuteKind.SYMBOL, "SMC"), MuteRule(MuteKind.STRATEGY, "EURUSD"))},
        {"mutes": (MuteRule(MuteKind.SYMBOL, "eurusd"), MuteRule(MuteKind.STRATEGY, "smc"))},
        {"min_confidence": Decimal(70)},
        {"strategies": frozenset({"ZenithEdge", "SMC"})},
        {"symbols": frozenset({"GBPUSD", "EURUSD"})},
        {"quiet_hours_enabled": True},
        {"quiet_hours_enabled": True, "quiet_start": dt.time(12), "quiet_weekdays": frozenset()},
        {"quiet_hours_enabled": True, "quiet_start": dt.time(7), "quiet_end": dt.time(12)},
    ],
)
def test_a_rule_at_its_boundary_lets_an_insight_through(rule: dict[str, Any]) -> None:
    assert decided(**rule) == Decision(Verdict.SEND, Reason.ALL_RULES_PASSED)


def test_high_priority_passes_the_rule_that_wants_it() -> None:
    urgent = replace(FACTS, priority=Priority.HIGH)

    assert decided(urgent, high_priority_only=True).verdict is Verdict.SEND


def test_a_strategy_in_another_casing_is_another_strategy() -> None:
    assert decided(strategies=frozenset({"smc"})).reason is Reason.STRATEGY_NOT_CHOSEN


@pytest.mark.parametrize(
    ("channel", "switch"),
    [
        (Channel.WEBSOCKET, "web_enabled"),
        (Channel.PUSH, "push_enabled"),
        (Channel.EMAIL, "email_digest_enabled"),
        (Channel.WEBHOOK, "webhook_enabled"),
    ],
)
def test_each_channel_has_a_switch_of_its_own(channel: Channel, switch: str) -> None:
    sending = {other for other in Channel if decided(FACTS, channel=other, **{switch: False}).verdict is Verdict.SEND}

    assert sending == set(Channel) - {channel}


# --- Quiet hours ----------------------------------------------------------------------------------------------------

QUIET_AT_NOON: dict[str, Any] = {"quiet_hours_enabled": True, "quiet_start": dt.time(12), "quiet_end": dt.time(13)}


@pytest.mark.parametrize("channel", [Channel.WEBSOCKET, Channel.PUSH])
def test_quiet_hours_hold_an_insight_until_they_end(channel: Channel) -> None:
    decision = decided(channel=channel, **QUIET_AT_NOON)

    assert decision == Decision(Verdict.HOLD, Reason.QUIET_HOURS, NOON + dt.timedelta(hours=1))


def test_quiet_hours_do_not_hold_a_digest_which_has_its_own_time() -> None:
    assert decided(channel=Channel.EMAIL, **QUIET_AT_NOON) == Decision(Verdict.SEND, Reason.ALL_RULES_PASSED)


@pytest.mark.parametrize("mode", QuietMode)
def test_high_priority_comes_through_quiet_hours_when_the_user_lets_it(mode: QuietMode) -> None:
    urgent = replace(FACTS, priority=Priority.HIGH)

    decision = decided(urgent, quiet_mode=mode, urgent_bypasses_quiet=True, **QUIET_AT_NOON)

    assert decision == Decision(Verdict.SEND, Reason.URGENT_IN_QUIET_HOURS)


def test_high_priority_does_not_come_through_unless_the_user_lets_it() -> None:
    urgent = replace(FACTS, priority=Priority.HIGH)

    assert decided(urgent, **QUIET_AT_NOON).verdict is Verdict.HOLD


def test_medium_priority_does_not_come_through_where_high_does() -> None:
    assert decided(urgent_bypasses_quiet=True, **QUIET_AT_NOON).verdict is Verdict.HOLD


def test_an_unknown_zone_in_a_row_is_read_as_utc_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    zone_or_utc.cache_clear()  # it is logged once a process

    decision = decided(time_zone="Mars/Olympus_Mons", **QUIET_AT_NOON)

    assert decision.held_until == NOON + dt.timedelta(hours=1)
    assert "Unknown time zone 'Mars/Olympus_Mons'" in caplog.text


@pytest.mark.parametrize("name", ["", "Europe", "../../etc/passwd", "x" * 300, "UTC\0"])
def test_no_zone_name_raises(name: str) -> None:
    assert decided(time_zone=name, **QUIET_AT_NOON).verdict is Verdict.HOLD


# --- Words ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rules", "words"),
    [
        ({}, "AI confidence 70 ≥ your 65"),
        (
            {"symbols": frozenset({"EURUSD"}), "strategies": frozenset({"SMC"})},
            "AI confidence 70 ≥ your 65; symbol in your list; strategy in your list",
        ),
        ({"web_enabled": False}, "this channel is switched off"),
        (
            {"paused_until": NOON + dt.timedelta(hours=2), "time_zone": "Asia/Kathmandu"},
            "you paused notifications until 2026-03-04 19:45 (Asia/Kathmandu)",
        ),
        ({"paused_until": UNTIL_TURNED_ON}, "you paused notifications until you turn them on"),
        ({"mutes": (MuteRule(MuteKind.STRATEGY, "SMC"),)}, "you muted the strategy SMC until you take it back"),
        (
            {
                "mutes": (
                    MuteRule(MuteKind.SYMBOL, "EURUSD", NOON - dt.timedelta(hours=2)),
                    MuteRule(MuteKind.STRATEGY, "SMC", NOON + dt.timedelta(hours=2)),
                    MuteRule(MuteKind.SYMBOL, "XAUUSD"),
                )
            },
            "you muted the strategy SMC until 2026-03-04 14:00 (UTC)",
        ),
        ({"high_priority_only": True}, "priority medium, and you want high priority only"),
        ({"min_confidence": Decimal("79.50")}, "AI confidence 70 < your 79.5"),
        ({"strategies": frozenset({"ZenithEdge", "Box"})}, "SMC is not among your strategies (Box, ZenithEdge)"),
        ({"symbols": frozenset({"GBPUSD"})}, "EURUSD is not among your symbols (GBPUSD)"),
        (QUIET_AT_NOON, "your quiet hours 12:00–13:00; held until 2026-03-04 13:00 (UTC)"),
        (
            QUIET_AT_NOON | {"quiet_mode": QuietMode.SKIP},
            "your quiet hours 12:00–13:00 (UTC), in which you want insights skipped",
        ),
    ],
)
def test_a_decision_is_explained_with_the_figures_that_led_to_it(rules: dict[str, Any], words: str) -> None:
    assert explain(decided(**rules), replace(PERMISSIVE, **rules), FACTS) == words


def test_a_way_through_quiet_hours_is_explained() -> None:
    rules = replace(PERMISSIVE, urgent_bypasses_quiet=True, **QUIET_AT_NOON)
    urgent = replace(FACTS, priority=Priority.HIGH)

    decision = decide(rules, urgent, Channel.WEBSOCKET, NOON)

    assert explain(decision, rules, urgent) == "high priority, which you let through your quiet hours"


# --- Rules as JSON --------------------------------------------------------------------------------------------------

names = st.frozensets(st.text(min_size=1, max_size=8), max_size=4)
any_rules = st.builds(
    Rules,
    min_confidence=st.decimals(min_value=0, max_value=100, places=2),
    strategies=names,
    symbols=names,
    quiet_weekdays=st.frozensets(st.integers(0, 6)),
    paused_until=st.none() | st.datetimes(timezones=st.just(dt.UTC)),
    quiet_windows=st.frozensets(
        st.builds(Window, st.times(), st.times(), st.frozensets(st.integers(0, 6))), max_size=3
    ).map(lambda windows: tuple(sorted(windows, key=order_of_window))),
    mutes=st.lists(
        st.builds(
            MuteRule,
            st.sampled_from(MuteKind),
            st.text(min_size=1, max_size=8),
            st.none() | st.datetimes(timezones=st.just(dt.UTC)),
        ),
        max_size=3,
        unique_by=lambda mute: (mute.kind, mute.name),
    ).map(lambda mutes: tuple(sorted(mutes, key=lambda mute: (mute.kind, mute.name)))),
)


@given(any_rules)
def test_rules_come_back_from_json_as_they_were(rules: Rules) -> None:
    assert Rules.from_json(rules.as_json()) == rules


def test_equal_rules_give_equal_json_however_their_numbers_and_times_are_written() -> None:
    kathmandu = dt.timezone(dt.timedelta(hours=5, minutes=45))
    rules = replace(PERMISSIVE, min_confidence=Decimal(80), paused_until=NOON)
    rewritten = replace(rules, min_confidence=Decimal("80.00"), paused_until=NOON.astimezone(kathmandu))

    assert rewritten.as_json() == rules.as_json()


def test_rules_kept_before_there_were_windows_and_mutes_have_none() -> None:
    kept = PERMISSIVE.as_json()
    del kept["quiet_windows"], kept["mutes"]

    assert Rules.from_json(kept) == PERMISSIVE


def test_json_holds_every_rule() -> None:
    assert set(PERMISSIVE.as_json()) == {field.name for field in fields(Rules)}


def test_the_defaults_of_a_new_account_are_those_promised() -> None:
    rules = NotificationPreference().rules()

    assert (rules.web_enabled, rules.push_enabled, rules.email_digest_enabled) == (True, False, False)
    assert rules.min_confidence == 65
    assert (rules.strategies, rules.symbols, rules.high_priority_only) == (frozenset(), frozenset(), False)
    assert (rules.quiet_hours_enabled, rules.quiet_mode) == (False, QuietMode.HOLD)
    assert (rules.urgent_bypasses_quiet, rules.paused_until) == (False, None)


# --- Spelling -------------------------------------------------------------------------------------------------------


def test_symbols_are_spelled_one_way_and_kept_once_in_their_order() -> None:
    assert canonical_symbols(["gbp/usd", "eur/usd", "EURUSD", "FX:EURUSD", " ", ""]) == ["GBPUSD", "EURUSD"]


def test_strategies_are_spelled_one_way_and_kept_once_in_their_order() -> None:
    assert canonical_strategies(["smc", "SMC", "zenith edge", "My  own", ""]) == ["SMC", "ZenithEdge", "My own"]


@pytest.mark.parametrize("number", [Decimal("79.99"), 79.99, "79.99"])
def test_a_number_is_taken_as_it_is_written(number: Decimal | float | str) -> None:
    assert as_decimal(number) == Decimal("79.99")
