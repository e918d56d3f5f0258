"""How long insights take, stage by stage: durations in buckets, and percentiles read back from these. Pure.

A bucket ends at 2^(1/4), about 1.19 times, its begin. A percentile is given as the middle of its bucket by ratio, so it
is at most 9.1 % off the exact one. Buckets can be added up over any number of periods; percentiles could not.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from django.db.models import TextChoices
from django.utils.translation import gettext_lazy as _

BUCKETS_A_DOUBLING = 4
# The first bucket holds all that takes no longer, also what clocks that differ make negative.
LEAST_US = 1000.0
# An open browser hears of everything within its 25 s between two syncs. What takes longer was waiting for one.
LIVE_S = 60


class Stage(TextChoices):
    """Of the way from the webhook to the screen. Each begins where the one before it ends."""

    COMMITTED = "received_committed", _("Received → committed")
    SENT = "committed_sent", _("Committed → sent")
    ACKNOWLEDGED = "sent_acknowledged", _("Sent → acknowledged")
    WHOLE = "received_acknowledged", _("Signal to screen")


@dataclass(frozen=True, slots=True)
class Latency:
    """Percentiles in seconds, None without a measurement."""

    count: int
    p50_s: float | None
    p95_s: float | None
    p99_s: float | None


def bucket_of(duration_s: float) -> int:
    """The database's `counting.Bucket` says the same."""
    us = duration_s * 1_000_000
    return math.floor(math.log(us / LEAST_US) * BUCKETS_A_DOUBLING / math.log(2)) if us > LEAST_US else 0


def summary(buckets: Mapping[int, int]) -> Latency:
    """`buckets` are numbers of durations by bucket."""
    return Latency(sum(buckets.values()), *(percentile_s(buckets, percent) for percent in (50, 95, 99)))


def percentile_s(buckets: Mapping[int, int], percent: int) -> float | None:
    """The duration at the nearest rank: so many percent of all took no longer."""
    rank = math.ceil(sum(buckets.values()) * percent / 100)
    passed = 0
    for bucket in sorted(buckets):
        passed += buckets[bucket]
        if passed >= rank and passed:
            return middle_s(bucket)
    return None


def middle_s(bucket: int) -> float:
    """Three significant digits: more would promise too much."""
    exact = LEAST_US * 2 ** ((bucket + 0.5) / BUCKETS_A_DOUBLING) / 1_000_000
    return float(f"{exact:.3g}")
