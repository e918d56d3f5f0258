"""The JSON API over HTTP: what it answers, to whom, and how it says what is wrong."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from notifications.models import Inbox, InsightNotification
from notifications.payloads import notification_payload
from notifications.tests.rows import store_notification
from signals.models import Signal

MakeSignal = Callable[..., Signal]

LIST = "/notifications/api/list/"
UNREAD_COUNT = "/notifications/api/unread-count/"
MARK_ALL_READ = "/notifications/api/mark-all-read/"
MARK_MANY_READ = "/notifications/api/mark-read/"
UNDO = "/notifications/api/mark-all-read/undo/"


def mark_read_url(notification: InsightNotification) -> str:
    return f"/notifications/api/mark-read/{notification.pk}/"


@pytest.fixture
def alice_client(alice: User) -> Client:
    client = Client()
    client.force_login(alice)
    return client


@pytest.fixture
def store(alice: User, make_signal: MakeSignal) -> Callable[..., InsightNotification]:
    """Store one more notification of Alice's, newer than those before."""
    count = iter(range(1, 1000))

    def store_one(**fields: Any) -> InsightNotification:
        of_signal = {name: fields.pop(name) for name in ("symbol", "strategy", "side", "sl", "tp") if name in fields}
        signal = make_signal(**of_signal)
        return store_notification(alice, signal, days_old=1 - next(count) / 1000, **fields)

    return store_one


Store = Callable[..., InsightNotification]


def ids(body: dict[str, Any]) -> list[int]:
    return [notification["id"] for notification in body["notifications"]]


