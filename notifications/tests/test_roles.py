"""Three roles: support looks, an operator acts on what goes out, an admin may do all."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import Group, Permission, User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from notifications import roles
from notifications.admin.tools import TOOLS
from notifications.roles import Role

pytestmark = pytest.mark.django_db


def member_of(role: Role) -> User:
    user = User.objects.create_user(f"one-of-{role.lower()}", is_staff=True)
    user.groups.add(Group.objects.get(name=role))
    return user


@pytest.fixture(params=list(Role))
def role(request: pytest.FixtureRequest) -> Role:
    found: Role = request.param
    return found


def test_each_migration_makes_the_groups_and_the_second_time_nothing() -> None:
    before = set(Group.permissions.through.objects.values_list("group__name", "permission__codename"))

    roles.make_groups()

    assert {name for name, _codename in before} == set(Role)
    assert set(Group.permissions.through.objects.values_list("group__name", "permission__codename")) == before


def test_a_permission_that_somebody_gave_a_group_beside_stays() -> None:
    support = Group.objects.get(name=Role.SUPPORT)
    given = Permission.objects.get(codename="use_brake")
    support.permissions.add(given)

    roles.make_groups()

    assert given in support.permissions.all()


def test_what_a_group_lacks_comes_back() -> None:
    support = Group.objects.get(name=Role.SUPPORT)
    support.permissions.clear()

    roles.make_groups()

    assert support.permissions.filter(codename="view_insightnotification").exists()
    assert not support.permissions.exclude(codename__startswith="view_").exists()


def test_the_cost_of_a_flush_does_not_grow_with_the_permissions() -> None:
    with CaptureQueriesContext(connection) as queries:
        roles.make_groups()
    assert len(queries) <= 4


def test_every_operation_and_what_each_tool_asks_for_is_a_permission() -> None:
    known = {f"{app}.{name}" for app, name in Permission.objects.values_list("content_type__app_label", "codename")}

    assert known >= roles.OPERATIONS
    assert known >= {permission for tool in TOOLS for permission in tool.permissions}


@pytest.mark.parametrize(
    ("permission", "allowed"),
    [
        ("notifications.view_insightnotification", set(Role)),
        ("notifications.view_health", set(Role)),
        ("auth.view_user", set(Role)),
        ("notifications.resend_notification", {Role.OPERATOR, Role.ADMIN}),
        ("notifications.export_lists", {Role.OPERATOR, Role.ADMIN}),
        ("notifications.use_brake", {Role.OPERATOR, Role.ADMIN}),
        ("signals.pause_webhooksource", {Role.OPERATOR, Role.ADMIN}),
        ("notifications.change_notificationpreference", {Role.ADMIN}),
        ("auth.change_user", {Role.ADMIN}),
        ("auth.delete_user", {Role.ADMIN}),
        ("signals.add_signal", {Role.ADMIN}),
    ],
)
def test_who_may_do_what(permission: str, allowed: set[Role]) -> None:
    assert {role for role in Role if member_of(role).has_perm(permission)} == allowed


def test_the_index_offers_the_tools_that_one_may_use(role: Role) -> None:
    client = Client()
    client.force_login(member_of(role))

    page = client.get(reverse("admin:index")).content.decode()

    offered = [tool for tool in TOOLS if f'href="{reverse(tool.address)}"' in page]
    user: Any = User.objects.get(username=f"one-of-{role.lower()}")
    assert offered == [tool for tool in TOOLS if user.has_perms(tool.permissions)]
