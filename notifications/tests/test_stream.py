"""Positions: what a client that knows N has to ask for, and gets."""

import threading
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from notifications import lifecycle, stream
from notifications.models import DeliveryState, Inbox, InsightNotification, NotificationDeliveryLog
from notifications.tests.test_dispatching import in_threads
from signals.models import Signal

MakeInsight = Callable[..., Signal]

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def three_unread(alice: User, make_insight: MakeInsight) -> list[InsightNotification]:
    for _ in range(3):
        make_insight(alice)
    return list(InsightNotification.objects.order_by("seq"))


def catch_up(user: User, since: int) -> stream.CatchUp:
    return stream.catch_up(user.pk, since=since, epoch=user.inbox.epoch)


NOW = timezone.now()


class TestPositions:
    def test_grow_by_one_with_each_new_notification(self, alice: User, three_unread: list[InsightNotification]) -> None:
        assert [row.seq for row in three_unread] == [1, 2, 3]
        assert stream.position(alice.pk).last_seq == 3

    def test_stamp_a_read_row_so_that_others_see_it_again(
        self, alice: User, three_unread: list[InsightNotification]
    ) -> None:
        stream.mark_read(alice.pk, three_unread[0].pk)

        missed = catch_up(alice, since=3)
        assert [(row["id"], row["seq"], row["read"]) for row in missed.notifications] == [(three_unread[0].pk, 4, True)]
        assert (missed.last_seq, missed.unread_count, missed.recovered) == (4, 2, True)

    def test_do_not_grow_when_nothing_changes(self, alice: User, three_unread: list[InsightNotification]) -> None:
        stream.mark_read(alice.pk, three_unread[0].pk)
        second = stream.mark_read(alice.pk, three_unread[0].pk)
        stream.mark_all_read(alice.pk)
        stream.mark_all_read(alice.pk)

        assert second is not None
        assert second.changed is False
        assert stream.position(alice.pk).last_seq == 5

    @pytest.mark.services
    def test_have_no_hole_and_no_double_when_many_change_at_once(
        self, alice: User, make_insight: MakeInsight, three_unread: list[InsightNotification]
    ) -> None:
        in_threads(
            *(lambda row=row: stream.mark_read(alice.pk, row.pk) for row in three_unread),
            lambda: make_insight(alice),
            lambda: make_insight(alice),
        )

        seqs = list(InsightNotification.objects.order_by("seq").values_list("seq", flat=True))
        assert seqs == [4, 5, 6, 7, 8]
        assert stream.position(alice.pk).last_seq == 8