class TestList:
    def test_shows_the_newest_first_with_the_position_of_the_stream(self, alice_client: Client, store: Store) -> None:
        older, newer = store(), store(read=True)

        body = alice_client.get(LIST).json()

        inbox = Inbox.objects.get()
        assert ids(body) == [newer.pk, older.pk]
        assert (body["unread_count"], body["next_before"]) == (1, None)
        assert (body["last_seq"], body["epoch"]) == (inbox.last_seq, inbox.epoch)

    def test_shows_a_notification_as_the_socket_does(self, alice_client: Client, store: Store) -> None:
        successor = store(read=True, expired_at=timezone.now())
        notification = store(news_headline="ECB holds rates", superseded_by=successor)

        [shown, ended] = alice_client.get(LIST).json()["notifications"]

        stored = InsightNotification.objects.with_signal()  # in all that is sent, as it came from the database
        assert shown == notification_payload(stored.get(pk=notification.pk))
        assert ended == notification_payload(stored.get(pk=successor.pk))
        assert shown["id"] == notification.pk
        assert (shown["symbol"], shown["side"], shown["timeframe"]) == ("EURUSD", "buy", "1h")
        assert (shown["confidence"], shown["news_headline"]) == (78.0, "ECB holds rates")
        assert shown["url"] == f"/signals/insight/{notification.signal_id}/"

    def test_leaves_out_what_is_held_and_what_is_for_other_channels(self, alice_client: Client, store: Store) -> None:
        store(seq=None)
        store(seq=None, held_until=timezone.now() + dt.timedelta(hours=1))

        assert alice_client.get(LIST).json()["notifications"] == []

    def test_shows_nobody_elses(self, alice_client: Client, bob: User, make_signal: MakeSignal) -> None:
        store_notification(bob, make_signal())

        body = alice_client.get(LIST).json()

        assert (body["notifications"], body["unread_count"]) == ([], 0)

    @pytest.mark.parametrize("query", ["", "?before={before}", "?unread_only=true&priority=medium&symbol=EURUSD"])
    def test_takes_two_queries_however_long(
        self, alice_client: Client, store: Store, query: str, django_assert_num_queries: DjangoAssertNumQueries
    ) -> None:
        who_reads = 3  # session, user, and the preferences for the language
        notifications = [store() for _ in range(101)]
        address = LIST + (query or "?").format(before=notifications[-1].pk)
        for limit in (1, 100):
            with django_assert_num_queries(who_reads + 2):
                body = alice_client.get(f"{address}&limit={limit}").json()
            assert len(body["notifications"]) == limit

    def test_pages_meet_without_gap_or_repeat_while_new_ones_arrive(self, alice_client: Client, store: Store) -> None:
        stored = [store().pk for _ in range(5)]

        first = alice_client.get(LIST, {"limit": 2}).json()
        store()
        second = alice_client.get(LIST, {"limit": 2, "before": first["next_before"]}).json()
        store()
        third = alice_client.get(LIST, {"limit": 2, "before": second["next_before"]}).json()

        assert ids(first) + ids(second) + ids(third) == stored[::-1]
        assert third["next_before"] is None

    def test_pages_meet_among_notifications_of_the_same_instant(self, alice_client: Client, store: Store) -> None:
        stored = [store().pk for _ in range(3)]
        InsightNotification.objects.update(created_at=timezone.now())

        first = alice_client.get(LIST, {"limit": 2}).json()
        second = alice_client.get(LIST, {"limit": 2, "before": first["next_before"]}).json()

        assert ids(first) + ids(second) == stored[::-1]

    def test_unread_pages_go_on_after_the_last_one_was_read(self, alice_client: Client, store: Store) -> None:
        oldest, _, _ = store(), store(), store()
        next_before = alice_client.get(f"{LIST}?limit=2&unread_only=true").json()["next_before"]
        alice_client.post(f"/notifications/api/mark-read/{next_before}/")

        second = alice_client.get(f"{LIST}?unread_only=true&before={next_before}").json()

        assert ids(second) == [oldest.pk]

    def test_filters_by_unread_priority_and_symbol(self, alice_client: Client, store: Store) -> None:
        read, high, gold = store(read=True), store(priority="high"), store(symbol="XAUUSD")

        assert ids(alice_client.get(LIST, {"unread_only": "true"}).json()) == [gold.pk, high.pk]
        assert ids(alice_client.get(LIST, {"priority": "high"}).json()) == [high.pk]
        assert ids(alice_client.get(LIST, {"symbol": "xau/usd"}).json()) == [gold.pk]
        assert ids(alice_client.get(LIST, {"unread_only": "false"}).json()) == [gold.pk, high.pk, read.pk]

    def test_filters_by_strategy_and_side(self, alice_client: Client, store: Store) -> None:
        trend, short = store(strategy="TrendFollower"), store(side="sell", sl=Decimal("1.09"), tp=Decimal("1.08"))

        assert ids(alice_client.get(LIST, {"strategy": "trend follower"}).json()) == [trend.pk]
        assert ids(alice_client.get(LIST, {"side": "sell"}).json()) == [short.pk]
        assert ids(alice_client.get(LIST, {"side": "sell", "strategy": "TrendFollower"}).json()) == []

    @pytest.mark.parametrize(
        ("query", "field"),
        [
            ("limit=0", "limit"),
            ("limit=101", "limit"),
            ("limit=ten", "limit"),
            ("limit=", "limit"),
            ("limit=%D9%A3", "limit"),
            ("limit=" + "9" * 5000, "limit"),
            ("limit=5&limit=6", "limit"),
            ("unread_only=maybe", "unread_only"),
            ("before=0", "before"),
            ("before=-1", "before"),
            ("before=x", "before"),
            ("before=99999999999999999999", "before"),
            ("before=123456", "before"),
            ("priority=urgent", "priority"),
            ("symbol=", "symbol"),
            ("symbol=" + "X" * 33, "symbol"),
            ("symbol=EUR%00USD", "symbol"),
            ("strategy=", "strategy"),
            ("strategy=" + "X" * 65, "strategy"),
            ("side=long", "side"),
            ("offset=20", "offset"),
        ],
    )
    def test_a_query_that_makes_no_sense_is_refused_by_the_name_of_its_key(
        self, alice_client: Client, query: str, field: str
    ) -> None:
        response = alice_client.get(f"{LIST}?{query}")

        error = response.json()["error"]
        assert (response.status_code, error["code"], list(error["fields"])) == (400, "invalid_query", [field])

    def test_every_bad_key_is_named_at_once(self, alice_client: Client) -> None:
        error = alice_client.get(f"{LIST}?limit=0&priority=urgent&before=x").json()["error"]

        assert set(error["fields"]) == {"limit", "priority", "before"}

    def test_before_cannot_be_anothers_notification(
        self, alice_client: Client, store: Store, bob: User, make_signal: MakeSignal
    ) -> None:
        store()
        bobs = store_notification(bob, make_signal())

        response = alice_client.get(LIST, {"before": bobs.pk})

        assert (response.status_code, list(response.json()["error"]["fields"])) == (400, ["before"])

    def test_before_cannot_be_one_that_is_still_held(self, alice_client: Client, store: Store) -> None:
        held = store(seq=None, held_until=timezone.now() + dt.timedelta(hours=1))

        assert alice_client.get(LIST, {"before": held.pk}).status_code == 400

    def test_an_account_made_in_bulk_has_an_empty_list(self, db: None) -> None:
        [user] = User.objects.bulk_create([User(username="dora", password="!")])
        client = Client()
        client.force_login(user)

        body = client.get(LIST).json()

        assert (body["notifications"], body["last_seq"]) == ([], 0)
        assert body["epoch"]


