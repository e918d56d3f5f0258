"""The track record: what became of the closed insights, by strategy, by symbol and by AI confidence.

It counts outcomes that were settled (signals/outcomes.py), never a forecast, and shows how little a small count says:
each win rate comes with its 95 % interval (Wilson's score interval, E. B. Wilson, JASA 22 (1927), 209–212).
"""

from __future__ import annotations

import datetime as dt
import math
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, NamedTuple

from django.db.models import Count, IntegerField, Max, Min, Value
from django.db.models.functions import Cast, Coalesce, Floor, Least

from signals.models import Outcome, Signal

# Fewer closed insights than this say nothing about the next one.
FEWEST_TOLD = 20
Z_95 = 1.96
BAND_WIDTH = 10
LAST_TENTH = 9
# The drawing is 100 wide, 10 for each band, and this high.
HEIGHT = 40


@dataclass(slots=True)
class Record:
    """How many reached their target, and how many their stop."""

    won: int = 0
    lost: int = 0

    def add(self, outcome: str, count: int) -> None:
        self.won += count if outcome == Outcome.WIN else 0
        self.lost += count if outcome == Outcome.LOSS else 0

    @property
    def closed(self) -> int:
        return self.won + self.lost

    @property
    def win_rate(self) -> int | None:
        """In percent, rounded half up; None while none is closed."""
        return (200 * self.won + self.closed) // (2 * self.closed) if self.closed else None

    @property
    def tells(self) -> bool:
        """Whether there are enough of them to say something."""
        return self.closed >= FEWEST_TOLD

    @property
    def interval(self) -> tuple[float, float]:
        """Between which percentages the true win rate lies, at 95 %; (0, 100) while none is closed."""
        if not self.closed:
            return 0.0, 100.0
        share, weight = self.won / self.closed, Z_95**2 / self.closed
        middle = (share + weight / 2) / (1 + weight)
        reach = math.sqrt(share * (1 - share) * weight + weight**2 / 4) / (1 + weight)
        return round(max(0.0, 100 * (middle - reach)), 2), round(min(100.0, 100 * (middle + reach)), 2)


class Band(NamedTuple):
    """A tenth of the confidence scale: 80 to 89.99; the last one holds 100 too."""

    low: int

    @property
    def high(self) -> int:
        return 100 if self.low == LAST_TENTH * BAND_WIDTH else self.low + BAND_WIDTH - 1

    @classmethod
    def of(cls, confidence: Decimal) -> Band:
        return cls(min(int(confidence) // BAND_WIDTH, LAST_TENTH) * BAND_WIDTH)

    def __str__(self) -> str:
        return f"{self.low}–{self.high}"


class Column(NamedTuple):
    """One band in the drawing, in units of its 100 × HEIGHT view box."""

    record: Record
    left: float
    middle: float
    top: float
    height: float
    reach_top: float
    reach_bottom: float


@dataclass(frozen=True, slots=True)
class TrackRecord:
    """`bands` from low to high, those without a closed insight left out; names by the number of closed ones."""

    overall: Record
    bands: list[tuple[Band, Record]]
    strategies: list[tuple[str, Record]]
    symbols: list[tuple[str, Record]]
    since: dt.datetime | None
    until: dt.datetime | None
    levels = [round(HEIGHT * share, 1) for share in (0.0, 0.25, 0.5, 0.75, 1.0)]
    tenths = [Band(low) for low in range(0, 100, BAND_WIDTH)]

    @property
    def columns(self) -> list[Column]:
        return [_column(band, record) for band, record in self.bands]

    @property
    def telling(self) -> list[tuple[Band, Record, Column]]:
        """The bands of which there are enough closed insights to say something, with their places in the drawing."""
        return [(band, record, _column(band, record)) for band, record in self.bands if record.tells]


@dataclass(slots=True)
class _Tables:
    bands: defaultdict[Band, Record] = field(default_factory=lambda: defaultdict(Record))
    strategies: defaultdict[str, Record] = field(default_factory=lambda: defaultdict(Record))
    symbols: defaultdict[str, Record] = field(default_factory=lambda: defaultdict(Record))
    overall: Record = field(default_factory=Record)


def read(user: Any) -> TrackRecord:
    """Of the closed insights that the user may see: the own ones and those of the house. Two queries."""
    closed = _closed_for(user)
    tables = _Tables()
    for row in _grouped(closed, "strategy", "symbol"):
        for record in (
            tables.bands[Band(row["tenth"] * BAND_WIDTH)],
            tables.strategies[row["strategy"]],
            tables.symbols[row["symbol"]],
            tables.overall,
        ):
            record.add(row["outcome"], row["count"])
    span = closed.aggregate(since=Min("closed_at"), until=Max("closed_at"))
    return TrackRecord(
        overall=tables.overall,
        bands=sorted(tables.bands.items()),
        strategies=_most_first(tables.strategies),
        symbols=_most_first(tables.symbols),
        since=span["since"],
        until=span["until"],
    )


def of_band(user: Any, confidence: Decimal) -> tuple[Band, Record]:
    """What became of the closed insights whose AI confidence was in the same tenth as this one."""
    band, record = Band.of(confidence), Record()
    for row in _grouped(_closed_for(user).filter(tenth=band.low // BAND_WIDTH)):
        record.add(row["outcome"], row["count"])
    return band, record


def _closed_for(user: Any) -> Any:
    """Signals annotated with `tenth`, from 0 to 9: which of the bands the AI confidence is in."""
    ai_confidence = Coalesce("validation__truth_index", "confidence")
    tenth = Least(Cast(Floor(ai_confidence / BAND_WIDTH), IntegerField()), Value(LAST_TENTH))
    return Signal.objects.visible_to(user).closed().order_by().annotate(tenth=tenth)


def _grouped(closed: Any, *names: str) -> Any:
    return closed.values("tenth", "outcome", *names).annotate(count=Count("pk"))


def _column(band: Band, record: Record) -> Column:
    low, high = record.interval
    height = round(HEIGHT * (record.won / record.closed), 2)
    return Column(
        record=record,
        left=band.low + 2,
        middle=band.low + BAND_WIDTH / 2,
        top=round(HEIGHT - height, 2),
        height=height,
        reach_top=round(HEIGHT - HEIGHT * high / 100, 2),
        reach_bottom=round(HEIGHT - HEIGHT * low / 100, 2),
    )


def _most_first(records: Mapping[str, Record]) -> list[tuple[str, Record]]:
    return sorted(records.items(), key=lambda entry: (-entry[1].closed, entry[0]))
