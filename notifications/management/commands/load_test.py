"""How fast is this installation, and does it lose anything? See `notifications.load_test`."""

from __future__ import annotations

from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from notifications import load_test, probe_traders
from notifications.load_test import LoadTestError, Outcome, percentile
from notifications.probe_traders import LOAD_TEST, sigterm_as_ctrl_c

MAX_INSIGHTS = 10_000
MAX_USERS = 2_000


class Command(BaseCommand):
    help = (
        "Post alerts to a running installation and measure until each is on its trader's socket. Makes accounts of its "
        "own and deletes them, with everything that came of it. Fails when an insight is lost, comes twice or is slow."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--insights", type=_from_1_to(MAX_INSIGHTS), default=100, help="Alerts, posted without a pause."
        )
        parser.add_argument("--users", type=_from_1_to(MAX_USERS), default=100, help="Traders, a socket each.")
        parser.add_argument("--url", default=settings.SITE_URL, help="The installation. Default: %(default)s.")
        parser.add_argument("--slowest", type=float, default=5.0, help="Seconds that one may take. Default: 5.")
        parser.add_argument(
            "--remove-left-over", action="store_true", help="Only delete what runs that were killed have left behind."
        )

    def handle(
        self, *args: Any, insights: int, users: int, url: str, slowest: float, remove_left_over: bool, **options: Any
    ) -> None:
        if remove_left_over:
            self.stdout.write(f"removed accounts: {probe_traders.remove(LOAD_TEST)}")
            return
        self.stdout.write(
            f"Making {users} accounts named {LOAD_TEST.prefix}-…, opening a socket for each at {url} and posting "
            f"{insights} alerts to their webhooks without a pause. The accounts are deleted afterwards."
        )
        self.stdout.flush()
        try:
            with sigterm_as_ctrl_c(), probe_traders.traders(LOAD_TEST, users) as traders:
                outcome = load_test.measure(url, traders, insights)
        except (LoadTestError, ValueError) as error:
            raise CommandError(str(error)) from error
        except KeyboardInterrupt:
            raise CommandError("Stopped; the accounts are deleted.", returncode=130) from None
        self._report(outcome)
        if not outcome.passes(slowest_s=slowest):
            raise CommandError(f"Not good enough: nothing may be refused, lost, doubled, or take over {slowest:g} s.")

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


def _from_1_to(largest: int) -> Any:
    def whole(text: str) -> int:
        if not (text.isascii() and text.isdecimal() and 1 <= int(text) <= largest):
            raise ArgumentTypeError(f"Give a whole number from 1 to {largest:,}.")
        return int(text)

    return whole
