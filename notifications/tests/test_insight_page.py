"""What the page of one insight shows beside its texts."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from decimal import Decimal

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from notifications.insight_page import (
    CLOSES_AFTER,
    DAYS_BEFORE,
    Scale,
    closes,
    delivery_in_words,
    market_time,
    reward_to_risk,
    scale,
)
from notifications.models import NotificationDeliveryLog
from notifications.tests.rows import store_notification
from signals import market
from signals.models import Outcome, Signal

MakeSignal = Callable[..., Signal]
MADE = dt.datetime(2024, 2, 1, 15, tzinfo=dt.UTC)


@pytest.fixture
def browser(alice: User) -> Client:
    client = Client()
    client.force_login(alice)
    return client


def closes_url(signal: Signal) -> str:
    return reverse("insight_closes", args=[signal.pk])


class TestCloses:
    def test_reach_from_120_days_before_to_what_came_after(self, make_signal: MakeSignal) -> None:
        found = closes(make_signal(bar_time=MADE), timezone.now())

        assert found is not None
        days = [dt.date.fromisoformat(close["time"]) for close in found["closes"]]
        assert days == sorted(days)
        assert days[0] >= MADE.date() - dt.timedelta(days=DAYS_BEFORE)
        assert (days[0] - MADE.date()).days < -DAYS_BEFORE + 5  # the first day with rates from there on
        assert days[found["made"] - 1] == MADE.date()
        assert len(days) == found["made"] + CLOSES_AFTER

    def test_end_with_what_is_known_now(self, make_signal: MakeSignal) -> None:
        found = closes(make_signal(bar_time=MADE), MADE + dt.timedelta(days=5))

        assert found is not None
        assert found["closes"][-1]["time"] == "2024-02-06"

    def test_of_a_replayed_alert_end_where_the_replay_has_come_to(self, alice: User, make_signal: MakeSignal) -> None:
        now = timezone.now()
        replayed = make_signal(alice, bar_time=MADE)
        make_signal(alice, bar_time=MADE + dt.timedelta(days=5))
        make_signal(alice, symbol="USDJPY", bar_time=MADE + dt.timedelta(days=9))
        make_signal(bar_time=MADE + dt.timedelta(days=9))

        assert market_time(replayed, now) == MADE + dt.timedelta(days=5)
        assert market_time(make_signal(alice, bar_time=now), now) == now
        assert market_time(make_signal(alice), now) == now

    def test_are_those_of_the_market_with_the_levels_of_the_signal(self, make_signal: MakeSignal) -> None:
        signal = make_signal(symbol="USDJPY", bar_time=MADE, price=Decimal(147), sl=Decimal(146), tp=Decimal(149))
        series = market.series("USDJPY")
        assert series is not None

        found = closes(signal, timezone.now())

        assert found is not None
        prices = dict(zip(series.days, series.values, strict=True))
        assert all(prices[dt.date.fromisoformat(close["time"])] == close["value"] for close in found["closes"])
        assert (found["stop"], found["entry"], found["target"], found["decimals"]) == (146, 147, 149, 3)

    def test_say_how_it_ended(self, make_signal: MakeSignal) -> None:
        signal = make_signal(bar_time=MADE, outcome=Outcome.WIN, closed_at=MADE + dt.timedelta(days=4))

        found = closes(signal, timezone.now())

        assert found is not None
        assert (found["outcome"], found["closed_on"]) == ("win", "2024-02-05")

    @pytest.mark.parametrize(
        "fields", [{"symbol": "XAUUSD"}, {"bar_time": dt.datetime(2017, 1, 1, tzinfo=dt.UTC)}], ids=str
    )
    def test_are_none_without_data(self, make_signal: MakeSignal, fields: dict[str, object]) -> None:
        assert closes(make_signal(**fields), timezone.now()) is None

    def test_are_served_to_whoever_may_see_the_page(
        self, browser: Client, bob: User, alice: User, make_insight: MakeSignal
    ) -> None:
        bobs = make_insight(bob, bar_time=MADE)
        assert browser.get(closes_url(bobs)).status_code == 404

        store_notification(alice, bobs)

        response = browser.get(closes_url(bobs))
        assert (response.status_code, response.json()["symbol"]) == (200, "EURUSD")
        assert "no-store" in response["Cache-Control"]

    def test_are_not_found_without_data(self, browser: Client, alice: User, make_insight: MakeSignal) -> None:
        assert browser.get(closes_url(make_insight(alice, symbol="XAUUSD"))).status_code == 404


class TestThePage:
    def test_draws_a_chart_with_its_credit_where_there_are_closes(
        self, browser: Client, alice: User, make_insight: MakeSignal
    ) -> None:
        signal = make_insight(alice, bar_time=MADE)

        page = browser.get(signal.get_absolute_url()).content.decode()

        assert f'data-closes="{closes_url(signal)}"' in page
        assert 'href="https://www.tradingview.com/"' in page
        assert "notifications/chart.js" in page

    def test_says_that_there_is_no_chart_and_shows_the_levels_on_a_line(
        self, browser: Client, alice: User, make_insight: MakeSignal
    ) -> None:
        signal = make_insight(alice, symbol="XAUUSD")

        page = browser.get(signal.get_absolute_url()).content.decode()

        assert "There is no chart" in page
        assert 'class="scale"' in page
        assert "notifications/chart.js" not in page

    def test_shows_times_by_the_users_own_clock(self, browser: Client, alice: User, make_insight: MakeSignal) -> None:
        alice.notification_preference.time_zone = "Asia/Tokyo"
        alice.notification_preference.save()
        signal = make_insight(alice, received_at=dt.datetime(2026, 3, 1, 20, tzinfo=dt.UTC))

        page = browser.get(signal.get_absolute_url()).content.decode()

        assert "2 Mar 2026, 05:00 JST" in page

    @pytest.mark.parametrize(
        ("outcome", "words"),
        [("win", "Target reached"), ("loss", "Stop reached"), ("expired", "in time"), ("pending", "Still open")],
    )
    def test_says_how_it_ended(
        self, browser: Client, alice: User, make_insight: MakeSignal, outcome: str, words: str
    ) -> None:
        signal = make_insight(alice, outcome=outcome)

        assert words in browser.get(signal.get_absolute_url()).content.decode()

    @pytest.mark.parametrize(("hours_ago", "words"), [(1, "The insight expires"), (4, "The insight expired")])
    def test_says_when_it_expires(
        self, browser: Client, alice: User, make_insight: MakeSignal, hours_ago: int, words: str
    ) -> None:
        signal = make_insight(alice, received_at=timezone.now() - dt.timedelta(hours=hours_ago))

        assert words in browser.get(signal.get_absolute_url()).content.decode()


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"state": "acknowledged", "acknowledged_visible": True}, "Shown in a tab in view."),
        ({"state": "acknowledged", "acknowledged_visible": False}, "Taken by a tab in the background."),
        ({"state": "sent"}, "Sent; no open tab has confirmed it yet."),
        ({"state": "pending"}, "Waiting for your browser, which gets it when it connects."),
        ({"state": "sent", "attempt_group": 2}, "Sent again. Sent; no open tab has confirmed it yet."),
        ({"state": "failed", "channel": "push", "error_message": "HTTP 500"}, "Not delivered. HTTP 500"),
        ({"state": "pending", "channel": "push"}, "Waiting to be sent."),
        (
            {
                "state": "pending",
                "channel": "push",
                "attempts": 1,
                "next_attempt_at": dt.datetime(2026, 3, 4, 14, 30, tzinfo=dt.UTC),
                "error_message": "The push service answered 503.",
            },
            "Not delivered yet; the next try is at 14:30. The push service answered 503.",
        ),
        (
            {"state": "skipped", "channel": "push", "error_message": "Shown in a tab in view."},
            "Left out. Shown in a tab in view.",
        ),
        ({"state": "sent", "channel": "email", "attempts": 3}, "Sent. It took 3 attempts."),
        ({"state": "gone", "channel": "push"}, "The target takes nothing any more."),
        ({"state": "skipped", "channel": "push"}, "Left out."),
    ],
)
def test_a_delivery_is_told_in_words(fields: dict[str, object], words: str) -> None:
    assert delivery_in_words(NotificationDeliveryLog(**{"channel": "websocket"} | fields)) == words


def test_the_scale_puts_the_entry_between_stop_and_target(make_signal: MakeSignal) -> None:
    buy = make_signal(sl=Decimal(100), price=Decimal(125), tp=Decimal(200))
    sell = make_signal(side="sell", sl=Decimal(200), price=Decimal(190), tp=Decimal(100))

    assert scale(buy) == Scale(stop_is_left=True, entry=25, entry_label=25)
    assert scale(sell) == Scale(stop_is_left=False, entry=90, entry_label=78)
    assert scale(make_signal(price=None)) == Scale(stop_is_left=True, entry=None, entry_label=None)


def test_reward_is_weighed_against_risk(make_signal: MakeSignal) -> None:
    assert reward_to_risk(make_signal(sl=Decimal(98), price=Decimal(100), tp=Decimal(105))) == Decimal("2.5")
    assert reward_to_risk(make_signal(price=None)) is None
