"""The figures of delivery health: what they say is what the rows say, however and whenever they were counted."""

from __future__ import annotations

import datetime as dt
import math
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from random import Random
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from notifications import brake, retention
from notifications.health import counting, judging, latency, report, rolling_up
from notifications.health.judging import State, Tile
from notifications.health.latency import Latency, Stage
from notifications.health.periods import Length, Range
from notifications.health.report import Deliveries
from notifications.health.standing import Waiting
from notifications.models import (
    DeliveryState,
    DigestRun,
    HealthFigures,
    Inbox,
    InsightDispatch,
    InsightNotification,
    NotificationDeliveryLog,
    NotificationPreference,
    SuppressedInsight,
)
from notifications.preferences import Channel, Reason
from notifications.tests.rows import store_notification
from signals.models import Signal, TradeValidation

pytestmark = pytest.mark.django_db

MakeInsight = Callable[..., Signal]
NOW = dt.datetime(2026, 11, 20, 14, 37, 12, tzinfo=dt.UTC)
MINUTE, HOUR, DAY = dt.timedelta(minutes=1), dt.timedelta(hours=1), dt.timedelta(days=1)
SECOND = dt.timedelta(seconds=1)


@pytest.fixture
def make_old(make_signal: Callable[..., Signal]) -> Callable[..., Signal]:
    """An insight as it was received then; `make_insight` would dispatch it now."""

    def make(user: User | None, received_at: dt.datetime) -> Signal:
        signal = make_signal(user, received_at=received_at)
        TradeValidation.objects.bulk_create([TradeValidation(signal=signal, truth_index=82, status="approved")])
        return signal

    return make


MakeOld = Callable[[User | None, dt.datetime], Signal]


def store(user: User, signal: Signal, created_at: dt.datetime, **fields: Any) -> InsightNotification:
    """A notification without a delivery: these are made by `deliver`."""
    return store_notification(user, signal, seq=None, created_at=created_at, **fields)


def deliver(
    notification: InsightNotification,
    *,
    channel: str = Channel.WEBSOCKET,
    state: str = DeliveryState.ACKNOWLEDGED,
    sent_after: float | None = 0.02,
    acknowledged_after: float | None = 0.1,
    **fields: Any,
) -> NotificationDeliveryLog:
    sent_at = None if sent_after is None else notification.created_at + sent_after * SECOND
    acknowledged_at = None
    if state == DeliveryState.ACKNOWLEDGED and acknowledged_after is not None:
        acknowledged_at = (sent_at or notification.created_at) + acknowledged_after * SECOND
    return NotificationDeliveryLog.objects.create(
        notification=notification,
        channel=channel,
        state=state,
        created_at=notification.created_at,
        attempted_at=sent_at,
        acknowledged_at=acknowledged_at,
        **fields,
    )


def some_weeks(users: list[User], make_old: MakeOld, *, seed: int, insights: int) -> None:
    """Rows of every sort, at random in the last ten days and some of them beside an hour's boundary."""
    random = Random(seed)
    for number in range(insights):
        received_at = NOW - random.random() ** 3 * 10 * DAY
        if number % 5 == 0:
            received_at = Length.HOUR.begin(received_at)
        signal = make_old(None, received_at)
        sent = random.sample(users, random.randint(0, len(users)))
        for user in sent:
            notification = store(user, signal, received_at + random.random() * SECOND)
            deliver(notification, acknowledged_after=random.choice((0.05, 0.4, 30, 3000)))
            state = random.choice(list(DeliveryState))
            deliver(notification, channel=Channel.PUSH, state=state, acknowledged_after=None)
        kept_back = random.randint(0, 3)
        reasons = {Reason.ALL_RULES_PASSED.value: len(sent)}
        reasons |= {Reason.BELOW_MIN_CONFIDENCE.value: kept_back} if kept_back else {}
        counts = {"verdicts": {"send": len(sent), "suppress": kept_back}, "reasons": reasons}
        InsightDispatch.objects.create(
            signal=signal, revision=1, fingerprint="f", state="done", opened_at=received_at, counts=counts
        )
    for number, user in enumerate(users):
        DigestRun.objects.create(
            user=user, local_date=NOW.date(), due_at=NOW - number * HOUR, state="failed", message_id=f"<{number}>"
        )


