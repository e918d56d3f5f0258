"""The charts of the delivery health page: each a table, with the list behind each number, that a script draws."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlencode

from django.db.models import Model
from django.urls import reverse
from django.utils.translation import gettext as _

from notifications.health import classes
from notifications.health.judging import channel_name, reason_name
from notifications.health.latency import LIVE_S, Latency, Stage
from notifications.health.periods import Range
from notifications.health.report import Deliveries, Report, Step
from notifications.health.words import duration, number, percent
from notifications.models import (
    DeliveryState,
    DigestRun,
    Inbox,
    InsightDispatch,
    InsightNotification,
    NotificationDeliveryLog,
    SendingBrake,
)
from notifications.preferences import Channel
from signals.models import Signal, WebhookRequest, WebhookSource

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise


class Cell(NamedTuple):
    """`value` is what the chart draws, None for a gap; `url` the list behind it."""

    value: float | None
    text: str
    url: str = ""


class Column(NamedTuple):
    """`colour` names one of the style sheet's; without one it is in the table only."""

    label: StrOrPromise
    colour: str = ""


class Row(NamedTuple):
    label: StrOrPromise
    cells: list[Cell]


@dataclass(frozen=True, slots=True)
class Chart:
    """`kind` is one of those that static/health/charts.js draws; empty for a table alone."""

    name: str
    title: StrOrPromise
    note: StrOrPromise
    kind: str
    columns: list[Column]
    rows: list[Row]
    head: StrOrPromise = ""
    wide: bool = False


def charts(report: Report) -> list[Chart]:
    return [
        _volume(report),
        _speed(report),
        _stages(report),
        _deliveries(report),
        _hidden(report),
        _unread(report),
        _per_user_and_day(report),
        _busiest(report),
        _silent(report),
    ]


def tile_links(report: Report) -> dict[str, str]:
    """By the key of the tile, the list behind its figure."""
    return {
        "brake": listed(SendingBrake),
        "signal_to_screen": _deliveries_url(report, channel=Channel.WEBSOCKET, state=DeliveryState.ACKNOWLEDGED),
        "success": _deliveries_url(report, state=DeliveryState.FAILED),
        "dispatches": listed(InsightDispatch, state__in="open,running"),
        "due": listed(
            NotificationDeliveryLog, state__exact=DeliveryState.PENDING, next_attempt_at__lte=report.now.isoformat()
        ),
        "sources": listed(WebhookSource, silent="yes"),
        "insights": _insights_url(report.since, None),
        "notifications": _notifications_url(report.since, None),
        "hidden": _within(InsightDispatch, "opened_at", report.since, None),
        "sockets": reverse("metrics"),
    }


def listed(model: type[Model], **lookups: Any) -> str:
    """The admin's list of a model, narrowed to what the lookups say."""
    address = reverse(f"admin:{model._meta.label_lower.replace('.', '_')}_changelist")
    return f"{address}?{urlencode(lookups)}" if lookups else address


def _within(model: type[Model], moment: str, begin: dt.datetime, end: dt.datetime | None, **lookups: Any) -> str:
    bounds_ = {f"{moment}__gte": begin.isoformat()} | ({f"{moment}__lt": end.isoformat()} if end else {})
    return listed(model, **bounds_, **lookups)


def _insights_url(begin: dt.datetime, end: dt.datetime | None) -> str:
    return _within(Signal, "received_at", begin, end, validation__isnull=False)


def _notifications_url(begin: dt.datetime, end: dt.datetime | None) -> str:
    return _within(InsightNotification, "created_at", begin, end)


def _deliveries_url(report: Report, *, state: str, channel: str = "") -> str:
    """The daily e-mails have a list of their own."""
    if channel == Channel.EMAIL:
        return _within(DigestRun, "due_at", report.since, None, state__exact=state)
    lookups = {"state__exact": state} | ({"channel__exact": channel} if channel else {})
    return _within(NotificationDeliveryLog, "created_at", report.since, None, **lookups)


# --- The charts -----------------------------------------------------------------------------------------------------


def _volume(report: Report) -> Chart:
    def cells(step: Step) -> list[Cell]:
        span = (step.begins_at, step.ends_at)
        return [
            Cell(step.notifications, number(step.notifications), _notifications_url(*span)),
            Cell(step.insights, number(step.insights), _insights_url(*span)),
        ]

    return Chart(
        "volume",
        _("Insights and notifications"),
        _("One insight becomes a notification for each trader whom it concerns and whose preferences let it through."),
        "volume",
        [Column(_("Notifications"), "first"), Column(_("Insights"), "second")],
        [Row(_moment(report.range, step.begins_at), cells(step)) for step in report.steps],
        head=_("From (UTC)"),
        wide=True,
    )


def _speed(report: Report) -> Chart:
    return Chart(
        "speed",
        _("Signal to screen"),
        _(
            "From the webhook to the acknowledgement of an open browser. What waited for a closed one, longer than"
            " %(seconds)s s or read in a list first, is not in it: %(later)s in this time."
        )
        % {"seconds": LIVE_S, "later": number(report.later)},
        "lines",
        [*_percentile_columns(), Column(_("Measured"))],
        [
            Row(
                _moment(report.range, step.begins_at),
                _latency_cells(step.latency, _acknowledged_url(step.begins_at, step.ends_at)),
            )
            for step in report.steps
        ],
        head=_("From (UTC)"),
    )


def _stages(report: Report) -> Chart:
    return Chart(
        "stages",
        _("Where the time goes"),
        _("Percentiles of each stage; they are read from buckets and so up to 10 % off."),
        "times",
        [*_percentile_columns(), Column(_("Measured"))],
        [
            Row(stage.label, _latency_cells(latency, _acknowledged_url(report.since, None, stage=stage)))
            for stage, latency in report.latencies.items()
        ],
        head=_("Stage"),
    )


