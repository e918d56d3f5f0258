"""Much at once, in slices of which each is little."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeVar

T = TypeVar("T")


def chunks(rows: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    """`itertools.batched` of Python 3.12, which does not slice."""
    for start in range(0, len(rows), size):
        yield rows[start : start + size]
