"""The set-based fan-out of PostgreSQL: it decides and writes what the plain path does, chunk by chunk, once."""

import datetime as dt
import json
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from django.conf import settings as site_settings
from django.contrib.auth.models import User
from django.db import connection, transaction
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from notifications import dispatching, fan_out, row_by_row, rules_sql, stream
from notifications.announcing import Announcement, Batch, Rescored, announce
from notifications.frame_templates import FrameText
from notifications.models import (
    Inbox,
    InsightDispatch,
    InsightNotification,
    Mute,
    NotificationDeliveryLog,
    NotificationPreference,
    OutgoingWebhook,
    PushSubscription,
    QuietWindow,
    SuppressedInsight,
)
from notifications.preferences import Facts, MuteKind, QuietMode, Reason
from notifications.priority import Priority
from notifications.tests.rows import store_notification
from signals.models import Signal, TradeValidation

MakeSignal = Callable[..., Signal]
Fields = dict[str, Any]

pytestmark = [
    pytest.mark.services,
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(
        site_settings.DATABASES["default"]["ENGINE"] != "django.db.backends.postgresql",
        reason="these are statements of PostgreSQL; SQLite takes the plain path",
    ),
]

# --- Any population -------------------------------------------------------------------------------------------------

ZONES = ["UTC", "Europe/London", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "Pacific/Apia", "Mars"]
CLOCK_CHANGES = [
    dt.datetime(2026, 3, 8, 7, tzinfo=dt.UTC),  # New York, spring
    dt.datetime(2026, 3, 29, 1, tzinfo=dt.UTC),  # London, spring
    dt.datetime(2026, 10, 25, 1, tzinfo=dt.UTC),  # London, autumn
    dt.datetime(2026, 10, 3, 15, 30, tzinfo=dt.UTC),  # Lord Howe, half an hour
]
moments = st.one_of(
    st.builds(
        lambda change, minutes: change + dt.timedelta(minutes=minutes),
        st.sampled_from(CLOCK_CHANGES),
        st.integers(-180, 180),
    ),
    st.integers(0, 525_600).map(lambda minutes: dt.datetime(2026, 1, 1, tzinfo=dt.UTC) + dt.timedelta(minutes=minutes)),
)
NAMES = ["EURUSD", "eurusd", "EURUSD ", "XAU[USD", "SMC", "smc", "", "\N{GREEK SMALL LETTER FINAL SIGMA}"]
names = st.sampled_from(NAMES)
name_lists = st.lists(names, max_size=3)
# What SQL, an old version or a slip in the shell may have left in a JSON column.
odd_values = st.recursive(
    st.none() | st.booleans() | st.integers(0, 6) | names,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(names, inner, max_size=2),
    max_leaves=3,
)
confidences = st.sampled_from(["0", "64.99", "65", "65.01", "79.99", "80", "100"]).map(Decimal)
hours = st.times().map(lambda time: time.replace(microsecond=0)) | st.sampled_from([dt.time(0), dt.time(1, 30)])
windows = st.sampled_from([(dt.time(22), dt.time(7)), (dt.time(0), dt.time(0)), (dt.time(1), dt.time(2))])

further_windows = st.tuples(
    windows | st.tuples(hours, hours), st.just(list(range(7))) | st.lists(st.integers(0, 6), unique=True)
)


