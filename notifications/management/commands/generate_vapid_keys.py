"""Makes the key pair by which push services know this site."""

from typing import Any

from django.core.management.base import BaseCommand

from notifications.delivery import vapid


class Command(BaseCommand):
    help = (
        "Print a new key pair for web push, as lines for the environment. All processes need the same pair, and every "
        "device has to be turned on again after it is changed."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        public, private = vapid.generate()
        self.stdout.write(f"VAPID_PUBLIC_KEY={public}\nVAPID_PRIVATE_KEY={private}")
