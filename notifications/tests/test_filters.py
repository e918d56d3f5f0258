"""The dashboard and the history narrowed by their address."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from notifications.models import InsightNotification, NotificationPreference
from notifications.payloads import iso, to_milliseconds
from notifications.preferences import Reason
from notifications.tests.rows import store_notification
from signals.models import Outcome, Signal

MakeSignal = Callable[..., Signal]
BOTH_PAGES = pytest.mark.parametrize("name", ["dashboard", "history"])


@pytest.fixture
def browser(alice: User) -> Client:
    client = Client()
    client.force_login(alice)
    return client


@pytest.fixture
def stored(alice: User, make_signal: MakeSignal) -> dict[str, InsightNotification]:
    sell = {"side": "sell", "sl": Decimal("1.09"), "tp": Decimal("1.07")}
    signals = {
        "plain": make_signal(),
        "gold": make_signal(symbol="XAUUSD"),
        "trend": make_signal(strategy="TrendFollower"),
        "short": make_signal(**sell),
        "short gold": make_signal(symbol="XAUUSD", **sell),
    }
    rows = {name: store_notification(alice, signal, read=name == "plain") for name, signal in signals.items()}
    return rows | {"high": store_notification(alice, make_signal(), priority="high")}


def shown(browser: Client, name: str, query: dict[str, str]) -> list[InsightNotification]:
    rows: list[InsightNotification] = browser.get(reverse(name), query).context["notifications"]
    return rows


@BOTH_PAGES
@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"symbol": "XAUUSD"}, ["short gold", "gold"]),
        ({"symbol": "xau/usd"}, ["short gold", "gold"]),
        ({"strategy": "TrendFollower"}, ["trend"]),
        ({"priority": "high"}, ["high"]),
        ({"side": "sell"}, ["short gold", "short"]),
        ({"side": "sell", "symbol": "XAUUSD"}, ["short gold"]),
        ({"side": "sell", "strategy": "TrendFollower"}, []),
        ({"symbol": "NOTHING"}, []),
        ({"unread": "1"}, ["high", "short gold", "short", "trend", "gold"]),
        ({"state": "unread"}, ["high", "short gold", "short", "trend", "gold"]),
        (
            {"symbol": "", "strategy": "", "priority": "", "side": ""},
            ["high", "short gold", "short", "trend", "gold", "plain"],
        ),
    ],
)
def test_a_list_shows_what_the_address_lets_through(
    browser: Client, stored: dict[str, InsightNotification], name: str, query: dict[str, str], expected: list[str]
) -> None:
    assert shown(browser, name, query) == [stored[key] for key in expected]


@BOTH_PAGES
@pytest.mark.parametrize(
    "query",
    [
        {"priority": "urgent"},
        {"side": "long"},
        {"unread": "yes"},
        {"symbol": "X" * 65},
        {"strategy": "a\0b"},
        {"state": "gone"},
        {"outcome": "draw"},
        {"since": "yesterday"},
        {"until": "2026-02-30"},
        {"since": "0001-01-01"},
        {"until": "9999-12-31"},
        {"q": "x" * 65},
        {"q": "a\0b"},
    ],
    ids=str,
)
def test_what_no_form_sends_is_refused(browser: Client, name: str, query: dict[str, str]) -> None:
    assert browser.get(reverse(name), query).status_code == 400


@BOTH_PAGES
def test_the_form_shows_what_was_chosen_and_offers_what_was_seen(
    browser: Client, stored: dict[str, InsightNotification], name: str
) -> None:
    page = browser.get(reverse(name), {"symbol": "XAUUSD", "side": "sell"})

    html = page.content.decode()
    assert page.context["choices"].symbols == ["EURUSD", "XAUUSD"]
    assert page.context["choices"].strategies == ["TrendFollower", "ZenithEdge"]
    assert "<option selected>XAUUSD</option>" in html
    assert '<option value="sell" selected>Sell only</option>' in html


@BOTH_PAGES
def test_a_choice_that_matches_nothing_can_be_seen_and_cleared(
    browser: Client, stored: dict[str, InsightNotification], name: str
) -> None:
    html = browser.get(reverse(name), {"symbol": "GBPUSD"}).content.decode()

    assert "Nothing matches these filters" in html
    assert "<option selected>GBPUSD</option>" in html
    assert f'<a href="{reverse(name)}">Clear the filters</a>' in html


def created(row: InsightNotification, moment: str) -> None:
    InsightNotification.objects.filter(pk=row.pk).update(created_at=dt.datetime.fromisoformat(moment))


class TestHistory:
    @pytest.fixture
    def rows(self, alice: User, make_signal: MakeSignal) -> dict[str, InsightNotification]:
        now = timezone.now()
        quiet: dict[str, Any] = {"seq": None, "held_until": now + dt.timedelta(hours=5), "reason": Reason.QUIET_HOURS}
        return {
            "won": store_notification(alice, make_signal(outcome=Outcome.WIN), read=True),
            "expired": store_notification(alice, make_signal(outcome=Outcome.EXPIRED), expired_at=now),
            "unread": store_notification(alice, make_signal(), news_headline="Oil falls by 100%"),
            "held": store_notification(alice, make_signal(symbol="XAUUSD"), **quiet),
            "for the push": store_notification(alice, make_signal(), seq=None),
        }

    @pytest.mark.parametrize(
        ("query", "expected"),
        [
            ({}, ["held", "unread", "expired", "won"]),
            ({"state": "held"}, ["held"]),
            ({"state": "expired"}, ["expired"]),
            ({"state": "unread"}, ["unread"]),
            ({"unread": "1"}, ["unread"]),
            ({"outcome": "win"}, ["won"]),
            ({"outcome": "pending"}, ["held", "unread"]),
            ({"state": "expired", "outcome": "expired"}, ["expired"]),
            ({"state": "held", "outcome": "win"}, []),
            ({"q": "oil"}, ["unread"]),
            ({"q": "FALLS oil"}, ["unread"]),
            ({"q": "oil xauusd"}, []),
            ({"q": "xauusd"}, ["held"]),
            ({"q": "100%"}, ["unread"]),
            ({"q": "_il"}, []),
            ({"q": "zenithedge solid"}, ["held", "unread", "expired", "won"]),
            ({"q": "oil", "state": "unread", "symbol": "EURUSD"}, ["unread"]),
        ],
    )
    def test_combines_its_filters(
        self, browser: Client, rows: dict[str, InsightNotification], query: dict[str, str], expected: list[str]
    ) -> None:
        assert shown(browser, "history", query) == [rows[key] for key in expected]

    @pytest.mark.parametrize(
        ("query", "expected"),
        [
            ({"since": "2026-03-29"}, ["last", "first"]),
            ({"until": "2026-03-29"}, ["last", "first", "before"]),
            ({"since": "2026-03-29", "until": "2026-03-29"}, ["last", "first"]),
            ({"until": "2026-03-28"}, ["before"]),
            ({"since": "2026-03-30"}, []),
        ],
    )
    def test_has_the_days_of_the_users_zone_the_short_one_too(
        self, browser: Client, alice: User, make_signal: MakeSignal, query: dict[str, str], expected: list[str]
    ) -> None:
        """On 29 March 2026 Berlin's clocks went forward: the day was from 23:00 to 22:00 UTC."""
        NotificationPreference.objects.filter(user=alice).update(time_zone="Europe/Berlin")
        rows = {name: store_notification(alice, make_signal()) for name in ("before", "first", "last")}
        created(rows["before"], "2026-03-28T22:59:59Z")
        created(rows["first"], "2026-03-28T23:00:00Z")
        created(rows["last"], "2026-03-29T21:59:59Z")

        assert shown(browser, "history", query) == [rows[key] for key in expected]

    def test_shows_what_is_held_with_the_time_and_moves_no_badge(
        self, browser: Client, rows: dict[str, InsightNotification]
    ) -> None:
        response = browser.get(reverse("history"), {"state": "held"})

        html = response.content.decode()
        assert "Held until" in html
        assert 'data-state="held"' in html
        assert response.context["unread_count"] == 1

    def test_goes_on_behind_a_held_one(self, browser: Client, alice: User, make_signal: MakeSignal) -> None:
        quiet: dict[str, Any] = {"seq": None, "held_until": timezone.now() + dt.timedelta(hours=5)}
        rows = [store_notification(alice, make_signal(), **quiet) for _ in range(22)]

        first = browser.get(reverse("history"))
        second = browser.get(f"{reverse('history')}?{first.context['older_query']}")

        assert first.context["notifications"] + second.context["notifications"] == rows[::-1]

    def test_names_each_filter_in_use_and_leads_to_the_list_without_it(
        self, browser: Client, rows: dict[str, InsightNotification]
    ) -> None:
        html = browser.get(reverse("history"), {"q": "oil", "state": "unread", "since": "2026-03-29"}).content.decode()

        chips = re.findall(r'<a class="filter-chip" href="\?([^"]*)"><span>([^<]*)</span>', html)
        assert chips == [
            ("state=unread&amp;since=2026-03-29", "“oil”"),
            ("q=oil&amp;since=2026-03-29", "Unread"),
            ("q=oil&amp;state=unread", "From 29 Mar 2026"),
        ]
        assert "(3)" in html

    def test_exports_what_it_shows(self, browser: Client, rows: dict[str, InsightNotification]) -> None:
        html = browser.get(reverse("history"), {"state": "held", "q": "xau"}).content.decode()

        assert f'href="{reverse("history_export")}?q=xau&amp;state=held"' in html


