"""Every command of the socket is tried on another's objects; a new command fails here until it has its line."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User

from notifications.commands import BUILDERS
from notifications.models import Inbox
from notifications.tests import tabs
from notifications.tests.conftest import NewInsight, OpenTab
from notifications.tests.rows import stored_rows

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.services]

# What Bob may send of each command, with Alice's ids, position and epoch in place of the words.
TRIED: dict[str, list[dict[str, Any]]] = {
    "mark_read": [{"id": "her notification"}, {"notification_id": "her notification"}],
    "mark_all_read": [{"up_to_seq": "her position"}, {"up_to_seq": 2**53}, {}, {"user_id": "she"}],
    "get_unread_count": [{}, {"user_id": "she"}],
    "sync": [{"since": 0, "epoch": "her epoch"}, {"since": 0, "epoch": "her epoch", "user_id": "she"}],
    "ack": [{"seq": "her position"}, {"seq": "her position", "user_id": "she", "visible": True}],
    "visible": [{"visible": True, "user_id": "she"}],
    "ping": [{"user_id": "she"}],
}


def test_every_command_is_tried() -> None:
    assert TRIED.keys() == BUILDERS.keys()


@pytest.mark.parametrize("command", BUILDERS)
async def test_bob_sees_and_changes_nothing_of_alices_by_any_command(
    command: str, alice: User, bob: User, open_tab: OpenTab, new_insight: NewInsight
) -> None:
    hers = await new_insight(alice)
    inbox = await Inbox.objects.aget(user=alice)
    words = {
        "her notification": hers.pk,
        "her position": inbox.last_seq,
        "her epoch": inbox.epoch,
        "she": alice.pk,
    }
    tab = await open_tab(bob)
    before = await tabs.in_thread(stored_rows)

    for fields in TRIED[command]:
        meant = {name: words.get(value, value) if isinstance(value, str) else value for name, value in fields.items()}
        await tab.send(command=command, **meant)
    await tab.send(command="ping")
    answers = [await tab.frame()]
    while answers[-1]["type"] != "pong" or (command == "ping" and len(answers) == 1):
        answers.append(await tab.frame())

    assert hers.title not in str(answers)
    assert {answer["unread_count"] for answer in answers if "unread_count" in answer} <= {0}
    assert await tabs.in_thread(stored_rows) == before
