"""One real year of the market through the real intake, by a clock that is moved on, and counted a second time by hand.

Each setup of 2024 is an alert. Every third comes again four minutes later for another timeframe, every fifth eleven
minutes later, and after every seventh the strategy changes its mind. The recount below knows the alerts, what the
validator thought of them and what the traders want; nothing of how the site stores, holds, expires, turns or groups.
"""

from __future__ import annotations

import datetime as dt
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import time_machine
from django.contrib.auth.models import User

from notifications import changes, lifecycle
from notifications.models import InsightNotification, NotificationPreference
from signals import intake, market, replay, strategies, tradingview
from signals.models import Signal

pytestmark = pytest.mark.django_db(transaction=True)

FIRST, LAST = dt.date(2024, 1, 1), dt.date(2024, 12, 31)
SYMBOLS = market.PAIRS[:4]
MINUTE = dt.timedelta(minutes=1)
LIFE = {"D": dt.timedelta(days=3), "240": dt.timedelta(hours=12), "15": dt.timedelta(minutes=45)}
OWNERS = {SYMBOLS[0]: "alice", SYMBOLS[1]: "bob"}  # the others are the house's
SWEEPS = [dt.time(hour, tzinfo=dt.UTC) for hour in (8, 20)]


@dataclass(frozen=True)
class Wish:
    """What a trader wants; quiet from the one time to the other, by the zone's clock, on days that begin then."""

    quiet: tuple[dt.time, dt.time] | None = None
    zone: str = "UTC"
    weekdays: tuple[int, ...] = (0, 1, 2, 3, 4, 5, 6)
    mode: str = "hold"
    web: bool = True
    min_confidence: Decimal = Decimal(0)


WISHES = {
    "alice": Wish(),
    "bob": Wish((dt.time(14, 30), dt.time(17)), "Europe/London"),
    "carol": Wish((dt.time(10), dt.time(12, 30)), "America/New_York", (0, 1, 2, 3), min_confidence=Decimal(65)),
    "dave": Wish((dt.time(22), dt.time(7)), "Asia/Tokyo"),
    "erin": Wish(web=False),
    "frank": Wish((dt.time(15), dt.time(16)), mode="skip"),
}


@dataclass
class Alert:
    at: dt.datetime
    symbol: str
    side: str
    strategy: str
    timeframe: str
    price: Decimal
    sl: Decimal
    tp: Decimal
    message: dict[str, Any]
    owner: str | None
    confidence: Decimal = Decimal(0)  # the validator's, once it is known
    closed: bool = False
    turned_at: dt.datetime | None = None

    @property
    def expires_at(self) -> dt.datetime:
        return self.at + LIFE[self.timeframe]


@dataclass
class Counted:
    stored: Counter[str] = field(default_factory=Counter)
    released: Counter[str] = field(default_factory=Counter)
    released_expired: Counter[str] = field(default_factory=Counter)
    released_reversed: Counter[str] = field(default_factory=Counter)
    expired: Counter[str] = field(default_factory=Counter)
    grouped: Counter[str] = field(default_factory=Counter)
    reversed: int = 0


def test_released_expired_reversed_and_grouped_are_what_a_recount_says(hints: list[tuple[int, Any]]) -> None:
    alerts = list(alerts_of_the_year())
    sweeps = sorted({alert.at for alert in alerts} | {dt.datetime.combine(day, at) for day in days() for at in SWEEPS})

    names = replay_the_year(alerts, sweeps)

    found = counted_by_the_site(names, hints)
    expected = recount(alerts, sweeps)
    assert found == expected
    assert min(expected.released.total(), expected.released_expired.total(), expected.released_reversed.total()) > 10
    assert min(expected.expired.total(), expected.grouped.total(), expected.reversed) > 10
    assert not expected.stored["erin"]


# --- The year, as the site lives it ---------------------------------------------------------------------------------


