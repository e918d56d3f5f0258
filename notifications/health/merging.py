"""Adds up counts of periods, whatever their shape: numbers, lists of numbers, and mappings of either."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any


def merge(every: Iterable[dict[str, Any]]) -> dict[str, Any]:
    total: dict[str, Any] = {}
    for counts in every:
        _add(total, counts)
    return total


def _add(total: dict[str, Any], counts: dict[str, Any]) -> None:
    for name, value in counts.items():
        if isinstance(value, dict):
            _add(total.setdefault(name, {}), value)
        elif isinstance(value, list):
            so_far = total.get(name, [0] * len(value))
            total[name] = [mine + theirs for mine, theirs in zip(so_far, value, strict=True)]
        else:
            total[name] = total.get(name, 0) + value
