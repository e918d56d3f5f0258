"""Sends the daily e-mails that are due; see `notifications.digests.sending`."""

from __future__ import annotations

import datetime as dt
from argparse import ArgumentParser
from collections.abc import Mapping
from dataclasses import asdict
from itertools import chain
from typing import Any

from django.contrib.auth import get_user_model
from django.core.management.base import CommandError
from django.db.models import QuerySet
from django.utils import timezone

from notifications.digests import content, runs, sending
from notifications.models import DigestRun
from zenithedge import arguments
from zenithedge.chunks import chunks
from zenithedge.commands import Command as BaseCommand
from zenithedge.commands import MisuseError


class Command(BaseCommand):
    help = (
        "Send the daily e-mails that are due and not sent yet; running it twice sends nothing twice. Ends with 1 when "
        "a mail was refused or the server is away; what is left goes out with the next run."
    )
    when = (
        "By itself never, where the worker thread, Celery's beat or a timer runs the schedule (every minute). By hand "
        "after the mail server was away, first with --dry-run, or for a user who missed a day, with --user and "
        "--date."
    )
    examples = ("--dry-run", "--user alice", "--user alice --date 2026-03-29")
    alone_because = "the mail server would be asked twice as much at once as it is meant to."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--dry-run", action="store_true", help="Only say what would be sent; write and send nothing."
        )
        parser.add_argument("--user", metavar="USERNAME", help="Only this user's.")
        parser.add_argument(
            "--date",
            type=arguments.day,
            metavar="YYYY-MM-DD",
            help="Those of this local date, for who has none of it yet, whatever the time is.",
        )

    def work(self, *, dry_run: bool, user: str | None, date: dt.date | None, **options: Any) -> Mapping[str, int]:
        users = self._users(user)
        if dry_run:
            return {"would be sent": self._say_what_would_be_sent(users, date)}
        with self.progress(None, "mail", **options) as bar:
            report = sending.send_due(
                users=users,
                day=date,
                should_stop=self.stop.is_set,
                before_all=lambda: None if bar.disable else bar.reset(self._to_try(users).count()),
                after_each=bar.update,
            )
        counts = {what: count for what, count in asdict(report).items() if what not in ("server_away", "braked")}
        for what, count in counts.items():
            self.stdout.write(f"{what}: {count}")
        if not self.stop.requested:
            self._judge(report)
        return counts

    def _judge(self, report: sending.Report) -> None:
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
            raise MisuseError(f"There is no user {name!r}.")
        return users

    def _to_try(self, users: QuerySet[Any] | None) -> QuerySet[DigestRun]:
        waiting = DigestRun.objects.pending().filter(next_attempt_at__lte=timezone.now())
        return waiting if users is None else waiting.filter(user__in=users)

    def _say_what_would_be_sent(self, users: QuerySet[Any] | None, day: dt.date | None) -> int:
        reader, found = content.Reader(), 0
        waiting = chunks(list(self._to_try(users).order_by("due_at", "pk")), runs.BATCH)
        for some in chain(waiting, runs.would_open(timezone.now(), day, users)):
            for run, digest in zip(some, reader.read(some) if some else [], strict=True):
                found += 1
                how = run.error or ("waits" if run.pk else "new")
                said = ", ".join(f"{what} {count}" for what, count in digest.counts.items())
                self.stdout.write(f"user {run.user_id}, {run.local_date}, {how}: {said}")
        self.stdout.write(f"digests: {found}; nothing was written or sent")
        return found
