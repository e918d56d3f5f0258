"""The part of the preferences' page that tells of the daily e-mail."""

from __future__ import annotations

from typing import Any

from django import template
from django.utils import timezone

from notifications.digests import runs
from notifications.models import NotificationPreference

register = template.Library()


@register.inclusion_tag("notifications/partials/preference_digest.html", takes_context=True)
def next_digest(context: dict[str, Any]) -> dict[str, Any]:
    """When the next one comes, by what is saved; and a button that has one sent now."""
    user = context["request"].user
    return {"user": user, "outlook": runs.outlook(NotificationPreference.of(user), timezone.now())}
