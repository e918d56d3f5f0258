"""Counts the figures of the delivery health page; see `notifications.health.rolling_up`."""

from __future__ import annotations

import datetime as dt
from argparse import ArgumentParser
from collections.abc import Mapping
from typing import Any

from notifications.health import rolling_up
from notifications.health.rolling_up import Chunk
from zenithedge import arguments
from zenithedge.commands import Command as BaseCommand


class Command(BaseCommand):
    help = (
        "Count the figures of the delivery health page and of notification_stats: what is missing, back to the first "
        "row, and what may have changed since it was counted. Running it again gives the same figures: they are "
        "counted from the rows, never added to."
    )
    when = (
        "By itself never, where the worker thread, Celery's beat or a timer runs the schedule (every minute). By hand "
        "with --since after rows were brought in or deleted past the site; not further back than rows are kept, "
        "because figures outlive them and would be counted away."
    )
    examples = ("", "--since 2026-01-31", "-v 2")
    alone_because = "both would count the same."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--since",
            type=arguments.day,
            metavar="YYYY-MM-DD",
            help="Count every hour and day (UTC) since then anew, for rows that were brought in or deleted by hand.",
        )

    def work(self, *, since: dt.date | None, verbosity: int, **options: Any) -> Mapping[str, int]:
        periods = 0

        def after_chunk(chunk: Chunk) -> None:
            nonlocal periods
            periods += chunk.periods
            if verbosity > 1 or self.stdout.isatty():
                self.stdout.write(f"counted {chunk.begin:%Y-%m-%d %H:%M} to {chunk.end:%Y-%m-%d %H:%M} UTC")

        begin = dt.datetime.combine(since, dt.time.min, tzinfo=dt.UTC) if since else None
        rolling_up.roll_up(since=begin, should_stop=self.stop.is_set, after_chunk=after_chunk)
        self.stdout.write(f"periods counted: {periods}")
        return {"periods": periods}
