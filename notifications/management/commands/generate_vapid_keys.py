"""Makes the key pair by which push services know this site."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from notifications.delivery import vapid
from zenithedge.commands import Command as BaseCommand


class Command(BaseCommand):
    help = (
        "Print a new key pair for web push, as lines for the environment. All processes need the same pair, and every "
        "device has to be turned on again after it is changed. Nothing is stored."
    )
    when = "Once, before web push is used on more than one machine; again only when the private key has leaked."
    examples = ("", ">> /etc/zenithedge/environment")

    def work(self, **options: Any) -> Mapping[str, int]:
        public, private = vapid.generate()
        self.stdout.write(f"VAPID_PUBLIC_KEY={public}\nVAPID_PRIVATE_KEY={private}")
        return {"pairs": 1}
