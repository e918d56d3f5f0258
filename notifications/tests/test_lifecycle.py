"""Quiet hours end, insights expire: what the owner then sees."""

import datetime as dt
from collections.abc import Callable
from typing import Any

import pytest
import time_machine
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from notifications import lifecycle, stream
from notifications.delivery import websocket
from notifications.manager import NotificationManager
from notifications.models import InsightNotification, NotificationDeliveryLog, NotificationPreference
from signals import reversals
from signals.models import Signal

MakeSignal = Callable[..., Signal]
Hints = list[tuple[int, dict[str, Any]]]

pytestmark = pytest.mark.django_db(transaction=True)

NIGHT = dt.datetime(2026, 3, 4, 23, 30, tzinfo=dt.UTC)
MORNING = dt.datetime(2026, 3, 5, 7, 0, tzinfo=dt.UTC)


@pytest.fixture
def quiet_alice(alice: User) -> User:
    """Quiet from 22:00 to 07:00 UTC."""
    NotificationPreference.objects.filter(user=alice).update(quiet_hours_enabled=True, time_zone="UTC")
    return alice


@pytest.fixture
def held_insight(quiet_alice: User, make_insight: MakeSignal) -> Signal:
    with time_machine.travel(NIGHT, tick=False):
        return make_insight(quiet_alice, timeframe="4h", received_at=NIGHT)


class TestHolding:
    def test_moves_no_badge_and_sends_nothing(self, held_insight: Signal, alice: User, hints: Hints) -> None:
        notification = InsightNotification.objects.get()
        assert (notification.seq, notification.held_until) == (None, MORNING)
        assert stream.position(alice.pk).last_seq == 0
        assert stream.unread_count(alice.pk) == 0
        assert NotificationDeliveryLog.objects.count() == 0

    def test_hints_nothing(self, quiet_alice: User, make_insight: MakeSignal, hints: Hints) -> None:
        with time_machine.travel(NIGHT, tick=False):
            make_insight(quiet_alice)

        assert hints == []

    @pytest.mark.parametrize(
        ("changes", "held_until"),
        [
            ({"quiet_hours_enabled": False}, NIGHT),
            ({"quiet_end_time": "23:00"}, NIGHT),
            ({"quiet_end_time": "08:30"}, MORNING + dt.timedelta(minutes=90)),
            ({"quiet_start_time": "23:00", "quiet_end_time": "23:00"}, NIGHT + dt.timedelta(hours=23, minutes=30)),
            ({"paused_until": NIGHT + dt.timedelta(hours=1)}, MORNING),
            ({"paused_until": MORNING + dt.timedelta(hours=5)}, MORNING + dt.timedelta(hours=5)),
            ({"paused_until": MORNING + dt.timedelta(hours=16)}, MORNING + dt.timedelta(days=1)),
            (
                {"paused_until": MORNING + dt.timedelta(hours=5), "quiet_hours_enabled": False},
                MORNING + dt.timedelta(hours=5),
            ),
            ({"paused_until": NIGHT - dt.timedelta(hours=1), "quiet_hours_enabled": False}, NIGHT),
        ],
    )
    def test_follows_a_change_of_the_quiet_hours_and_of_the_pause(
        self, held_insight: Signal, alice: User, changes: dict[str, Any], held_until: dt.datetime
    ) -> None:
        preference = NotificationPreference.objects.get(user=alice)
        for name, value in changes.items():
            setattr(preference, name, value)

        with time_machine.travel(NIGHT, tick=False):
            preference.save()

        assert InsightNotification.objects.get().held_until == held_until


