"""Tells owners whose webhooks have gone silent; see `signals.silence` and `notifications.silent_sources`."""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Mapping
from typing import Any

from django.core.management.base import CommandError
from django.utils import timezone

from notifications import silent_sources
from signals import silence
from zenithedge.commands import Command as BaseCommand


class Command(BaseCommand):
    help = (
        "Find the webhooks that have brought no alert for far longer than they usually do, and mail their owners once "
        "for each silence; the staff who may pause it for one of the house. Far longer is ten times the median gap, "
        "one and a half times its usual long pauses, and an hour, weekends left out. Paused and new ones are left "
        "alone."
    )
    when = (
        "By itself never, where the worker thread, Celery's beat or a timer runs the schedule (every 15 minutes). By "
        "hand with --dry-run, to see which are silent now."
    )
    examples = ("--dry-run", "")
    alone_because = "both would look through the same requests."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--dry-run", action="store_true", help="Only say which are silent; tell nobody.")

    def work(self, *, dry_run: bool, **options: Any) -> Mapping[str, int]:
        if dry_run:
            return self._say_which()
        report = silent_sources.check(should_stop=self.stop.is_set)
        self.stdout.write(f"gone silent: {report.silent}, mails: {report.mails}, without one: {report.unreachable}")
        if report.server_away:
            raise CommandError(f"The mail server is of no use now ({report.server_away}); the next run tells the rest.")
        return {"silent": report.silent, "mails": report.mails, "unreachable": report.unreachable}

    def _say_which(self) -> Mapping[str, int]:
        told, fresh = silence.noticed(), silence.find(timezone.now())
        for source in told:
            self.stdout.write(
                f"source {source.pk}, user {source.user_id}: since {source.silent_since:%Y-%m-%d %H:%M} UTC, told"
            )
        for found in fresh:
            gap_s = round(found.usual_gap.total_seconds())
            self.stdout.write(
                f"source {found.source.pk}, user {found.source.user_id}: since {found.since:%Y-%m-%d %H:%M} UTC, "
                f"usually every {gap_s} s, would be told"
            )
        self.stdout.write(f"silent: {len(told) + len(fresh)}; nobody was told of anything")
        return {"told before": len(told), "would be told": len(fresh)}
