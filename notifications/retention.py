"""The one place for retention: which rows go, after how long, and in which order.

A dispatch is kept as long as its signal, so a notification that was deleted here never comes back.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import astuple, dataclass
from typing import Any

from django.db import connection, transaction
from django.db.models import Model, Q, QuerySet
from django.utils import timezone

from notifications.health.periods import Length
from notifications.models import (
    DigestRun,
    HealthFigures,
    InsightChange,
    InsightNotification,
    Mute,
    NotificationDeliveryLog,
    SuppressedInsight,
)
from signals.models import WebhookRequest

DEFAULT_DAYS = 30
CHANGE_DAYS = 14  # for whoever looks into what became of an insight last week
SUPPRESSION_DAYS = 14  # as long as the page that explains them looks back
WEBHOOK_REQUEST_DAYS = 30  # raw requests are for finding out what a sender did last month
DIGEST_RUN_DAYS = 30  # far beyond the three days that a digest looks back
FIGURE_DAYS = 400  # a year can be compared with the one before it
SHORT_FIGURE_DAYS = 1  # nobody looks further back by five minutes than an hour
DEFAULT_BATCH_SIZE = 2000  # a few hundredths of a second: what is inserted meanwhile shares the log with little else
MAX_BATCH_SIZE = 30_000  # SQLite takes 32,766 parameters in a statement


class RetentionError(ValueError):
    """A limit that would delete too much, or nothing at all."""


@dataclass(frozen=True, slots=True)
class Rows:
    """A number of rows of each sort that has an end here."""

    notifications: int = 0
    delivery_logs: int = 0
    suppressions: int = 0
    webhook_requests: int = 0
    ended_mutes: int = 0
    digest_runs: int = 0
    changes: int = 0
    health_figures: int = 0

    def __add__(self, other: Rows) -> Rows:
        return Rows(*(mine + theirs for mine, theirs in zip(astuple(self), astuple(other), strict=True)))

    @property
    def total(self) -> int:
        return sum(astuple(self))


def delete_old(
    days: int = DEFAULT_DAYS,
    *,
    include_unread: bool = False,
    batch_size: int = DEFAULT_BATCH_SIZE,
    after_batch: Callable[[Rows], object] = lambda deleted: None,
    should_stop: Callable[[], bool] = lambda: False,
) -> Rows:
    """Delete what is past its time, each batch in a transaction of its own; return what went.

    Notifications older than `days` go with their delivery logs; those still unread or held only with
    `include_unread`. `after_batch` is told what each batch deleted; `should_stop` is asked before each batch.
    A second copy may run beside it. Raises RetentionError for days < 1 and a batch size out of range.
    """
    check(days, batch_size)
    deleted = Rows()
    for old in _old_rows(days, include_unread=include_unread):
        cursor: int | None = 0
        while cursor is not None:
            if should_stop():
                return deleted
            cursor, gone = _delete_batch(old, after=cursor, batch_size=batch_size)
            deleted += gone
            after_batch(gone)
    return deleted


def count_old(days: int = DEFAULT_DAYS, *, include_unread: bool = False) -> Rows:
    """What `delete_old` would delete now; deletes nothing."""
    check(days)
    notifications, *others = (old.rows for old in _old_rows(days, include_unread=include_unread))
    logs = NotificationDeliveryLog.objects.filter(notification__in=notifications.values("pk"))
    return Rows(notifications.count(), logs.count(), *(rows.count() for rows in others))


def check(days: int, batch_size: int = DEFAULT_BATCH_SIZE) -> None:
    """Raise RetentionError for days < 1 and a batch size out of range."""
    if days < 1:
        raise RetentionError("days must be at least 1.")
    if not 1 <= batch_size <= MAX_BATCH_SIZE:
        raise RetentionError(f"batch size must be from 1 to {MAX_BATCH_SIZE}.")


@dataclass(frozen=True, slots=True)
class _OldRows:
    """Rows of one sort whose time has passed, and how a batch of them is deleted."""

    rows: QuerySet[Any]
    delete: Callable[[list[int]], Rows]


def _old_rows(days: int, *, include_unread: bool) -> list[_OldRows]:
    """In the order of `Rows`; the delivery logs go with their notifications."""
    now = timezone.now()
    suppressions = SuppressedInsight.objects.filter(created_at__lt=now - dt.timedelta(days=SUPPRESSION_DAYS))
    requests = WebhookRequest.objects.filter(received_at__lt=now - dt.timedelta(days=WEBHOOK_REQUEST_DAYS))
    told = InsightChange.objects.filter(finished_at__lt=now - dt.timedelta(days=CHANGE_DAYS))
    figures = HealthFigures.objects.filter(
        Q(begins_at__lt=now - dt.timedelta(days=FIGURE_DAYS))
        | Q(length_s=Length.FIVE_MINUTES, begins_at__lt=now - dt.timedelta(days=SHORT_FIGURE_DAYS))
    )
    digests = DigestRun.objects.filter(created_at__lt=now - dt.timedelta(days=DIGEST_RUN_DAYS))
    return [
        _OldRows(_old_notifications(now - dt.timedelta(days=days), include_unread), _delete_notifications),
        _OldRows(suppressions, lambda ids: Rows(suppressions=_raw_delete(SuppressedInsight, ids))),
        _OldRows(requests, lambda ids: Rows(webhook_requests=_raw_delete(WebhookRequest, ids))),
        # They count for nothing any more, so no version of the preferences is kept of it.
        _OldRows(Mute.objects.filter(until__lte=now), lambda ids: Rows(ended_mutes=_raw_delete(Mute, ids))),
        _OldRows(digests, lambda ids: Rows(digest_runs=_raw_delete(DigestRun, ids))),
        _OldRows(told, lambda ids: Rows(changes=_raw_delete(InsightChange, ids))),
        _OldRows(figures, lambda ids: Rows(health_figures=_raw_delete(HealthFigures, ids))),
    ]


def _old_notifications(before: dt.datetime, include_unread: bool) -> QuerySet[InsightNotification]:
    """What was read, has expired, was superseded or went out over other channels only is not unread."""
    old = InsightNotification.objects.filter(created_at__lt=before)
    if include_unread:
        return old
    settled = Q(read=True) | Q(expired_at__isnull=False) | Q(superseded_by__isnull=False) | Q(seq__isnull=True)
    return old.filter(settled, held_until__isnull=True)


def _delete_batch(old: _OldRows, *, after: int, batch_size: int) -> tuple[int | None, Rows]:
    """Delete the next rows by id; return the last id, or None at the end, and what went.

    Rows that another transaction holds are skipped: they are a second copy's, or in use and there for the next run.
    """
    with transaction.atomic():
        _commit_without_waiting_for_the_disk()
        rows = old.rows.filter(pk__gt=after).order_by("pk").select_for_update(skip_locked=True)
        ids = list(rows.values_list("pk", flat=True)[:batch_size])
        gone = old.delete(ids) if ids else Rows()
    return (ids[-1] if len(ids) == batch_size else None), gone


def _commit_without_waiting_for_the_disk() -> None:
    """On PostgreSQL, for this transaction. A crash may bring the last batches back: the next run deletes them again."""
    if connection.vendor == "postgresql":
        connection.cursor().execute("SET LOCAL synchronous_commit TO off")


def _delete_notifications(ids: list[int]) -> Rows:
    """Children first: the logs, and each predecessor with the notification that superseded it."""
    doomed = _with_predecessors(ids)
    logs = _raw_delete(NotificationDeliveryLog, doomed, column="notification_id")
    return Rows(notifications=_raw_delete(InsightNotification, doomed), delivery_logs=logs)


def _with_predecessors(ids: list[int]) -> list[int]:
    """The ids and those of every notification that one of them superseded, however long the chain."""
    found, newest = set(ids), ids
    while newest:
        superseded = _execute(
            "SELECT {pk} FROM {table} WHERE", InsightNotification, "superseded_by_id", newest
        ).fetchall()
        newest = [pk for (pk,) in superseded if pk not in found]
        found.update(newest)
    return sorted(found)


def _raw_delete(model: type[Model], ids: list[int], *, column: str = "id") -> int:
    """One DELETE statement. `QuerySet.delete()` loads the rows first to look for children, which are known here."""
    deleted: int = _execute("DELETE FROM {table} WHERE", model, column, ids).rowcount
    return deleted


def _execute(statement: str, model: type[Model], column: str, ids: list[int]) -> Any:
    """Run a statement on the rows whose `column` is among the ids; returns the cursor.

    On PostgreSQL they are one array: with thousands of ids, more than half of the time went into writing and reading
    a list of as many parameters.
    """
    quote = connection.ops.quote_name
    table, pk = quote(model._meta.db_table), quote("id")
    cursor = connection.cursor()
    if connection.vendor == "postgresql":
        cursor.execute(f"{statement.format(table=table, pk=pk)} {quote(column)} = ANY(%s::bigint[])", [ids])
    else:
        cursor.execute(
            f"{statement.format(table=table, pk=pk)} {quote(column)} IN ({', '.join(['%s'] * len(ids))})", ids
        )
    return cursor
