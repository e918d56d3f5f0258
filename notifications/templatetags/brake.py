"""The switch that stops sending, for the pages of the admin."""

from __future__ import annotations

from typing import Any

from django import template

from notifications import brake
from notifications.models import SendingBrake

register = template.Library()


@register.simple_tag
def sending_brake(user: Any) -> SendingBrake | None:
    """The use of the brake that is on, for members of staff; nobody else is told who did it and why."""
    return brake.engaged() if user.is_authenticated and user.is_staff else None
