"""Whether all is well: the figures that can be judged, each against its limits, and those that only inform.

Pure: it judges a report and asks nothing. The limits are what the site promises and what its schedule needs.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.db.models import TextChoices
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from notifications.health.latency import Stage
from notifications.health.report import Deliveries, Report
from notifications.health.words import NOTHING, duration, number, percent
from notifications.preferences import Channel, Reason
from zenithedge.languages import decimal

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

# Each pair: beyond the first it is worth a look, beyond the second something is broken.
COUNTED_AGO_S = (3 * 60, 15 * 60)  # it is counted each minute
DISPATCH_AGE_S = (30, 5 * 60)  # the sweep comes every ten seconds
SIGNAL_TO_SCREEN_S = (1.0, 5.0)  # "well under a second" is promised
DUE_FOR_S = (2 * 60, 15 * 60)  # a wave of pushes is out within a minute or two
SUCCESS = (0.99, 0.95)
# Below that a share says nothing: one failure of three is no outage.
LEAST_DELIVERIES = 20
# Below that "95 of 100" is the slowest one alone.
LEAST_MEASURED = 20
# The keys of the tiles that are judged; the others inform.
JUDGED = ("brake", "signal_to_screen", "success", "dispatches", "due", "sources", "counted")


class State(TextChoices):
    """How a figure is, the worst first."""

    BAD = "bad", gettext_lazy("Act now")
    WARN = "warn", gettext_lazy("Worth a look")
    GOOD = "good", gettext_lazy("All well")
    NONE = "none", gettext_lazy("For information")


@dataclass(frozen=True, slots=True)
class Tile:
    """One key figure. `key` names it for links and JSON; `words` say what it means, and what to do when it is bad."""

    key: str
    title: StrOrPromise
    value: str
    state: State
    words: str


def tiles(report: Report, *, sockets: int | None) -> list[Tile]:
    """Those that are judged come first."""
    return [
        *_brake(report),
        _screen(report),
        _success(report),
        _dispatches(report),
        _due(report),
        _sources(report),
        _counted(report),
        _insights(report),
        _notifications(report),
        _hidden(report),
        _sockets(sockets),
    ]


def worst(judged: Iterable[Tile]) -> State:
    states = {tile.state for tile in judged}
    return next((state for state in State if state in states and state is not State.NONE), State.NONE)


def _by_limits(value: float, limits: tuple[float, float]) -> State:
    """Where less is better."""
    if value > limits[1]:
        return State.BAD
    return State.WARN if value > limits[0] else State.GOOD


def _brake(report: Report) -> list[Tile]:
    """Only while it is on: then it explains what waits."""
    if report.brake is None:
        return []
    stopped_s = max(0.0, (report.now - report.brake.engaged_at).total_seconds())
    words = _("By %(name)s, %(age)s ago: %(reason)s") % {
        "name": report.brake.engaged_name,
        "age": duration(stopped_s),
        "reason": report.brake.reason,
    }
    return [Tile("brake", _("Sending"), _("stopped"), State.WARN, words)]


def _screen(report: Report) -> Tile:
    whole = report.latencies[Stage.WHOLE]
    if whole.p95_s is None:
        words = _("No open browser has acknowledged anything in this time.")
        return Tile("signal_to_screen", _("Signal to screen"), NOTHING, State.NONE, words)
    words = _("95 of 100 were on an open screen within this time; half within %(half)s.") % {
        "half": duration(whole.p50_s)
    }
    state = _by_limits(whole.p95_s, SIGNAL_TO_SCREEN_S) if whole.count >= LEAST_MEASURED else State.NONE
    return Tile("signal_to_screen", _("Signal to screen"), duration(whole.p95_s), state, words)


def _success(report: Report) -> Tile:
    """Of the channel that fares worst."""
    known = [one for one in report.deliveries if one.success is not None]
    title = _("Deliveries that got through")
    if not known:
        return Tile("success", title, NOTHING, State.NONE, _("Nothing was to be delivered in this time."))
    worst = min(known, key=lambda one: (list(State).index(success_state(one)), one.success))
    words = _("Over %(channel)s, the least of all channels.") % {"channel": channel_name(worst.channel)}
    if success_state(worst) in (State.BAD, State.WARN):
        words += " " + _("Look at the errors of those that failed.")
    return Tile("success", title, percent(worst.success), success_state(worst), words)


def success_state(deliveries: Deliveries) -> State:
    share = deliveries.success
    if share is None or deliveries.total < LEAST_DELIVERIES:
        return State.NONE
    if share < SUCCESS[1]:
        return State.BAD
    return State.WARN if share < SUCCESS[0] else State.GOOD


def channel_name(channel: str) -> str:
    """A site may have channels of its own (`delivery.registry`)."""
    return str(Channel(channel).label) if channel in Channel.values else channel


def reason_name(reason: str) -> str:
    """Figures may be older than the rules are now."""
    return str(Reason(reason).label) if reason in Reason.values else reason


def _dispatches(report: Report) -> Tile:
    title, waiting = _("Insights not handed out"), report.dispatches
    age_s = waiting.age_s(report.now)
    if not waiting.number:
        return Tile("dispatches", title, number(0), State.GOOD, _("Every insight has been handed out."))
    state = _by_limits(age_s, DISPATCH_AGE_S)
    words = _("The oldest has been open for %(age)s.") % {"age": duration(age_s)}
    if state is State.BAD:
        words += " " + _("Look whether the worker and the schedule run, then at its last error.")
    return Tile("dispatches", title, number(waiting.number), state, words)


def _due(report: Report) -> Tile:
    title, count = _("Deliveries that are due"), sum(waiting.number for waiting in report.due.values())
    age_s = max((waiting.age_s(report.now) for waiting in report.due.values()), default=0.0)
    if not count:
        return Tile("due", title, number(0), State.GOOD, _("No push and no webhook is waiting."))
    words = _("The oldest has been due for %(age)s.") % {"age": duration(age_s)}
    return Tile("due", title, number(count), _by_limits(age_s, DUE_FOR_S), words)


def _sources(report: Report) -> Tile:
    title = _("Sources gone silent")
    if not report.silent:
        words = _("No webhook has been silent for far longer than it usually is.")
        return Tile("sources", title, number(0), State.GOOD, words)
    words = _("Silent for far longer than usual; their owners were told.")
    return Tile("sources", title, number(report.silent), State.WARN, words)


def _counted(report: Report) -> Tile:
    title = _("Figures counted")
    if report.counted_at is None:
        words = _("Nothing has been counted. Start the worker and its schedule, or run roll_up_figures.")
        return Tile("counted", title, _("never"), State.BAD, words)
    age_s = max(0.0, (report.now - report.counted_at).total_seconds())
    state = _by_limits(age_s, COUNTED_AGO_S)
    words = {
        State.GOOD: _("The schedule runs: they are counted each minute."),
        State.WARN: _("They are to be counted each minute; the schedule is late."),
        State.BAD: _("The schedule does not run. Start the worker, or Celery's worker and beat."),
    }[state]
    return Tile("counted", title, _("%(age)s ago") % {"age": duration(age_s)}, state, words)


def _insights(report: Report) -> Tile:
    hours = (report.now - report.since).total_seconds() / 3600
    words = _("%(number)s an hour.") % {"number": decimal(report.insights / hours, 1)}
    return Tile("insights", _("Insights"), number(report.insights), State.NONE, words)


def _notifications(report: Report) -> Tile:
    hours = (report.now - report.since).total_seconds() / 3600
    words = _("%(number)s an hour.") % {"number": decimal(report.notifications / hours, 1)}
    return Tile("notifications", _("Notifications"), number(report.notifications), State.NONE, words)


def _hidden(report: Report) -> Tile:
    words = _("The share of decisions by which preferences kept an insight back.")
    return Tile("hidden", _("Hidden by preferences"), percent(report.hidden_share), State.NONE, words)


def _sockets(sockets: int | None) -> Tile:
    if sockets is None:
        return Tile("sockets", _("Open sockets"), NOTHING, State.NONE, _("Known to the server processes only."))
    return Tile("sockets", _("Open sockets"), number(sockets), State.NONE, _("Tabs connected to this machine."))