def figures() -> list[tuple[Any, ...]]:
    rows = HealthFigures.objects.order_by("length_s", "begins_at")
    return list(rows.values_list("length_s", "begins_at", "counts", "users"))


# --- Counted from the rows ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("range_", Range)
def test_a_report_says_what_the_rows_say(alice: User, bob: User, make_old: MakeOld, range_: Range) -> None:
    some_weeks([alice, bob], make_old, seed=1, insights=40)
    rolling_up.roll_up(NOW)

    found = report.read(range_, NOW)

    since = range_.begin(NOW)
    logs = NotificationDeliveryLog.objects.filter(created_at__gte=since)
    mails = DigestRun.objects.filter(due_at__gte=since)
    rows = list(InsightNotification.objects.filter(created_at__gte=since).values_list("user_id", "created_at"))
    assert found.insights == Signal.objects.filter(received_at__gte=since).count()
    assert found.notifications == len(rows)
    assert {one.channel: one.states for one in found.deliveries if one.states} == {
        channel: dict(states)
        for channel, states in {
            "websocket": Counter(logs.filter(channel="websocket").values_list("state", flat=True)),
            "push": Counter(logs.filter(channel="push").values_list("state", flat=True)),
            "email": Counter(mails.values_list("state", flat=True)),
        }.items()
        if states
    }
    dispatches = InsightDispatch.objects.filter(opened_at__gte=since)
    hidden = [users for dispatch in dispatches if (users := dispatch.counts["verdicts"]["suppress"])]
    assert [(one.reason, one.users, one.insights) for one in found.hidden] == (
        [(Reason.BELOW_MIN_CONFIDENCE, sum(hidden), len(hidden))] if hidden else []
    )
    assert [step.notifications for step in found.steps] == [
        sum(step.begins_at <= created_at < step.ends_at for _, created_at in rows) for step in found.steps
    ]
    web = logs.filter(channel="websocket")
    times: list[Any] = list(web.values_list("notification__signal__received_at", "attempted_at", "acknowledged_at"))
    whole = [
        (acknowledged_at - received_at).total_seconds()
        for received_at, sent_at, acknowledged_at in times
        if acknowledged_at - sent_at < latency.LIVE_S * SECOND
    ]
    measured = found.latencies[Stage.WHOLE]
    assert measured.count == len(whole)
    assert found.later == len(times) - len(whole)
    if whole:
        assert measured.p95_s == pytest.approx(nearest_rank(whole, 95), rel=0.1)


def test_users_are_counted_by_day_and_by_what_they_have_not_read(alice: User, bob: User, make_old: MakeOld) -> None:
    carol = User.objects.create_user("carol")
    for ago, user in [(HOUR, alice)] * 3 + [(HOUR, bob), (DAY, bob), (40 * DAY, carol)]:
        store(user, make_old(None, NOW - ago), NOW - ago)
    for number in range(2):
        store_notification(alice, make_old(None, NOW), created_at=NOW - number * MINUTE)
    rolling_up.roll_up(NOW)

    found = report.read(Range.DAY, NOW)

    assert found.per_user_and_day == {"1": 2, "2-5": 1}
    assert [(one.username, one.date, one.number) for one in found.busiest] == [
        ("alice", NOW.date(), 5),
        ("bob", (NOW - DAY).date(), 1),
        ("bob", NOW.date(), 1),
    ]
    assert found.unread == {"0": Inbox.objects.count() - 1, "1": 0, "2-5": 1}
    assert found.unread_counted_at == NOW


