"""Three roles: support looks, an operator acts on what goes out, an admin may do all."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from axes.models import AccessAttempt
from django.contrib import admin
from django.contrib.auth.models import Group, Permission, User
from django.db import connection
from django.template.backends.django import Template
from django.test import Client, RequestFactory
from django.test.utils import CaptureQueriesContext
from django.urls import get_resolver, reverse
from django.utils import timezone

from notifications import roles
from notifications.admin.tools import TOOLS
from notifications.models import OutgoingWebhook, PushSubscription, SendingBrake
from notifications.roles import Role
from notifications.tests.test_admin import store_one_of_each
from signals.models import Signal, WebhookRequest, WebhookSource
from zenithedge.tests.test_headers import routes, value_for

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


# --- Every address of the admin, by role -----------------------------------------------------------------------------

EVERYBODY, OPERATORS, ADMINS, NOBODY = set(Role), {Role.OPERATOR, Role.ADMIN}, {Role.ADMIN}, set[Role]()
ADDED = {"auth_user", "auth_group", "signals_signal", "signals_webhooksource", "notifications_notificationpreference"}
DELETED = {
    *("auth_user", "auth_group", "signals_signal", "signals_webhooksource"),
    *("notifications_pushsubscription", "axes_accessattempt"),
}
BY_KIND = {
    "changelist": EVERYBODY,
    "change": EVERYBODY,
    "history": EVERYBODY,
    "export": OPERATORS,
}
# Pages that are none of a model's usual ones.
OTHERS = {
    "notifications_decision": EVERYBODY,
    "notifications_audience": EVERYBODY,  # it sends nothing
    "auth_user_password_change": ADMINS,
}
# For whoever is signed in, or anybody.
COMMON = {
    *("index", "login", "logout", "password_change", "password_change_done"),
    *("autocomplete", "jsi18n", "view_on_site", "app_list"),
}


def who_may(name: str) -> set[Role]:
    """By the name of the address: what no line above knows fails here."""
    if name in OTHERS:
        return OTHERS[name]
    model, _, kind = name.rpartition("_")
    if kind == "add":
        return ADMINS if model in ADDED else NOBODY
    if kind == "delete":
        return ADMINS if model in DELETED else NOBODY
    return BY_KIND[kind]


def admin_names() -> list[str]:
    names = [name.removeprefix("admin:") for name, _pattern in routes(get_resolver().url_patterns) if "admin:" in name]
    return sorted(set(names) - COMMON)


@pytest.fixture
def a_row_of_each(make_insight: Callable[..., Signal]) -> None:
    user = store_one_of_each(9, make_insight())
    source = WebhookSource.objects.create(user=user, token_hash="x" * 64)
    WebhookRequest.objects.create(source=source, verdict="accepted", status_code=201)
    AccessAttempt.objects.create(username="trader-1", failures_since_start=1)
    SendingBrake.objects.create(reason="A trial.", engaged_name="ada", lifted_at=timezone.now())


@pytest.mark.usefixtures("a_row_of_each")
def test_every_address_of_the_admin_opens_for_whom_it_should(role: Role, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is decided before a page is rendered, which would take most of the time; test_headers.py renders them all."""
    monkeypatch.setattr(Template, "render", lambda *_args, **_kwargs: "")
    client = Client()
    client.force_login(member_of(role))
    User.objects.create(username="trader-2")  # the newest is the one that addresses name
    patterns = dict(routes(get_resolver().url_patterns))

    opened = {}
    for name in admin_names():
        pattern = patterns[f"admin:{name}"]
        of_model = name.replace("_password", "")
        arguments = {each: value_for(f"admin:{of_model}", each) for each in pattern.pattern.regex.groupindex}
        opened[name] = client.get(reverse(f"admin:{name}", kwargs=arguments)).status_code

    assert opened == {name: 200 if role in who_may(name) else 403 for name in admin_names()}


