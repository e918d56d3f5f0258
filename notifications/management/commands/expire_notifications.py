"""Takes what is past its time off the badges."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from notifications.manager import NotificationManager
from zenithedge.commands import Command as BaseCommand


class Command(BaseCommand):
    help = "Mark the notifications whose insights have expired, so that they leave the badges. Sockets are told."
    when = (
        "By itself never, where the worker thread, Celery's beat or a timer runs the schedule (every 30 s). By hand "
        "when none of them did for a while, and badges count what has lost its meaning."
    )
    examples = ("", "-v 2")
    alone_because = "the second one would wait for the first one's locks and find nothing to do."

    def work(self, **options: Any) -> Mapping[str, int]:
        expired = NotificationManager.expire_old(should_stop=self.stop.is_set)
        self.stdout.write(f"expired: {expired}")
        return {"expired": expired}
