"""Brings out what quiet hours held back and is due."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from notifications.manager import NotificationManager
from zenithedge.commands import Command as BaseCommand


class Command(BaseCommand):
    help = (
        "Release the held notifications whose quiet hours are over, with one brief for each user, and those of a "
        "brake that was lifted. Nothing comes out while the brake is on."
    )
    when = (
        "By itself never, where the worker thread, Celery's beat or a timer runs the schedule (every 10 s). By hand "
        "when none of them did for a while."
    )
    examples = ("", "-v 2")
    alone_because = "the second one would wait for the first one's locks and find nothing to do."

    def work(self, **options: Any) -> Mapping[str, int]:
        released = NotificationManager.release_held(should_stop=self.stop.is_set)
        self.stdout.write(f"released: {released}")
        return {"released": released}
