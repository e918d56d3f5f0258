"""What a page's list is narrowed to, as the page's address says it."""

from __future__ import annotations

import datetime as dt
from dataclasses import asdict, dataclass, replace
from typing import Any
from urllib.parse import urlencode

from django.core.exceptions import BadRequest
from django.db.models import TextChoices
from django.http import QueryDict
from django.utils import timezone
from django.utils.dateparse import parse_date, parse_datetime
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext_lazy

from notifications.listing import DEFAULT_LIMIT, MAX_LIMIT, State, Wanted
from notifications.models import InsightNotification
from notifications.payloads import iso
from notifications.priority import Priority
from signals.models import Outcome, Side
from signals.vocabulary import canonical_strategy, canonical_symbol

LONGEST = 64
# More would be a sentence, of which each word is looked for in every row.
MAX_WORDS = 6
YEARS = range(2000, 2200)  # far from both ends of the calendar, where zones cannot be applied


class Ending(TextChoices):
    """An insight's outcome, as the pages name it."""

    PENDING = Outcome.PENDING, pgettext_lazy("outcome", "Still open")
    WIN = Outcome.WIN, gettext_lazy("Target reached")
    LOSS = Outcome.LOSS, gettext_lazy("Stop reached")
    EXPIRED = Outcome.EXPIRED, gettext_lazy("Neither in time")


@dataclass(frozen=True, slots=True)
class Chip:
    """One filter that is set: what it says, and the query of the address without it."""

    text: str
    query_without: str


@dataclass(frozen=True, slots=True)
class Filters:
    """Empty text means all of them, as in the form that sends it; `since` and `until` are days, both included."""

    q: str = ""
    symbol: str = ""
    strategy: str = ""
    priority: str = ""
    side: str = ""
    state: str = ""
    outcome: str = ""
    since: str = ""
    until: str = ""
    released: str = ""
    entry: str = ""

    @classmethod
    def from_query(cls, query: QueryDict) -> Filters:
        """Raises BadRequest for what the pages' own forms cannot send; what is merely not there matches nothing.

        `unread=1` is how addresses asked for the unread ones before there was `state`.
        """
        unread = _choice(query, "unread", ["1"])
        return cls(
            q=" ".join(_text(query, "q").split()),
            symbol=canonical_symbol(_text(query, "symbol")),
            strategy=canonical_strategy(_text(query, "strategy")),
            priority=_choice(query, "priority", Priority.values),
            side=_choice(query, "side", Side.values),
            state=State.UNREAD if unread else _choice(query, "state", State.values),
            outcome=_choice(query, "outcome", Ending.values),
            since=_day(query, "since"),
            until=_day(query, "until"),
            released=_instant(query, "released"),
            entry=_id(query, "entry"),
        )

    def __bool__(self) -> bool:
        return any(self._chosen().values())

    def __len__(self) -> int:
        return len(self._chosen())

    def wanted(
        self, zone: dt.tzinfo, *, before: int | None = None, held_too: bool = False, as_entries: bool = False
    ) -> Wanted:
        """Days are those of the zone."""
        return Wanted(
            before=before,
            priority=self.priority or None,
            symbol=self.symbol or None,
            strategy=self.strategy or None,
            side=self.side or None,
            outcome=self.outcome or None,
            state=State(self.state) if self.state else None,
            since=_midnight(self.since, zone),
            until=_midnight(self.until, zone, days_later=1),
            words=tuple(self.q.split()[:MAX_WORDS]),
            held_too=held_too,
            as_entries=as_entries,
            released_at=dt.datetime.fromisoformat(self.released) if self.released else None,
            entry=int(self.entry) if self.entry else None,
            limit=MAX_LIMIT if self.released or self.entry else DEFAULT_LIMIT,
        )

    def query(self, **more: Any) -> str:
        """For an address: what is set, and what else is given, without the question mark."""
        return urlencode({name: value for name, value in more.items() if value} | self._chosen())

    def chips(self) -> list[Chip]:
        return [
            Chip(_in_words(name, value), replace(self, **{name: ""}).query()) for name, value in self._chosen().items()
        ]

    def _chosen(self) -> dict[str, str]:
        return {name: str(value) for name, value in asdict(self).items() if value}


@dataclass(frozen=True, slots=True)
class Choices:
    """The symbols and the strategies that a user was ever notified of."""

    symbols: list[str]
    strategies: list[str]


def choices(user_id: int, chosen: Filters) -> Choices:
    """One query; what is chosen is among them, though nothing may match it any more."""
    own = InsightNotification.objects.filter(user_id=user_id).on_web_stream().order_by()
    seen = set(own.values_list("signal__symbol", "signal__strategy").distinct())
    return Choices(
        sorted({symbol for symbol, _strategy in seen} | {chosen.symbol} - {""}),
        sorted({strategy for _symbol, strategy in seen} | {chosen.strategy} - {""}, key=str.lower),
    )


def _in_words(name: str, value: str) -> str:
    match name:
        case "q":
            return f"“{value}”"
        case "priority":
            return _("%(priority)s priority") % {"priority": Priority(value).label}
        case "side":
            return str(Side(value).label)
        case "state":
            return str(State(value).label)
        case "outcome":
            return str(Ending(value).label)
        case "released":
            return _("Held until %(moment)s") % {"moment": _moment_in_words(value)}
        case "entry":
            return _("Repeats")
        case "since":
            return _("From %(day)s") % {"day": _day_in_words(value)}
        case "until":
            return _("Until %(day)s") % {"day": _day_in_words(value)}
    return value


def _day_in_words(day: str) -> str:
    return date_format(dt.date.fromisoformat(day), "DATE_FORMAT")


def _moment_in_words(text: str) -> str:
    return date_format(timezone.localtime(dt.datetime.fromisoformat(text)), "SHORT_DATETIME_FORMAT")


def _midnight(day: str, zone: dt.tzinfo, *, days_later: int = 0) -> dt.datetime | None:
    if not day:
        return None
    date = dt.date.fromisoformat(day) + dt.timedelta(days=days_later)
    return dt.datetime.combine(date, dt.time.min, tzinfo=zone)


def _text(query: QueryDict, name: str) -> str:
    text = query.get(name, "")
    if len(text) > LONGEST or "\0" in text:
        raise BadRequest(f"{name} is no name.")
    return text


def _day(query: QueryDict, name: str) -> str:
    text = query.get(name, "")
    try:
        day = parse_date(text)
    except ValueError:
        day = None
    if text and (day is None or day.year not in YEARS):
        raise BadRequest(f"{name} must be a day such as 2026-03-31.")
    return day.isoformat() if day else ""


def _instant(query: QueryDict, name: str) -> str:
    """In UTC, as the payload of a notification has it."""
    text = query.get(name, "")
    try:
        moment = parse_datetime(text)
    except ValueError:
        moment = None
    if text and (moment is None or timezone.is_naive(moment) or moment.year not in YEARS):
        raise BadRequest(f"{name} must be an instant such as 2026-03-31T07:00:00.000Z.")
    return iso(moment) if moment else ""


def _id(query: QueryDict, name: str) -> str:
    text = query.get(name, "")
    if text and not (text.isascii() and text.isdecimal() and len(text) <= 18):
        raise BadRequest(f"{name} must be a number.")
    return text


def _choice(query: QueryDict, name: str, values: list[str]) -> str:
    text = query.get(name, "")
    if text and text not in values:
        raise BadRequest(f"{name} must be one of {', '.join(values)}.")
    return text