def alerts_of_the_year() -> Iterator[Alert]:
    on_day: Counter[dt.date] = Counter()
    for number, setup in enumerate(strategies.setups_between(FIRST, LAST, SYMBOLS)):
        at = market.close_time(setup.date) + MINUTE + 25 * MINUTE * on_day[setup.date]
        on_day[setup.date] += 1
        yield _alert(setup, at, "D")
        if number % 3 == 0:
            yield _alert(setup, at + 4 * MINUTE, "240")
        if number % 5 == 0:
            yield _alert(setup, at + 11 * MINUTE, "15")
        if number % 7 == 0:
            yield _alert(setup, at + 20 * MINUTE, "D", mirrored=True)


def _alert(setup: strategies.Setup, at: dt.datetime, timeframe: str, *, mirrored: bool = False) -> Alert:
    side, sl, tp = str(setup.side.value), setup.sl, setup.tp
    if mirrored:
        side = "sell" if side == "buy" else "buy"
        sl, tp = 2 * setup.price - sl, 2 * setup.price - tp
    message = replay.Alert(setup).message() | {
        "alert_id": f"{at.isoformat()}-{setup.symbol}-{setup.strategy}",
        "timestamp": at.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "timeframe": timeframe,
        "side": side,
        "sl": str(sl),
        "tp": str(tp),
    }
    owner = OWNERS.get(setup.symbol)
    return Alert(at, setup.symbol, side, setup.strategy, timeframe, setup.price, sl, tp, message, owner)


def days() -> Iterator[dt.date]:
    day = FIRST
    while day <= LAST + dt.timedelta(days=4):
        yield day
        day += dt.timedelta(days=1)


def replay_the_year(alerts: list[Alert], sweeps: list[dt.datetime]) -> dict[int, str]:
    """The traders by id."""
    with time_machine.travel(dt.datetime.combine(FIRST, dt.time(), tzinfo=dt.UTC), tick=False) as clock:
        users = {name: _trader(name, wish) for name, wish in WISHES.items()}
        coming = iter(sorted(alerts, key=lambda alert: alert.at))
        following = next(coming, None)
        for moment in sweeps:
            clock.move_to(moment)
            lifecycle.release_held()
            lifecycle.expire_old()
            while following is not None and following.at == moment:
                owner = users[following.owner] if following.owner else None
                body = json.dumps(following.message).encode()
                received = intake.receive(tradingview.parse(body), owner=owner, origin="replay")
                assert received.validation is not None
                following.confidence = received.validation.truth_index
                following = next(coming, None)
        changes.finish_open()
    return {user.pk: name for name, user in users.items()}


def _trader(name: str, wish: Wish) -> User:
    user = User.objects.create_user(name)
    start, end = wish.quiet or (dt.time(22), dt.time(7))
    NotificationPreference.objects.filter(user=user).update(
        web_enabled=wish.web,
        min_confidence=wish.min_confidence,
        quiet_hours_enabled=wish.quiet is not None,
        quiet_start_time=start,
        quiet_end_time=end,
        quiet_weekdays=list(wish.weekdays),
        quiet_mode=wish.mode,
        time_zone=wish.zone,
    )
    return user


def counted_by_the_site(names: dict[int, str], hints: list[tuple[int, Any]]) -> Counted:
    found = Counted(reversed=Signal.objects.filter(reversed_by__isnull=False).count())
    for row in InsightNotification.objects.all():
        name = names[row.user_id]
        found.stored[name] += 1
        found.expired[name] += row.expired_at is not None
        found.grouped[name] += row.repeat_of is not None
    for user_id, frame in hints:
        if frame["type"] == "brief":
            found.released[names[user_id]] += frame["held"]
            found.released_expired[names[user_id]] += frame["expired"]
            found.released_reversed[names[user_id]] += frame["reversed"]
    return _without_zeros(found)


# --- The recount ----------------------------------------------------------------------------------------------------


