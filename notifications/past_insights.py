"""The insights of the last days as the rules see them: when each was handed out, its facts, and what became of it.

Made for tens of thousands of them at once: the database gives numbers instead of times and decimals, which else cost
Python and the drivers most of the time.
"""

from __future__ import annotations

import datetime as dt
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator
from decimal import Decimal
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from django.db.models import (
    Case,
    DecimalField,
    FilteredRelation,
    FloatField,
    Func,
    IntegerField,
    Q,
    TextField,
    Value,
    When,
)
from django.db.models.functions import Cast, Coalesce, Length, Round

from notifications import priority
from notifications.models import DispatchState
from notifications.preferences import Facts
from signals.models import Signal

if TYPE_CHECKING:
    from django.contrib.auth.models import User

# Signals received so long before the first day are read too: a repeat may have come late, an insight handed out later.
MARGIN_S = 24 * 60 * 60


class PastInsight(NamedTuple):
    """`handed_out_s` is when its present revision was, in seconds of the epoch; `house` tells one without an owner."""

    signal_id: int
    handed_out_s: float
    facts: Facts
    outcome: str
    house: bool


# Signal, owner, symbol, strategy, outcome, own time in seconds, AI confidence in hundredths, news where it can matter,
# revision, when that was handed out in seconds.
_Row = tuple[int, int | None, str, str, str, float, int, str, int | None, float | None]


class _Seconds(Func):
    """A time as seconds of the epoch, to the microsecond."""

    output_field = FloatField()

    def as_postgresql(self, compiler: Any, connection: Any, **context: Any) -> Any:
        return self.as_sql(compiler, connection, template="EXTRACT(epoch FROM %(expressions)s)::float8", **context)

    def as_sqlite(self, compiler: Any, connection: Any, **context: Any) -> Any:
        # A time is text there: 19 characters, and a fraction such as ".25" when there is one.
        seconds = "(strftime('%%%%s', %(expressions)s) + ('0' || substr(%(expressions)s, 20)))"
        return self.as_sql(compiler, connection, template=seconds, **context)


def read(user: User, since: dt.datetime) -> Iterator[PastInsight]:
    """The user's own and the house's that were handed out since then, each once, in its present revision. One query.

    Left out are those that nobody was told of: without a dispatch, or with none but closed ones. Each has the priority
    that `announcing.calculate_priority` gives it: the repeats are counted here for all of them at once, among the
    signals received from one day before `since` on.
    """
    since_s = since.timestamp()
    rows = _rows(user, dt.datetime.fromtimestamp(since_s - MARGIN_S, dt.UTC))
    repeats = _Repeats(rows)
    for row in _present(rows):
        signal_id, owner_id, symbol, strategy, outcome, own_time_s, hundredths, news, _, handed_out_s = row
        if handed_out_s is None or handed_out_s < since_s:
            continue
        number = repeats.up_to(own_time_s, owner_id, strategy)
        confidence = _confidence(hundredths)
        level = priority.calculate(ai_confidence=confidence, news_context=news, repeats=number)
        facts = Facts(symbol, strategy, confidence, level)
        yield PastInsight(signal_id, handed_out_s, facts, outcome, owner_id is None)


def _rows(user: User, since: dt.datetime) -> list[_Row]:
    """One for each dispatch that is not closed, and one for each signal without any."""
    confidence = Coalesce(
        "validation__truth_index", "confidence", output_field=DecimalField(max_digits=5, decimal_places=2)
    )
    news = Coalesce("validation__news_context", "news_context", output_field=TextField())
    found = (
        Signal.objects.visible_to(user)
        .filter(received_at__gte=since)
        .order_by()
        .annotate(
            handed_out=FilteredRelation("dispatches", condition=~Q(dispatches__state=DispatchState.CLOSED)),
            hundredths=Cast(Round(confidence * 100), IntegerField()),
            news_chars=Length(news),
            # The text itself only where it can matter: it is the longest of all columns.
            news=Case(
                When(
                    hundredths__lt=100 * priority.HIGH_CONFIDENCE,
                    news_chars__gt=priority.SUBSTANTIAL_NEWS_CHARS,
                    then=news,
                ),
                default=Value(""),
                output_field=TextField(),
            ),
        )
        .values_list(
            "pk",
            "user_id",
            "symbol",
            "strategy",
            "outcome",
            _Seconds(Coalesce("bar_time", "received_at")),
            "hundredths",
            "news",
            "handed_out__revision",
            _Seconds(Coalesce("handed_out__finished_at", "handed_out__opened_at")),
        )
    )
    return list(found)


def _present(rows: Iterable[_Row]) -> Iterable[_Row]:
    """The one with the latest revision of each signal."""
    present: dict[int, _Row] = {}
    for row in rows:
        signal_id, revision, other = row[0], row[8], present.get(row[0])
        if other is None or (revision or 0) > (other[8] or 0):
            present[signal_id] = row
    return present.values()


class _Repeats:
    """How many signals of one owner and strategy there were in the window up to a time, that instant included."""

    def __init__(self, rows: Iterable[_Row]) -> None:
        times: defaultdict[tuple[int | None, str], dict[int, float]] = defaultdict(dict)
        for signal_id, owner_id, _symbol, strategy, _outcome, own_time_s, *_ in rows:
            times[owner_id, strategy][signal_id] = own_time_s
        self._times = {key: sorted(own_times.values()) for key, own_times in times.items()}

    def up_to(self, own_time_s: float, owner_id: int | None, strategy: str) -> int:
        times = self._times[owner_id, strategy]
        return bisect_right(times, own_time_s) - bisect_right(times, own_time_s - priority.REPEAT_WINDOW_S)


@lru_cache(maxsize=100 * 100 + 1)
def _confidence(hundredths: int) -> Decimal:
    return Decimal(hundredths) / 100
