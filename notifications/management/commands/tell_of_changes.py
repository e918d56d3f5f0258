"""Tells the holders of insights what became of these, where a killed process could not."""

from typing import Any

from django.core.management.base import BaseCommand

from notifications.manager import NotificationManager


class Command(BaseCommand):
    help = "Go on with outcomes and reversals that have not reached every holder of the insight."

    def handle(self, *args: Any, **options: Any) -> None:
        self.stdout.write(f"told: {NotificationManager.tell_of_changes()}")
