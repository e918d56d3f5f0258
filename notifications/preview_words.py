"""A preview in words and in JSON: the same for the page as the server renders it and for the API."""

from __future__ import annotations

from typing import NamedTuple, TypedDict

from django.utils.formats import date_format, number_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from notifications.payloads import iso
from notifications.preview import NIGHT, Day, Period, Preview, Tally

# The drawing of the days is this high; between two of them is so much of a day's width.
HEIGHT, GAP = 100, 0.3


class ReasonCount(TypedDict):
    reason: str
    label: str
    count: int


class TallyPayload(TypedDict):
    at_once: int
    held: int
    hidden: int
    at_night: int
    kept_won: int
    kept_lost: int
    hidden_won: int
    hidden_lost: int
    reasons: list[ReasonCount]


class DayPayload(TypedDict):
    date: str
    name: str
    kept: int
    hidden: int


class PeriodPayload(TypedDict):
    days: int
    since: str
    until: str
    headline: str
    difference: str
    draft: TallyPayload
    saved: TallyPayload
    by_day: list[DayPayload]


class PreviewPayload(TypedDict):
    time_zone: str
    night: dict[str, str]
    differs: bool
    periods: list[PeriodPayload]


def payload(preview: Preview) -> PreviewPayload:
    return {
        "time_zone": preview.time_zone,
        "night": {"start": f"{NIGHT.start:%H:%M}", "end": f"{NIGHT.end:%H:%M}"},
        "differs": preview.differs,
        "periods": [_period(period, differs=preview.differs) for period in preview.periods],
    }


def headline(period: Period, *, differs: bool) -> str:
    """Such as "With this draft: 14 alerts a day, 3 at night; 2 winners would be hidden"."""
    values = {"alerts": _alerts(period), "night": _at_night(period), "winners": _hidden_winners(period.draft)}
    if differs:
        return _("With this draft: %(alerts)s, %(night)s; %(winners)s") % values
    return _("As it is saved: %(alerts)s, %(night)s; %(winners)s") % values


def difference(period: Period) -> str:
    """What the draft changes, such as "34 fewer at once, 5 more held, 29 more hidden than with what is saved"."""
    draft, saved = period.draft, period.saved
    at_once, held, hidden = draft.at_once - saved.at_once, draft.held - saved.held, draft.hidden - saved.hidden
    parts = [
        _more_or_fewer(at_once, _("%(count)s more at once"), _("%(count)s fewer at once")),
        _more_or_fewer(held, _("%(count)s more held"), _("%(count)s fewer held")),
        _more_or_fewer(hidden, _("%(count)s more hidden"), _("%(count)s fewer hidden")),
    ]
    changed = ", ".join(part for part in parts if part)
    if not changed:
        return _("In these days this makes no difference to what is saved.")
    return _("%(changed)s than with what is saved.") % {"changed": changed}


class Column(NamedTuple):
    """A day in the drawing, which is one unit wide a day and HEIGHT high: hidden ones stand on the kept ones."""

    left: float
    kept_top: float
    kept_height: float
    hidden_top: float
    hidden_height: float


def columns(period: Period) -> list[Column]:
    scale = HEIGHT / max(period.busiest, 1)
    return [
        Column(
            left=round(place + GAP / 2, 2),
            kept_top=round(HEIGHT - day.kept * scale, 2),
            kept_height=round(day.kept * scale, 2),
            hidden_top=round(HEIGHT - (day.kept + day.hidden) * scale, 2),
            hidden_height=round(day.hidden * scale, 2),
        )
        for place, day in enumerate(period.by_day)
    ]


def _period(period: Period, *, differs: bool) -> PeriodPayload:
    return {
        "days": period.days,
        "since": iso(period.since),
        "until": iso(period.until),
        "headline": headline(period, differs=differs),
        "difference": difference(period) if differs else "",
        "draft": _tally(period.draft),
        "saved": _tally(period.saved),
        "by_day": [_day(day) for day in period.by_day],
    }


def _tally(tally: Tally) -> TallyPayload:
    return {
        "at_once": tally.at_once,
        "held": tally.held,
        "hidden": tally.hidden,
        "at_night": tally.at_night,
        "kept_won": tally.kept_won,
        "kept_lost": tally.kept_lost,
        "hidden_won": tally.hidden_won,
        "hidden_lost": tally.hidden_lost,
        "reasons": [
            {"reason": reason.value, "label": str(reason.label), "count": count}
            for reason, count in tally.reasons.most_common()
        ],
    }


def _day(day: Day) -> DayPayload:
    return {
        "date": day.date.isoformat(),
        "name": f"{date_format(day.date, 'D')} {date_format(day.date, 'SHORT_DATE_FORMAT')}",
        "kept": day.kept,
        "hidden": day.hidden,
    }


def _alerts(period: Period) -> str:
    count = period.draft.at_once
    if not count:
        return _("no alert")
    if _is_daily(period, count):
        number = _a_day(period, count)
        return ngettext("%(number)s alert a day", "%(number)s alerts a day", _plural(number)) % {"number": number}
    values = {"number": number_format(count), "days": period.days}
    return ngettext("%(number)s alert in %(days)s days", "%(number)s alerts in %(days)s days", count) % values


def _at_night(period: Period) -> str:
    count = period.draft.at_night
    if not count:
        return _("none at night")
    if _is_daily(period, count):
        return _("%(number)s at night") % {"number": _a_day(period, count)}
    if _is_daily(period, period.draft.at_once):
        return _("%(number)s in %(days)s nights") % {"number": number_format(count), "days": period.days}
    return _("%(number)s at night") % {"number": number_format(count)}


def _hidden_winners(tally: Tally) -> str:
    count = tally.hidden_won
    if not count:
        return _("no winner would be hidden")
    text = ngettext("%(number)s winner would be hidden", "%(number)s winners would be hidden", count)
    return text % {"number": number_format(count)}


def _is_daily(period: Period, count: int) -> bool:
    """Whether there are enough of them to speak of so many a day."""
    return count / period.elapsed_days >= 0.95


def _a_day(period: Period, count: int) -> str:
    """With one decimal below ten, when it is no nought."""
    number = count / period.elapsed_days
    decimals = 1 if number < 9.95 and round(number * 10) % 10 else 0
    return str(number_format(round(number, 1), decimals))


def _plural(number: str) -> int:
    return 1 if number == "1" else 2


def _more_or_fewer(change: int, more: str, fewer: str) -> str:
    return (more if change > 0 else fewer) % {"count": number_format(abs(change))} if change else ""