def _percentile_columns() -> list[Column]:
    return [Column(_("half (p50)"), "p50"), Column(_("95 of 100 (p95)"), "p95"), Column(_("99 of 100 (p99)"), "p99")]


def _latency_cells(latency: Latency, url: str) -> list[Cell]:
    found = (latency.p50_s, latency.p95_s, latency.p99_s)
    return [*(Cell(value, duration(value)) for value in found), Cell(latency.count, number(latency.count), url)]


def _acknowledged_url(begin: dt.datetime, end: dt.datetime | None, stage: Stage = Stage.WHOLE) -> str:
    reached = {"acknowledged_at__isnull": False} if stage in (Stage.WHOLE, Stage.ACKNOWLEDGED) else {}
    return _within(NotificationDeliveryLog, "created_at", begin, end, channel__exact=Channel.WEBSOCKET.value, **reached)


def _deliveries(report: Report) -> Chart:
    states = list(DeliveryState)
    return Chart(
        "deliveries",
        _("Deliveries by channel and state"),
        _(
            "A browser's is “sent” when its sockets had it and “acknowledged” when a tab showed it. “Got through” is"
            " the share of those whose end is known."
        ),
        "shares",
        [*(Column(state.label, state.value) for state in states), Column(_("Got through"))],
        [
            Row(
                channel_name(one.channel),
                [
                    *(_state_cell(report, one, state) for state in states),
                    Cell(one.success, percent(one.success)),
                ],
            )
            for one in report.deliveries
        ],
        head=_("Channel"),
    )


def _state_cell(report: Report, deliveries: Deliveries, state: DeliveryState) -> Cell:
    count = deliveries.states.get(state, 0)
    return Cell(count, number(count), _deliveries_url(report, channel=deliveries.channel, state=state.value))


def _hidden(report: Report) -> Chart:
    return Chart(
        "hidden",
        _("Why insights were hidden"),
        _("Decisions by which a trader's own preferences kept an insight back, by the rule; and in how many insights."),
        "ranks",
        [Column(_("Decisions"), "first"), Column(_("Insights"))],
        [
            Row(
                reason_name(hidden.reason),
                [
                    Cell(hidden.users, number(hidden.users), _with_reason(report, hidden.reason)),
                    Cell(hidden.insights, number(hidden.insights), _with_reason(report, hidden.reason)),
                ],
            )
            for hidden in report.hidden
        ],
        head=_("Rule"),
    )


def _with_reason(report: Report, reason: str) -> str:
    return _within(InsightDispatch, "opened_at", report.since, None, counts__reasons__has_key=reason)


def _unread(report: Report) -> Chart:
    return Chart(
        "unread",
        _("Unread per user"),
        _("How many users have so many unread notifications now."),
        "columns",
        [Column(_("Users"), "first")],
        [_class_row(name, users, listed(Inbox, unread=name)) for name, users in report.unread.items()],
        head=_("Unread"),
    )


def _class_row(name: str, users: int, url: str) -> Row:
    return Row(classes.in_words(name), [Cell(users, number(users), url)])


def _per_user_and_day(report: Report) -> Chart:
    first = report.days[0] if report.days else report.since.date()
    url = _notifications_url(dt.datetime.combine(first, dt.time.min, tzinfo=dt.UTC), None)
    return Chart(
        "per-user",
        _("Notifications per user and day"),
        _("Of each day (UTC) and each user who got any: how many. Days since %(date)s, today included.")
        % {"date": first.isoformat()},
        "columns",
        [Column(_("Users and days"), "second")],
        [_class_row(name, users, url) for name, users in report.per_user_and_day.items()],
        head=_("Notifications"),
    )


def _busiest(report: Report) -> Chart:
    def url(user_id: int, date: dt.date) -> str:
        begin = dt.datetime.combine(date, dt.time.min, tzinfo=dt.UTC)
        end = begin + dt.timedelta(days=1)
        return _within(InsightNotification, "created_at", begin, end, user__id__exact=user_id)

    return Chart(
        "busiest",
        _("Who gets most"),
        _("The users who got most notifications on one day."),
        "",
        [Column(_("Day (UTC)")), Column(_("Notifications"))],
        [
            Row(
                one.username,
                [Cell(None, one.date.isoformat()), Cell(one.number, number(one.number), url(one.user_id, one.date))],
            )
            for one in report.busiest
        ],
        head=_("User"),
    )


def _silent(report: Report) -> Chart:
    def cells(source: WebhookSource) -> list[Cell]:
        last_alert_at = source.last_alert_at or source.created_at
        silent_s = (report.now - last_alert_at).total_seconds()
        alerts = listed(WebhookRequest, source__id__exact=source.pk)
        return [Cell(None, f"{last_alert_at:%Y-%m-%d %H:%M}", alerts), Cell(None, duration(silent_s))]

    return Chart(
        "silent",
        _("Sources gone silent"),
        _("Webhooks that used to alert regularly and stopped. Weekends, when the market is closed, do not count."),
        "",
        [Column(_("Last alert (UTC)")), Column(_("Silent for"))],
        [Row(str(source), cells(source)) for source in report.silent_sources],
        head=_("Source"),
    )


def _moment(range_: Range, moment: dt.datetime) -> str:
    """By UTC, as short as the range allows."""
    form = {Range.HOUR: "%H:%M", Range.DAY: "%H:%M", Range.WEEK: "%m-%d %H:%M", Range.MONTH: "%m-%d"}[range_]
    return f"{moment:{form}}"
