"""What a draft of preferences would have done: the figures against `decide` itself, and nothing written by looking."""

from __future__ import annotations

import datetime as dt
import json
import random
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
import time_machine
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from notifications import announcing, past_insights, preference_views, preferences, preview, preview_words
from notifications.models import DispatchState, InsightDispatch, Mute, NotificationPreference, QuietWindow
from notifications.preferences import Facts, MuteKind, MuteRule, QuietMode, Rules, Verdict
from notifications.preview import Day, Period, Preview, Tally, Wishes
from notifications.priority import Priority
from notifications.quiet import Window, zone_or_utc
from notifications.tests.rows import stored_rows
from signals.models import Outcome, Signal, TradeValidation

MakeInsight = Callable[..., Signal]
# Three days after the clocks of London and Berlin went back, so that the 30 days have an hour twice.
NOW = dt.datetime(2026, 10, 28, 15, 30, tzinfo=dt.UTC)
DAY = dt.timedelta(days=1)
HOUR = dt.timedelta(hours=1)
MINUTE = dt.timedelta(minutes=1)


@pytest.fixture(autouse=True)
def still_clock() -> Iterator[None]:
    with time_machine.travel(NOW, tick=False):
        yield


@pytest.fixture
def hand_out(make_insight: MakeInsight) -> MakeInsight:
    """Make an insight that was handed out at the moment at which it was received."""

    def make(user: User | None = None, ago: dt.timedelta = HOUR, **fields: Any) -> Signal:
        at = NOW - ago
        signal = make_insight(user, **{"received_at": at, "bar_time": None} | fields)
        dispatches = InsightDispatch.objects.filter(signal=signal)
        dispatches.update(state=DispatchState.DONE, opened_at=at, finished_at=at)
        return signal

    return make


def rules_of(user: User) -> Rules:
    return NotificationPreference.of(user).rules()


def look(user: User, draft: Rules | None = None, saved: Rules | None = None, **wishes: Any) -> Preview:
    saved = saved or rules_of(user)
    return preview.look(user, Wishes(draft or saved, **wishes), Wishes(saved, **wishes), NOW)


def month(looked: Preview) -> Period:
    return looked.periods[1]


def week(looked: Preview) -> Period:
    return looked.periods[0]


# --- Against the rules themselves -----------------------------------------------------------------------------------

ZONES = ("UTC", "Europe/London", "Europe/Berlin", "America/New_York", "Asia/Kathmandu", "Pacific/Apia")
SYMBOLS, STRATEGIES = ("EURUSD", "GBPUSD", "XAUUSD"), ("ZenithEdge", "SMC")


def random_time(chance: random.Random) -> dt.time:
    return dt.time(chance.randrange(24), chance.choice([0, 0, 15, 30]), chance.choice([0, 0, 0, 7]))


def random_window(chance: random.Random) -> Window:
    days = frozenset(day for day in range(7) if chance.random() < 0.6)
    start = random_time(chance)
    return Window(start, start if chance.random() < 0.1 else random_time(chance), days)


def random_rules(chance: random.Random) -> Rules:
    first = random_window(chance)
    mutes = [MuteRule(MuteKind.SYMBOL, "XAUUSD"), MuteRule(MuteKind.STRATEGY, "SMC", NOW + HOUR)]
    return Rules(
        web_enabled=chance.random() < 0.9,
        push_enabled=chance.random() < 0.5,
        email_digest_enabled=True,
        min_confidence=Decimal(chance.randrange(4000, 9500)) / 100,
        strategies=frozenset(name for name in STRATEGIES if chance.random() < 0.3),
        symbols=frozenset(name for name in SYMBOLS if chance.random() < 0.3),
        high_priority_only=chance.random() < 0.2,
        quiet_hours_enabled=chance.random() < 0.8,
        quiet_start=first.start,
        quiet_end=first.end,
        quiet_weekdays=first.weekdays,
        quiet_mode=chance.choice(list(QuietMode)),
        urgent_bypasses_quiet=chance.random() < 0.5,
        time_zone=chance.choice(ZONES),
        paused_until=chance.choice([None, NOW + HOUR]),
        quiet_windows=tuple(random_window(chance) for _ in range(chance.randrange(3))),
        mutes=tuple(mute for mute in mutes if chance.random() < 0.3),
        webhook_enabled=chance.random() < 0.5,
    )


