"""Sends the daily e-mails that are due; see `notifications.digests.sending`."""

from __future__ import annotations

import datetime as dt
import sys
from argparse import ArgumentParser, ArgumentTypeError
from dataclasses import asdict
from itertools import chain
from typing import Any

from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandError
from django.db.models import QuerySet
from django.utils import timezone
from tqdm import tqdm

from notifications.digests import content, runs, sending
from notifications.management.commands.cleanup_notifications import StopRequest
from notifications.models import DigestRun


class Command(BaseCommand):
    help = (
        "Send the daily e-mails that are due and not sent yet; running it twice sends nothing twice. Ends with 1 "
        "when a mail was refused or the server is away; what is left goes out with the next run."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--dry-run", action="store_true", help="Only say what would be sent; write and send nothing."
        )
        parser.add_argument("--user", metavar="USERNAME", help="Only this user's.")
        parser.add_argument(
            "--date",
            type=_date,
            metavar="YYYY-MM-DD",
            help="Those of this local date, for who has none of it yet, whatever the time is.",
        )

    def handle(self, *args: Any, dry_run: bool, user: str | None, date: dt.date | None, **options: Any) -> None:
        users = self._users(user)
        if dry_run:
            self._say_what_would_be_sent(users, date)
            return
        with StopRequest.watched() as stop, _bar() as bar:
            report = sending.send_due(
                users=users,
                day=date,
                should_stop=lambda: stop.requested,
                before_all=lambda: None if bar.disable else bar.reset(self._to_try(users).count()),
                after_each=bar.update,
            )
        for what, count in asdict(report).items():
            if what not in ("server_away", "braked"):
                self.stdout.write(f"{what}: {count}")
        if stop.requested:
            self.stdout.write("Stopped before the end; the next run goes on from here.")
            sys.exit(stop.exit_code)
        if report.braked:
            self.stdout.write("Sending is stopped for everybody (manage.py sending_brake status); the rest waits.")
        if report.server_away:
            raise CommandError(
                f"The mail server is of no use now ({report.server_away}); the rest waits for the next run."
            )
        if report.failed or report.later:
            raise CommandError(f"{report.failed + report.later} could not be sent; the admin shows which and why.")

    def _users(self, name: str | None) -> QuerySet[Any] | None:
        if name is None:
            return None
        model = get_user_model()
        users = model.objects.filter(**{model.USERNAME_FIELD: name})
        if not users.exists():
            raise CommandError(f"There is no user {name!r}.")
        return users

    def _to_try(self, users: QuerySet[Any] | None) -> QuerySet[DigestRun]:
        waiting = DigestRun.objects.pending().filter(next_attempt_at__lte=timezone.now())
        return waiting if users is None else waiting.filter(user__in=users)

    def _say_what_would_be_sent(self, users: QuerySet[Any] | None, day: dt.date | None) -> None:
        reader, found = content.Reader(), 0
        waiting = runs.chunks(list(self._to_try(users).order_by("due_at", "pk")), runs.BATCH)
        for some in chain(waiting, runs.would_open(timezone.now(), day, users)):
            for run, digest in zip(some, reader.read(some) if some else [], strict=True):
                found += 1
                how = run.error or ("waits" if run.pk else "new")
                said = ", ".join(f"{what} {count}" for what, count in digest.counts.items())
                self.stdout.write(f"user {run.user_id}, {run.local_date}, {how}: {said}")
        self.stdout.write(f"digests: {found}; nothing was written or sent")


def _bar() -> tqdm[Any]:
    """On a terminal only."""
    return tqdm(unit="mail", desc="Sending", disable=not sys.stderr.isatty())


def _date(text: str) -> dt.date:
    try:
        return dt.date.fromisoformat(text)
    except ValueError as error:
        raise ArgumentTypeError("Give a date such as 2026-03-29.") from error
