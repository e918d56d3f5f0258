"""Deletes what is past its time; see `notifications.retention`."""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from notifications import retention
from zenithedge.commands import Command as BaseCommand
from zenithedge.commands import MisuseError


class Command(BaseCommand):
    help = (
        "Delete old notifications with their delivery logs, suppressions older than "
        f"{retention.SUPPRESSION_DAYS} days, raw webhook requests older than {retention.WEBHOOK_REQUEST_DAYS} days "
        "and mutes that have ended; in batches, beside whatever else goes on."
    )
    when = (
        "Once a day, which the worker thread, Celery's beat or a timer does. By hand to keep less, or first with "
        "--dry-run to see what would go."
    )
    examples = ("--dry-run", "--days 14", "--days 90 --include-unread --batch-size 500")
    alone_because = "the second one would look at the same rows and delete few."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--days", type=int, default=retention.DEFAULT_DAYS, help="Keep notifications this long.")
        parser.add_argument("--include-unread", action="store_true", help="Delete old unread and held ones too.")
        parser.add_argument(
            "--batch-size", type=int, default=retention.DEFAULT_BATCH_SIZE, help="Rows in one transaction."
        )
        parser.add_argument("--dry-run", action="store_true", help="Only say what would be deleted.")

    def work(
        self, *, days: int, include_unread: bool, batch_size: int, dry_run: bool, **options: Any
    ) -> Mapping[str, int]:
        try:
            retention.check(days, batch_size)
        except retention.RetentionError as error:
            raise MisuseError(str(error)) from error
        if dry_run:
            return self._report(retention.count_old(days, include_unread=include_unread), "to delete")
        with self.progress(None, "row", **options) as bar:
            if not bar.disable:  # it costs the time of counting them
                bar.reset(retention.count_old(days, include_unread=include_unread).total)
            deleted = retention.delete_old(
                days,
                include_unread=include_unread,
                batch_size=batch_size,
                after_batch=lambda gone: bar.update(gone.total),
                should_stop=self.stop.is_set,
            )
        return self._report(deleted, "deleted")

    def _report(self, rows: retention.Rows, what: str) -> Mapping[str, int]:
        counts: dict[str, int] = {sort.replace("_", " "): count for sort, count in asdict(rows).items()}
        for sort, count in counts.items():
            self.stdout.write(f"{sort}: {count} {what}")
        return counts