@st.composite
def preferences(draw: st.DrawFn, now: dt.datetime) -> Fields:
    start, end = draw(windows | st.tuples(hours, hours))
    return {
        "web_enabled": draw(st.sampled_from([True, True, True, False])),
        "push_enabled": draw(st.booleans()),
        "webhook_enabled": draw(st.booleans()),
        "min_confidence": draw(st.just(Decimal(0)) | confidences),
        "strategies_filter": draw(st.just([]) | name_lists | odd_values),
        "symbols_filter": draw(st.just([]) | name_lists | odd_values),
        "high_priority_only": draw(st.sampled_from([False, False, True])),
        "quiet_hours_enabled": draw(st.booleans()),
        "quiet_start_time": start,
        "quiet_end_time": end,
        "quiet_weekdays": draw(st.just(list(range(7))) | st.lists(st.integers(0, 6)) | odd_values),
        "quiet_mode": draw(st.sampled_from(QuietMode)),
        "urgent_bypasses_quiet": draw(st.booleans()),
        "time_zone": draw(st.sampled_from(ZONES)),
        "paused_until": draw(
            st.sampled_from([None, None, now, now + dt.timedelta(microseconds=1), now - dt.timedelta(days=1)])
        ),
        "windows": draw(st.lists(further_windows, max_size=3)),
        "mutes": draw(
            st.lists(
                st.tuples(
                    st.sampled_from(MuteKind),
                    names,
                    st.sampled_from([None, now, now + dt.timedelta(microseconds=1), now - dt.timedelta(days=1)]),
                ),
                max_size=3,
                unique_by=lambda mute: mute[:2],
            )
        ),
    }


@st.composite
def facts(draw: st.DrawFn) -> Facts:
    return Facts(draw(names), draw(names), draw(confidences), draw(st.sampled_from(Priority)))


# What a user may have of the insight already: a revision, and the state of that row; of `another` that it may repeat.
HISTORIES: list[list[Fields]] = [
    [],
    [{"revision": 2}],
    [{"revision": 3}],
    [{"revision": 1}],
    [{"revision": 0}, {"revision": 1}],
    [{"revision": 1, "read": True}],
    [{"revision": 1, "seq": None, "held_until": dt.datetime(2027, 1, 1, tzinfo=dt.UTC)}],
    [{"revision": 1, "expired_at": dt.datetime(2026, 1, 1, tzinfo=dt.UTC)}],
    [{"revision": 1, "priority": "high", "days_old": 1, "repeat_of": 5, "news_headline": "Rates held"}],
    [{"revision": 0, "priority": "low"}, {"revision": 1, "priority": "high", "read": True}],
    [{"another": True}],
    [{"another": True, "repeat_of": 5}],
    [{"another": True, "revision": 1}, {"another": True, "revision": 2, "expired_at": dt.datetime.now(dt.UTC)}],
    [{"another": True, "seq": None, "held_until": dt.datetime(2027, 1, 1, tzinfo=dt.UTC)}, {"revision": 1}],
    [{"another": True, "seq": None}],
]


@st.composite
def populations(draw: st.DrawFn) -> tuple[Facts, dt.datetime, list[tuple[Fields | None, list[Fields], int | None]]]:
    """An insight's facts, the instant, and for each user: preferences (or no row), history, position (or no inbox)."""
    now = draw(moments)
    user = st.tuples(st.none() | preferences(now), st.sampled_from(HISTORIES), st.sampled_from([None, 0, 41]))
    return draw(facts()), now, draw(st.lists(user, min_size=fan_out.FEW_USERS + 1, max_size=12))


@given(population=populations(), braked=st.booleans())
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@pytest.mark.parametrize(("owned", "repeats_any"), [(False, True), (True, True), (False, False)])
def test_any_population_is_written_as_the_plain_path_writes_it(
    traders: list[User], make_signal: MakeSignal, owned: bool, repeats_any: bool, population: Any, braked: bool
) -> None:
    insight, now, users = population
    with transaction.atomic():
        signal = unannounced(make_signal, traders[0] if owned else None)
        another = unannounced(make_signal, traders[0] if owned else None)
        for trader, (wanted, history, position) in zip(traders, users, strict=False):
            settle(trader, signal, wanted, [fields for fields in history if "another" not in fields], position)
            for fields in history:
                if "another" in fields:
                    store_notification(trader, another, **{name: fields[name] for name in fields if name != "another"})
        message = announce(signal, 2).message
        repeats = (signal.pk, another.pk) if repeats_any else ()
        rescored = Rescored(Decimal("71.5"), "approved")
        announcement = Announcement(signal, 2, insight, message, now, rescored, repeats, braked)
        user_ids = [trader.pk for trader in traders[: len(users)]]

        assert outcome(fan_out.write, announcement, user_ids) == outcome(row_by_row.write, announcement, user_ids)

        transaction.set_rollback(True)


