"""Sends what waits in the outbox: web pushes, webhooks and whatever other channel there is."""

from __future__ import annotations

import signal
import threading
from collections import Counter
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from notifications.delivery import draining

EVERY_S = 1.0


class Command(BaseCommand):
    help = "Send the pending deliveries that are due; with --watch go on until stopped."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--watch", action="store_true", help="Go on, looking every second, until stopped.")

    def handle(self, *args: Any, watch: bool, **options: Any) -> None:
        stopped = threading.Event()
        if watch:
            for number in (signal.SIGINT, signal.SIGTERM):
                signal.signal(number, lambda *_: stopped.set())
        self._say(draining.drain(should_stop=stopped.is_set))
        while watch and not stopped.wait(EVERY_S):
            done = draining.drain(should_stop=stopped.is_set)
            if done:
                self._say(done)

    def _say(self, done: Counter[str]) -> None:
        self.stdout.write(", ".join(f"{state}: {number}" for state, number in sorted(done.items())) or "nothing due")
