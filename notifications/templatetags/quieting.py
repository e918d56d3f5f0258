"""What the bell says of a pause."""

from __future__ import annotations

import datetime as dt
from typing import Any

from django import template
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _

from notifications.models import NotificationPreference
from notifications.preferences import UNTIL_TURNED_ON
from notifications.quiet import zone_or_utc

register = template.Library()


@register.simple_tag(takes_context=True)
def pause_in_words(context: dict[str, Any]) -> str:
    """Such as "Paused until 14:30", by the user's own clock; nothing while nothing is paused."""
    preference: NotificationPreference | None = getattr(context["request"].user, "notification_preference", None)
    now = timezone.now()
    if preference is None or preference.paused_until is None or preference.paused_until <= now:
        return ""
    if preference.paused_until >= UNTIL_TURNED_ON:
        return _("Paused until you turn it on")
    zone = zone_or_utc(preference.time_zone)
    return _("Paused until %(time)s") % {
        "time": _reading(preference.paused_until.astimezone(zone), now.astimezone(zone))
    }


def _reading(end: dt.datetime, now: dt.datetime) -> str:
    """Within a day the time says enough."""
    near = end - now < dt.timedelta(days=1)
    return date_format(end, "TIME_FORMAT" if near else "SHORT_DATETIME_FORMAT", use_l10n=True)
