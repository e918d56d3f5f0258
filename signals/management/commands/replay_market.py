"""Walks through past days and posts each setup that the strategies find to the webhook, as TradingView would."""

from __future__ import annotations

import datetime as dt
import os
import sys
from argparse import ArgumentTypeError
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError, CommandParser
from tqdm import tqdm

from signals import market, replay, strategies
from signals.strategies import Setup
from signals.webhook_client import AddressError, WebhookClient
from zenithedge import locks
from zenithedge.arguments import day
from zenithedge.commands import Command as BaseCommand
from zenithedge.commands import MisuseError

TOKEN_VARIABLE = "ZENITHEDGE_WEBHOOK_TOKEN"  # noqa: S105 - the variable's name


class Command(BaseCommand):
    help = (
        "Post the setups of past days to the webhook, in order. The token comes from the environment "
        f"({TOKEN_VARIABLE}; several, separated by commas, share the setups). A later run goes on where the last ended."
    )
    when = "To see a site with real market data coming in, as `manage.py demo` does; never into one that is in use."
    examples = (
        "--list --from 2024-01-02 --to 2024-01-31",
        "--symbols EURUSD,GBPUSD --per-minute 60",
        "--url https://hub.example.org --per-minute 0",
    )
    alone_because = "both would go on from the same position and send the same alerts."
    left = ""
    requires_system_checks: list[str] = []  # a client of a server that may be anywhere

    def add_arguments(self, parser: CommandParser) -> None:
        add = parser.add_argument
        add(
            "--from",
            dest="first",
            type=day,
            default=dt.date(2024, 1, 1),
            help="First day. Default: 2024-01-01.",
        )
        add(
            "--to",
            dest="last",
            type=day,
            default=dt.date.max,
            help="Last day. Default: the last one with rates.",
        )
        add("--per-minute", type=_not_negative, default=15, help="0: as fast as the server takes them. Default: 15.")
        add("--burst", type=_not_negative, default=3, help="So many of the first at once. Default: 3.")
        add("--url", default="http://127.0.0.1:8000", help="The server. Default: http://127.0.0.1:8000.")
        add("--symbols", type=_symbols, default=market.PAIRS, help="Such as EURUSD,GBPUSD. Default: all 20 pairs.")
        add("--loop", action="store_true", help="Start over after the last day, with new alerts.")
        add("--restart", action="store_true", help="Start at the first day; what the server knows is passed over.")
        add(
            "--position", type=Path, default=settings.VAR_DIR / "replay_position.json", help="Where the last run ended."
        )
        add("--list", action="store_true", help="Print the setups, send nothing.")

    def work(self, **options: Any) -> Mapping[str, int] | None:
        setups = strategies.setups_between(options["first"], options["last"], options["symbols"])
        if options["list"]:
            self._list(setups)
            return None
        return self._replay(setups, options)

    def lock(self, **options: Any) -> AbstractContextManager[None]:
        """The position is a file, and the server's database may be anywhere."""
        return nullcontext() if options["list"] else locks.in_file(options["position"].with_suffix(".lock"))

    def _list(self, setups: list[Setup]) -> None:
        try:
            for setup in setups:
                self.stdout.write(
                    f"{replay.describe(setup)} stop {setup.sl} target {setup.tp} {setup.regime} {setup.confidence} %"
                )
            self.stdout.write(f"{len(setups):,} setups.")
            self.stdout.flush()
        except BrokenPipeError:
            # The reader has seen enough (`| head`). Python's own flush at the end must not fail on the pipe again.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())

    def _replay(self, setups: list[Setup], options: dict[str, Any]) -> Mapping[str, int]:
        tokens = _tokens()
        position = replay.Position(options["position"], tokens)
        try:
            client = WebhookClient(options["url"])
            pace = replay.Pace(options["per_minute"], options["burst"])
            run = replay.Replay(client, tokens, pace, self.stop, self._say, position)
            self._run(run, setups, after="" if options["restart"] else position.read(), loop=options["loop"])
        except (AddressError, replay.ReplayError) as error:
            raise CommandError(str(error)) from error
        if run.summary.refused and not self.stop.requested:
            raise CommandError("The server refused some setups: the lines above say why.")
        return {"accepted": run.summary.accepted, "refused": run.summary.refused}

    def _run(self, run: replay.Replay, setups: list[Setup], *, after: str, loop: bool) -> None:
        """Deliver all alerts under a progress bar; the summary comes whatever happens."""
        todo = sum(1 for _ in replay.alerts(setups, after=after))
        if not setups:
            self.stdout.write("The strategies found no setup for these days and symbols.")
        elif not todo and not loop:
            self.stdout.write("All of these setups were sent by an earlier run: --restart or --loop sends them again.")
        delivered = run.run(replay.alerts(setups, loop=loop, after=after))
        try:
            for _ in tqdm(delivered, total=None if loop else todo, unit="alert", disable=not sys.stderr.isatty()):
                pass
        finally:
            run.client.close()
            self.stdout.write(f"Replay: {run.summary}.")

    def _say(self, line: str) -> None:
        """Above the progress bar when there is one."""
        with tqdm.external_write_mode(file=sys.stdout):
            self.stdout.write(line)
            self.stdout.flush()


def _tokens() -> list[str]:
    tokens = [token.strip() for token in os.environ.get(TOKEN_VARIABLE, "").split(",") if token.strip()]
    if not tokens:
        raise MisuseError(f"Set {TOKEN_VARIABLE} to a webhook's token: `manage.py webhook_token USERNAME` makes one.")
    return tokens


def _not_negative(text: str) -> int:
    if not (text.isascii() and text.isdigit()):
        raise ArgumentTypeError(f"{text!r} is no whole number from 0 on.")
    return int(text)


def _symbols(text: str) -> tuple[str, ...]:
    symbols = tuple(symbol.strip().upper() for symbol in text.split(",") if symbol.strip())
    unknown = sorted(set(symbols) - set(market.PAIRS))
    if unknown or not symbols:
        raise ArgumentTypeError(f"No rates for {', '.join(unknown) or 'nothing'}; known: {', '.join(market.PAIRS)}.")
    return symbols
