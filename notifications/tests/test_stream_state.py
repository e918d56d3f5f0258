"""State from frames, in any order; the whole promise is proved by the client's tests against a real server."""

from __future__ import annotations

from typing import Any

from notifications.stream_state import Frame, Row, StreamState


def row(number: int, *, seq: int | None = None, **fields: Any) -> Row:
    base = {"id": number, "revision": 1, "seq": seq or number, "read": False, "expired_at": None, "superseded_by": None}
    return base | fields


def news(number: int, *, seq: int | None = None) -> Frame:
    seq = seq or number
    return {"type": "new_notification", "seq": seq, "unread_count": seq, "notification": row(number, seq=seq)}


def welcome(last_seq: int, *, epoch: str = "one", recovered: bool = True) -> Frame:
    return {
        "type": "connection_established",
        "last_seq": last_seq,
        "epoch": epoch,
        "recovered": recovered,
        "unread_count": last_seq,
    }


def missed(*rows: Row, last_seq: int, more: bool = False) -> Frame:
    common = {"last_seq": last_seq, "epoch": "one", "recovered": True, "unread_count": last_seq}
    return {"type": "missed_notifications", "notifications": list(rows), "more": more, **common}


class Following:
    """A state that starts empty and level, and the order in which rows arrived in it."""

    def __init__(self) -> None:
        self.arrived: list[int] = []
        self.state = StreamState(lambda row: self.arrived.append(row["id"]))
        self.state.replace([], last_seq=0, epoch="one", unread_count=0)

    def receive(self, *frames: Frame) -> StreamState:
        for frame in frames:
            self.state.receive(frame)
        return self.state


def test_hints_that_overtake_each_other_arrive_in_order() -> None:
    following = Following()
    state = following.receive(news(3), news(2), news(1))
    assert following.arrived == [1, 2, 3]
    assert (state.position, state.behind, state.unread_count) == (3, False, 3)


def test_a_missing_position_leaves_it_behind_until_the_answer_to_its_sync() -> None:
    following = Following()
    assert following.receive(news(1), news(3)).behind
    state = following.receive(missed(row(2), row(3), last_seq=3))
    assert (following.arrived, state.position, state.behind) == ([1, 2, 3], 3, False)


def test_a_doubled_frame_arrives_once_and_is_counted() -> None:
    following = Following()
    state = following.receive(news(1), news(1))
    assert following.arrived == [1]
    assert state.tally.doubled == 1
    assert not state.tally.twice


def test_news_at_a_second_position_is_counted_as_twice() -> None:
    assert Following().receive(news(1), news(1, seq=2)).tally.twice == {1}


def test_news_at_a_position_long_passed_is_counted_as_disorder_and_kept() -> None:
    following = Following()
    state = following.receive(news(1), missed(last_seq=5), news(3))
    assert state.tally.disordered == 1
    assert following.arrived == [1, 3]


def test_several_rows_of_one_change_all_arrive() -> None:
    following = Following()
    state = following.receive(news(1, seq=1), news(2, seq=1))
    assert following.arrived == [1, 2]
    assert state.tally.disordered == 0


def test_a_page_of_several_moves_the_position_with_the_last_one() -> None:
    following = Following()
    assert following.receive(missed(row(1), last_seq=2, more=True)).position == 0
    assert following.receive(missed(row(2), last_seq=2)).position == 2


def test_a_brief_is_a_gap_until_its_rows_were_asked_for() -> None:
    following = Following()
    brief = {"type": "brief", "seq": 1, "unread_count": 2, "held": 2, "live": 2, "expired": 0, "reversed": 0}
    assert following.receive(brief).behind
    assert not following.receive(missed(row(1, seq=1), row(2, seq=1), last_seq=1)).behind
    assert following.arrived == [1, 2]


def test_another_epoch_or_an_unknown_position_makes_it_stale() -> None:
    assert Following().receive(welcome(4, epoch="two")).stale
    assert Following().receive(welcome(4, recovered=False)).stale
    assert Following().receive(news(1), news(2), welcome(1)).stale


def test_the_list_takes_the_place_of_everything() -> None:
    following = Following()
    following.receive(news(1), news(2), welcome(1, epoch="two"))
    following.state.replace([row(9, seq=1)], last_seq=1, epoch="two", unread_count=1)
    state = following.receive(news(10, seq=2))
    assert list(state.rows) == [9, 10]
    assert (state.position, state.stale) == (2, False)


def test_reading_and_its_undoing_are_followed() -> None:
    following = Following()
    state = following.receive(
        news(1), news(2), {"type": "notification_read", "seq": 3, "unread_count": 0, "up_to_seq": 2}
    )
    assert [state.rows[number]["read"] for number in (1, 2)] == [True, True]
    following.receive({"type": "notification_unread", "seq": 4, "unread_count": 2, "read_at_seq": 3})
    assert [state.rows[number]["read"] for number in (1, 2)] == [False, False]
    following.receive({"type": "notification_read", "seq": 5, "unread_count": 1, "ids": [2]})
    assert [state.rows[number]["read"] for number in (1, 2)] == [False, True]
    assert state.unread_count == 1