def test_what_was_unread_as_a_day_ended_is_kept(alice: User, make_old: MakeOld) -> None:
    store_notification(alice, make_old(None, NOW), created_at=NOW)
    rolling_up.roll_up(NOW)
    InsightNotification.objects.update(read=True, read_at=NOW)

    rolling_up.roll_up(NOW + DAY)

    days = HealthFigures.objects.filter(length_s=Length.DAY).order_by("begins_at")
    assert [day.users["unread"].get("1") for day in days] == [1, None]


@pytest.mark.django_db(transaction=True)
def test_what_quiet_hours_hold_is_not_hidden_and_nothing_is_counted_twice(
    alice: User, bob: User, make_insight: MakeInsight, hints: list[Any]
) -> None:
    quiet = {"quiet_hours_enabled": True, "quiet_start_time": "00:00", "quiet_end_time": "00:00"}
    NotificationPreference.objects.filter(user=alice).update(**quiet)
    NotificationPreference.objects.filter(user=bob).update(**quiet, quiet_mode="skip")
    make_insight(None)  # of the house: its dispatch alone knows
    make_insight(bob)  # owned: the suppression is on record, too
    now = timezone.now()
    rolling_up.roll_up(now)

    found = report.read(Range.HOUR, now)

    assert SuppressedInsight.objects.count() == 1
    assert [(one.reason, one.users, one.insights) for one in found.hidden] == [(Reason.QUIET_HOURS, 2, 2)]
    assert found.verdicts == {"hold": 1, "suppress": 2}


@pytest.mark.django_db(transaction=True)
def test_what_the_brake_holds_is_not_hidden(
    alice: User, bob: User, make_insight: MakeInsight, hints: list[Any]
) -> None:
    NotificationPreference.objects.filter(user=bob).update(
        quiet_hours_enabled=True, quiet_start_time="00:00", quiet_end_time="00:00", quiet_mode="skip"
    )
    brake.engage("A drill.", by=None, name="ada")
    make_insight(None)
    rolling_up.roll_up()

    found = report.read(Range.HOUR, timezone.now())

    assert [(one.reason, one.users, one.insights) for one in found.hidden] == [(Reason.QUIET_HOURS, 1, 1)]


# --- Latency --------------------------------------------------------------------------------------------------------


def stages(now: dt.datetime = NOW) -> dict[Stage, Latency]:
    rolling_up.roll_up(now)
    return report.read(Range.HOUR, now).latencies


def test_each_stage_is_measured_from_the_end_of_the_one_before(alice: User, make_old: MakeOld) -> None:
    signal = make_old(None, NOW - MINUTE)
    deliver(store(alice, signal, NOW - MINUTE + 0.3 * SECOND), sent_after=0.02, acknowledged_after=0.1)

    found = stages()

    assert {stage: latency.p50_s for stage, latency in found.items()} == {
        Stage.COMMITTED: pytest.approx(0.3, rel=0.1),
        Stage.SENT: pytest.approx(0.02, rel=0.1),
        Stage.ACKNOWLEDGED: pytest.approx(0.1, rel=0.1),
        Stage.WHOLE: pytest.approx(0.42, rel=0.1),
    }
    assert {latency.count for latency in found.values()} == {1}


