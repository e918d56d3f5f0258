"""Restored from a backup: what a client has seen since then must not pass for what comes next."""

from __future__ import annotations

from io import StringIO

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command

from notifications import restoring, stream
from notifications.models import Inbox

pytestmark = pytest.mark.django_db


@pytest.fixture
def many_inboxes(monkeypatch: pytest.MonkeyPatch) -> dict[int, str]:
    """Epochs by user id, of more users than fit a batch."""
    monkeypatch.setattr(restoring, "INBOXES_PER_BATCH", 2)
    for number in range(5):
        User.objects.create_user(f"trader{number}")
    return dict(Inbox.objects.values_list("user_id", "epoch"))


def test_every_inbox_gets_a_new_epoch(many_inboxes: dict[int, str]) -> None:
    output = StringIO()
    call_command("renew_epochs", stdout=output)
    renewed = dict(Inbox.objects.values_list("user_id", "epoch"))
    assert renewed.keys() == many_inboxes.keys()
    assert not set(renewed.values()) & set(many_inboxes.values())
    assert output.getvalue() == "renewed: 5\n"


def test_positions_stay(many_inboxes: dict[int, str]) -> None:
    Inbox.objects.update(last_seq=7)
    restoring.renew_epochs()
    assert set(Inbox.objects.values_list("last_seq", flat=True)) == {7}


def test_a_client_of_the_old_epoch_is_told_to_read_its_list(alice: User) -> None:
    before = stream.position(alice.pk)
    restoring.renew_epochs()
    assert not stream.catch_up(alice.pk, since=before.last_seq, epoch=before.epoch).recovered
