"""A re-scored insight: one entry, what changed, up with a toast only when it matters more."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth.models import User

from notifications import frames, stream
from notifications.models import InsightNotification
from notifications.payloads import notification_payload
from signals.models import Signal

MakeSignal = Callable[..., Signal]
Hints = list[tuple[int, dict[str, Any]]]

pytestmark = [pytest.mark.services, pytest.mark.django_db(transaction=True)]

OWNERS = pytest.mark.parametrize("owned", [True, False])


def rescore(signal: Signal, truth_index: float, status: str) -> None:
    signal.validation.truth_index, signal.validation.status = Decimal(str(truth_index)), status
    signal.validation.save()


def revisions(user: User) -> tuple[InsightNotification, InsightNotification]:
    first, second = InsightNotification.objects.filter(user=user).with_signal().order_by("revision")
    return first, second


@OWNERS
def test_one_that_matters_more_goes_up_with_a_toast_and_says_what_changed(
    alice: User, make_insight: MakeSignal, hints: Hints, owned: bool
) -> None:
    insight = make_insight(alice if owned else None, truth_index=71)
    hints.clear()

    rescore(insight, 84, "approved")

    first, second = revisions(alice)
    assert (second.quiet, second.created_at > first.created_at) == (False, True)
    [(_, news), (_, update)] = hints
    assert (news["type"], news["toast"]) == ("new_notification", True)
    assert news["notification"]["change"] == {"confidence_from": 71.0, "status": "approved"}
    assert (update["type"], update["notification"]["superseded_by"]) == ("notification_updated", second.pk)


@OWNERS
@pytest.mark.parametrize("read", [False, True])
def test_one_that_matters_no_more_takes_its_predecessors_place_quietly(
    alice: User, make_insight: MakeSignal, hints: Hints, owned: bool, read: bool
) -> None:
    insight = make_insight(alice if owned else None, truth_index=71)
    if read:
        stream.mark_read(alice.pk, InsightNotification.objects.get().pk)
    hints.clear()

    rescore(insight, 78, "conditional")

    first, second = revisions(alice)
    assert (second.quiet, second.created_at) == (True, first.created_at)
    assert first.superseded_by == second, "one entry an insight, also when the earlier one was read"
    assert {frame["unread_count"] for _, frame in hints} == {1}
    assert [frame.get("toast") for _, frame in hints] == [False, None]
    assert hints[0][1]["notification"]["created_at"] == notification_payload(first)["created_at"]
    assert hints[0][1]["notification"]["change"] == {"confidence_from": 71.0, "status": None}


def test_one_whose_predecessor_was_kept_back_is_news(alice: User, make_insight: MakeSignal, hints: Hints) -> None:
    insight = make_insight(alice, truth_index=61)
    assert hints == []

    rescore(insight, 66, "conditional")

    [(_, frame)] = hints
    assert (frame["toast"], frame["notification"]["change"]) == (True, {"confidence_from": 61.0, "status": None})


def test_a_server_that_finds_a_quiet_one_by_itself_asks_for_no_toast(alice: User, make_insight: MakeSignal) -> None:
    insight = make_insight(alice, truth_index=71)
    rescore(insight, 78, "conditional")

    _, second = revisions(alice)
    frame = frames.changed_notification(notification_payload(second), unread_count=1)
    assert (frame["type"], frame["toast"]) == ("new_notification", False)
