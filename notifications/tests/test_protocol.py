"""The wire: what is sent survives every channel layer, what is received is read strictly."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable
from typing import Any

import msgpack
import pytest
from django.contrib.auth.models import User
from hypothesis import given
from hypothesis import strategies as st

from notifications import commands, frames, payloads
from notifications.commands import CommandError, Flood, SyncPace
from notifications.positions import SentPosition
from notifications.stream import CatchUp, Position, ReadAllResult, ReadResult
from notifications.tests.rows import store_notification
from signals.models import Signal


@pytest.fixture
def every_frame(alice: User, make_insight: Callable[..., Signal]) -> list[Any]:
    """One of each frame that there is, made from stored rows with all their Decimals and datetimes."""
    signal = make_insight(None)
    now = dt.datetime.now(dt.UTC)
    plain = store_notification(alice, signal, revision=7)
    ended = store_notification(
        alice, signal, revision=8, read=True, expired_at=now, superseded_by=plain, news_headline="Rates held 🟢"
    )
    rows = [payloads.notification_payload(row) for row in (plain, ended)]
    caught_up = CatchUp(True, rows, 1, 2, "0a1b2c3d")
    return [
        payloads.notification_frame("new_notification", plain, unread_count=1),
        payloads.notification_frame("notification_updated", ended, unread_count=1),
        payloads.read_frame(seq=3, unread_count=0, ids=[plain.pk]),
        payloads.all_read_frame(seq=3, unread_count=0, up_to_seq=2),
        payloads.unread_frame(seq=4, unread_count=2, read_at_seq=3),
        payloads.brief_frame(
            seq=3, unread_count=0, held=3, live=1, expired=1, reversed_=1, released_at=now, braked=True
        ),
        frames.connection_established(Position(2, "0a1b2c3d", 1), recovered=True),
        *frames.missed_notifications(caught_up),
        *[frames.changed_notification(row, unread_count=1) for row in rows],
        frames.mark_read_response(plain.pk, ReadResult(plain.pk, 0, True), unread_count=0),
        frames.mark_all_read_response(ReadAllResult(1, 2, 0, 3)),
        frames.unread_count(1),
        frames.pong(),
        frames.error("bad_value", "`id` must be a whole number.", None),
    ]


def test_every_frame_survives_msgpack_and_json(every_frame: list[Any]) -> None:
    assert len({frame["type"] for frame in every_frame}) == 12
    for frame in every_frame:
        assert msgpack.unpackb(msgpack.packb(frame)) == frame
        assert json.loads(json.dumps(frame, allow_nan=False)) == frame


def test_every_frame_about_a_change_tells_position_and_unread_count(every_frame: list[Any]) -> None:
    changes = ("new_notification", "notification_updated", "notification_read", "notification_unread", "brief")
    assert all({"seq", "unread_count"} <= frame.keys() for frame in every_frame if frame["type"] in changes)


def test_a_notification_without_a_position_is_never_sent(every_frame: list[Any]) -> None:
    held: Any = every_frame[0]["notification"] | {"seq": None}
    with pytest.raises(ValueError, match="no position"):
        frames.changed_notification(held, unread_count=0)


# --- What is received -----------------------------------------------------------------------------------------------

ERROR_CODES = {"not_json", "too_large", "too_deep", "not_an_object", "bad_value", "unknown_command"}

anything_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)
any_command = st.fixed_dictionaries(
    {"command": st.sampled_from([*commands.BUILDERS, "unknown"]) | anything_json},
    optional=dict.fromkeys(("id", "notification_id", "up_to_seq", "since", "epoch", "seq", "visible"), anything_json),
)


@given(st.text() | anything_json.map(json.dumps) | any_command.map(json.dumps))
def test_whatever_a_client_sends_is_a_command_or_a_named_error(text: str) -> None:
    assert verdict(text) in {*commands.BUILDERS, *ERROR_CODES}


def verdict(text: str) -> str:
    try:
        return commands.parse(text).name
    except CommandError as error:
        return error.code


@given(st.binary())
def test_whatever_the_address_asks_for_is_a_position(query: bytes) -> None:
    position = commands.requested_position(b"since=" + query)
    assert position is not None
    assert 0 <= position[0] <= commands.MAX_POSITION


def test_without_since_no_position_is_asked_for() -> None:
    assert commands.requested_position(b"") is None
    assert commands.requested_position(b"epoch=0a1b2c3d") is None
    assert commands.requested_position(b"since=5&epoch=0a1b2c3d") == (5, "0a1b2c3d")


def test_a_message_of_exactly_the_limit_is_read() -> None:
    text = json.dumps({"command": "ping", "padding": ""})
    full = text.replace('""', '"' + "x" * (commands.MAX_FRAME_BYTES - len(text)) + '"')
    assert commands.parse(full) == commands.Ping()
    with pytest.raises(CommandError, match="4096 bytes"):
        commands.parse(full + " ")


@pytest.mark.parametrize(
    ("gap_s", "seconds", "floods"),
    [(1 / 19, 60, False), (1 / 21, 60, True), (0.001, 0.1, False), (0.001, 0.2, True), (1.0, 300, False)],
)
def test_more_than_20_messages_a_second_for_5_seconds_are_a_flood(gap_s: float, seconds: float, floods: bool) -> None:
    flood = Flood()
    risen = [flood.rises(message * gap_s) for message in range(round(seconds / gap_s))]
    assert any(risen) is floods


def test_ten_syncs_may_come_at_once_and_then_one_a_second() -> None:
    pace = SyncPace()
    assert [pace.wait_s(100.0) for _ in range(12)] == [0.0] * 10 + [1.0, 2.0]
    assert pace.wait_s(200.0) == 0.0


# --- How far a socket is --------------------------------------------------------------------------------------------


def caught_up(last_seq: int, *, recovered: bool = True, epoch: str = "e") -> CatchUp:
    return CatchUp(recovered, [], 0, last_seq, epoch)


@given(st.permutations(range(1, 12)), st.lists(st.integers(1, 11)))
def test_positions_in_any_order_and_doubled_are_each_sent_once(order: list[int], doubles: list[int]) -> None:
    position = SentPosition(through=0, epoch="e", acknowledged=0)
    sent = []
    for seq in [*order, *doubles]:
        if position.is_new(seq):
            position.sent(seq)
            sent.append(seq)
    assert sorted(sent) == list(range(1, 12))
    assert (position.through, position.highest, position.ahead) == (11, 11, set())


def test_a_gap_holds_back_what_can_be_acknowledged() -> None:
    position = SentPosition(through=4, epoch="e", acknowledged=4)
    position.sent(6)
    assert (position.acknowledgeable(6), position.highest) == (4, 6)
    position.sent(5)
    assert position.acknowledgeable(6) == 6
    assert position.acknowledgeable(99) == 6


def test_a_catch_up_covers_what_came_before_its_end_and_not_what_came_later() -> None:
    position = SentPosition(through=4, epoch="e", acknowledged=4)
    position.sent(9)
    position.catch_up(caught_up(8), since=2, through=4)
    assert (position.through, position.acknowledged) == (9, 2)
    assert not position.is_new(7)
    assert position.is_new(10)


def test_a_catch_up_older_than_the_present_takes_nothing_back() -> None:
    position = SentPosition(through=9, epoch="e", acknowledged=9)
    position.catch_up(caught_up(8), since=7, through=7)
    assert position.through == 9


def test_what_was_not_recovered_cannot_be_acknowledged() -> None:
    position = SentPosition(through=4, epoch="e", acknowledged=2)
    position.catch_up(caught_up(400, recovered=False), since=2, through=4)
    assert (position.through, position.acknowledged) == (400, 400)


@pytest.mark.parametrize("answer", [caught_up(3, recovered=False, epoch="new"), caught_up(3, recovered=False)])
def test_another_stream_starts_the_position_anew(answer: CatchUp) -> None:
    position = SentPosition(through=9, epoch="e", acknowledged=9, ahead={11})
    position.catch_up(answer, since=9, through=9)
    assert (position.through, position.acknowledged, position.ahead) == (3, 3, set())
    assert position.epoch == answer.epoch
    assert position.is_new(4)
