"""Fills a database for trials, and empties it of that again; see `notifications.seeding`."""

from __future__ import annotations

from argparse import ArgumentParser
from collections import Counter
from collections.abc import Mapping
from typing import Any

from notifications.seeding import filling, marks, planning, removing
from notifications.seeding.tables import Report
from zenithedge.arguments import whole_from
from zenithedge.commands import Command as BaseCommand
from zenithedge.commands import MisuseError


class Command(BaseCommand):
    help = (
        "Fill a database for trials with traders who do not exist and with what a busy site has of them after a "
        "month: preferences and their history, webhooks (a few of them silent), insights with their dispatches, "
        "notifications in every state at their positions, deliveries over each channel with their errors, daily "
        "e-mails. Nothing is dispatched, sent or hinted, and nothing can be: their addresses end in .invalid."
    )
    when = (
        "Before measuring pages, queries or commands on a database of a size that yours will have one day. Never on "
        "one that people use: their lists stay as they are, but the figures of the whole site become meaningless. "
        "Where its schedule runs, set EMAIL_URL=dummymail://, or the daily e-mails of these traders bounce. A million "
        "notifications take about four minutes, 2 GB of memory and 1.5 GB of PostgreSQL's disk."
    )
    examples = (
        "--users 10000 --notifications 1000000",
        "--users 50 --notifications 2000 --days 7 --seed 2",
        "--remove",
    )
    alone_because = "two would draw the same names."
    left = "Stopped before the end; --remove takes away what was made."

    def add_arguments(self, parser: ArgumentParser) -> None:
        add = parser.add_argument
        add("--users", type=whole_from(1, 200_000), default=100, help="Traders to make. Default: 100.")
        add(
            "--notifications",
            type=whole_from(0, 20_000_000),
            default=10_000,
            help="How many they have altogether. Default: 10000.",
        )
        add("--days", type=whole_from(1, 365), default=30, help="They came in the last so many days. Default: 30.")
        add("--seed", type=int, default=1, help="The same number makes the same data. Default: 1.")
        add(
            "--yes-into-this-database",
            action="store_true",
            help="Although it has accounts that this command has not made.",
        )
        add("--remove", action="store_true", help="Only delete what this command has made, and what came of it.")

    def work(
        self,
        *,
        users: int,
        notifications: int,
        days: int,
        seed: int,
        remove: bool,
        yes_into_this_database: bool,
        **options: Any,
    ) -> Mapping[str, int]:
        done: Counter[str] = Counter()
        if remove:
            with self.progress(None, "row", **options) as bar:
                removing.remove(_into(done, bar), lambda: self.stop.requested)
        else:
            self._check(allowed=yes_into_this_database)
            plan = planning.plan(users=users, notifications=notifications, days=days, seed=seed)
            with self.progress(planning.rows_of(plan), "row", **options) as bar:
                filling.fill(plan, _into(done, bar), lambda: self.stop.requested)
        for what, rows in done.items():
            self.stdout.write(f"{what}: {rows:,} {'removed' if remove else 'made'}")
        return done

    def _check(self, *, allowed: bool) -> None:
        if marks.seeded_users().exists():
            raise MisuseError("This database is filled already: --remove takes that away.")
        if not allowed and (real := marks.real_users().count()):
            raise MisuseError(
                f"This database has {real} accounts that this command has not made, and is perhaps in use. "
                "--yes-into-this-database fills it all the same."
            )


def _into(done: Counter[str], bar: Any) -> Report:
    def report(what: str, rows: int) -> None:
        done[what] += rows
        bar.set_postfix_str(what, refresh=False)
        bar.update(rows)

    return report