class TestReleasing:
    def test_waits_for_the_end_of_the_quiet_hours(self, held_insight: Signal) -> None:
        assert lifecycle.release_held(MORNING - dt.timedelta(seconds=1)) == 0
        assert lifecycle.release_held(MORNING) == 1
        assert lifecycle.release_held(MORNING) == 0

    def test_brings_all_that_was_held_as_one_brief(
        self, quiet_alice: User, make_insight: MakeSignal, hints: Hints
    ) -> None:
        with time_machine.travel(NIGHT, tick=False):
            make_insight(quiet_alice, timeframe="4h", received_at=NIGHT)
            make_insight(quiet_alice, timeframe="1h", received_at=NIGHT)
            later = NIGHT + dt.timedelta(minutes=1)
            opposite = make_insight(quiet_alice, timeframe="4h", received_at=later, side="sell", sl=2, tp=1, price=None)
            reversals.reverse(opposite)

        lifecycle.release_held(MORNING)

        [(user_id, brief)] = hints
        assert user_id == quiet_alice.pk
        assert brief == {
            "type": "brief", "seq": 1, "unread_count": 2, "held": 3, "live": 2, "expired": 1, "reversed": 1,
            "braked": False, "url": "/notifications/?released=2026-03-05T07%3A00%3A00.000Z",
        }  # fmt: skip
        assert set(InsightNotification.objects.values_list("seq", flat=True)) == {1}
        assert stream.unread_count(quiet_alice.pk) == 2
        assert NotificationDeliveryLog.objects.count() == 3

    def test_leaves_inside_what_is_not_for_the_browser_any_more(
        self, held_insight: Signal, alice: User, hints: Hints
    ) -> None:
        NotificationPreference.objects.filter(user=alice).update(web_enabled=False)

        assert lifecycle.release_held(MORNING) == 0

        notification = InsightNotification.objects.get()
        assert (notification.seq, notification.held_until, notification.reason) == (None, None, "channel_off")
        assert hints == []

    def test_past_the_browser_bears_its_instant_by_which_one_push_tells_of_all(
        self, held_insight: Signal, alice: User, hints: Hints
    ) -> None:
        NotificationPreference.objects.filter(user=alice).update(web_enabled=False, push_enabled=True)

        assert lifecycle.release_held(MORNING) == 1

        notification = InsightNotification.objects.get()
        assert (notification.seq, notification.released_at, notification.reason) == (None, MORNING, "quiet_hours")

    def test_of_one_user_that_fails_keeps_no_other_waiting(
        self,
        held_insight: Signal,
        bob: User,
        make_insight: MakeSignal,
        monkeypatch: pytest.MonkeyPatch,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        NotificationPreference.objects.filter(user=bob).update(quiet_hours_enabled=True, time_zone="UTC")
        with time_machine.travel(NIGHT, tick=False):
            make_insight(bob, timeframe="4h", received_at=NIGHT)
        write_pending = websocket.write_pending

        def fail_for_alice(rows: list[InsightNotification]) -> None:
            if rows[0].user != bob:
                raise ValueError("poisoned")
            write_pending(rows)

        monkeypatch.setattr(websocket, "write_pending", fail_for_alice)

        assert lifecycle.release_held(MORNING) == 1

        assert InsightNotification.objects.held().get().user == held_insight.user
        assert f"user {held_insight.user_id} could not be released" in caplog.text

    def test_of_an_updated_insight_replaces_its_earlier_revision(
        self, held_insight: Signal, alice: User, hints: Hints
    ) -> None:
        with time_machine.travel(NIGHT, tick=False):
            held_insight.validation.truth_index = 71
            held_insight.validation.status = "conditional"
            held_insight.validation.save()

        lifecycle.release_held(MORNING)

        first, second = InsightNotification.objects.order_by("revision")
        assert first.superseded_by == second
        assert stream.unread_count(alice.pk) == 1
        assert (second.seq, first.seq, stream.position(alice.pk).last_seq) == (1, 2, 2)


class TestExpiring:
    def test_takes_an_expired_insight_off_the_badge(self, alice: User, make_insight: MakeSignal, hints: Hints) -> None:
        make_insight(alice)
        hints.clear()

        assert NotificationManager.expire_old() == 0
        assert lifecycle.expire_old(timezone.now() + dt.timedelta(hours=3)) == 1
        assert lifecycle.expire_old(timezone.now() + dt.timedelta(hours=3)) == 0

        assert stream.unread_count(alice.pk) == 0
        [(_, frame)] = hints
        assert (frame["type"], frame["seq"], frame["unread_count"]) == ("notification_updated", 2, 0)
        assert frame["notification"]["expired_at"] is not None

    def test_gives_each_its_own_position(self, alice: User, make_insight: MakeSignal, hints: Hints) -> None:
        make_insight(alice)
        make_insight(alice)

        lifecycle.expire_old(timezone.now() + dt.timedelta(hours=3))

        assert [frame["seq"] for _, frame in hints] == [1, 2, 3, 4]
        assert stream.position(alice.pk).last_seq == 4


class TestWhatABriefToldOf:
    @pytest.fixture
    def brief(self, quiet_alice: User, make_insight: MakeSignal, hints: Hints) -> dict[str, Any]:
        """Of four that were held: one expired, one was turned, two are live; and one that came afterwards."""
        with time_machine.travel(NIGHT, tick=False):
            make_insight(quiet_alice, timeframe="1h", received_at=NIGHT, symbol="GBPUSD", truth_index=95)
            make_insight(quiet_alice, timeframe="4h", received_at=NIGHT, truth_index=90)
            later = NIGHT + dt.timedelta(minutes=1)
            opposite = make_insight(
                quiet_alice, timeframe="4h", received_at=later, side="sell", sl=2, tp=1, price=None, truth_index=70
            )
            reversals.reverse(opposite)
            make_insight(quiet_alice, timeframe="4h", received_at=NIGHT, symbol="USDJPY", truth_index=85)
        lifecycle.release_held(MORNING)
        with time_machine.travel(MORNING + dt.timedelta(hours=1), tick=False):
            make_insight(quiet_alice, received_at=MORNING, symbol="AUDUSD")
        return next(frame for _, frame in hints if frame["type"] == "brief")

    def test_its_link_lists_just_these_what_still_matters_first(
        self, brief: dict[str, Any], alice: User, client: Client
    ) -> None:
        client.force_login(alice)
        page = client.get(brief["url"])

        shown = [(row.signal.symbol, row.signal.side) for row in page.context["notifications"]]
        assert shown == [("USDJPY", "buy"), ("EURUSD", "sell"), ("EURUSD", "buy"), ("GBPUSD", "buy")]
        assert "Was held until" in page.content.decode()

    def test_nobody_else_sees_them(self, brief: dict[str, Any], bob: User, client: Client) -> None:
        client.force_login(bob)
        assert client.get(brief["url"]).context["notifications"] == []

    @pytest.mark.parametrize("query", ["released=soon", "released=2026-03-05T07:00:00", "entry=-1", "entry=x"])
    def test_what_no_link_says_is_refused(self, alice: User, client: Client, query: str) -> None:
        client.force_login(alice)
        assert client.get(f"/notifications/?{query}").status_code == 400
