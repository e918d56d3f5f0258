"""Runs the sweep once and says what it found."""

from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand

from notifications.manager import NotificationManager


class Command(BaseCommand):
    help = "Find insights that were saved past their dispatch, or whose dispatch was left open, and finish them."

    def handle(self, *args: Any, **options: Any) -> None:
        for what, count in asdict(NotificationManager.reconcile()).items():
            self.stdout.write(f"{what}: {count}")
