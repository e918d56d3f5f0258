"""The periods that figures are counted for, and the ranges that are looked at. Pure; all by UTC."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from enum import IntEnum, StrEnum


class Length(IntEnum):
    """Of a period, in seconds. Every period begins at a whole multiple of its length."""

    FIVE_MINUTES = 5 * 60
    HOUR = 60 * 60
    DAY = 24 * 60 * 60

    @property
    def duration(self) -> dt.timedelta:
        return dt.timedelta(seconds=self.value)

    def begin(self, moment: dt.datetime) -> dt.datetime:
        """Of the period that the moment is in."""
        return floor(moment, self.duration)

    def begins(self, first: dt.datetime, end: dt.datetime) -> Iterator[dt.datetime]:
        """Of the periods from `first`, a beginning, up to `end`, which is not among them."""
        while first < end:
            yield first
            first += self.duration


class Range(StrEnum):
    """How far back one looks, as the address and the command have it."""

    HOUR = "1h"
    DAY = "24h"
    WEEK = "7d"
    MONTH = "30d"

    @property
    def duration(self) -> dt.timedelta:
        return {
            Range.HOUR: dt.timedelta(hours=1),
            Range.DAY: dt.timedelta(hours=24),
            Range.WEEK: dt.timedelta(days=7),
            Range.MONTH: dt.timedelta(days=30),
        }[self]

    @property
    def length(self) -> Length:
        """Of the periods that it is put together from: as few as its steps allow."""
        return {
            Range.HOUR: Length.FIVE_MINUTES,
            Range.DAY: Length.HOUR,
            Range.WEEK: Length.HOUR,
            Range.MONTH: Length.DAY,
        }[self]

    @property
    def step(self) -> dt.timedelta:
        """Of its charts: about thirty, so that each can be read and followed."""
        return {
            Range.HOUR: dt.timedelta(minutes=5),
            Range.DAY: dt.timedelta(hours=1),
            Range.WEEK: dt.timedelta(hours=6),
            Range.MONTH: dt.timedelta(days=1),
        }[self]

    def begin(self, now: dt.datetime) -> dt.datetime:
        """Its first step is a whole one, so it is longer than its name says by less than a step."""
        return floor(now - self.duration, self.step)


def floor(moment: dt.datetime, step: dt.timedelta) -> dt.datetime:
    since = moment.astimezone(dt.UTC) - _EPOCH
    return _EPOCH + since // step * step


_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