@pytest.mark.parametrize(
    ("fields", "times", "measured"),
    [
        pytest.param({}, {}, [1, 1, 1, 1], id="at once"),
        pytest.param({"revision": 2}, {}, [0, 0, 0, 0], id="a later revision"),
        pytest.param({"released_at": NOW}, {}, [0, 0, 0, 0], id="released from quiet hours"),
        pytest.param({}, {"acknowledged_after": 61}, [1, 1, 0, 0], id="the browser was closed"),
        pytest.param(
            {"read": True, "read_at": NOW - 55 * SECOND}, {"acknowledged_after": 5}, [1, 1, 0, 0], id="read in a list"
        ),
        pytest.param({"read": True, "read_at": NOW}, {"acknowledged_after": 5}, [1, 1, 1, 1], id="read later"),
        pytest.param({}, {"acknowledged_after": None}, [1, 1, 0, 0], id="not acknowledged"),
        pytest.param({}, {"sent_after": None}, [1, 0, 0, 1], id="acknowledged before the sending was recorded"),
        pytest.param({}, {"sent_after": None, "acknowledged_after": 61}, [1, 0, 0, 0], id="the same, closed"),
        pytest.param({}, {"attempt_group": 2}, [0, 0, 0, 0], id="sent again"),
        pytest.param({}, {"sent_after": -0.5}, [1, 1, 1, 1], id="clocks that differ"),
    ],
)
def test_only_what_came_at_once_to_an_open_browser_is_measured(
    alice: User, make_old: MakeOld, fields: dict[str, Any], times: dict[str, Any], measured: list[int]
) -> None:
    signal = make_old(None, NOW - MINUTE)
    deliver(store(alice, signal, NOW - MINUTE + 0.3 * SECOND, **fields), **times)

    assert [latency.count for latency in stages().values()] == measured


@given(st.lists(st.floats(0.001, 100_000), min_size=1, max_size=60), st.sampled_from([50, 95, 99]))
def test_a_percentile_from_buckets_is_at_most_a_tenth_off(durations: list[float], percent: int) -> None:
    buckets = Counter(map(latency.bucket_of, durations))

    assert latency.percentile_s(buckets, percent) == pytest.approx(nearest_rank(durations, percent), rel=0.1)


def test_the_database_puts_a_duration_into_the_same_bucket(alice: User, make_old: MakeOld) -> None:
    durations = [0, 0.0001, 0.001, 0.0012, 0.02, 0.5, 0.999, 1, 1.001, 59.9, 3600, 90_000]
    begin = Length.HOUR.begin(NOW)
    for duration in durations:
        deliver(store(alice, make_old(None, begin - duration * SECOND), begin), state=DeliveryState.SENT)
    counted = counting.count(Length.HOUR, begin, begin + HOUR)[begin]

    found = {int(bucket): number for bucket, number in counted["latency"][Stage.COMMITTED].items()}
    assert found == Counter(map(latency.bucket_of, durations))


def nearest_rank(durations: list[float], percent: int) -> float:
    return sorted(durations)[math.ceil(len(durations) * percent / 100) - 1]


# --- Rolled up ------------------------------------------------------------------------------------------------------


def test_rolling_up_again_in_pieces_or_from_nothing_gives_the_same_figures(
    alice: User, bob: User, make_old: MakeOld
) -> None:
    some_weeks([alice, bob], make_old, seed=2, insights=25)
    assert rolling_up.roll_up(NOW)
    at_once = figures()

    rolling_up.roll_up(NOW)
    assert figures() == at_once

    HealthFigures.objects.all().delete()
    for enough in range(1, 100):
        left = iter([False] * enough)
        if rolling_up.roll_up(NOW, should_stop=lambda left=left: next(left, True)):  # type: ignore[misc]  # a default
            break
    assert enough > 1
    assert figures() == at_once


def test_rows_that_change_while_a_period_is_fresh_are_counted_with_the_next_turn(
    alice: User, make_old: MakeOld
) -> None:
    log = deliver(store(alice, make_old(None, NOW - HOUR), NOW - HOUR), state=DeliveryState.SENT)
    rolling_up.roll_up(NOW)
    NotificationDeliveryLog.objects.filter(pk=log.pk).update(state=DeliveryState.ACKNOWLEDGED)

    rolling_up.roll_up(NOW + MINUTE)

    assert states(Range.DAY) == states(Range.MONTH) == {"acknowledged": 1}


