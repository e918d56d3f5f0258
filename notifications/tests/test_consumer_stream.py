"""What a socket is sent: live, after an absence, and in spite of lost, doubled and unreadable hints."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from django.contrib.auth.models import User

from notifications import realtime, stream
from notifications.models import Inbox, InsightNotification
from notifications.payloads import Frame, notification_frame
from notifications.tests import tabs
from notifications.tests.conftest import NewInsight, OpenTab
from notifications.tests.rows import store_notification
from notifications.tests.tabs import Tab
from signals.models import Signal

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.services]


async def epoch_of(user: User) -> str:
    return (await tabs.in_thread(stream.position, user.pk)).epoch


async def hint(user: User, frame: Any) -> None:
    """Publish one frame, whatever it is, as any process might."""
    assert await tabs.in_thread(realtime.publish, [(user.pk, frame)])


async def hint_message(user: User, message: dict[str, Any]) -> None:
    assert await tabs.in_thread(realtime._send, [(realtime.group_name(user.pk), message)])


def fresh_frame(notification: InsightNotification) -> Frame:
    return notification_frame("new_notification", notification, unread_count=1)


def store_many(user: User, signal: Signal, count: int) -> None:
    """That many notifications, each with the next position."""
    template = store_notification(user, signal, revision=1)
    first = Inbox.objects.get(user=user).last_seq
    fields = {
        name: getattr(template, name)
        for name in ("user", "signal", "title", "snippet", "confidence", "priority", "expires_at")
    }
    InsightNotification.objects.bulk_create(
        InsightNotification(**fields, seq=first + more, revision=1 + more) for more in range(1, count)
    )
    Inbox.objects.filter(user=user).update(last_seq=first + count - 1)


def ids(frame: dict[str, Any]) -> list[int]:
    return [notification["id"] for notification in frame["notifications"]]


# --- Live -----------------------------------------------------------------------------------------------------------


async def test_a_new_insight_arrives_whole(alice: User, open_tab: OpenTab, new_insight: NewInsight) -> None:
    tab = await open_tab(alice)
    notification = await new_insight(alice)
    frame = await tab.frame()
    assert (frame["type"], frame["seq"], frame["unread_count"], frame["toast"]) == ("new_notification", 1, 1, True)
    shown = frame["notification"]
    assert shown["id"] == notification.pk
    assert shown["unread_count"] == 1
    assert (shown["symbol"], shown["timeframe"], shown["side"]) == ("EURUSD", "1h", "buy")
    assert shown["url"] == notification.get_absolute_url()


async def test_bobs_insights_do_not_reach_alice(
    alice: User, bob: User, open_tab: OpenTab, new_insight: NewInsight
) -> None:
    alices, bobs = await open_tab(alice), await open_tab(bob)
    await new_insight(bob)
    assert (await bobs.frame())["type"] == "new_notification"
    await alices.settled()


async def test_a_plain_client_gets_every_notification_without_syncing_or_acknowledging(
    alice: User, open_tab: OpenTab, new_insight: NewInsight
) -> None:
    tab = await open_tab(alice)
    made = [(await new_insight(alice, symbol=f"PAIR{number}")).pk for number in range(25)]
    received = await tab.frames(len(made))
    assert [frame["notification"]["id"] for frame in received] == made
    assert {frame["type"] for frame in received} == {"new_notification"}
    assert [frame["unread_count"] for frame in received] == list(range(1, 26))
    assert (await tab.ask("mark_all_read"))["count"] == 25


async def test_a_doubled_hint_is_sent_once(alice: User, open_tab: OpenTab, new_insight: NewInsight) -> None:
    tab = await open_tab(alice)
    notification = await new_insight(alice)
    await tab.frame()
    await hint(alice, fresh_frame(notification))
    await tab.settled()


async def test_hints_out_of_order_are_each_sent_once(
    alice: User, open_tab: OpenTab, new_insight: NewInsight, monkeypatch: pytest.MonkeyPatch
) -> None:
    tab = await open_tab(alice)
    with monkeypatch.context() as held_back:
        held_back.setattr(realtime, "publish", lambda events: True)
        made = [await new_insight(alice, symbol=f"PAIR{number}") for number in range(3)]
    for notification in (made[2], made[0], made[2], made[1], made[0], made[1]):
        await hint(alice, fresh_frame(notification))
    assert [frame["seq"] for frame in await tab.frames(3)] == [3, 1, 2]
    await tab.settled()


async def test_a_hint_of_a_position_from_before_the_socket_is_dropped(
    alice: User, open_tab: OpenTab, new_insight: NewInsight
) -> None:
    notification = await new_insight(alice)
    tab = await open_tab(alice)
    await hint(alice, fresh_frame(notification))
    await tab.settled()


async def test_a_change_between_joining_and_the_position_is_neither_lost_nor_doubled(
    alice: User, open_tab: OpenTab, new_insight: NewInsight, monkeypatch: pytest.MonkeyPatch, make_insight: Any
) -> None:
    read_positions = stream.positions

    def positions_after_a_change(user_ids: set[int]) -> dict[int, stream.Position]:
        monkeypatch.setattr(stream, "positions", read_positions)
        make_insight(alice)
        return read_positions(user_ids)

    monkeypatch.setattr(stream, "positions", positions_after_a_change)
    tab = await open_tab(alice)
    assert (tab.welcome["last_seq"], tab.welcome["unread_count"]) == (1, 1)
    await tab.settled()
    await new_insight(alice, symbol="GBPUSD")
    assert (await tab.frame())["seq"] == 2


@pytest.mark.parametrize(
    "part",
    [
        {},
        {"kind": "of a later release", "payload": [1]},
        {"frame": None},
        {"frame": []},
        {"frame": {"type": "new_notification", "seq": 1}},
        {"frame": "{}"},
        {"frame": "{}", "seq": "1"},
        {"frame": "{}", "seq": True},
        {"frame": "{}", "seq": 0},
        {"frame": "{}", "seq": 1, "user_id": 0},
        {"recheck": "yes"},
        {"recheck": True, "user_id": "me"},
        {"user_id": [1]},
        {"type": "of.a.later.release", "frame": "{}", "seq": 1},
        {"type": "connect", "frame": "{}"},
    ],
    ids=str,
)
async def test_an_unreadable_hint_kills_nobody(
    part: dict[str, Any],
    alice: User,
    open_tab: OpenTab,
    new_insight: NewInsight,
    caplog: pytest.LogCaptureFixture,
) -> None:
    first, second = await open_tab(alice), await open_tab(alice)
    with caplog.at_level(logging.CRITICAL, logger="notifications"):
        await hint_message(alice, {"type": realtime.EVENT_TYPE, "user_id": alice.pk, **part})
        await first.settled()
        await second.settled()
    await new_insight(alice)
    assert (await first.frame())["seq"] == (await second.frame())["seq"] == 1


# --- After an absence -----------------------------------------------------------------------------------------------


async def test_a_reconnecting_client_gets_what_was_made_meanwhile(
    alice: User, open_tab: OpenTab, new_insight: NewInsight
) -> None:
    known = await new_insight(alice)
    missed = [(await new_insight(alice, symbol=symbol)).pk for symbol in ("GBPUSD", "USDJPY")]
    tab = await open_tab(alice, since=known.seq, epoch=await epoch_of(alice))
    assert (tab.welcome["recovered"], tab.welcome["last_seq"], tab.welcome["unread_count"]) == (True, 3, 3)
    frame = await tab.frame()
    assert frame["type"] == "missed_notifications"
    assert ids(frame) == missed
    assert (frame["more"], frame["recovered"], frame["last_seq"], frame["unread_count"]) == (False, True, 3, 3)
    assert frame["epoch"] == tab.welcome["epoch"]


async def test_a_reconnecting_client_gets_what_was_read_meanwhile(
    alice: User, open_tab: OpenTab, new_insight: NewInsight
) -> None:
    first, second = await new_insight(alice), await new_insight(alice, symbol="GBPUSD")
    await tabs.in_thread(stream.mark_read, alice.pk, first.pk)
    tab = await open_tab(alice, since=2, epoch=await epoch_of(alice))
    frame = await tab.frame()
    assert [(row["id"], row["read"], row["seq"]) for row in frame["notifications"]] == [(first.pk, True, 3)]
    await tabs.in_thread(stream.mark_all_read, alice.pk)
    assert (await tab.frame())["type"] == "notification_read"
    answer = await tab.ask("sync", since=3, epoch=tab.welcome["epoch"])
    assert [(row["id"], row["read"]) for row in answer["notifications"]] == [(second.pk, True)]


async def test_a_client_that_missed_nothing_gets_nothing(
    alice: User, open_tab: OpenTab, new_insight: NewInsight
) -> None:
    notification = await new_insight(alice)
    tab = await open_tab(alice, since=notification.seq, epoch=await epoch_of(alice))
    assert tab.welcome["recovered"] is True
    await tab.settled()


async def test_a_long_catch_up_comes_in_pieces(alice: User, open_tab: OpenTab, make_insight: Any) -> None:
    signal = await tabs.in_thread(make_insight, None, truth_index=10)
    await tabs.in_thread(store_many, alice, signal, 250)
    tab = await open_tab(alice, since=0, epoch=await epoch_of(alice))
    pieces = await tab.frames(3)
    assert [len(piece["notifications"]) for piece in pieces] == [100, 100, 50]
    assert [piece["more"] for piece in pieces] == [True, True, False]
    positions = [row["seq"] for piece in pieces for row in piece["notifications"]]
    assert positions == list(range(1, 251))
    await tab.settled()


async def test_a_client_that_missed_more_than_300_reads_the_list_instead(
    alice: User, open_tab: OpenTab, make_insight: Any, new_insight: NewInsight
) -> None:
    signal = await tabs.in_thread(make_insight, None, truth_index=10)
    await tabs.in_thread(store_many, alice, signal, 301)
    tab = await open_tab(alice, since=0, epoch=await epoch_of(alice))
    assert (tab.welcome["recovered"], tab.welcome["last_seq"]) == (False, 301)
    await tab.settled()
    answer = await tab.ask("sync", since=0, epoch=tab.welcome["epoch"])
    assert (answer["recovered"], answer["notifications"], answer["more"]) == (False, [], False)
    assert (await tab.ask("sync", since=1, epoch=tab.welcome["epoch"]))["more"] is True


@pytest.mark.parametrize(
    "query",
    [
        {"since": 0, "epoch": "another"},
        {"since": 0},
        {"since": 0, "epoch": ""},
        {"since": 99, "epoch": "{epoch}"},
        {"since": -1, "epoch": "{epoch}"},
        {"since": "one", "epoch": "{epoch}"},
        {"since": "", "epoch": "{epoch}"},
        {"since": 2**63, "epoch": "{epoch}"},
        {"since": "9" * 5000, "epoch": "{epoch}"},
        {"since": "%EF%BC%91", "epoch": "{epoch}"},
        {"since": 0, "epoch": "%00"},
        {"since": 0, "epoch": "x" * 5000},
        {"since": 0, "epoch": "ü"},
        {"since": 0, **{f"key{number}": 1 for number in range(50)}},
    ],
    ids=lambda query: str(query)[:50],
)
async def test_a_position_that_cannot_be_honoured_is_not_recovered(
    query: dict[str, Any], alice: User, open_tab: OpenTab, new_insight: NewInsight
) -> None:
    await new_insight(alice)
    epoch = await epoch_of(alice)
    asked = {name: value.format(epoch=epoch) if name == "epoch" else value for name, value in query.items()}
    tab = await open_tab(alice, **asked)
    assert (tab.welcome["recovered"], tab.welcome["last_seq"]) == (False, 1)
    await tab.settled()


async def test_a_gap_is_closed_by_a_sync_and_the_late_hint_dropped(
    alice: User, open_tab: OpenTab, new_insight: NewInsight, monkeypatch: pytest.MonkeyPatch
) -> None:
    tab = await open_tab(alice)
    with monkeypatch.context() as late:
        late.setattr(realtime, "publish", lambda events: True)
        delayed = await new_insight(alice)
    beyond = await new_insight(alice, symbol="GBPUSD")
    assert (await tab.frame())["seq"] == 2
    answer = await tab.ask("sync", since=0, epoch=tab.welcome["epoch"])
    assert (ids(answer), answer["last_seq"]) == ([delayed.pk, beyond.pk], 2)
    await hint(alice, fresh_frame(delayed))
    await tab.settled()


async def test_a_sync_of_nothing_is_answered(alice: User, open_tab: OpenTab) -> None:
    tab = await open_tab(alice)
    assert await tab.ask("sync", since=0, epoch=tab.welcome["epoch"]) == {
        "type": "missed_notifications",
        "notifications": [],
        "more": False,
        "unread_count": 0,
        "last_seq": 0,
        "epoch": tab.welcome["epoch"],
        "recovered": True,
    }


@pytest.mark.parametrize(("since", "epoch"), [(0, "another"), (0, "\x00"), (0, "\ud800"), (2**63 - 1, None)])
async def test_a_sync_that_cannot_be_honoured_is_not_recovered(
    since: int, epoch: str | None, alice: User, open_tab: OpenTab, new_insight: NewInsight
) -> None:
    tab = await open_tab(alice)
    await new_insight(alice)
    await tab.frame()
    answer = await tab.ask("sync", since=since, epoch=tab.welcome["epoch"] if epoch is None else epoch)
    assert (answer["recovered"], answer["notifications"], answer["last_seq"]) == (False, [], 1)


async def test_after_a_restore_from_a_backup_a_sync_starts_the_socket_anew(
    alice: User, open_tab: OpenTab, new_insight: NewInsight
) -> None:
    tab = await open_tab(alice)
    for symbol in ("EURUSD", "GBPUSD", "USDJPY"):
        await new_insight(alice, symbol=symbol)
    await tab.frames(3)
    await InsightNotification.objects.filter(user=alice, seq__gt=1).adelete()
    await Inbox.objects.filter(user=alice).aupdate(last_seq=1, epoch="restored")
    answer = await tab.ask("sync", since=3, epoch=tab.welcome["epoch"])
    assert (answer["recovered"], answer["last_seq"], answer["epoch"]) == (False, 1, "restored")
    await new_insight(alice, symbol="USDCHF")
    assert (await tab.frame())["seq"] == 2


async def test_two_tabs_of_one_browser_get_the_same(alice: User, open_tab: OpenTab, new_insight: NewInsight) -> None:
    opened: list[Tab] = [await open_tab(alice), await open_tab(alice)]
    await new_insight(alice)
    first, second = [await tab.frame() for tab in opened]
    assert first == second
