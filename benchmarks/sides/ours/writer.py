"""Ours, from the writing side: insights are saved as any part of the site saves them."""

import random
import resource
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any

import django

sys.path.insert(0, str(Path(__file__).parent.parent))
django.setup()

from conversation import converse, saving
from django.db import connection, transaction
from django.db.models.signals import post_save
from insight import HEADLINE, NARRATIVE, TRUTH_INDEX, signal_fields

from notifications import listing, metrics, payloads, realtime, stream
from notifications import signals as receivers
from notifications.manager import NotificationManager
from notifications.models import Inbox, InsightNotification
from signals.models import Signal, TradeValidation


def save(user_id: int | None, tag: int) -> Signal:
    with transaction.atomic():
        signal = Signal.objects.create(user_id=user_id, **signal_fields(tag))
        TradeValidation.objects.create(
            signal=signal, truth_index=TRUTH_INDEX, context_summary=NARRATIVE, news_headline=HEADLINE
        )
    return signal


def house(tag: int) -> float:
    began = time.monotonic()
    save(None, tag)
    return began


def push_house(tag: int) -> dict[str, float]:
    """Save without waking anybody, then have the dispatch run here: stored and published when it returns."""
    uid = "notifications.record_insight"
    post_save.disconnect(sender=TradeValidation, dispatch_uid=uid)
    signal = save(None, tag)
    post_save.connect(receivers.record_insight, sender=TradeValidation, dispatch_uid=uid)
    began, cpu_began = time.monotonic(), time.process_time()
    pushed = NotificationManager.push(signal)
    seconds = time.monotonic() - began
    stored = InsightNotification.objects.filter(signal=signal).count()
    return {"seconds": seconds, "cpu_s": time.process_time() - cpu_began, "stored": stored if pushed else 0}


def mark_reads(users: list[int], times: int, seed: int) -> list[float]:
    """Mark the first notification of so many users read, picked by chance; the seconds that each took."""
    taken = []
    for user_id in random.Random(seed).sample(users, times):  # noqa: S311 - a sample, no secret
        oldest = InsightNotification.objects.filter(user_id=user_id).order_by("seq").values_list("pk", flat=True)[0]
        began = time.perf_counter()
        stream.mark_read(user_id, oldest)
        taken.append(time.perf_counter() - began)
    return taken


def forward(users: list[int], rounds: int, first_tag: int) -> float:
    """Hint one frame to each user, `rounds` times, with nothing stored: only the way to the sockets is measured."""
    row = sample_row(first_tag)
    began = time.monotonic()
    for turn in range(rounds):
        row.seq = first_tag + turn  # positions only grow, or the server would take the hint for an old one
        frame = payloads.notification_frame("new_notification", row, unread_count=1)
        for start in range(0, len(users), 1000):
            if not realtime.publish([(user_id, frame) for user_id in users[start : start + 1000]]):
                raise RuntimeError("The channel layer did not take the hints.")
    Inbox.objects.filter(user_id__in=users).update(last_seq=row.seq)  # or the tick would find the sockets too far
    return began


def burst(users: list[int], each: int) -> dict[str, float]:
    """Hint every stored notification of these users, a hundred in a call; what was counted as dropped meanwhile."""
    rows = InsightNotification.objects.filter(user_id__in=users).with_signal().order_by("seq", "user_id")
    events = [
        (row.user_id, payloads.notification_frame("new_notification", row, unread_count=0, toast=False)) for row in rows
    ]
    before = dropped_hints()
    for start in range(0, len(events), 100):
        realtime.publish(events[start : start + 100])
    return {"dropped": dropped_hints() - before}


def dropped_hints() -> float:
    [family] = metrics.HINTS_DROPPED.collect()
    return sum(sample.value for sample in family.samples if sample.name.endswith("_total"))


def sample_row(tag: int) -> InsightNotification:
    signal = Signal(pk=1, **signal_fields(tag))
    return InsightNotification(
        pk=1, signal=signal, title="🟢 New Insight – EURUSD (1H)", snippet=f"🎯 High confidence (88%). {NARRATIVE}",
        confidence=TRUTH_INDEX, priority="high", news_headline=HEADLINE, expires_at=signal.received_at,
    )  # fmt: skip


# --- Reading ----------------------------------------------------------------------------------------------------------

RAW_LATEST = """
SELECT n.id, n.seq, n.revision, n.title, n.snippet, n.confidence, n.priority, n.news_headline, n.signal_id, s.symbol,
       s.timeframe, s.side, s.strategy, n.reason, n.created_at, n.read, n.expires_at, n.expired_at, n.held_until,
       n.superseded_by_id
FROM notifications_insightnotification n JOIN signals_signal s ON s.id = n.signal_id
WHERE n.user_id = %s AND n.seq IS NOT NULL ORDER BY n.created_at DESC, n.id DESC LIMIT 20
"""
RAW_POSITION = "SELECT last_seq, epoch FROM notifications_inbox WHERE user_id = %s"
RAW_UNREAD = """
SELECT count(*) FROM notifications_insightnotification
WHERE user_id = %s AND seq IS NOT NULL AND NOT read AND expired_at IS NULL AND superseded_by_id IS NULL
"""


def raw(user_id: int, *statements: str) -> None:
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement, [user_id])
            cursor.fetchall()


def listed(user_id: int) -> None:
    listing.read_payloads(user_id, listing.Wanted())


def reading(user_id: int, times: int) -> dict[str, list[float]]:
    """Seconds of each, the ways in turns."""
    from django.contrib.auth.models import User

    user = User(pk=user_id)
    ways = {
        "latest raw": partial(raw, user_id, RAW_POSITION, RAW_UNREAD, RAW_LATEST),
        "latest ours": partial(listed, user_id),
        "unread raw": partial(raw, user_id, RAW_UNREAD),
        "unread ours": partial(NotificationManager.get_unread_count, user),
    }
    taken: dict[str, list[float]] = {name: [] for name in ways}
    for _turn in range(times):
        for name, way in ways.items():
            began = time.perf_counter()
            way()
            taken[name].append(time.perf_counter() - began)
    return taken


# --- Cleaning up ------------------------------------------------------------------------------------------------------


def clean_up(by: str) -> dict[str, Any]:
    """Delete what is older than 30 days: `ours`, or `orm` as one would write it; with the growth of memory."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    began = time.monotonic()
    if by == "ours":
        gone = NotificationManager.cleanup_old_notifications(30)
    else:
        from django.utils import timezone

        old = InsightNotification.objects.filter(created_at__lt=timezone.now() - timezone.timedelta(days=30), read=True)
        gone = old.count()
        old.delete()
    seconds = time.monotonic() - began
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    return {"rows": gone, "seconds": seconds, "grown": grown * 1024}


if __name__ == "__main__":
    converse(
        {
            **saving(save, transaction.atomic),
            "house": house,
            "push_house": push_house,
            "mark_reads": mark_reads,
            "forward": forward,
            "burst": burst,
            "reading": reading,
            "clean_up": clean_up,
        }
    )
