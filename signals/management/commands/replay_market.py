"""Walks through past days and posts each setup that the strategies find to the webhook, as TradingView would."""

from __future__ import annotations

import datetime as dt
import os
import signal
import sys
import time
from argparse import ArgumentTypeError
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from tqdm import tqdm

from signals import market, replay, strategies
from signals.strategies import Setup
from signals.webhook_client import AddressError, WebhookClient

TOKEN_VARIABLE = "ZENITHEDGE_WEBHOOK_TOKEN"  # noqa: S105 - the variable's name
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)
POLL_S = 0.2


class Command(BaseCommand):
    help = (
        "Post the setups of past days to the webhook, in order. The token comes from the environment "
        f"({TOKEN_VARIABLE}; several, separated by commas, share the setups). A later run goes on where the last ended."
    )
    requires_system_checks: list[str] = []  # a client of a server that may be anywhere

    def add_arguments(self, parser: CommandParser) -> None:
        add = parser.add_argument
        add("--from", dest="first", type=_day, default=dt.date(2024, 1, 1), help="First day. Default: 2024-01-01.")
        add("--to", dest="last", type=_day, default=dt.date.max, help="Last day. Default: the last one with rates.")
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

    def handle(self, *args: Any, **options: Any) -> None:
        setups = strategies.setups_between(options["first"], options["last"], options["symbols"])
        if options["list"]:
            self._list(setups)
        else:
            self._replay(setups, options)

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

    def _replay(self, setups: list[Setup], options: dict[str, Any]) -> None:
        tokens = _tokens()
        position = replay.Position(options["position"], tokens)
        with _stop_on_signals() as stop:
            try:
                client = WebhookClient(options["url"])
                pace = replay.Pace(options["per_minute"], options["burst"])
                run = replay.Replay(client, tokens, pace, stop, self._say, position)
                self._run(run, setups, after="" if options["restart"] else position.read(), loop=options["loop"])
            except (AddressError, replay.ReplayError) as error:
                raise CommandError(str(error)) from error
        if stop.signal_number:
            sys.exit(128 + stop.signal_number)  # as a shell reports it
        if run.summary.refused:
            raise CommandError("The server refused some setups: the lines above say why.")

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


class _StopRequest:
    """A flag that a signal handler may set at any moment; `threading.Event` could deadlock with its own `wait`."""

    signal_number = 0

    def is_set(self) -> bool:
        return bool(self.signal_number)

    def wait(self, timeout: float) -> bool:
        deadline = time.monotonic() + timeout
        while not self.signal_number and (left := deadline - time.monotonic()) > 0:
            time.sleep(min(left, POLL_S))
        return self.is_set()


@contextmanager
def _stop_on_signals() -> Iterator[_StopRequest]:
    """Ctrl-C and SIGTERM end the replay between two alerts."""
    stop = _StopRequest()

    def on_signal(number: int, frame: object) -> None:
        stop.signal_number = number

    before = {number: signal.signal(number, on_signal) for number in STOP_SIGNALS}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _tokens() -> list[str]:
    tokens = [token.strip() for token in os.environ.get(TOKEN_VARIABLE, "").split(",") if token.strip()]
    if not tokens:
        raise CommandError(f"Set {TOKEN_VARIABLE} to a webhook's token: `manage.py webhook_token USERNAME` makes one.")
    return tokens


def _day(text: str) -> dt.date:
    try:
        return dt.date.fromisoformat(text)
    except ValueError as error:
        raise ArgumentTypeError(f"{text!r} is no day like 2024-01-01.") from error


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
