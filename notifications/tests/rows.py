"""Stored notifications in any state, for tests of what reads them."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

from django.apps import apps
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.utils import timezone

from notifications.models import DeliveryState, Inbox, InsightNotification, NotificationDeliveryLog
from notifications.preferences import Channel
from signals.models import Signal


def store_notification(user: User, signal: Signal, *, days_old: float = 0, **fields: Any) -> InsightNotification:
    """At the next position of the user's stream unless `seq` is given; with a position comes a delivery log."""
    created_at = timezone.now() - dt.timedelta(days=days_old)
    if "seq" not in fields:
        fields["seq"] = next_position(user)
    if fields.get("read"):
        fields.setdefault("read_at", created_at)
    notification = InsightNotification.objects.create(
        **{
            "user": user,
            "signal": signal,
            "title": f"New Insight – {signal.symbol}",
            "snippet": "Solid (78%). Reward is 2.0 times the risk.",
            "confidence": Decimal(78),
            "priority": "medium",
            "created_at": created_at,
            "expires_at": created_at + dt.timedelta(hours=3),
        }
        | fields
    )
    if notification.seq is not None:
        NotificationDeliveryLog.objects.create(
            notification=notification, channel=Channel.WEBSOCKET, state=DeliveryState.SENT, created_at=created_at
        )
    return notification


def next_position(user: User) -> int:
    inbox, _ = Inbox.objects.get_or_create(user=user)
    inbox.last_seq += 1
    inbox.save(update_fields=["last_seq"])
    return inbox.last_seq


def stored_rows() -> dict[str, list[dict[str, Any]]]:
    """Every row of every table but the sessions', to see that something changed nothing."""
    models = [model for model in apps.get_models() if model is not Session]
    return {model.__name__: list(model._default_manager.order_by("pk").values()) for model in models}
