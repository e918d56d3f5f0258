"""Brings out what quiet hours held back and is due."""

from typing import Any

from django.core.management.base import BaseCommand

from notifications.manager import NotificationManager


class Command(BaseCommand):
    help = "Release the held notifications whose quiet hours are over."

    def handle(self, *args: Any, **options: Any) -> None:
        self.stdout.write(f"released: {NotificationManager.release_held()}")
