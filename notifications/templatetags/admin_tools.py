"""What the admin's own templates call."""

from __future__ import annotations

from typing import Any

from django import template

from notifications.admin.tools import Tool, tools_for

register = template.Library()


@register.simple_tag
def admin_tools(user: Any) -> list[Tool]:
    return tools_for(user)
