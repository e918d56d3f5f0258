"""Tells the holders of insights what became of these, where a killed process could not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from notifications.manager import NotificationManager
from zenithedge.commands import Command as BaseCommand


class Command(BaseCommand):
    help = (
        "Go on with outcomes and reversals that have not reached every holder of the insight, for two seconds at most."
    )
    when = (
        "By itself never, where the worker thread, Celery's beat or a timer runs the schedule (every 10 s). By hand "
        "when none of them did for a while; again, until it says 0."
    )
    examples = ("", "-v 2")
    alone_because = "the second one would wait for the first one's locks and find nothing to do."

    def work(self, **options: Any) -> Mapping[str, int]:
        told = NotificationManager.tell_of_changes(should_stop=self.stop.is_set)
        self.stdout.write(f"told: {told}")
        return {"told": told}
