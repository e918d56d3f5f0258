"""Sends what waits in the outbox: web pushes, webhooks and whatever other channel there is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from django.core.management.base import CommandParser

from notifications.delivery import draining
from zenithedge.commands import Command as BaseCommand

EVERY_S = 1.0


class Command(BaseCommand):
    help = (
        "Send the pending deliveries that are due, over web push and webhooks; with --watch go on until stopped. "
        "Several at once share the work: each delivery is leased by whoever sends it."
    )
    when = (
        "By itself never, where the worker thread, Celery's workers or a timer deliver (every 10 s). With --watch as "
        "a service of its own, where neither is wanted; without after an outage, to see what goes out."
    )
    examples = ("", "--watch")

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--watch", action="store_true", help="Go on, looking every second, until stopped.")

    def work(self, *, watch: bool, **options: Any) -> Mapping[str, int]:
        done = self._drain()
        self._say(done)
        while watch and not self.stop.wait(EVERY_S):
            if more := self._drain():
                self._say(more)
                done += more
        return done

    def ends_well_when_stopped(self, *, watch: bool, **options: Any) -> bool:
        return watch

    def _drain(self) -> Counter[str]:
        return draining.drain(should_stop=self.stop.is_set)

    def _say(self, done: Counter[str]) -> None:
        self.stdout.write(", ".join(f"{state}: {number}" for state, number in sorted(done.items())) or "nothing due")
