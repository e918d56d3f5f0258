"""What the templates of the insights call."""

from __future__ import annotations

import datetime as dt

from django import template
from django.utils import timezone

from notifications import explaining, insight_page, note_words, sparklines
from notifications.models import InsightNotification, NotificationDeliveryLog
from notifications.sparklines import Sparkline
from signals.models import Signal

register = template.Library()


@register.filter
def sparkline(signal: Signal | None) -> Sparkline | None:
    """None also for the blank row, which has no signal."""
    return sparklines.sparkline(signal) if signal else None


@register.filter
def in_words(log: NotificationDeliveryLog) -> str:
    return insight_page.delivery_in_words(log)


@register.filter
def reached_at(log: NotificationDeliveryLog) -> dt.datetime:
    return insight_page.delivery_time(log)


@register.filter
def why(notification: InsightNotification | None) -> str:
    """Why it came; nothing for the blank row."""
    return explaining.why(notification) if notification else ""


@register.filter
def changed(notification: InsightNotification) -> str:
    return note_words.change(notification)


@register.filter
def turned(signal: Signal) -> str:
    return note_words.reversed_by(signal)


@register.filter
def left(notification: InsightNotification) -> str:
    return note_words.time_left(notification, timezone.now())
