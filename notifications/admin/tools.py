"""The pages beside the lists: what the admin's index offers first, to whom may use it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from django.utils.translation import gettext_lazy as _

from notifications.admin import decisions

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise


class Tool(NamedTuple):
    """`address` is the name of its URL; all of the permissions are asked for.

    `searched` says what its page finds when it is asked with words (`q`); empty where it is not.
    """

    name: StrOrPromise
    address: str
    permissions: tuple[str, ...]
    says: StrOrPromise
    searched: StrOrPromise = ""


TOOLS = [
    Tool(
        _("Delivery health"),
        "admin:notifications_healthfigures_changelist",
        ("notifications.view_health",),
        _("Whether insights reach their traders: how many, how fast, what failed, and what is waiting."),
    ),
    Tool(
        _("The brake"),
        "admin:notifications_sendingbrake_changelist",
        ("notifications.view_sendingbrake",),
        _("Stop sending for everybody at once, while all is stored; see what waits, and who used it."),
    ),
    Tool(
        _("Did they get it?"),
        "admin:notifications_decision",
        decisions.PERMISSIONS,
        _("One user and one insight: whether it came, when and over what, and if not, by which rule."),
        _("User, symbol, or id of the insight"),
    ),
    Tool(
        _("Who would get this?"),
        "admin:notifications_audience",
        decisions.PERMISSIONS,
        _("An insight, or one thought up, by today's defaults and by others: how many it would reach, and whom."),
    ),
]


def tools_for(user: Any) -> list[Tool]:
    return [tool for tool in TOOLS if user.has_perms(tool.permissions)]