class TestUnreadCount:
    def test_says_the_count_and_the_position(self, alice_client: Client, store: Store) -> None:
        store(), store(read=True), store(expired_at=timezone.now())

        assert alice_client.get(UNREAD_COUNT).json() == {"unread_count": 1, "last_seq": 3}

    def test_takes_no_parameters(self, alice_client: Client) -> None:
        response = alice_client.get(UNREAD_COUNT, {"limit": 1})

        assert (response.status_code, list(response.json()["error"]["fields"])) == (400, ["limit"])


class TestMarkRead:
    def test_marks_one_read_and_says_how_many_are_left(self, alice_client: Client, store: Store) -> None:
        notification, _ = store(), store()

        response = alice_client.post(mark_read_url(notification))

        assert response.json() == {"success": True, "notification_id": notification.pk, "unread_count": 1}
        notification.refresh_from_db()
        assert notification.read

    def test_twice_is_once(self, alice_client: Client, store: Store) -> None:
        notification = store()
        first = alice_client.post(mark_read_url(notification))
        position = Inbox.objects.get().last_seq

        second = alice_client.post(mark_read_url(notification))

        assert (second.status_code, second.json()) == (200, first.json())
        assert Inbox.objects.get().last_seq == position

    def test_alice_cannot_mark_bobs_notification_read(
        self, alice_client: Client, bob: User, make_signal: MakeSignal
    ) -> None:
        bobs = store_notification(bob, make_signal())

        response = alice_client.post(mark_read_url(bobs))

        assert (response.status_code, response.json()["error"]["code"]) == (404, "not_found")
        bobs.refresh_from_db()
        assert not bobs.read

    @pytest.mark.parametrize("id_", ["123456", "99999999999999999999999", "x", "-1"])
    def test_what_is_not_there_is_not_found(self, alice_client: Client, id_: str) -> None:
        response = alice_client.post(f"/notifications/api/mark-read/{id_}/")

        assert (response.status_code, response.json()["error"]["code"]) == (404, "not_found")

    def test_takes_no_fields(self, alice_client: Client, store: Store) -> None:
        notification = store()

        response = alice_client.post(mark_read_url(notification), {"read": False}, content_type="application/json")

        assert (response.status_code, list(response.json()["error"]["fields"])) == (400, ["read"])
        notification.refresh_from_db()
        assert not notification.read


class TestMarkAllRead:
    def test_without_a_position_marks_everything(self, alice_client: Client, store: Store) -> None:
        store(), store()

        body = alice_client.post(MARK_ALL_READ).json()

        assert body == {"success": True, "count": 2, "up_to_seq": 2, "unread_count": 0, "seq": 3}

    def test_what_came_after_the_position_stays_unread(self, alice_client: Client, store: Store) -> None:
        seen = store()
        store()

        body = alice_client.post(MARK_ALL_READ, {"up_to_seq": seen.seq}, content_type="application/json").json()

        assert (body["count"], body["up_to_seq"], body["unread_count"]) == (1, seen.seq, 1)

    def test_a_position_that_is_not_reached_yet_is_cut_to_the_present(self, alice_client: Client, store: Store) -> None:
        store()

        body = alice_client.post(MARK_ALL_READ, {"up_to_seq": 2**63 - 1}, content_type="application/json").json()

        assert (body["count"], body["up_to_seq"]) == (1, 1)

    def test_leaves_others_alone(self, alice_client: Client, store: Store, bob: User, make_signal: MakeSignal) -> None:
        store_notification(bob, make_signal())

        alice_client.post(MARK_ALL_READ)

        assert InsightNotification.objects.for_user(bob).unread().count() == 1

    @pytest.mark.parametrize("wrong", ["3", 1.0, True, None, -1, 2**63, [1], {}])
    def test_a_position_of_another_type_is_refused_by_name(
        self, alice_client: Client, store: Store, wrong: object
    ) -> None:
        store()

        response = alice_client.post(MARK_ALL_READ, {"up_to_seq": wrong}, content_type="application/json")

        assert (response.status_code, list(response.json()["error"]["fields"])) == (400, ["up_to_seq"])
        assert InsightNotification.objects.unread().count() == 1

    def test_unknown_fields_are_refused_by_name(self, alice_client: Client, store: Store) -> None:
        store()

        response = alice_client.post(MARK_ALL_READ, {"up_to": 1}, content_type="application/json")

        assert (response.status_code, list(response.json()["error"]["fields"])) == (400, ["up_to"])
        assert InsightNotification.objects.unread().count() == 1


