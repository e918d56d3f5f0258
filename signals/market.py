"""Daily closes of twenty currency pairs, from the euro reference rates of the European Central Bank. Pure; read once.

The file gives the units of each currency for one euro; every pair is crossed from two of these rates.
"""

from __future__ import annotations

import csv
import datetime as dt
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from functools import cache
from pathlib import Path
from typing import NamedTuple

RATES_FILE = Path(__file__).parent / "data" / "ecb_reference_rates.csv"

PAIRS = (
    "EURUSD",
    "GBPUSD",
    "USDJPY",
    "USDCHF",
    "AUDUSD",
    "USDCAD",
    "NZDUSD",
    "EURGBP",
    "EURJPY",
    "EURCHF",
    "GBPJPY",
    "EURAUD",
    "EURCAD",
    "EURSEK",
    "EURNOK",
    "GBPAUD",
    "GBPCHF",
    "AUDJPY",
    "AUDNZD",
    "CADJPY",
)
CURRENCIES = frozenset({"USD", "JPY", "GBP", "CHF", "AUD", "CAD", "NZD", "SEK", "NOK"})

# The rates are published at about 16:00 Central European Time, so by 15:00 UTC in summer and in winter.
# Before this hour a day's close is the future.
CLOSE_TIME = dt.time(15, tzinfo=dt.UTC)

# ECB's own sign for "no rate this day" in its full history, and the empty cell of its other files.
MISSING = frozenset({"", "N/A"})

Rates = Mapping[dt.date, Mapping[str, Decimal]]


class MarketDataError(ValueError):
    """The rates cannot be used; the message names the line."""


class Close(NamedTuple):
    at: dt.datetime
    price: Decimal


@dataclass(frozen=True)
class Series:
    """The closes of one pair, oldest first. `values` are the prices as floats, for statistics."""

    symbol: str
    days: tuple[dt.date, ...]
    prices: tuple[Decimal, ...]
    values: tuple[float, ...]

    def known_at(self, moment: dt.datetime) -> int:
        """How many of the closes were known at that moment."""
        moment = moment.astimezone(dt.UTC)
        today_is_known = moment.timetz() >= CLOSE_TIME
        return bisect_right(self.days, moment.date() if today_is_known else moment.date() - dt.timedelta(days=1))

    def values_at(self, moment: dt.datetime, count: int) -> tuple[float, ...]:
        """The last `count` closes known at that moment, or all of them when there are fewer."""
        known = self.known_at(moment)
        return self.values[max(0, known - count) : known]

    def between(self, after: dt.datetime, until: dt.datetime) -> Iterator[Close]:
        """The closes that became known after the one moment and not after the other."""
        for index in range(self.known_at(after), self.known_at(until)):
            yield Close(close_time(self.days[index]), self.prices[index])


def close_time(day: dt.date) -> dt.datetime:
    """The moment from which that day's close is known."""
    return dt.datetime.combine(day, CLOSE_TIME)


@cache
def series(symbol: str) -> Series | None:
    """The closes of one of `PAIRS`; None for any other symbol."""
    return cross(_rates(), symbol) if symbol in PAIRS else None


def cross(rates: Rates, symbol: str) -> Series:
    """Price one unit of the pair's first currency in units of its second, on each day that has both rates."""
    base, quote = symbol[:3], symbol[3:]
    step = price_step(symbol)
    closes = [
        (day, (row[quote] / row[base]).quantize(step))
        for day, row in sorted(rates.items())
        if base in row and quote in row
    ]
    days, prices = tuple(day for day, _ in closes), tuple(price for _, price in closes)
    return Series(symbol, days, prices, tuple(float(price) for price in prices))


def price_step(symbol: str) -> Decimal:
    """The market's convention: five decimals, three for pairs against the yen."""
    return Decimal("0.001") if symbol.endswith("JPY") else Decimal("0.00001")


def parse_rates(lines: Iterable[str]) -> Rates:
    """Read the ECB's table. A missing cell leaves its currency out of that day; any other odd cell raises."""
    reader = csv.DictReader(lines)
    if not reader.fieldnames or reader.fieldnames[0].lower() != "date":
        raise MarketDataError("The first line must name the columns, the first of them 'date'.")
    rates: dict[dt.date, dict[str, Decimal]] = {}
    for cells in reader:
        day = _day(cells[reader.fieldnames[0]], reader.line_num)
        if day in rates:
            raise MarketDataError(f"Line {reader.line_num}: {day} comes twice.")
        rates[day] = _row(cells, reader.line_num)
    return rates


@cache
def _rates() -> Rates:
    with RATES_FILE.open(encoding="utf-8", newline="") as lines:
        return parse_rates(lines)


def _row(cells: Mapping[str, str | None], line: int) -> dict[str, Decimal]:
    row = {"EUR": Decimal(1)}
    for currency in CURRENCIES:
        text = (cells.get(currency) or "").strip()
        if text not in MISSING:
            row[currency] = _rate(text, currency, line)
    return row


def _day(text: str, line: int) -> dt.date:
    try:
        return dt.date.fromisoformat(text)
    except ValueError as error:
        raise MarketDataError(f"Line {line}: {text!r} is no date.") from error


def _rate(text: str, currency: str, line: int) -> Decimal:
    try:
        rate = Decimal(text)
    except InvalidOperation as error:
        raise MarketDataError(f"Line {line}: {currency} is {text!r}, which is no number.") from error
    if not rate.is_finite() or rate <= 0:
        raise MarketDataError(f"Line {line}: {currency} is {text}, which is no rate.")
    return rate
