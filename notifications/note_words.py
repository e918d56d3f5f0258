"""What has become of an insight, in words: for pages, mails and pushes. static/notifications/notes.js says the same."""

from __future__ import annotations

import datetime as dt

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from notifications.models import InsightNotification
from signals.models import Outcome, Side, Signal, ValidationStatus


def change(notification: InsightNotification) -> str:
    """What a revision changed of the one before it: “confidence 71 → 84, now approved”; empty for a first one."""
    parts = []
    if notification.earlier_confidence is not None:
        figures = {"before": int(notification.earlier_confidence), "now": int(notification.confidence)}
        parts.append(_("confidence %(before)s → %(now)s") % figures)
    if notification.new_status is not None:
        status = {
            ValidationStatus.APPROVED: _("now approved"),
            ValidationStatus.CONDITIONAL: _("now conditional"),
            ValidationStatus.REJECTED: _("now rejected"),
        }
        parts.append(status[ValidationStatus(notification.new_status)])
    return ", ".join(parts)


def reversed_by(signal: Signal) -> str:
    """Empty for one that nothing turned."""
    if signal.reversed_by_id is None:
        return ""
    return _("Reversed by a later sell") if signal.side == Side.BUY else _("Reversed by a later buy")


def time_left(notification: InsightNotification, now: dt.datetime) -> str:
    """How long the insight is live; empty for what is over, and for what quiet hours hold."""
    left = notification.expires_at - now
    over = notification.expired_at or notification.superseded_by_id or notification.held_until
    if over or left <= dt.timedelta() or notification.signal.outcome != Outcome.PENDING:
        return ""
    minutes = int(left / dt.timedelta(minutes=1))
    if minutes < 60:
        return ngettext("%(count)s minute left", "%(count)s minutes left", minutes) % {"count": minutes}
    hours = minutes // 60
    if hours < 48:
        return ngettext("%(count)s hour left", "%(count)s hours left", hours) % {"count": hours}
    return ngettext("%(count)s day left", "%(count)s days left", hours // 24) % {"count": hours // 24}
