"""What a page's list is narrowed to, as the page's address says it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any
from urllib.parse import urlencode

from django.core.exceptions import BadRequest
from django.http import QueryDict

from notifications.listing import Wanted
from notifications.models import InsightNotification
from notifications.priority import Priority
from signals.models import Side
from signals.vocabulary import canonical_strategy, canonical_symbol

LONGEST = 64


@dataclass(frozen=True, slots=True)
class Filters:
    """Empty text means all of them, as in the form that sends it."""

    symbol: str = ""
    strategy: str = ""
    priority: str = ""
    side: str = ""
    unread: bool = False

    @classmethod
    def from_query(cls, query: QueryDict) -> Filters:
        """Raises BadRequest for what the pages' own forms cannot send; what is merely not there matches nothing."""
        return cls(
            symbol=canonical_symbol(_text(query, "symbol")),
            strategy=canonical_strategy(_text(query, "strategy")),
            priority=_choice(query, "priority", Priority.values),
            side=_choice(query, "side", Side.values),
            unread=_choice(query, "unread", ["1"]) == "1",
        )

    def __bool__(self) -> bool:
        return any(asdict(self).values())

    def wanted(self, *, before: int | None = None) -> Wanted:
        return Wanted(
            before=before,
            unread_only=self.unread,
            priority=self.priority or None,
            symbol=self.symbol or None,
            strategy=self.strategy or None,
            side=self.side or None,
        )

    def query(self, **more: Any) -> str:
        """For an address: what is set, and what else is given, without the question mark."""
        chosen = {name: "1" if value is True else value for name, value in asdict(self).items() if value}
        return urlencode({name: value for name, value in more.items() if value} | chosen)


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
        sorted({symbol for symbol, _ in seen} | {chosen.symbol} - {""}),
        sorted({strategy for _, strategy in seen} | {chosen.strategy} - {""}, key=str.lower),
    )


def _text(query: QueryDict, name: str) -> str:
    text = query.get(name, "")
    if len(text) > LONGEST or "\0" in text:
        raise BadRequest(f"{name} is no name.")
    return text


def _choice(query: QueryDict, name: str, values: list[str]) -> str:
    text = query.get(name, "")
    if text and text not in values:
        raise BadRequest(f"{name} must be one of {', '.join(values)}.")
    return text