@pytest.mark.parametrize(
    ("days_ago", "later", "counted"),
    [
        pytest.param(2, 5 * MINUTE, "sent", id="too soon"),
        pytest.param(2, 16 * MINUTE, "acknowledged", id="a while later"),
        pytest.param(8, 16 * MINUTE, "sent", id="a week ago"),
    ],
)
def test_an_older_period_is_counted_again_now_and_then_for_a_week(
    alice: User, make_old: MakeOld, days_ago: int, later: dt.timedelta, counted: str
) -> None:
    moment = NOW - days_ago * DAY
    log = deliver(store(alice, make_old(None, moment), moment), state=DeliveryState.SENT)
    rolling_up.roll_up(NOW)
    NotificationDeliveryLog.objects.filter(pk=log.pk).update(state=DeliveryState.ACKNOWLEDGED)

    rolling_up.roll_up(NOW + later)

    assert states(Range.MONTH) == {counted: 1}


def test_figures_outlive_their_rows_until_they_are_counted_by_hand(alice: User, make_old: MakeOld) -> None:
    moment = NOW - 20 * DAY
    deliver(store(alice, make_old(None, moment), moment))
    rolling_up.roll_up(NOW)
    InsightNotification.objects.all().delete()

    rolling_up.roll_up(NOW + HOUR)
    assert report.read(Range.MONTH, NOW).notifications == 1

    rolling_up.roll_up(NOW + HOUR, since=moment)
    assert report.read(Range.MONTH, NOW).notifications == 0


def test_a_turn_ends_when_its_time_is_used_up_and_the_next_goes_on(
    alice: User, make_old: MakeOld, monkeypatch: pytest.MonkeyPatch
) -> None:
    for days_ago in (0, 60):
        store(alice, make_old(None, timezone.now() - days_ago * DAY), timezone.now() - days_ago * DAY)
    monkeypatch.setattr(rolling_up, "TURN_S", 0.0)
    turns = 1
    while not rolling_up.roll_up_for_a_turn():
        turns += 1
        monkeypatch.setattr(rolling_up, "TURN_S", 0.05 * turns)  # each has room for more than what it counts anew

    assert turns > 1
    hours = HealthFigures.objects.filter(length_s=Length.HOUR)
    assert hours.count() in (60 * 24 + 1, 60 * 24 + 2)


def test_what_is_older_than_figures_are_kept_is_not_counted_again(
    alice: User, make_old: MakeOld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rolling_up, "FIGURE_DAYS", 2)
    store(alice, make_old(None, NOW - 5 * DAY), NOW - 5 * DAY)

    rolling_up.roll_up(NOW)

    first = HealthFigures.objects.order_by("begins_at")[0]
    assert first.begins_at == Length.DAY.begin(NOW - 2 * DAY)


def test_nothing_is_rolled_up_from_nothing() -> None:
    assert rolling_up.roll_up(NOW)
    assert [counts for *_, counts, _ in figures() if counts] == []
    assert not HealthFigures.objects.filter(begins_at__lt=NOW - 3 * HOUR, length_s=Length.HOUR).exists()


def test_old_figures_are_deleted() -> None:
    now = timezone.now()
    for length, days in [(Length.DAY, 401), (Length.DAY, 399), (Length.FIVE_MINUTES, 2), (Length.HOUR, 2)]:
        HealthFigures.objects.create(length_s=length, begins_at=now - days * DAY, counted_at=now)

    assert retention.delete_old().health_figures == 2
    assert set(HealthFigures.objects.values_list("length_s", flat=True)) == {Length.DAY, Length.HOUR}


def states(range_: Range) -> dict[str, int]:
    [web] = [one for one in report.read(range_, NOW).deliveries if one.channel == Channel.WEBSOCKET]
    return web.states


# --- Judged ---------------------------------------------------------------------------------------------------------


def judged(**fields: Any) -> dict[str, State]:
    rolling_up.roll_up(NOW)
    found = replace(report.read(Range.DAY, NOW), **fields)
    return {tile.key: tile.state for tile in judging.tiles(found, sockets=None)}


