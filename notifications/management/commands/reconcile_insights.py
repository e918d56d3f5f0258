"""Runs the sweep once and says what it found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from django.core.management.base import CommandError

from notifications.manager import NotificationManager
from zenithedge.commands import Command as BaseCommand


class Command(BaseCommand):
    help = (
        "Find insights that were saved past their dispatch (raw SQL, bulk_create), whose dispatch was left open by a "
        "killed process, or which no validator finished; and finish them, once. What is past its expiry is closed "
        "without disturbing anybody."
    )
    when = (
        "By itself never, where the worker thread, Celery's beat or a timer runs the schedule (every 10 s). By hand "
        "after an import of insights, or when the age of the oldest open dispatch grows."
    )
    examples = ("", "-v 2")
    alone_because = "the second one would wait for the first one's locks and find nothing to do."

    def work(self, **options: Any) -> Mapping[str, int]:
        found = asdict(NotificationManager.reconcile(should_stop=self.stop.is_set))
        for what, count in found.items():
            self.stdout.write(f"{what}: {count}")
        if found["failed"]:
            raise CommandError(f"{found['failed']} failed and are tried again; the log and the admin say why.")
        return found
