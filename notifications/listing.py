"""A user's notifications, newest first, page by page: what the HTTP API and the history page both show.

Pages go by key, not by offset: what arrives in between shifts nothing.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from django.db.models import Count, IntegerField, OuterRef, Q, Subquery
from django.db.models.functions import Coalesce

from notifications import stream
from notifications.models import Inbox, InsightNotification, InsightNotificationQuerySet
from notifications.stream import Position

DEFAULT_LIMIT = 20
MAX_LIMIT = 100


class UnknownBeforeError(LookupError):
    """`before` names no notification on this user's web stream."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which notifications, and how many; `before` is the id of the last one of the page before."""

    limit: int = DEFAULT_LIMIT
    before: int | None = None
    unread_only: bool = False
    priority: str | None = None
    symbol: str | None = None
    strategy: str | None = None
    side: str | None = None


@dataclass(frozen=True, slots=True)
class Listing:
    """One page, and the position that it is at least as new as; `next_before` is None on the last page."""

    notifications: list[InsightNotification]
    next_before: int | None
    position: Position


def read(user_id: int, wanted: Wanted) -> Listing:
    """Two queries, however long the list. Raises UnknownBeforeError."""
    # The position before the rows: what changes in between is read twice by a client, never missed.
    position, before_created_at = _position(user_id, wanted.before)
    rows = _matching(user_id, wanted).order_by("-created_at", "-pk")
    if wanted.before is not None:
        if before_created_at is None:
            raise UnknownBeforeError(wanted.before)
        rows = rows.filter(_older(before_created_at, wanted.before))
    page = list(rows[: wanted.limit + 1])
    more = len(page) > wanted.limit
    page = page[: wanted.limit]
    return Listing(page, page[-1].pk if more else None, position)


def older_than(
    user_id: int, wanted: Wanted, after: InsightNotification | None, limit: int
) -> list[InsightNotification]:
    """The next rows after one in hand, which may be gone meanwhile; the first ones without it. One query."""
    rows = _matching(user_id, wanted).order_by("-created_at", "-pk")
    if after is not None:
        rows = rows.filter(_older(after.created_at, after.pk))
    return list(rows[:limit])


def _older(created_at: dt.datetime, pk: int) -> Q:
    return Q(created_at__lt=created_at) | Q(created_at=created_at, pk__lt=pk)


def latest(user_id: int) -> dict[str, list[InsightNotification]]:
    """The newest for the bell: `unread` ones, and those `earlier` that there is room for beside them. Two queries."""
    rows = InsightNotification.objects.filter(user_id=user_id).on_web_stream().with_signal()
    rows = rows.order_by("-created_at", "-pk")
    unread = list(rows.unread()[:DEFAULT_LIMIT])
    known = {row.pk for row in unread}
    others = [row for row in rows[:DEFAULT_LIMIT] if row.pk not in known]
    return {"unread": unread, "earlier": others[: DEFAULT_LIMIT - len(unread)]}


def _position(user_id: int, before: int | None) -> tuple[Position, dt.datetime | None]:
    """The user's position and the time of the `before` row, in one query."""
    own = InsightNotification.objects.filter(user_id=OuterRef("user_id")).order_by()
    unread = own.unread().values("user_id").annotate(count=Count("pk")).values("count")
    found = (
        Inbox.objects.filter(user_id=user_id)
        .annotate(
            unread_count=Coalesce(Subquery(unread, output_field=IntegerField()), 0),
            before_created_at=Subquery(own.on_web_stream().filter(pk=before or 0).values("created_at")),
        )
        .values_list("last_seq", "epoch", "unread_count", "before_created_at")
        .first()
    )
    if found is None:  # an account that was made in bulk has no inbox yet, and so nothing on its stream
        return stream.position(user_id), None
    last_seq, epoch, unread_count, before_created_at = found
    return Position(last_seq, epoch, unread_count), before_created_at


def _matching(user_id: int, wanted: Wanted) -> InsightNotificationQuerySet:
    rows = InsightNotification.objects.filter(user_id=user_id).on_web_stream().with_signal()
    if wanted.unread_only:
        rows = rows.unread()
    exactly = {
        "priority": wanted.priority,
        "signal__symbol": wanted.symbol,
        "signal__strategy": wanted.strategy,
        "signal__side": wanted.side,
    }
    return rows.filter(**{name: value for name, value in exactly.items() if value is not None})
