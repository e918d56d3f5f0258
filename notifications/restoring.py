"""After a restore from a backup: positions have been given out before, so every inbox begins a new epoch.

A client at a position of the old epoch then cannot take a newer change with the same number for one it has seen: it is
told so when it connects or syncs, and reads its list anew.
"""

from __future__ import annotations

from collections.abc import Callable

from django.db import transaction

from notifications.models import Inbox, new_epoch

INBOXES_PER_BATCH = 1000  # bounds how long their users' changes wait


def renew_epochs(
    *, after_batch: Callable[[int], object] = lambda renewed: None, should_stop: Callable[[], bool] = lambda: False
) -> int:
    """Give every inbox a new epoch, batch by batch; returns how many. Stopped halfway, it has to be run again.

    `after_batch` is told how many a batch had; `should_stop` is asked before each.
    """
    renewed, last_user_id = 0, 0
    while not should_stop() and (user_ids := _renew_batch(last_user_id)):
        renewed, last_user_id = renewed + len(user_ids), user_ids[-1]
        after_batch(len(user_ids))
    return renewed


def _renew_batch(after_user_id: int) -> list[int]:
    with transaction.atomic():
        inboxes = Inbox.objects.select_for_update().filter(user_id__gt=after_user_id)
        batch = list(inboxes.order_by("user_id")[:INBOXES_PER_BATCH])
        for inbox in batch:
            inbox.epoch = new_epoch()
        Inbox.objects.bulk_update(batch, ["epoch"])
    return [inbox.user_id for inbox in batch]
