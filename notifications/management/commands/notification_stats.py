"""The figures of the delivery health page, on a terminal or as JSON."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from django.utils import timezone

from notifications.health import judging, report, standing
from notifications.health.as_json import as_json
from notifications.health.judging import State, Tile, channel_name, reason_name
from notifications.health.periods import Range
from notifications.health.report import Report
from notifications.health.words import duration, number, percent
from notifications.models import DeliveryState
from zenithedge import shared_values
from zenithedge.commands import Command as BaseCommand
from zenithedge.languages import in_english

Line = Sequence[str]


class Command(BaseCommand):
    help = (
        "Say whether insights reach their traders: the figures of the delivery health page. They are what "
        "roll_up_figures has counted last, which the schedule runs each minute; what is waiting is asked now. It only "
        "reads, takes milliseconds, and ends with 0 whatever it finds: `state` in the JSON is good, warn, bad or "
        "none."
    )
    when = "When somebody asks how things stand and no browser is at hand; from a script, with --json."
    examples = ("", "--range 1h", "--json | jq .state", "--range 30d --json | jq '.deliveries.push'")

    def add_arguments(self, parser: ArgumentParser) -> None:
        ranges = [range_.value for range_ in Range]
        parser.add_argument("--range", choices=ranges, default=Range.DAY.value, help="How far back. Default: 24h.")
        parser.add_argument("--json", action="store_true", help="JSON: seconds, shares from 0 to 1, times in UTC.")

    @in_english
    def work(self, *, range: str, json: bool, **options: Any) -> None:
        found = report.read(Range(range), timezone.now())
        # The server processes' sockets are known here only when they share their numbers.
        tiles = judging.tiles(found, sockets=standing.open_sockets() if shared_values.in_use() else None)
        self.stdout.write(_json(found, tiles) if json else "\n".join(_lines(found, tiles)))


def _json(found: Report, tiles: Sequence[Tile]) -> str:
    return json.dumps(as_json(found, tiles), indent=2, ensure_ascii=False)


def _lines(found: Report, tiles: Sequence[Tile]) -> Iterator[str]:
    yield f"{found.since:%Y-%m-%d %H:%M} to {found.now:%Y-%m-%d %H:%M:%S} UTC: {judging.worst(tiles).label}"
    yield from _table(None, ((str(tile.title), tile.value, _mark(tile), tile.words) for tile in tiles), left=4)
    yield from _table(
        ("From stage to stage", "p50", "p95", "p99", "measured"),
        (
            (str(stage.label), duration(one.p50_s), duration(one.p95_s), duration(one.p99_s), number(one.count))
            for stage, one in found.latencies.items()
        ),
    )
    yield from _table(
        ("Deliveries", *(str(state.label).lower() for state in DeliveryState), "got through"),
        (
            (
                channel_name(one.channel),
                *(number(one.states.get(state, 0)) for state in DeliveryState),
                percent(one.success),
            )
            for one in found.deliveries
        ),
    )
    yield from _table(
        ("Hidden by preferences", "decisions", "insights"),
        ((reason_name(one.reason), number(one.users), number(one.insights)) for one in found.hidden),
    )
    yield from _table(("Unread notifications", "users"), _spread(found.unread))
    yield from _table(("Notifications of a day", "users and days"), _spread(found.per_user_and_day))


def _mark(tile: Tile) -> str:
    return "" if tile.state is State.NONE else tile.state.value.upper()


def _spread(classes: dict[str, int]) -> Iterator[Line]:
    return ((name, number(users)) for name, users in classes.items())


def _table(head: Line | None, lines: Iterable[Line], *, left: int = 1) -> Iterator[str]:
    """Columns as wide as they need; the first `left` are text, the others figures. Nothing for no lines."""
    rows = list(lines)
    if not rows:
        return
    yield ""
    shown = [*([head] if head else []), *rows]
    widths = [max(map(len, column)) for column in zip(*shown, strict=True)]
    for row in shown:
        cells = zip(row, widths, strict=True)
        yield "  ".join(
            cell.ljust(width) if index < left else cell.rjust(width) for index, (cell, width) in enumerate(cells)
        ).rstrip()