def recount(alerts: list[Alert], sweeps: list[dt.datetime]) -> Counted:
    alerts = sorted(alerts, key=lambda alert: alert.at)
    counts = Counted(reversed=sum(_turns(alerts, place) for place in range(len(alerts))))
    for name, wish in WISHES.items():
        concerned = [alert for alert in alerts if alert.owner in (None, name) and wish.web]
        wanted = [alert for alert in concerned if alert.confidence >= wish.min_confidence]
        held_until = [_quiet_until(alert.at, wish) for alert in wanted]
        kept = [
            (alert, until)
            for alert, until in zip(wanted, held_until, strict=True)
            if until is None or wish.mode == "hold"
        ]
        counts.stored[name] = len(kept)
        counts.grouped[name] = _joining([alert for alert, _ in kept])
        counts.expired[name] = sum(alert.expires_at <= sweeps[-1] for alert, _ in kept)
        for alert, until in kept:
            if until is not None:
                out_at = next(moment for moment in sweeps if moment >= until)
                counts.released[name] += 1
                counts.released_expired[name] += alert.expires_at <= out_at
                counts.released_reversed[name] += alert.turned_at is not None and alert.turned_at < out_at
    return _without_zeros(counts)


def _turns(alerts: list[Alert], place: int) -> int:
    """Close what prices up to this alert close, then count what it turns."""
    new = alerts[place]
    turned = 0
    for old in alerts[:place]:
        if (old.owner, old.symbol) != (new.owner, new.symbol) or old.closed:
            continue
        prices = [*_closes(old.symbol, old.at, new.at), new.price]
        low, high = sorted((old.sl, old.tp))
        if old.at < new.at and any(not low < price < high for price in prices):
            old.closed = True
        elif (
            (old.strategy, old.timeframe) == (new.strategy, new.timeframe)
            and old.side != new.side
            and old.expires_at > new.at
            and old.turned_at is None
        ):
            old.turned_at = new.at
            turned += 1
    return turned


def _closes(symbol: str, after: dt.datetime, until: dt.datetime) -> list[Decimal]:
    series = market.series(symbol)
    assert series is not None
    published = [dt.datetime.combine(day, dt.time(15), tzinfo=dt.UTC) for day in _near(series.days, after, until)]
    prices = dict(zip(series.days, series.prices, strict=True))
    return [prices[moment.date()] for moment in published if after < moment <= until]


def _near(known: tuple[dt.date, ...], after: dt.datetime, until: dt.datetime) -> list[dt.date]:
    there = set(known)
    span = (until.date() - after.date()).days + 1
    return [day for n in range(span) if (day := after.date() + dt.timedelta(days=n)) in there]


def _quiet_until(moment: dt.datetime, wish: Wish) -> dt.datetime | None:
    """The first minute that is not quiet, found by trying one after the other; None where it is not quiet at all."""
    tried = moment
    while _is_quiet(tried, wish):
        tried += MINUTE
    return tried if tried > moment else None


def _is_quiet(moment: dt.datetime, wish: Wish) -> bool:
    if wish.quiet is None:
        return False
    start, end = wish.quiet
    local = moment.astimezone(ZoneInfo(wish.zone))
    if start <= end:
        return start <= local.time() < end and local.weekday() in wish.weekdays
    if local.time() >= start:
        return local.weekday() in wish.weekdays
    return local.time() < end and (local.weekday() - 1) % 7 in wish.weekdays


def _joining(rows: list[Alert]) -> int:
    firsts: list[Alert] = []
    for row in rows:
        fits = [
            first
            for first in firsts
            if (first.symbol, first.side, first.strategy) == (row.symbol, row.side, row.strategy)
            and row.at - first.at < 10 * MINUTE
        ]
        if not fits:
            firsts.append(row)
    return len(rows) - len(firsts)


def _without_zeros(counts: Counted) -> Counted:
    for name, value in vars(counts).items():
        if isinstance(value, Counter):
            setattr(counts, name, +value)
    return counts
