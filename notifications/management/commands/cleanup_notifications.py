"""Deletes what is past its time; see `notifications.retention`."""

from __future__ import annotations

import signal
import sys
from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from types import FrameType
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from tqdm import tqdm

from notifications import retention


class Command(BaseCommand):
    help = (
        "Delete old notifications with their delivery logs, suppressions older than "
        f"{retention.SUPPRESSION_DAYS} days, raw webhook requests older than {retention.WEBHOOK_REQUEST_DAYS} days "
        "and mutes that have ended."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--days", type=int, default=retention.DEFAULT_DAYS, help="Keep notifications this long.")
        parser.add_argument("--include-unread", action="store_true", help="Delete old unread and held ones too.")
        parser.add_argument(
            "--batch-size", type=int, default=retention.DEFAULT_BATCH_SIZE, help="Rows in one transaction."
        )
        parser.add_argument("--dry-run", action="store_true", help="Only say what would be deleted.")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            self._clean_up(**options)
        except retention.RetentionError as error:
            raise CommandError(str(error)) from error

    def _clean_up(self, *, days: int, include_unread: bool, batch_size: int, dry_run: bool, **options: Any) -> None:
        retention.check(days, batch_size)
        if dry_run:
            self._report(retention.count_old(days, include_unread=include_unread), "to delete")
            return
        with StopRequest.watched() as stop, self._progress_bar(days, include_unread=include_unread) as bar:
            deleted = retention.delete_old(
                days,
                include_unread=include_unread,
                batch_size=batch_size,
                after_batch=lambda gone: _advance(bar, gone),
                should_stop=lambda: stop.requested,
            )
        self._report(deleted, "deleted")
        if stop.requested:
            self.stdout.write("Stopped before the end; the next run goes on from here.")
            sys.exit(stop.exit_code)

    def _progress_bar(self, days: int, *, include_unread: bool) -> tqdm[Any]:
        """A bar on a terminal; elsewhere nothing, and nothing is counted for it."""
        on_terminal = sys.stderr.isatty()
        total = retention.count_old(days, include_unread=include_unread).total if on_terminal else None
        return tqdm(total=total, unit="row", desc="Deleting", disable=not on_terminal)

    def _report(self, rows: retention.Rows, what: str) -> None:
        for sort, count in asdict(rows).items():
            self.stdout.write(f"{sort.replace('_', ' ')}: {count} {what}")


class StopRequest:
    """Remembers a SIGTERM or SIGINT, so that the running batch can end first."""

    def __init__(self) -> None:
        self.signal_number: int | None = None

    @property
    def requested(self) -> bool:
        return self.signal_number is not None

    @property
    def exit_code(self) -> int:
        """As a shell reports a process that the signal ended: 143 for SIGTERM, 130 for SIGINT."""
        return 128 + (self.signal_number or 0)

    @classmethod
    @contextmanager
    def watched(cls) -> Iterator[StopRequest]:
        """Catch both signals; the earlier handlers are back afterwards. For the main thread only, as signals are."""
        stop = cls()
        earlier = {number: signal.signal(number, stop._remember) for number in (signal.SIGTERM, signal.SIGINT)}
        try:
            yield stop
        finally:
            for number, handler in earlier.items():
                signal.signal(number, handler)

    def _remember(self, number: int, frame: FrameType | None) -> None:
        self.signal_number = number


def _advance(bar: tqdm[Any], gone: retention.Rows) -> None:
    bar.update(gone.total)