ACTIONS = {
    "export_chosen": OPERATORS,
    "send_again": OPERATORS,
    "pause": OPERATORS,
    "resume": OPERATORS,
    "mark_read": ADMINS,
    "replace_address": ADMINS,
    "validate_again": ADMINS,
    "sign_out": ADMINS,
    "delete_selected": ADMINS,
}


def test_each_action_is_offered_to_whom_it_should(role: Role) -> None:
    request = RequestFactory().get("/admin/")
    request.user = member_of(role)

    # Of an action that is not offered a posted name is none of the choices, so nothing is done.
    offered = {name for model_admin in admin.site._registry.values() for name in model_admin.get_actions(request)}

    assert offered == {name for name, roles in ACTIONS.items() if role in roles}


@pytest.mark.parametrize(
    ("model", "lookup", "value"),
    [
        (OutgoingWebhook, "secret__startswith", "v"),
        (OutgoingWebhook, "url__contains", "key"),
        (PushSubscription, "auth__gt", "s"),
        (PushSubscription, "p256dh__regex", "^s"),
        (PushSubscription, "endpoint__endswith", "/42"),
        (WebhookSource, "token_hash", "b" * 64),
        (User, "password__startswith", "pbkdf2"),
    ],
)
def test_no_list_can_be_asked_for_a_secret_letter_by_letter(model: Any, lookup: str, value: str) -> None:
    client = Client()
    client.force_login(member_of(Role.ADMIN))
    address = f"admin:{model._meta.label_lower.replace('.', '_')}"

    for page in ("changelist", "export"):
        assert client.get(reverse(f"{address}_{page}"), {lookup: value}).status_code == 400


class TestSuperusers:
    @pytest.fixture
    def colleague(self) -> User:
        return member_of(Role.ADMIN)

    @pytest.fixture
    def browser(self, colleague: User) -> Client:
        client = Client()
        client.force_login(colleague)
        return client

    @pytest.mark.parametrize(
        ("name", "form"),
        [
            ("change", {"username": "ada", "email": "mine@example.org"}),
            ("delete", {"post": "yes"}),
            ("password_change", {"password1": "ours-now-1", "password2": "ours-now-1"}),
        ],
    )
    def test_an_admin_changes_no_superusers_account(
        self, browser: Client, ada: User, name: str, form: dict[str, str]
    ) -> None:
        before = User.objects.filter(pk=ada.pk).values().get()

        response = browser.post(reverse(f"admin:auth_user_{name}", args=[ada.pk]), form)

        assert response.status_code == 403
        assert User.objects.filter(pk=ada.pk).values().get() == before

    def test_nor_deletes_it_from_the_list(self, browser: Client, ada: User, alice: User) -> None:
        chosen = {"action": "delete_selected", "_selected_action": [ada.pk, alice.pk], "post": "yes"}

        assert browser.post(reverse("admin:auth_user_changelist"), chosen).status_code == 403
        assert User.objects.filter(pk__in=[ada.pk, alice.pk]).count() == 2

    def test_an_admin_makes_nobody_a_superuser(self, browser: Client, colleague: User) -> None:
        address = reverse("admin:auth_user_change", args=[colleague.pk])
        shown = browser.get(address).context["adminform"].form.initial
        dates = {"last_login_0": "", "last_login_1": "", "date_joined_0": "2026-03-04", "date_joined_1": "12:00:00"}
        form = {"username": shown["username"], "is_active": "on", "is_staff": "on", "email": "new@example.org"} | dates

        response = browser.post(address, form | {"is_superuser": "on"})

        colleague.refresh_from_db()
        assert (response.status_code, colleague.email, colleague.is_superuser) == (302, "new@example.org", False)

    def test_a_superuser_may(self, ada: User, colleague: User) -> None:
        client = Client()
        client.force_login(ada)
        dates = {"last_login_0": "", "last_login_1": "", "date_joined_0": "2026-03-04", "date_joined_1": "12:00:00"}
        form = {"username": colleague.username, "is_active": "on", "is_staff": "on", "is_superuser": "on"} | dates

        client.post(reverse("admin:auth_user_change", args=[colleague.pk]), form)

        colleague.refresh_from_db()
        assert colleague.is_superuser
