"""How fast is this installation, and does it lose anything? See `notifications.load_test`."""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Mapping, Sequence
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError

from notifications import brake, load_test, probe_traders
from notifications.load_test import LoadTestError, Outcome, percentile
from notifications.probe_traders import LOAD_TEST
from zenithedge.arguments import whole_from
from zenithedge.commands import Command as BaseCommand

MAX_INSIGHTS = 10_000
MAX_USERS = 2_000


class Command(BaseCommand):
    help = (
        "Post alerts to a running installation and measure until each is on its trader's socket. Makes accounts of "
        "its own and deletes them, with everything that came of it. Fails when an insight is lost, comes twice or is "
        "slow."
    )
    when = (
        "After an installation, an upgrade or a change of the machine: does it do what it did? At a quiet hour, since "
        "the load is real."
    )
    examples = ("", "--insights 1000 --users 200 --slowest 2", "--remove-left-over")
    alone_because = "each would measure the other's load, and --remove-left-over would delete accounts in use."
    interrupted = True
    left = "Stopped; the accounts are deleted."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--insights", type=whole_from(1, MAX_INSIGHTS), default=100, help="Alerts, posted without a pause."
        )
        parser.add_argument("--users", type=whole_from(1, MAX_USERS), default=100, help="Traders, a socket each.")
        parser.add_argument("--url", default=settings.SITE_URL, help="The installation. Default: %(default)s.")
        parser.add_argument("--slowest", type=float, default=5.0, help="Seconds that one may take. Default: 5.")
        parser.add_argument(
            "--remove-left-over", action="store_true", help="Only delete what runs that were killed have left behind."
        )

    def work(
        self, *, insights: int, users: int, url: str, slowest: float, remove_left_over: bool, **options: Any
    ) -> Mapping[str, int]:
        if remove_left_over:
            removed = probe_traders.remove(LOAD_TEST)
            self.stdout.write(f"removed accounts: {removed}")
            return {"removed": removed}
        if brake.is_engaged():
            raise CommandError("Sending is stopped for everybody (manage.py sending_brake status): none would arrive.")
        self.stdout.write(
            f"Making {users} accounts named {LOAD_TEST.prefix}-…, opening a socket for each at {url} and posting "
            f"{insights} alerts to their webhooks without a pause. The accounts are deleted afterwards."
        )
        self.stdout.flush()
        try:
            with probe_traders.traders(LOAD_TEST, users) as traders:
                outcome = load_test.measure(url, traders, insights)
        except (LoadTestError, ValueError) as error:
            raise CommandError(str(error)) from error
        self._report(outcome)
        if not outcome.passes(slowest_s=slowest):
            raise CommandError(f"Not good enough: nothing may be refused, lost, doubled, or take over {slowest:g} s.")
        return {"posted": outcome.posted, "shown": len(outcome.shown_s)}

    def _report(self, outcome: Outcome) -> None:
        self.stdout.write(f"{'milliseconds':<24}{'p50':>8}{'p95':>8}{'p99':>8}{'slowest':>9}")
        self.stdout.write(_line("posted → answered", outcome.answered_s))
        self.stdout.write(_line("posted → on the socket", outcome.shown_s))
        self.stdout.write(
            f"posted: {outcome.posted}, on the sockets: {len(outcome.shown_s)}, lost: {outcome.lost}, "
            f"doubled: {outcome.doubled}, refused: {outcome.refused.total()}"
        )
        for refusal, count in outcome.refused.most_common():
            self.stdout.write(f"  {count} × {refusal}")


def _line(name: str, seconds: Sequence[float]) -> str:
    figures = [percentile(seconds, percent) * 1000 for percent in (50, 95, 99, 100)]
    return f"{name:<24}{figures[0]:>8.0f}{figures[1]:>8.0f}{figures[2]:>8.0f}{figures[3]:>9.0f}"