def test_choices_are_ones_own(browser: Client, bob: User, make_signal: MakeSignal) -> None:
    store_notification(bob, make_signal(symbol="BTCUSD"))

    assert "BTCUSD" not in browser.get(reverse("history")).content.decode()


def test_pages_of_a_narrowed_history_meet(browser: Client, alice: User, make_signal: MakeSignal) -> None:
    wanted: list[Any] = []
    for number in range(50):
        row = store_notification(alice, make_signal(symbol="XAUUSD" if number % 2 else "EURUSD"))
        wanted += [row] if number % 2 else []

    first = browser.get(reverse("history"), {"symbol": "XAUUSD"})
    address = f"{reverse('history')}?{first.context['older_query']}"
    second = browser.get(address)

    assert first.context["notifications"] + second.context["notifications"] == wanted[::-1]
    assert f'href="?{first.context["older_query"].replace("&", "&amp;")}"' in first.content.decode()
    assert second.context["next_before"] is None


def test_pages_of_what_a_brief_told_of_have_all_of_it_in_the_order_of_what_matters(
    browser: Client, alice: User, make_signal: MakeSignal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("notifications.filters.MAX_LIMIT", 3)
    released = to_milliseconds(timezone.now())
    expired = [store_notification(alice, make_signal(), released_at=released, expired_at=released) for _ in range(2)]
    live = [
        store_notification(alice, make_signal(), released_at=released, confidence=confidence)
        for confidence in (70, 90, 80, 80, 90)
    ]
    wanted = [live[4], live[1], live[3], live[2], live[0], *reversed(expired)]

    pages = [browser.get(reverse("history"), {"released": iso(released)})]
    while pages[-1].context["next_before"]:
        pages.append(browser.get(f"{reverse('history')}?{pages[-1].context['older_query']}"))

    assert [row for page in pages for row in page.context["notifications"]] == wanted
    assert len(pages) == 3
    assert browser.get(reverse("history"), {"released": iso(released), "before": "123456"}).status_code == 404


def test_the_dashboard_goes_on_in_the_history_narrowed_in_the_same_way(
    browser: Client, alice: User, make_signal: MakeSignal
) -> None:
    rows = [store_notification(alice, make_signal()) for _ in range(22)]

    html = browser.get(reverse("dashboard"), {"symbol": "EURUSD"}).content.decode()

    assert f'href="{reverse("history")}?before={rows[2].pk}&amp;symbol=EURUSD"' in html


def test_a_row_says_how_its_insight_ended(browser: Client, alice: User, make_signal: MakeSignal) -> None:
    for outcome in (Outcome.WIN, Outcome.LOSS, Outcome.PENDING):
        store_notification(alice, make_signal(outcome=outcome))

    html = browser.get(reverse("dashboard")).content.decode().split("<main")[1]

    assert (html.count("Target reached"), html.count("Stop reached")) == (1, 1)


def test_a_name_that_needs_escaping_comes_back_as_it_was(browser: Client, alice: User, make_signal: MakeSignal) -> None:
    strategy = 'A&B "quoted" <b>'
    for _ in range(21):
        row = store_notification(alice, make_signal(strategy=strategy))

    first = browser.get(reverse("history"), {"strategy": strategy})
    second = browser.get(f"{reverse('history')}?{first.context['older_query']}")

    assert first.context["notifications"][0] == row
    assert len(second.context["notifications"]) == 1
    assert "<b>" not in first.content.decode()