@pytest.mark.parametrize(
    ("priority", "let_through"), [(Priority.MEDIUM, Reason.QUIET_HOURS), (Priority.HIGH, Reason.BRAKE)]
)
def test_the_brake_holds_what_would_be_sent_and_nothing_else(
    traders: list[User], make_signal: MakeSignal, priority: Priority, let_through: Reason
) -> None:
    quiet = {"quiet_hours_enabled": True, "quiet_start_time": dt.time(0), "quiet_end_time": dt.time(0)}
    wishes: list[tuple[Fields, Reason]] = [
        ({}, Reason.BRAKE),
        (quiet, Reason.QUIET_HOURS),
        (quiet | {"quiet_mode": QuietMode.SKIP}, Reason.QUIET_HOURS),
        (quiet | {"urgent_bypasses_quiet": True}, let_through),
        ({"min_confidence": Decimal(100)}, Reason.BELOW_MIN_CONFIDENCE),
    ]
    for trader, (fields, _) in zip(traders, wishes, strict=False):
        NotificationPreference.objects.filter(user=trader).update(**fields)
    announcement = announce(unannounced(make_signal), 1, braked=True)
    announcement = replace(announcement, facts=replace(announcement.facts, priority=priority))
    user_ids = [trader.pk for trader in traders[: len(wishes)]]

    for write in (fan_out.write, row_by_row.write):
        assert outcome(write, announcement, user_ids)["reasons"] == Counter(reason.value for _, reason in wishes)


@pytest.mark.parametrize("kind", MuteKind)
@pytest.mark.parametrize(
    ("until", "reason"),
    [(None, Reason.MUTED), (dt.timedelta(hours=1), Reason.MUTED), (-dt.timedelta(hours=1), Reason.ALL_RULES_PASSED)],
)
def test_a_mute_keeps_back_what_it_names_until_it_ends(
    traders: list[User], make_signal: MakeSignal, kind: MuteKind, until: dt.timedelta | None, reason: Reason
) -> None:
    signal = unannounced(make_signal)
    name = signal.symbol if kind is MuteKind.SYMBOL else signal.strategy
    Mute.objects.create(user=traders[1], kind=kind, name=name, until=timezone.now() + until if until else None)
    Mute.objects.create(user=traders[2], kind=kind, name="OTHER")
    user_ids = [trader.pk for trader in traders]

    for write in (fan_out.write, row_by_row.write):
        reasons = outcome(write, announce(signal, 1), user_ids)["reasons"]
        assert reasons == Counter({Reason.ALL_RULES_PASSED.value: len(traders) - 1}) + Counter([reason.value])


def test_a_further_window_of_quiet_holds_what_the_first_would_let_through(
    traders: list[User], make_signal: MakeSignal
) -> None:
    signal = unannounced(make_signal)
    NotificationPreference.objects.filter(user__in=traders[1:3]).update(quiet_hours_enabled=True, quiet_weekdays=[])
    for trader in traders[2:4]:  # the second of them keeps no quiet hours
        QuietWindow.objects.create(
            preference=NotificationPreference.objects.get(user=trader), start=dt.time(0), end=dt.time(0)
        )
    user_ids = [trader.pk for trader in traders]

    for write in (fan_out.write, row_by_row.write):
        found = outcome(write, announce(signal, 1), user_ids)
        held = [row["user_id"] for row in found["notifications"] if row["held_until"]]
        assert held == [traders[2].pk]


@pytest.mark.parametrize(("column", "value"), [("quiet_end_time", "24:00"), ("paused_until", "infinity")])
def test_a_value_that_python_does_not_know_costs_nobody_a_notification(
    traders: list[User], make_signal: MakeSignal, column: str, value: str
) -> None:
    signal = unannounced(make_signal)
    with connection.cursor() as cursor:
        cursor.execute(
            f'UPDATE "{NotificationPreference._meta.db_table}" SET {column} = %s WHERE user_id = %s',  # noqa: S608
            [value, traders[1].pk],
        )
    user_ids = [trader.pk for trader in traders]

    for write in (fan_out.write, row_by_row.write):
        assert outcome(write, announce(signal, 1), user_ids)["verdicts"] == {"send": len(traders)}