class TestMarkManyRead:
    def mark(self, client: Client, ids: object) -> Any:
        return client.post(MARK_MANY_READ, {"ids": ids}, content_type="application/json")

    def test_marks_those_and_can_be_undone(self, alice_client: Client, store: Store) -> None:
        rows = [store(), store(), store()]

        body = self.mark(alice_client, [rows[0].pk, rows[2].pk]).json()
        undone = alice_client.post(UNDO, {"seq": body["seq"]}, content_type="application/json").json()

        assert body == {"success": True, "count": 2, "unread_count": 1, "seq": 4}
        assert undone == {"success": True, "count": 2, "unread_count": 3}

    def test_of_none_is_no_change(self, alice_client: Client, store: Store) -> None:
        read = store(read=True)

        for ids_ in ([], [read.pk], [123456]):
            assert self.mark(alice_client, ids_).json()["seq"] is None

    @pytest.mark.parametrize("wrong", [None, 1, "1", {}, ["1"], [True], [1.0], [0], [2**63], [None], [1] * 201])
    def test_what_is_no_list_of_ids_is_refused_by_name(self, alice_client: Client, store: Store, wrong: object) -> None:
        store()

        response = self.mark(alice_client, wrong)

        assert (response.status_code, list(response.json()["error"]["fields"])) == (400, ["ids"])
        assert InsightNotification.objects.unread().count() == 1

    def test_the_form_marks_what_is_ticked(self, alice_client: Client, store: Store) -> None:
        rows = [store(), store(), store()]
        ticked = {"ids": [rows[0].pk, rows[1].pk], "next": "/notifications/?symbol=EURUSD"}

        response = alice_client.post("/notifications/read/selected/", ticked)

        assert response["Location"] == "/notifications/?symbol=EURUSD"
        assert list(InsightNotification.objects.unread()) == [rows[2]]


class TestUndo:
    def test_brings_back_what_was_marked(self, alice_client: Client, store: Store) -> None:
        store(), store(read=True), store()
        seq = alice_client.post(MARK_ALL_READ).json()["seq"]

        body = alice_client.post(UNDO, {"seq": seq}, content_type="application/json").json()

        assert body == {"success": True, "count": 2, "unread_count": 2}

    def test_after_marking_nothing_there_is_nothing_to_undo(self, alice_client: Client, store: Store) -> None:
        store(read=True)

        assert alice_client.post(MARK_ALL_READ).json()["seq"] is None

    @pytest.mark.parametrize("wrong", ["3", 1.0, True, None, -1, 2**63, [1], {}])
    def test_a_position_of_another_type_is_refused_by_name(
        self, alice_client: Client, store: Store, wrong: object
    ) -> None:
        store()
        alice_client.post(MARK_ALL_READ)

        response = alice_client.post(UNDO, {"seq": wrong}, content_type="application/json")

        assert (response.status_code, list(response.json()["error"]["fields"])) == (400, ["seq"])
        assert InsightNotification.objects.unread().count() == 0

    def test_needs_the_position(self, alice_client: Client) -> None:
        response = alice_client.post(UNDO, {}, content_type="application/json")

        assert (response.status_code, response.json()["error"]["fields"]) == (400, {"seq": ["This field is required."]})
