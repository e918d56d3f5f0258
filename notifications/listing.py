"""A user's notifications, newest first, page by page: what the HTTP API and the history page both show.

Pages go by key, not by offset: what arrives in between shifts nothing.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from functools import lru_cache, reduce
from operator import or_
from typing import Any, Generic, TypeVar

from django.db import connection
from django.db.models import Case, IntegerField, Q, Subquery, TextChoices, When
from django.utils.translation import gettext_lazy as _

from notifications import payloads, stream
from notifications.entries import entries
from notifications.models import InsightNotification, InsightNotificationQuerySet
from notifications.payloads import NotificationPayload
from notifications.prepared import UserStatement
from notifications.stream import Position
from signals.models import Outcome

Shown = TypeVar("Shown")

SEARCHED = ("title", "snippet", "news_headline", "signal__symbol", "signal__strategy")
DEFAULT_LIMIT = 20
MAX_LIMIT = 100


class UnknownBeforeError(LookupError):
    """`before` names no notification of this user's that the list could show."""


class State(TextChoices):
    """What the history can be narrowed to."""

    UNREAD = "unread", _("Unread")
    HELD = "held", _("Held")
    EXPIRED = "expired", _("Expired")


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which notifications, and how many; `before` is the id of the last one of the page before.

    `since` and `until` are instants, the later one left out. Each of the `words` stands, in whatever case (SQLite: of
    ASCII), in the title, the text, the news, the symbol or the strategy. `held_too`: also what quiet hours hold back.
    `as_entries`: one row for each entry, as people see them. `released_at`: what one brief told of, what still matters
    first, on one page. `entry`: the rows of the entry that begins with the notification of that id.
    """

    limit: int = DEFAULT_LIMIT
    before: int | None = None
    unread_only: bool = False
    priority: str | None = None
    symbol: str | None = None
    strategy: str | None = None
    side: str | None = None
    outcome: str | None = None
    state: State | None = None
    since: dt.datetime | None = None
    until: dt.datetime | None = None
    words: tuple[str, ...] = ()
    held_too: bool = False
    as_entries: bool = False
    released_at: dt.datetime | None = None
    entry: int | None = None


@dataclass(frozen=True, slots=True)
class Page(Generic[Shown]):
    """One page, and the position that it is at least as new as; `next_before` is None on the last page."""

    notifications: list[Shown]
    next_before: int | None
    position: Position


Listing = Page[InsightNotification]


def read(user_id: int, wanted: Wanted) -> Listing:
    """Two queries, however long the list. Raises UnknownBeforeError."""
    position, rows = _read_position(user_id, wanted)
    page = list(rows.with_signal()[: wanted.limit + 1])
    more = len(page) > wanted.limit
    page = page[: wanted.limit]
    return Page(page, page[-1].pk if more else None, position)


def read_payloads(user_id: int, wanted: Wanted) -> Page[NotificationPayload]:
    """As `read`, for those who only hand it on: no model object is made, which takes most of the time of `read`."""
    if wanted == Wanted(limit=wanted.limit) and connection.vendor == "postgresql":
        position, rows = _read_first_page(user_id, wanted.limit)
    else:
        position, matching = _read_position(user_id, wanted)
        rows = list(matching.values_list(*payloads.COLUMNS)[: wanted.limit + 1])
    page = [payloads.payload_of_row(row) for row in rows[: wanted.limit]]
    return Page(page, page[-1]["id"] if len(rows) > wanted.limit else None, position)


def older_than(
    user_id: int, wanted: Wanted, after: InsightNotification | None, limit: int
) -> list[InsightNotification]:
    """The next rows after one in hand, which may be gone meanwhile; the first ones without it. One query."""
    rows = _matching(user_id, wanted)
    if after is not None:
        rows = rows.filter(_behind(after, wanted))
    return list(rows.with_signal()[:limit])


def _behind(row: InsightNotification, wanted: Wanted) -> Q:
    """What follows a row of `_matching` in its order."""
    older = _older(row.created_at, row.pk)
    if wanted.released_at is None:
        return older
    matters, confidence = row.matters, row.confidence  # type: ignore[attr-defined]  # annotated
    less_sure = Q(confidence__lt=confidence) | Q(older, confidence=confidence)
    return Q(matters__lt=matters) | Q(less_sure, matters=matters)


def _older(created_at: dt.datetime, pk: int) -> Q:
    return Q(created_at__lt=created_at) | Q(created_at=created_at, pk__lt=pk)


def latest(user_id: int) -> dict[str, list[InsightNotification]]:
    """The newest for the bell: `unread` ones, and those `earlier` that there is room for beside them. Two queries."""
    rows = InsightNotification.objects.filter(user_id=user_id).on_web_stream().with_signal()
    rows = rows.order_by("-created_at", "-pk")
    unread = list(entries(rows.unread())[:DEFAULT_LIMIT])
    known = {row.pk for row in unread}
    others = [row for row in entries(rows)[:DEFAULT_LIMIT] if row.pk not in known]
    return {"unread": unread, "earlier": others[: DEFAULT_LIMIT - len(unread)]}


def _read_position(user_id: int, wanted: Wanted) -> tuple[Position, InsightNotificationQuerySet]:
    """The user's position, and the rows, which are still to be read. One query, two within a brief.

    Raises UnknownBeforeError.
    """
    # The position before the rows: what changes in between is read twice by a client, never missed.
    rows = _matching(user_id, wanted)
    if wanted.before is None:
        return stream.position(user_id), rows
    if wanted.released_at is not None:
        row = rows.filter(pk=wanted.before).first()
        if row is None:
            raise UnknownBeforeError(wanted.before)
        return stream.position(user_id), rows.filter(_behind(row, wanted))
    before = _shown(user_id, wanted).filter(pk=wanted.before)
    found = stream.stored_positions(user_id).annotate(before=Subquery(before.values("created_at"))).first()
    if found is None or found[-1] is None:
        raise UnknownBeforeError(wanted.before)
    *place, before_created_at = found
    return Position(*place), rows.filter(_older(before_created_at, wanted.before))


def _read_first_page(user_id: int, limit: int) -> tuple[Position, list[tuple[Any, ...]]]:
    """What is asked for most, with statements that were made once: making them takes longer than running them."""
    present = stream.position(user_id)  # before the rows, as in `_read_position`
    return present, _first_page_statement(limit).fetch_all(user_id)


@lru_cache(maxsize=MAX_LIMIT)
def _first_page_statement(limit: int) -> UserStatement:
    rows = _matching(UserStatement.NOBODY, Wanted()).values_list(*payloads.COLUMNS)[: limit + 1]
    return UserStatement.made_of(rows)


def _matching(user_id: int, wanted: Wanted) -> InsightNotificationQuerySet:
    """Newest first.

    The index of a user and the time brings their rows in this order, and whatever else is asked is looked up in them
    one by one until the page is full: at most the rows of one user, which the cleanup keeps to a month's.
    """
    rows = _shown(user_id, wanted).order_by("-created_at", "-pk")
    if wanted.unread_only or wanted.state == State.UNREAD:
        rows = rows.unread()
    exactly = {
        "priority": wanted.priority,
        "signal__symbol": wanted.symbol,
        "signal__strategy": wanted.strategy,
        "signal__side": wanted.side,
        "signal__outcome": wanted.outcome,
        "held_until__isnull": False if wanted.state == State.HELD else None,
        "expired_at__isnull": False if wanted.state == State.EXPIRED else None,
        "created_at__gte": wanted.since,
        "created_at__lt": wanted.until,
        "released_at": wanted.released_at,
    }
    rows = rows.filter(**{name: value for name, value in exactly.items() if value is not None})
    rows = rows.filter(*(_says(word) for word in wanted.words))
    if wanted.entry is not None:
        rows = rows.filter(Q(pk=wanted.entry) | Q(repeat_of=wanted.entry))
    elif wanted.as_entries:
        rows = entries(rows)
    if wanted.released_at is not None:
        rows = rows.annotate(matters=_still_matters()).order_by("-matters", "-confidence", "-created_at", "-pk")
    return rows


def _still_matters() -> Case:
    """2 for what is live, 1 for what was reversed, 0 for what has expired or been settled."""
    over = Q(expired_at__isnull=False) | Q(superseded_by__isnull=False) | ~Q(signal__outcome=Outcome.PENDING)
    reversed_ = Q(signal__reversed_by__isnull=False)
    return Case(When(over, then=0), When(reversed_, then=1), default=2, output_field=IntegerField())


def _shown(user_id: int, wanted: Wanted) -> InsightNotificationQuerySet:
    rows = InsightNotification.objects.filter(user_id=user_id)
    return rows.filter(Q(seq__isnull=False) | Q(held_until__isnull=False)) if wanted.held_too else rows.on_web_stream()


def _says(word: str) -> Q:
    places = (f"{name}__icontains" for name in SEARCHED)
    return reduce(or_, (Q(**{place: word}) for place in places))