def test_every_reason_is_one_rule_in_the_order_in_which_they_are_asked() -> None:
    order = [reason for reason, _ in rules_sql.RULES]

    assert sorted(order) == sorted(Reason)
    assert order[:7] == list(Reason)[:7], "what comes after them depends on the quiet hours"


def test_with_the_browser_off_what_others_let_through_is_stored_without_a_position_and_goes_out_over_them(
    traders: list[User], make_signal: MakeSignal
) -> None:
    """On both paths, for many users and for few; nobody else's targets are written to."""
    owner_of_devices = traders[0]
    NotificationPreference.objects.filter(user=owner_of_devices).update(web_enabled=False, push_enabled=True)
    signal = unannounced(make_signal)

    for write in (fan_out.write, row_by_row.write):
        for user_ids in ([trader.pk for trader in traders], [owner_of_devices.pk]):
            found = outcome(write, announce(signal, 1), user_ids)
            [own] = [row for row in found["notifications"] if row["user_id"] == owner_of_devices.pk]
            pushed = [row for row in found["deliveries"] if row["channel"] == "push"]
            assert (own["seq"], own["held_until"], own["reason"]) == (None, None, "all_rules_passed")
            assert {row["notification_id"][0] for row in pushed} == {owner_of_devices.pk}
            assert len(pushed) == 2, "one for each device"


# --- Whole dispatches -----------------------------------------------------------------------------------------------


def test_a_whole_dispatch_writes_what_the_plain_path_writes(
    traders: list[User], make_signal: MakeSignal, monkeypatch: pytest.MonkeyPatch, hints: list[tuple[int, Any]]
) -> None:
    """Staff, inactive accounts, users without a row or an inbox, each preference, an earlier revision; many chunks."""
    monkeypatch.setattr(dispatching, "CHUNK_USERS", 5)
    User.objects.filter(pk=traders[0].pk).update(is_staff=True)
    User.objects.filter(pk=traders[1].pk).update(is_staff=True)
    User.objects.filter(pk=traders[2].pk).update(is_active=False)
    wanting = NotificationPreference.objects
    wanting.filter(user=traders[1]).update(house_insights_for_staff=True)
    wanting.filter(user=traders[3]).delete()
    wanting.filter(user=traders[4]).update(symbols_filter=["XAUUSD"])
    wanting.filter(user=traders[5]).update(quiet_hours_enabled=True, quiet_start_time="00:00", quiet_end_time="00:00")
    Inbox.objects.filter(user=traders[6]).delete()
    signal = unannounced(make_signal)
    store_notification(traders[7], signal, revision=1)
    dispatch = InsightDispatch.objects.create(signal=signal, revision=2, fingerprint="")

    def run_whole() -> dict[str, Any]:
        hints.clear()
        with transaction.atomic():
            before = timezone.now()
            dispatching.run(dispatch.pk)
            found = rows() | {"counts": InsightDispatch.objects.get(pk=dispatch.pk).counts}
            for row in found["notifications"]:
                assert row.pop("created_at") <= timezone.now()
                assert row["held_until"] is None or row["held_until"] > before
            transaction.set_rollback(True)
        return found

    set_based = run_whole()
    monkeypatch.setattr(fan_out, "write", row_by_row.write)
    plain = run_whole()

    assert set_based == plain
    assert set_based["counts"]["verdicts"] == {"send": 8, "hold": 1, "suppress": 1}


def test_a_chunk_costs_as_many_statements_for_many_users_as_for_few(
    traders: list[User], make_signal: MakeSignal, django_assert_num_queries: Any
) -> None:
    for users in (traders[: fan_out.FEW_USERS + 1], traders):
        announcement = announce(unannounced(make_signal), 1)
        with transaction.atomic(), django_assert_num_queries(3):  # lock; judge; everything else
            fan_out.write(announcement, [user.pk for user in users])


