"""To be run after a restore from a backup, before the servers start again; see `notifications.restoring`."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from notifications import restoring


class Command(BaseCommand):
    help = (
        "After a restore from a backup: begin a new epoch in every inbox, so that each browser reads its list anew "
        "instead of going on from a position that meant something else."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        self.stdout.write(f"renewed: {restoring.renew_epochs()}")