class TestCatchingUpTogether:
    """The tick's way, for the users of many sockets."""

    def test_gives_each_what_it_gets_alone(
        self, alice: User, bob: User, ada: User, make_insight: MakeInsight, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(stream, "MAX_CATCH_UP_ROWS", 3)
        for user, missed in ((alice, 2), (bob, 4), (ada, 1)):
            for _ in range(missed):
                make_insight(user)
        users = {user.pk: user.inbox.epoch for user in (alice, bob, ada)}
        for since in (0, 1, 9):
            for epochs in (users, users | {ada.pk: "other"}):
                places = [stream.Place(user_id, since, epoch) for user_id, epoch in epochs.items()]
                alone = {place: stream.catch_up(place.user_id, since=since, epoch=place.epoch) for place in places}
                for most in (2000, 2):
                    monkeypatch.setattr(stream, "ROWS_TOGETHER", most)
                    assert stream.catch_up_together(places) == alone

    def test_asks_as_much_for_many_as_for_few(
        self,
        alice: User,
        bob: User,
        ada: User,
        make_insight: MakeInsight,
        django_assert_num_queries: DjangoAssertNumQueries,
    ) -> None:
        places = []
        for user in (alice, bob, ada):
            make_insight(user)
            places.append(stream.Place(user.pk, 0, user.inbox.epoch))
            with django_assert_num_queries(3):
                stream.catch_up_together(places)


class TestMarkingAllRead:
    def test_is_one_change_that_stamps_every_row(
        self, alice: User, three_unread: list[InsightNotification], hints: list[tuple[int, dict[str, Any]]]
    ) -> None:
        result = stream.mark_all_read(alice.pk)

        assert (result.count, result.unread_count) == (3, 0)
        assert set(InsightNotification.objects.values_list("seq", flat=True)) == {4}
        assert hints[-1][1] == {"type": "notification_read", "seq": 4, "unread_count": 0, "up_to_seq": 3}

    def test_leaves_what_came_after_the_given_position(
        self, alice: User, three_unread: list[InsightNotification]
    ) -> None:
        result = stream.mark_all_read(alice.pk, 2)

        assert (result.count, result.up_to_seq, result.unread_count) == (2, 2, 1)
        assert InsightNotification.objects.get(read=False) == three_unread[2]


class TestMarkingMany:
    def test_is_one_change_for_those_that_were_unread(
        self, alice: User, three_unread: list[InsightNotification], hints: list[tuple[int, dict[str, Any]]]
    ) -> None:
        ids = sorted(row.pk for row in three_unread)[1:]

        assert stream.mark_many_read(alice.pk, ids) == stream.ReadManyResult(count=2, unread_count=1, seq=4)

        assert list(InsightNotification.objects.filter(pk__in=ids).values_list("read", "seq")) == [(True, 4)] * 2
        frame = {"type": "notification_read", "seq": 4, "unread_count": 1, "ids": ids}
        assert hints == [(alice.pk, frame)]
        assert stream.mark_many_read(alice.pk, ids).seq is None

    def test_is_the_owners_alone(self, bob: User, three_unread: list[InsightNotification]) -> None:
        assert stream.mark_many_read(bob.pk, [row.pk for row in three_unread]).count == 0
        assert InsightNotification.objects.unread().count() == 3

    def test_leaves_alone_what_is_held(self, alice: User, three_unread: list[InsightNotification]) -> None:
        InsightNotification.objects.filter(pk=three_unread[0].pk).update(seq=None, held_until=timezone.now())

        assert stream.mark_many_read(alice.pk, [row.pk for row in three_unread]).count == 2
        assert not InsightNotification.objects.get(pk=three_unread[0].pk).read


class TestMarkingUnread:
    def test_brings_it_back_to_the_badge_of_every_tab(
        self, alice: User, three_unread: list[InsightNotification], hints: list[tuple[int, dict[str, Any]]]
    ) -> None:
        stream.mark_read(alice.pk, three_unread[0].pk)
        hints.clear()

        result = stream.mark_unread(alice.pk, three_unread[0].pk)

        assert result == stream.ReadResult(three_unread[0].pk, unread_count=3, changed=True)
        [(_, frame)] = hints
        assert (frame["type"], frame["seq"], frame["unread_count"]) == ("notification_updated", 5, 3)
        assert (frame["notification"]["read"], frame["notification"]["seq"]) == (False, 5)

    @pytest.mark.parametrize(
        "change", [{"expired_at": NOW}, {"seq": None, "held_until": NOW}, {"read": False, "read_at": None}]
    )
    def test_changes_nothing_that_is_not_a_live_read_one(
        self, alice: User, three_unread: list[InsightNotification], change: dict[str, Any]
    ) -> None:
        stream.mark_read(alice.pk, three_unread[0].pk)
        InsightNotification.objects.filter(pk=three_unread[0].pk).update(**change)

        result = stream.mark_unread(alice.pk, three_unread[0].pk)

        assert result is not None
        assert not result.changed
        assert stream.position(alice.pk).last_seq == 4

    def test_is_the_owners_alone(self, alice: User, bob: User, three_unread: list[InsightNotification]) -> None:
        stream.mark_read(alice.pk, three_unread[0].pk)

        assert stream.mark_unread(bob.pk, three_unread[0].pk) is None
        assert InsightNotification.objects.get(pk=three_unread[0].pk).read


class TestUndoingMarkAllRead:
    @pytest.fixture
    def marked(self, alice: User, three_unread: list[InsightNotification]) -> int:
        """The position of the change that marked all three read."""
        seq = stream.mark_all_read(alice.pk).seq
        assert seq == 4
        return seq

    def test_is_one_change_that_brings_back_every_row(
        self, alice: User, marked: int, hints: list[tuple[int, dict[str, Any]]]
    ) -> None:
        assert stream.undo_mark_all_read(alice.pk, marked) == stream.UndoResult(count=3, unread_count=3)

        rows = InsightNotification.objects.values_list("read", "read_at", "seq")
        assert list(rows) == [(False, None, 5)] * 3
        assert hints == [
            (alice.pk, {"type": "notification_unread", "seq": 5, "unread_count": 3, "read_at_seq": 4}),
        ]

    def test_leaves_alone_what_was_read_before(self, alice: User, three_unread: list[InsightNotification]) -> None:
        stream.mark_read(alice.pk, three_unread[0].pk)
        result = stream.mark_all_read(alice.pk)

        assert result.seq is not None
        assert stream.undo_mark_all_read(alice.pk, result.seq).count == 2
        assert InsightNotification.objects.get(read=True) == three_unread[0]

    def test_leaves_alone_what_was_read_again_meanwhile(
        self, alice: User, marked: int, three_unread: list[InsightNotification]
    ) -> None:
        stream.undo_mark_all_read(alice.pk, marked)
        stream.mark_read(alice.pk, three_unread[1].pk)

        assert stream.undo_mark_all_read(alice.pk, marked) == stream.UndoResult(count=0, unread_count=2)
        assert stream.position(alice.pk).last_seq == 6

    def test_leaves_alone_what_expired_meanwhile(
        self, alice: User, marked: int, three_unread: list[InsightNotification]
    ) -> None:
        InsightNotification.objects.filter(pk=three_unread[0].pk).update(expires_at=timezone.now())
        lifecycle.expire_old()

        assert stream.undo_mark_all_read(alice.pk, marked) == stream.UndoResult(count=2, unread_count=2)

    def test_is_for_half_a_minute(self, alice: User, marked: int) -> None:
        InsightNotification.objects.update(read_at=timezone.now() - stream.UNDO_WITHIN)

        assert stream.undo_mark_all_read(alice.pk, marked) == stream.UndoResult(count=0, unread_count=0)
        assert stream.position(alice.pk).last_seq == marked

    def test_is_the_owners_alone(self, bob: User, marked: int) -> None:
        assert stream.undo_mark_all_read(bob.pk, marked) == stream.UndoResult(count=0, unread_count=0)
        assert not InsightNotification.objects.filter(read=False).exists()

    @pytest.mark.services
    def test_twice_at_once_is_one_change(self, alice: User, marked: int) -> None:
        in_threads(*[lambda: stream.undo_mark_all_read(alice.pk, marked)] * 2)

        assert stream.position(alice.pk) == stream.Position(5, alice.inbox.epoch, 3)


class TestCatchingUp:
    def test_from_a_position_ahead_of_the_stream_is_not_recovered(
        self, alice: User, three_unread: list[InsightNotification]
    ) -> None:
        assert catch_up(alice, since=3).recovered is True
        assert catch_up(alice, since=4).recovered is False

    def test_from_another_epoch_is_not_recovered(self, alice: User, three_unread: list[InsightNotification]) -> None:
        assert stream.catch_up(alice.pk, since=3, epoch="another").recovered is False

    def test_of_more_rows_than_the_limit_is_not_recovered(
        self, alice: User, three_unread: list[InsightNotification], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(stream, "MAX_CATCH_UP_ROWS", 2)

        assert len(catch_up(alice, since=1).notifications) == 2
        too_many = catch_up(alice, since=0)
        assert (too_many.recovered, too_many.notifications) == (False, [])

    def test_never_shows_another_users_rows(
        self, alice: User, bob: User, three_unread: list[InsightNotification]
    ) -> None:
        assert catch_up(bob, since=0).notifications == []


class TestAcknowledging:
    def test_makes_what_a_browser_applied_delivered(self, alice: User, three_unread: list[InsightNotification]) -> None:
        assert stream.acknowledge(alice.pk, after=1, up_to=2, visible=True) == 1

        delivered = InsightNotification.objects.get(delivered=True)
        assert delivered == three_unread[1]
        assert delivered.delivered_at is not None
        log = NotificationDeliveryLog.objects.get(notification=delivered)
        assert (log.state, log.success, log.acknowledged_visible) == (DeliveryState.ACKNOWLEDGED, True, True)

    def test_is_the_only_thing_that_does(self, alice: User, three_unread: list[InsightNotification]) -> None:
        stream.mark_read(alice.pk, three_unread[0].pk)

        assert not InsightNotification.objects.filter(delivered=True).exists()
        assert set(NotificationDeliveryLog.objects.values_list("state", "success")) == {(DeliveryState.SENT, None)}

    def test_of_another_user_changes_nothing(self, bob: User, three_unread: list[InsightNotification]) -> None:
        assert stream.acknowledge(bob.pk, after=0, up_to=99, visible=None) == 0


class TestInboxes:
    def test_exist_with_the_account(self, alice: User) -> None:
        assert alice.inbox.last_seq == 0
        assert alice.inbox.epoch

    def test_are_made_for_accounts_that_were_made_in_bulk(self, make_insight: MakeInsight) -> None:
        [carol] = User.objects.bulk_create([User(username="carol")])
        assert not Inbox.objects.filter(user=carol).exists()

        make_insight(carol)

        assert stream.position(carol.pk).last_seq == 1

    @pytest.mark.services
    def test_are_made_once_when_two_ask_at_once(self) -> None:
        [carol] = User.objects.bulk_create([User(username="carol")])
        epochs: list[str] = []
        guard = threading.Lock()

        def ask() -> None:
            epoch = stream.position(carol.pk).epoch
            with guard:
                epochs.append(epoch)

        in_threads(ask, ask)

        assert len(set(epochs)) == 1
        assert connection.in_atomic_block is False


@pytest.mark.usefixtures("three_unread")
def test_who_has_missed_nothing_is_told_so_in_one_query(
    alice: User, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    epoch = stream.position(alice.pk).epoch

    with django_assert_num_queries(1):
        answer = stream.catch_up(alice.pk, since=3, epoch=epoch)

    assert answer == stream.CatchUp(True, [], unread_count=3, last_seq=3, epoch=epoch)
