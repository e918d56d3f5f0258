"""A report as JSON types, for other programs. Durations are seconds, shares from 0 to 1, moments ISO 8601 in UTC."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from notifications.health import judging
from notifications.health.judging import Tile
from notifications.health.report import Report, Step
from notifications.health.standing import Waiting


def as_json(report: Report, tiles: Sequence[Tile]) -> dict[str, Any]:
    """`checks` are the tiles that are judged, `state` the worst of them."""
    return {
        "range": report.range.value,
        "since": _moment(report.since),
        "until": _moment(report.now),
        "counted_at": _moment(report.counted_at),
        "state": judging.worst(tiles).value,
        "checks": [
            {"key": tile.key, "state": tile.state.value, "value": tile.value, "words": tile.words}
            for tile in tiles
            if tile.key in judging.JUDGED
        ],
        "insights": report.insights,
        "notifications": report.notifications,
        "steps": [_step(step) for step in report.steps],
        "deliveries": {
            one.channel: {"states": one.states, "success": one.success, "acknowledged": one.acknowledged}
            for one in report.deliveries
        },
        "latency": {stage.value: asdict(latency) for stage, latency in report.latencies.items()},
        "acknowledged_later": report.later,
        "verdicts": report.verdicts,
        "hidden_share": report.hidden_share,
        "hidden": [{"reason": one.reason, "users": one.users, "insights": one.insights} for one in report.hidden],
        "unread_per_user": report.unread,
        "per_user_and_day": report.per_user_and_day,
        "busiest": [
            {"date": one.date.isoformat(), "user_id": one.user_id, "number": one.number} for one in report.busiest
        ],
        "dispatches": _waiting(report.dispatches, report.now),
        "due": {channel: _waiting(waiting, report.now) for channel, waiting in report.due.items()},
        "brake_since": _moment(report.brake.engaged_at) if report.brake else None,
        "silent": report.silent,
        "silent_sources": [
            {"id": source.pk, "name": source.name, "last_alert_at": _moment(source.last_alert_at)}
            for source in report.silent_sources
        ],
    }


def _step(step: Step) -> dict[str, Any]:
    return {
        "begins_at": _moment(step.begins_at),
        "ends_at": _moment(step.ends_at),
        "insights": step.insights,
        "notifications": step.notifications,
        "signal_to_screen": asdict(step.latency),
    }


def _waiting(waiting: Waiting, now: dt.datetime) -> dict[str, Any]:
    return {"number": waiting.number, "oldest_s": round(waiting.age_s(now), 3)}


def _moment(moment: dt.datetime | None) -> str | None:
    return moment.astimezone(dt.UTC).isoformat() if moment else None
