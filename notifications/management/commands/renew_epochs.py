"""To be run after a restore from a backup, before the servers start again; see `notifications.restoring`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from notifications import restoring
from notifications.models import Inbox
from zenithedge.commands import Command as BaseCommand


class Command(BaseCommand):
    help = (
        "Begin a new epoch in every inbox, so that each browser reads its list anew instead of going on from a "
        "position that meant something else."
    )
    when = "Once, after a restore of the database from a backup, before the servers start again."
    examples = ("", "-v 2")
    alone_because = "each browser would read its list twice."
    left = "Stopped before the end: run it again, it begins anew."

    def work(self, **options: Any) -> Mapping[str, int]:
        with self.progress(Inbox.objects.count(), "inbox", **options) as bar:
            renewed = restoring.renew_epochs(after_batch=bar.update, should_stop=self.stop.is_set)
        self.stdout.write(f"renewed: {renewed}")
        return {"renewed": renewed}
