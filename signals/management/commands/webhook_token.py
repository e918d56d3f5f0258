"""Makes a webhook and prints its address."""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Mapping
from typing import Any

from django.contrib.auth import get_user_model

from signals.models import WebhookSource
from signals.webhook import webhook_address
from zenithedge.commands import Command as BaseCommand
from zenithedge.commands import MisuseError


class Command(BaseCommand):
    help = (
        "Make a webhook for a user, or for the house, and print its address. It holds the secret and cannot be "
        "shown again: the database keeps its digest only."
    )
    when = "To connect a sender of alerts from a shell; traders do it themselves under Connect TradingView."
    examples = ("alice", 'alice --name "EURUSD, 1 h"', "--house --name Desk")

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("username", nargs="?", help="whose signals they are; not needed with --house")
        parser.add_argument("--house", action="store_true", help="signals without an owner, meant for every trader")
        parser.add_argument("--name", default="TradingView", help="what the webhook is called (default: %(default)s)")

    def work(self, *, username: str | None, house: bool, name: str, **options: Any) -> Mapping[str, int]:
        if username is None and not house:
            raise MisuseError("Give a username, or --house for signals meant for every trader.")
        source = WebhookSource(name=_checked(name))
        if username is not None:
            user = get_user_model().objects.filter(username=username).first()
            if user is None:
                raise MisuseError(f"There is no user {username!r}.")
            source.user = None if house else user
        token = source.rotate_token()
        source.save()
        self.stderr.write(f"{source}: the address is shown this once.")
        self.stdout.write(webhook_address(token))
        return {"webhooks": 1}


def _checked(name: str) -> str:
    if not 0 < len(name.strip()) <= 64:
        raise MisuseError("A name has 1 to 64 characters.")
    return name.strip()
