"""Counts the figures of the delivery health page; see `notifications.health.rolling_up`."""

from __future__ import annotations

import datetime as dt
import sys
from argparse import ArgumentParser, ArgumentTypeError
from typing import Any

from django.core.management.base import BaseCommand

from notifications.health import rolling_up
from notifications.health.rolling_up import Chunk
from notifications.management.commands.cleanup_notifications import StopRequest


class Command(BaseCommand):
    help = (
        "Count the figures of the delivery health page and of notification_stats: what is missing, back to the first "
        "row, and what may have changed since it was counted. The schedule does that each minute. Running it again, "
        "or two of them at once, gives the same figures: they are counted from the rows, never added to."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--since",
            type=_date,
            metavar="YYYY-MM-DD",
            help="Count every hour and day (UTC) since then anew, for rows that were brought in or deleted by hand.",
        )

    def handle(self, *args: Any, since: dt.datetime | None, verbosity: int, **options: Any) -> None:
        periods = 0

        def after_chunk(chunk: Chunk) -> None:
            nonlocal periods
            periods += chunk.periods
            if verbosity > 1 or self.stdout.isatty():
                self.stdout.write(f"counted {chunk.begin:%Y-%m-%d %H:%M} to {chunk.end:%Y-%m-%d %H:%M} UTC")

        with StopRequest.watched() as stop:
            done = rolling_up.roll_up(since=since, should_stop=lambda: stop.requested, after_chunk=after_chunk)
        self.stdout.write(f"periods counted: {periods}")
        if stop.requested and not done:
            self.stdout.write("Stopped before the end; the next run goes on from here.")
            sys.exit(stop.exit_code)


def _date(text: str) -> dt.datetime:
    try:
        return dt.datetime.combine(dt.date.fromisoformat(text), dt.time.min, tzinfo=dt.UTC)
    except ValueError as error:
        raise ArgumentTypeError("give a date such as 2026-01-31.") from error
