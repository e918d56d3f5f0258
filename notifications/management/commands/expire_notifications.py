"""Takes what is past its time off the badges."""

from typing import Any

from django.core.management.base import BaseCommand

from notifications.manager import NotificationManager


class Command(BaseCommand):
    help = "Mark the notifications whose insights have expired."

    def handle(self, *args: Any, **options: Any) -> None:
        self.stdout.write(f"expired: {NotificationManager.expire_old()}")
