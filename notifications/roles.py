"""Who may do what in the admin: three roles, made as groups by each `migrate`.

A migration adds what the table below says and a group lacks, and takes nothing away: what somebody has given a group
beside stays. Whoever wants less than a role makes a group of their own. Membership is nobody's but the admins'.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from django.contrib.auth.models import Group, Permission

APPS = ("admin", "auth", "axes", "notifications", "signals")
# What an operator may do beside looking.
OPERATIONS = frozenset(
    {
        "notifications.resend_notification",
        "notifications.export_lists",
        "notifications.use_brake",
        "signals.pause_webhooksource",
    }
)


class Role(StrEnum):
    """Support looks; an operator also acts on what goes out; an admin has every permission of the site."""

    SUPPORT = "Support"
    OPERATOR = "Operator"
    ADMIN = "Admin"

    def allows(self, permission: str) -> bool:
        """Whether `app.codename` is among what the role may do."""
        looks = permission.partition(".")[2].startswith("view_")
        return looks or self is Role.ADMIN or (self is Role.OPERATOR and permission in OPERATIONS)


def make_groups(using: str = "default", **kwargs: Any) -> None:
    """A receiver of `post_migrate`; a second time it changes nothing."""
    found = Permission.objects.using(using).filter(content_type__app_label__in=APPS)
    known = {f"{app}.{name}": pk for pk, app, name in found.values_list("pk", "content_type__app_label", "codename")}
    membership = Group.permissions.through.objects.using(using)  # one statement for all: each test's flush comes here
    membership.bulk_create(
        [
            Group.permissions.through(group_id=group_id, permission_id=pk)
            for role, group_id in _group_ids(using).items()
            for permission, pk in known.items()
            if role.allows(permission)
        ],
        ignore_conflicts=True,
    )


def _group_ids(using: str) -> dict[Role, int]:
    groups = Group.objects.using(using)
    groups.bulk_create([Group(name=role) for role in Role], ignore_conflicts=True)
    ids = dict(groups.filter(name__in=list(Role)).values_list("name", "pk"))
    return {role: ids[role] for role in Role}