@pytest.mark.parametrize(
    ("fields", "key", "state"),
    [
        ({"counted_at": NOW - MINUTE}, "counted", State.GOOD),
        ({"counted_at": NOW - 4 * MINUTE}, "counted", State.WARN),
        ({"counted_at": NOW - 16 * MINUTE}, "counted", State.BAD),
        ({"counted_at": None}, "counted", State.BAD),
        ({"dispatches": Waiting()}, "dispatches", State.GOOD),
        ({"dispatches": Waiting(1, NOW - 5 * SECOND)}, "dispatches", State.GOOD),
        ({"dispatches": Waiting(1, NOW - MINUTE)}, "dispatches", State.WARN),
        ({"dispatches": Waiting(1, NOW - HOUR)}, "dispatches", State.BAD),
        ({"due": {"push": Waiting(9, NOW - MINUTE), "webhook": Waiting()}}, "due", State.GOOD),
        ({"due": {"push": Waiting(), "webhook": Waiting(1, NOW - HOUR)}}, "due", State.BAD),
        ({"latencies": {Stage.WHOLE: Latency(20, 0.1, 0.9, 9.0)}}, "signal_to_screen", State.GOOD),
        ({"latencies": {Stage.WHOLE: Latency(20, 0.1, 1.1, 9.0)}}, "signal_to_screen", State.WARN),
        ({"latencies": {Stage.WHOLE: Latency(20, 0.1, 5.1, 9.0)}}, "signal_to_screen", State.BAD),
        ({"latencies": {Stage.WHOLE: Latency(19, 0.1, 5.1, 9.0)}}, "signal_to_screen", State.NONE),
        ({"latencies": {Stage.WHOLE: Latency(0, None, None, None)}}, "signal_to_screen", State.NONE),
        ({"deliveries": [Deliveries("push", {"sent": 99, "failed": 1})]}, "success", State.GOOD),
        ({"deliveries": [Deliveries("push", {"sent": 98, "failed": 2})]}, "success", State.WARN),
        ({"deliveries": [Deliveries("push", {"sent": 90, "gone": 10})]}, "success", State.BAD),
        ({"deliveries": [Deliveries("push", {"sent": 1, "failed": 2})]}, "success", State.NONE),
        ({"deliveries": [Deliveries("push", {"sent": 90, "skipped": 50})]}, "success", State.GOOD),
        ({"deliveries": [Deliveries("websocket", {"sent": 90, "pending": 10})]}, "success", State.BAD),
        ({"deliveries": [Deliveries("push", {"pending": 50})]}, "success", State.NONE),
        ({"silent": 0}, "sources", State.GOOD),
        ({"silent": 1}, "sources", State.WARN),
    ],
)
def test_a_figure_is_judged_by_its_limits(fields: dict[str, Any], key: str, state: State) -> None:
    assert judged(**fields)[key] is state


def test_one_channel_that_fails_is_not_hidden_by_a_better_one() -> None:
    fine, failing = Deliveries("push", {"sent": 1000}), Deliveries("webhook", {"sent": 50, "failed": 50})
    few = Deliveries("email", {"failed": 3})
    assert judged(deliveries=[fine, failing, few])["success"] is State.BAD


def test_the_worst_of_what_is_judged_is_the_answer() -> None:
    assert judging.worst([]) is State.NONE
    tiles = [Tile("a", "", "", state, "") for state in (State.NONE, State.GOOD, State.WARN)]
    assert judging.worst(tiles) is State.WARN


def test_a_rule_and_a_channel_that_are_no_more_keep_their_figures(alice: User) -> None:
    counts = {"hidden": {"a_rule_of_old": [3, 2]}, "deliveries": {"fax": {"sent": 4}}}
    HealthFigures.objects.create(length_s=Length.HOUR, begins_at=Length.HOUR.begin(NOW), counts=counts, counted_at=NOW)
    found = report.read(Range.DAY, NOW)
    assert [judging.reason_name(one.reason) for one in found.hidden] == ["a_rule_of_old"]
    assert [judging.channel_name(one.channel) for one in found.deliveries][-1] == "fax"