def store_insights(user: User, other: User, number: int, chance: random.Random) -> None:
    """Of the user, of the house and of somebody else; in storms, with news, open, closed, and scored twice."""
    fields: dict[str, Any] = {"timeframe": "1h", "side": "buy", "sl": 1, "tp": 2}
    signals, starts = [], [NOW - chance.random() * 33 * DAY for _ in range(number // 32)]
    for _ in range(number):
        received_at = chance.choice(starts) + chance.randrange(900) * dt.timedelta(seconds=1)
        bar_time = chance.choice([None, received_at - dt.timedelta(seconds=chance.choice([0, 30, 300]))])
        signals.append(
            Signal(
                user=chance.choice([user, user, None, other]),
                symbol=chance.choice(SYMBOLS),
                strategy=chance.choice(STRATEGIES),
                confidence=Decimal(chance.randrange(4000, 9900)) / 100,
                received_at=min(received_at, NOW),
                bar_time=bar_time,
                outcome=chance.choice(Outcome.values),
                news_context=chance.choice(["", "short", "n" * 51]),
                **fields,
            )
        )
    signals = Signal.objects.bulk_create(signals)
    validated = [signal for signal in signals if chance.random() < 0.9]
    TradeValidation.objects.bulk_create(
        TradeValidation(
            signal=signal,
            truth_index=Decimal(chance.randrange(5000, 9500)) / 100,
            status="approved",
            news_context=chance.choice(["", " " * 60 + "short", "n" * 51]),
        )
        for signal in validated
    )
    InsightDispatch.objects.bulk_create(
        InsightDispatch(
            signal=signal,
            revision=revision,
            fingerprint="",
            state=chance.choice([DispatchState.DONE, DispatchState.DONE, DispatchState.OPEN, DispatchState.CLOSED]),
            opened_at=min(signal.received_at + (revision - 1) * 20 * HOUR, NOW),
            finished_at=chance.choice([None, min(signal.received_at + (revision - 1) * 20 * HOUR + MINUTE, NOW)]),
        )
        for signal in signals
        for revision in range(1, 1 + chance.choice([0, 1, 1, 2]))
    )


def counted_one_by_one(user: User, wishes: Wishes, zone: dt.tzinfo) -> Counter[tuple[Any, ...]]:
    """Each insight decided for by `decide`, with the priority that announcing calculates."""
    found: Counter[tuple[Any, ...]] = Counter()
    rules = wishes.lasting.rules
    for signal in Signal.objects.visible_to(user).select_related("validation"):
        dispatches = signal.dispatches.exclude(state=DispatchState.CLOSED).order_by("revision")
        dispatch = dispatches.last()
        if dispatch is None or (signal.user is None and not wishes.house):
            continue
        moment = dispatch.finished_at or dispatch.opened_at
        local = moment.astimezone(zone)
        ago = (NOW.astimezone(zone).date() - local.date()).days
        if ago >= 30:
            continue
        level = announcing.calculate_priority(signal)
        facts = Facts(signal.symbol, signal.strategy, signal.ai_confidence, level)
        decision = preferences.decide(rules, facts, rules.leading_channel, moment)
        night = decision.verdict is Verdict.SEND and (local.hour >= 22 or local.hour < 7)
        reason = decision.reason if decision.verdict is Verdict.SUPPRESS else None
        for days in (7, 30) if ago < 7 else (30,):
            found[days, decision.verdict, night, reason, signal.outcome] += 1
    return found


def tally_of(found: Counter[tuple[Any, ...]], days: int) -> Tally:
    tally = Tally()
    for (period, verdict, night, reason, outcome), count in found.items():
        for _ in range(count if period == days else 0):
            tally.add(verdict, reason, outcome, at_night=night)
    return tally


@pytest.mark.parametrize("seed", range(3))
def test_the_figures_are_those_of_decide_for_each_insight(alice: User, bob: User, seed: int) -> None:
    chance = random.Random(seed)
    store_insights(alice, bob, 160, chance)

    for _ in range(6):
        draft, saved = Wishes(random_rules(chance)), Wishes(random_rules(chance), house=chance.random() < 0.8)
        looked = preview.look(alice, draft, saved, NOW)
        zone = zone_or_utc(draft.rules.time_zone)
        drafted, kept = (counted_one_by_one(alice, wishes, zone) for wishes in (draft, saved))

        for period in looked.periods:
            assert period.draft == tally_of(drafted, period.days)
            assert period.saved == tally_of(kept, period.days)


def test_each_insight_has_the_priority_that_it_is_announced_with(alice: User, bob: User) -> None:
    store_insights(alice, bob, 160, random.Random(1))

    found = {insight.signal_id: insight.facts for insight in past_insights.read(alice, NOW - 30 * DAY)}

    signals = Signal.objects.select_related("validation").in_bulk(list(found))
    assert {facts.priority for facts in found.values()} == set(Priority)
    for signal_id, facts in found.items():
        signal = signals[signal_id]
        assert facts.priority == announcing.calculate_priority(signal)
        assert facts.ai_confidence == signal.ai_confidence


# --- Which insights -------------------------------------------------------------------------------------------------


def test_own_and_house_insights_count_and_nobody_elses(alice: User, bob: User, hand_out: MakeInsight) -> None:
    for owner in (alice, None, bob):
        hand_out(owner)

    assert month(look(alice)).draft.at_once == 2


def test_staff_see_the_houses_only_when_the_draft_opts_in(ada: User, hand_out: MakeInsight) -> None:
    hand_out(None)
    preference = NotificationPreference.of(ada)
    saved = Wishes.of(preference)
    preference.house_insights_for_staff = True

    looked = preview.look(ada, saved.changed_to(preference, None), saved, NOW)

    assert (month(looked).draft.at_once, month(looked).saved.at_once) == (1, 0)


def test_what_was_closed_without_notifying_does_not_count(alice: User, hand_out: MakeInsight) -> None:
    signal = hand_out(alice)
    InsightDispatch.objects.filter(signal=signal).update(state=DispatchState.CLOSED)

    assert month(look(alice)).draft == Tally()


def test_an_insight_that_was_scored_again_counts_once(alice: User, hand_out: MakeInsight) -> None:
    signal = hand_out(alice)
    InsightDispatch.objects.create(signal=signal, revision=2, fingerprint="", opened_at=NOW)

    assert month(look(alice)).draft.at_once == 1


def test_the_periods_are_local_days(alice: User, hand_out: MakeInsight) -> None:
    """In Kathmandu (+05:45) it is 21:15 of the 28th; the week began on the 21st at 18:15 UTC."""
    rules = replace(rules_of(alice), time_zone="Asia/Kathmandu")
    begin = dt.datetime(2026, 10, 21, 18, 15, tzinfo=dt.UTC)
    hand_out(alice, NOW - begin)
    hand_out(alice, NOW - begin + dt.timedelta(seconds=1))

    looked = look(alice, rules)

    assert (week(looked).draft.at_once, month(looked).draft.at_once) == (1, 2)
    assert [(day.date.day, day.kept) for day in month(looked).by_day if day.kept] == [(21, 1), (22, 1)]
    assert week(looked).by_day[0] == Day(dt.date(2026, 10, 22), kept=1, hidden=0)


def test_a_pause_and_a_mute_that_ends_say_nothing_about_other_days(alice: User, hand_out: MakeInsight) -> None:
    hand_out(alice)
    passing = MuteRule(MuteKind.SYMBOL, "EURUSD", NOW + HOUR)
    rules = replace(rules_of(alice), paused_until=NOW + DAY, mutes=(passing,))

    assert month(look(alice, rules)).draft.at_once == 1
    assert month(look(alice, replace(rules, mutes=(replace(passing, until=None),)))).draft.hidden == 1


@pytest.mark.parametrize("channel", [{"web_enabled": True}, {"push_enabled": True}, {"webhook_enabled": True}], ids=str)
def test_what_one_channel_alone_lets_through_is_not_hidden(
    alice: User, hand_out: MakeInsight, channel: dict[str, Any]
) -> None:
    hand_out(alice)
    nothing_on = replace(rules_of(alice), web_enabled=False)

    assert month(look(alice, nothing_on)).draft.hidden == 1
    assert month(look(alice, replace(nothing_on, **channel))).draft.at_once == 1


def test_nights_are_those_of_the_drafts_clock(alice: User, hand_out: MakeInsight) -> None:
    at_3_in_utc = NOW.replace(hour=3, minute=0)
    hand_out(alice, NOW - at_3_in_utc)

    assert month(look(alice, replace(rules_of(alice), time_zone="UTC"))).draft.at_night == 1
    assert month(look(alice, replace(rules_of(alice), time_zone="Asia/Tokyo"))).draft.at_night == 0


def test_it_takes_one_query(alice: User, hand_out: MakeInsight) -> None:
    for _ in range(3):
        hand_out(alice)
    rules = rules_of(alice)

    with CaptureQueriesContext(
        connection,
    ) as queries:
        look(alice, rules, rules)

    assert len(queries) == 1


def test_repeats_are_counted_among_all_signals_of_the_owner(alice: User, make_signal: Any, hand_out: Any) -> None:
    for _ in range(3):
        make_signal(alice, received_at=NOW - HOUR)  # no insight, and yet a repeat
    hand_out(alice, HOUR, truth_index=70)

    [insight] = past_insights.read(alice, NOW - DAY)

    assert insight.facts.priority == "low"


# --- In words -------------------------------------------------------------------------------------------------------


def period_of(*, days: int = 7, saved: Tally | None = None, **draft: Any) -> Period:
    empty = [Day((NOW - ago * DAY).date(), 0, 0) for ago in range(days)]
    return Period(days, NOW - days * DAY, NOW, Tally(**draft), saved or Tally(**draft), empty)


@pytest.mark.parametrize(
    ("period", "said"),
    [
        (period_of(at_once=98, at_night=21, hidden_won=2), "14 alerts a day, 3 at night; 2 winners would be hidden"),
        (period_of(at_once=7), "1 alert a day, none at night; no winner would be hidden"),
        (period_of(at_once=17, at_night=2), "2.4 alerts a day, 2 in 7 nights; no winner would be hidden"),
        (period_of(at_once=3, at_night=1), "3 alerts in 7 days, 1 at night; no winner would be hidden"),
        (period_of(hidden=4, hidden_won=1), "no alert, none at night; 1 winner would be hidden"),
        (period_of(days=30, at_once=45000), "1500 alerts a day, none at night; no winner would be hidden"),
    ],
)
def test_the_headline_says_how_much_would_come(period: Period, said: str) -> None:
    assert preview_words.headline(period, differs=True) == f"With this draft: {said}"
    assert preview_words.headline(period, differs=False) == f"As it is saved: {said}"


def test_the_difference_to_what_is_saved_is_said() -> None:
    changed = period_of(at_once=10, held=5, hidden=30, saved=Tally(at_once=44, hidden=1))

    assert preview_words.difference(changed) == "34 fewer at once, 5 more held, 29 more hidden than with what is saved."
    assert preview_words.difference(period_of(at_once=3)) == "In these days this makes no difference to what is saved."


# --- Over HTTP ------------------------------------------------------------------------------------------------------


@pytest.fixture
def ask(client: Client, alice: User) -> Callable[[dict[str, Any]], Any]:
    """Post a draft as Alice."""
    client.force_login(alice)

    def post(draft: dict[str, Any]) -> Any:
        return client.post(reverse("api_preview_preferences"), json.dumps(draft), content_type="application/json")

    return post


def test_a_draft_is_shown_beside_what_is_saved(ask: Any, alice: User, hand_out: MakeInsight) -> None:
    hand_out(alice, truth_index=70, outcome=Outcome.WIN)
    hand_out(alice, truth_index=90, outcome=Outcome.LOSS)

    answer = ask({"min_confidence": 80}).json()

    figures = answer["periods"][0]
    assert answer["differs"]
    assert (figures["draft"]["at_once"], figures["saved"]["at_once"]) == (1, 2)
    assert (figures["draft"]["hidden_won"], figures["draft"]["kept_lost"]) == (1, 1)
    assert [(day["kept"], day["hidden"]) for day in figures["by_day"]][-1] == (1, 1)
    [reason] = figures["draft"]["reasons"]
    assert (reason["reason"], reason["count"]) == ("below_min_confidence", 1)


def test_windows_of_the_draft_replace_the_saved_ones_and_mutes_stay(
    ask: Any, alice: User, hand_out: MakeInsight
) -> None:
    preference = NotificationPreference.objects.get(user=alice)
    NotificationPreference.objects.update(quiet_hours_enabled=True, quiet_weekdays=[])
    QuietWindow.objects.create(preference=preference, start=dt.time(14), end=dt.time(15))
    Mute.objects.create(user=alice, kind=MuteKind.SYMBOL, name="XAUUSD")
    hand_out(alice)  # at half past two
    hand_out(alice, symbol="XAUUSD")

    def held_and_hidden(draft: dict[str, Any]) -> tuple[int, int]:
        figures = ask(draft).json()["periods"][0]["draft"]
        return figures["held"], figures["hidden"]

    assert held_and_hidden({}) == (1, 1)
    assert held_and_hidden({"quiet_windows": []}) == (0, 1)
    assert held_and_hidden({"quiet_windows": [{"start": "14:30", "end": "14:31", "weekdays": [2]}]}) == (1, 1)


def test_nothing_is_saved_by_looking(ask: Any, alice: User, hand_out: MakeInsight) -> None:
    hand_out(alice)
    ask({})
    before = stored_rows()

    with CaptureQueriesContext(connection) as queries:
        assert ask({"min_confidence": 99, "quiet_windows": [], "sound": True}).status_code == 200

    verbs = {query["sql"].split()[0] for query in queries}
    assert verbs <= {"SELECT", "SAVEPOINT", "RELEASE"}
    assert stored_rows() == before


def test_errors_name_their_fields(ask: Any) -> None:
    window = {"start": "24:00", "end": "07:00", "weekdays": []}
    response = ask({"min_confidence": 101, "quiet_windows": [window]})

    assert response.status_code == 400
    assert set(response.json()["error"]["fields"]) == {
        "min_confidence", "quiet_windows.0.start", "quiet_windows.0.weekdays",
    }  # fmt: skip


def test_who_asks_too_often_is_told_when_to_come_back(ask: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preference_views, "PREVIEWS_A_MINUTE", 2)

    answers = [ask({}) for _ in range(3)]

    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert 1 <= int(answers[2]["Retry-After"]) <= 60
