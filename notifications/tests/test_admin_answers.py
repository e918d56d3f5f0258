"""Did Bob get it, when, over what, and if not, why? In three clicks from the admin's index."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable
from html import unescape
from typing import Any
from urllib.parse import urljoin

import pytest
from django.contrib.auth.models import Group, User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from notifications.models import (
    DeliveryState,
    InsightDispatch,
    InsightNotification,
    NotificationDeliveryLog,
    NotificationPreference,
)
from notifications.preferences import UNTIL_LIFTED, Channel, Reason
from notifications.roles import Role
from notifications.tests.rows import store_notification
from signals.models import Signal

MakeInsight = Callable[..., Signal]

pytestmark = pytest.mark.django_db(transaction=True)


class Browser:
    """What somebody sees, and can click on."""

    def __init__(self, user: User) -> None:
        self.client = Client()
        self.client.force_login(user)
        self.clicks = 0
        self.page = ""
        self.address = reverse("admin:index")
        self._open(self.address)

    def _open(self, address: str) -> None:
        self.address = urljoin(self.address, unescape(address))
        response = self.client.get(self.address)
        assert response.status_code == 200
        self.page = response.content.decode()

    def search(self, words: str) -> None:
        """In the form of the index."""
        found = re.search(r'<form class="tool-search" action="([^"]+)" method="get"', self.page)
        assert found is not None
        self.clicks += 1
        self._open(f"{found[1]}?q={words}")

    def click(self, text: str, *, within: str) -> None:
        part = self.page.split(f'data-answer="{within}"')[1]
        links = [link for link, shown in re.findall(r'<a href="([^"]+)">(.*?)</a>', part, re.DOTALL) if text in shown]
        assert links, f"There is no link to {text}"
        self.clicks += 1
        self._open(links[0])

    @property
    def answer(self) -> tuple[str, str]:
        """Outcome and sentence."""
        found = re.search(r'data-answer="sentence" data-outcome="(\w+)">(.*?)</p>', self.page, re.DOTALL)
        assert found is not None, "No answer"
        return found[1], unescape(found[2])


@pytest.fixture
def support(db: None) -> Browser:
    """Somebody who may only look."""
    user = User.objects.create_user("sue", is_staff=True)
    user.groups.add(Group.objects.get(name=Role.SUPPORT))
    return Browser(user)


def preferences(user: User, **fields: Any) -> None:
    NotificationPreference.objects.filter(user=user).update(**fields)


def test_from_the_user_that_it_came_when_and_over_what(support: Browser, bob: User, make_insight: MakeInsight) -> None:
    preferences(bob, push_enabled=True)
    notification = InsightNotification.objects.get(signal=make_insight(bob))
    shown_at = dt.datetime(2026, 3, 4, 12, 0, 5, tzinfo=dt.UTC)
    came_at = shown_at - dt.timedelta(seconds=2)
    InsightNotification.objects.update(created_at=came_at, delivered=True, delivered_at=shown_at)
    NotificationDeliveryLog.objects.update_or_create(
        notification=notification,
        channel=Channel.WEBSOCKET,
        defaults={"state": DeliveryState.ACKNOWLEDGED, "success": True, "acknowledged_at": shown_at},
    )
    NotificationDeliveryLog.objects.create(
        notification=notification, channel=Channel.PUSH, state=DeliveryState.FAILED, error_message="410 Gone"
    )

    support.search("bob")
    support.click("EURUSD", within="lines")

    assert support.clicks <= 3
    assert support.answer == (
        "yes",
        "Yes: it came at 4 Mar 2026, 12:00:03 UTC, and a browser showed it at 4 Mar 2026, 12:00:05 UTC. "
        "Reached over: Browser.",
    )
    deliveries = support.page.split('data-answer="notification"')[1]
    for words in ("Browser", "Acknowledged", "2026-03-04 12:00:05", "Web push", "Failed", "410 Gone"):
        assert words in deliveries


def test_from_the_insight_that_it_did_not_come_and_why(
    support: Browser, alice: User, bob: User, make_insight: MakeInsight
) -> None:
    preferences(bob, min_confidence=90)
    make_insight(alice, symbol="XAUUSD", strategy="SMC")
    make_insight(bob, symbol="XAUUSD")

    support.search("xau/usd")
    support.click("(ZenithEdge)", within="found")
    support.click("bob", within="lines")

    assert support.clicks <= 3
    outcome, sentence = support.answer
    assert (outcome, "Below the minimum confidence" in sentence) == ("no", True)
    assert "AI confidence 82 &lt; your 90" in support.page


def test_of_a_house_insight_without_a_record_it_is_decided_once_more(
    support: Browser, bob: User, make_insight: MakeInsight
) -> None:
    preference = NotificationPreference.objects.get(user=bob)
    preference.symbols_filter = ["XAUUSD"]
    preference.save()
    make_insight()

    support.search("bob")
    support.click("EURUSD", within="lines")

    assert support.answer == ("no", "No: it was kept back. Symbol not in the list.")


def test_what_was_read_has_come_though_no_open_browser_confirmed_it(
    support: Browser, bob: User, make_signal: MakeInsight
) -> None:
    read_at = dt.datetime(2026, 3, 4, 12, 0, 5, tzinfo=dt.UTC)
    store_notification(bob, make_signal(), read=True, read_at=read_at)

    support.search("bob")
    support.click("EURUSD", within="lines")

    said = support.answer
    assert said[0] == "yes"
    assert said[1].endswith("and was marked as read at 4 Mar 2026, 12:00:05 UTC.")


@pytest.mark.parametrize(
    ("fields", "outcome", "words"),
    [
        ({"held_until": UNTIL_LIFTED, "seq": None, "reason": Reason.BRAKE}, "not_yet", "Sending stopped for everybody"),
        ({"seq": None}, "not_yet", "waits to be sent beside the browser"),
        ({}, "not_yet", "it is in the list, but no open browser has confirmed it"),
    ],
)
def test_what_is_on_its_way_is_not_called_delivered(
    support: Browser, bob: User, make_signal: MakeInsight, fields: dict[str, Any], outcome: str, words: str
) -> None:
    store_notification(bob, make_signal(), **fields)

    support.search("bob")
    support.click("EURUSD", within="lines")

    said = support.answer
    assert said[0] == outcome
    assert words in said[1]


def test_what_was_never_meant_for_the_user_says_so(
    support: Browser, alice: User, bob: User, make_insight: MakeInsight
) -> None:
    signal = make_insight(alice)

    support._open(reverse("admin:notifications_decision") + f"?user={bob.pk}&signal={signal.pk}")
    assert support.answer == ("no", "No: It is another user's own insight.")

    InsightDispatch.objects.all().delete()
    support._open(support.address)
    assert support.answer == ("not_yet", "Not yet: it has not been handed out.")


def test_what_is_older_than_its_record_is_not_denied(support: Browser, bob: User, make_insight: MakeInsight) -> None:
    signal = make_insight(bob)
    InsightNotification.objects.all().delete()

    support._open(reverse("admin:notifications_decision") + f"?user={bob.pk}&signal={signal.pk}")

    assert support.answer == ("no", "No, or not any more: notifications are deleted after 30 days.")


def test_several_that_are_found_are_listed_and_nothing_found_is_said(
    support: Browser, bob: User, make_insight: MakeInsight
) -> None:
    User.objects.create(username="bobby")

    support.search("bob")
    support.click("bobby", within="found")
    assert "Nobody, and nothing was kept back." in support.page

    support._open(reverse("admin:notifications_decision") + "?q=nobody")
    assert "Nobody and nothing." in support.page


def test_the_lists_cost_the_same_however_much_there_is(
    support: Browser, bob: User, make_signal: MakeInsight, make_insight: MakeInsight
) -> None:
    signal = make_signal()
    addresses = [f"?user={bob.pk}", f"?signal={signal.pk}", "?q=EURUSD"]
    costs: list[list[int]] = []
    for more in (3, 30):
        for number in range(more):
            store_notification(bob, make_signal())
            store_notification(User.objects.create(username=f"trader-{more}-{number}"), signal)
        costs.append([])
        for query in addresses:
            with CaptureQueriesContext(connection) as queries:
                support.client.get(reverse("admin:notifications_decision") + query)
            costs[-1].append(len(queries))

    assert costs[0] == costs[1]
