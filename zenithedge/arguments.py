"""Values that commands take, and what is said of others."""

from __future__ import annotations

import datetime as dt
from argparse import ArgumentTypeError
from collections.abc import Callable


def whole_from(least: int, most: int) -> Callable[[str], int]:
    """A whole number of this range, both ends included."""

    def whole(text: str) -> int:
        if not (text.isascii() and text.isdecimal() and least <= int(text) <= most):
            raise ArgumentTypeError(f"Give a whole number from {least} to {most:,}.")
        return int(text)

    return whole


def day(text: str) -> dt.date:
    try:
        return dt.date.fromisoformat(text)
    except ValueError as error:
        raise ArgumentTypeError(f"{text!r} is no day like 2024-01-01.") from error