def test_the_inboxes_are_locked_in_user_order_in_a_statement_of_its_own(
    traders: list[User], make_signal: MakeSignal, django_assert_num_queries: Any
) -> None:
    announcement = announce(unannounced(make_signal), 1)
    with transaction.atomic(), django_assert_num_queries(3) as captured:
        fan_out.write(announcement, [user.pk for user in reversed(traders)])

    assert captured[0]["sql"].endswith("ORDER BY user_id FOR UPDATE")
    assert "INSERT" not in captured[0]["sql"]


def test_preferences_changed_between_the_statements_begin_the_chunk_again(
    traders: list[User], make_signal: MakeSignal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What Python judged has to be what SQL reads, or a window that nobody evaluated would pass for not quiet."""
    signal = unannounced(make_signal)
    dispatch = InsightDispatch.objects.create(signal=signal, revision=1, fingerprint="")
    judge = rules_sql.judge
    judged: list[Sequence[int]] = []

    def change_after_judging(user_ids: Sequence[int], *facts: Any, braked: bool) -> dict[str, Any]:
        values = judge(user_ids, *facts, braked=braked)
        if not judged:
            NotificationPreference.objects.filter(user=traders[1]).update(
                quiet_hours_enabled=True, quiet_start_time="00:00", quiet_end_time="00:00"
            )
        judged.append(user_ids)
        return values

    monkeypatch.setattr(rules_sql, "judge", change_after_judging)

    dispatching.run(dispatch.pk)

    dispatch.refresh_from_db()
    assert len(judged) == 2
    assert dispatch.counts["verdicts"] == {"send": len(traders)}, "the change was undone with its transaction"


def test_a_row_that_somebody_else_wrote_meanwhile_begins_the_chunk_again(
    traders: list[User], make_signal: MakeSignal, monkeypatch: pytest.MonkeyPatch
) -> None:
    signal = unannounced(make_signal)
    dispatch = InsightDispatch.objects.create(signal=signal, revision=1, fingerprint="")
    statement = fan_out._statement
    blind = [True]

    def see_nobody_at_first(*args: Any, **kwargs: Any) -> str:
        text = statement(*args, **kwargs)
        return text.replace("NOT IN (SELECT user_id FROM told)", "> 0") if blind and blind.pop() else text

    store_notification(traders[1], signal, revision=1)
    monkeypatch.setattr(fan_out, "_statement", see_nobody_at_first)

    dispatching.run(dispatch.pk)

    assert blind == []
    assert InsightNotification.objects.filter(signal=signal).count() == len(traders)
    assert set(Inbox.objects.filter(user__in=traders).values_list("last_seq", flat=True)) == {1}


def test_the_same_insight_twice_at_once_leaves_no_hole_in_any_position(
    traders: list[User], make_signal: MakeSignal
) -> None:
    """The second waits for the inboxes of the first, and only then looks who has it."""
    signal = unannounced(make_signal)
    user_ids = [trader.pk for trader in traders]
    barrier = threading.Barrier(2)

    def notify() -> Counter[str]:
        try:
            with transaction.atomic():
                announcement = announce(signal, 1)
                barrier.wait()
                return fan_out.write(announcement, user_ids).verdicts
        finally:
            connection.close()

    with ThreadPoolExecutor(2) as threads:
        verdicts = [future.result() for future in [threads.submit(notify), threads.submit(notify)]]

    assert sorted(count["send"] for count in verdicts) == [0, len(traders)]
    assert InsightNotification.objects.filter(signal=signal).count() == len(traders)
    assert set(Inbox.objects.filter(user__in=traders).values_list("last_seq", flat=True)) == {1}


# --- What there is, and what came of it -----------------------------------------------------------------------------


@pytest.fixture
def traders(db: None) -> list[User]:
    """Every second one has a webhook, every third two devices; whether they are on is for the preferences to say."""
    users = [User.objects.create_user(f"trader{number}") for number in range(12)]
    OutgoingWebhook.objects.bulk_create(OutgoingWebhook(user=user, url="https://a.example/") for user in users[::2])
    PushSubscription.objects.bulk_create(
        PushSubscription(user=user, endpoint=f"https://a.example/{user.pk}/{name}")
        for user in users[::3]
        for name in ("phone", "laptop")
    )
    return users


def unannounced(make_signal: MakeSignal, owner: User | None = None, **fields: Any) -> Signal:
    """An insight that no receiver has seen."""
    signal = make_signal(owner, **fields)
    TradeValidation.objects.bulk_create([TradeValidation(signal=signal, truth_index=Decimal(82), status="approved")])
    return signal


def settle(user: User, signal: Signal, wanted: Fields | None, history: list[Fields], position: int | None) -> None:
    """Give the user these preferences, this history with the insight, and this position."""
    preference = NotificationPreference.objects.filter(user=user)
    if wanted is None:
        preference.delete()
    else:
        wanted = {"windows": [], "mutes": [], **wanted}
        lists = {name: wanted[name] for name in ("strategies_filter", "symbols_filter", "quiet_weekdays")}
        apart = {"windows", "mutes", *lists}
        preference.update(**{name: value for name, value in wanted.items() if name not in apart})
        QuietWindow.objects.bulk_create(
            QuietWindow(preference=preference.get(), start=start, end=end, weekdays=weekdays)
            for (start, end), weekdays in wanted["windows"]
        )
        Mute.objects.bulk_create(  # past `save`, which would spell them one way
            Mute(user=user, kind=kind, name=name, until=until) for kind, name, until in wanted["mutes"]
        )
        with connection.cursor() as cursor:  # as it is: the field would take None for no value
            for name, value in lists.items():
                cursor.execute(
                    f'UPDATE "{NotificationPreference._meta.db_table}" SET {name} = %s WHERE user_id = %s',  # noqa: S608
                    [json.dumps(value), user.pk],
                )
    for fields in history:
        store_notification(user, signal, **fields)
    if position is None and not history:
        Inbox.objects.filter(user=user).delete()
    elif position is not None:
        Inbox.objects.filter(user=user).update(last_seq=position + stream.last_seqs([user.pk])[user.pk])


def outcome(
    write: Callable[[Announcement, Sequence[int]], Batch], announcement: Announcement, user_ids: Sequence[int]
) -> dict[str, Any]:
    """What `write` returns and leaves behind, with users and revisions for ids; it is undone."""
    with transaction.atomic():
        batch = write(announcement, user_ids)
        named = {row.pk: (row.user_id, row.signal_id, row.revision) for row in InsightNotification.objects.all()}
        found = rows() | {
            "verdicts": dict(batch.verdicts),
            "reasons": dict(batch.reasons),
            "sent": [named[id_] for id_ in batch.sent],
            "frames": [(user_id, without_ids(frame, named)) for user_id, frame in batch.events],
        }
        transaction.set_rollback(True)
    return found


def rows() -> dict[str, Any]:
    notifications: list[Any] = list(InsightNotification.objects.order_by("user_id", "signal_id", "revision").values())
    deliveries: list[Any] = list(
        NotificationDeliveryLog.objects.order_by(
            "notification__user", "notification__signal", "notification__revision", "channel", "target"
        ).values()
    )
    named = {row["id"]: (row["user_id"], row["signal_id"], row["revision"]) for row in notifications}
    for row in notifications:
        row["superseded_by_id"] = named.get(row["superseded_by_id"])
        del row["id"]
    for row in deliveries:
        row["notification_id"] = named[row["notification_id"]]
        row["next_attempt_at"] = row["next_attempt_at"] is not None
        for name in ("id", "created_at", "attempted_at"):
            del row[name]
    return {
        "notifications": notifications,
        "deliveries": deliveries,
        "positions": dict(Inbox.objects.values_list("user_id", "last_seq")),
        "suppressions": set(SuppressedInsight.objects.values_list("user_id", "revision", "channel", "reason")),
    }


def without_ids(frame: Any, named: dict[int, Any]) -> dict[str, Any]:
    read: dict[str, Any] = json.loads(frame.text if isinstance(frame, FrameText) else json.dumps(frame))
    for name in ("id", "superseded_by"):
        read["notification"][name] = named.get(read["notification"][name])
    return read
