"""The delivery health page and `notification_stats`: who may look, what stands there, and where each number leads."""

from __future__ import annotations

import datetime as dt
import json
import re
from collections.abc import Callable
from html import unescape
from io import StringIO
from typing import Any

import pytest
import time_machine
from django.conf import settings
from django.contrib.auth.models import Group, User
from django.core.management import call_command
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from notifications import brake
from notifications.admin.tools import tools_for
from notifications.health import judging, report, rolling_up
from notifications.health.as_json import as_json
from notifications.health.periods import Length, Range
from notifications.models import (
    DeliveryState,
    DigestRun,
    HealthFigures,
    InsightDispatch,
    InsightNotification,
    NotificationDeliveryLog,
    NotificationPreference,
)
from notifications.preferences import Channel, Reason
from notifications.roles import Role
from notifications.tests.rows import store_notification
from signals.models import Signal, TradeValidation, WebhookRequest, WebhookSource

pytestmark = pytest.mark.django_db

MakeSignal = Callable[..., Signal]
PAGE = "/admin/notifications/healthfigures/"


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def member_of(role: Role) -> User:
    user = User.objects.create_user(f"one-of-{role.lower()}", is_staff=True)
    user.groups.add(Group.objects.get(name=role))
    return user


@pytest.fixture
def looker(db: None) -> Client:
    return signed_in(member_of(Role.SUPPORT))


@pytest.fixture
def rows(alice: User, bob: User, make_signal: MakeSignal) -> None:
    """Some of everything that has a number on the page, rolled up."""
    now = timezone.now()
    for number, user in enumerate((alice, alice, alice, bob)):
        signal = make_signal(None, received_at=now - dt.timedelta(seconds=2))
        TradeValidation.objects.bulk_create([TradeValidation(signal=signal, truth_index=82, status="approved")])
        notification = store_notification(user, signal)
        NotificationDeliveryLog.objects.filter(notification=notification).update(
            state=DeliveryState.ACKNOWLEDGED, attempted_at=now, acknowledged_at=now
        )
        for state in (DeliveryState.SENT, DeliveryState.FAILED)[: number % 3]:
            NotificationDeliveryLog.objects.create(
                notification=notification, channel=Channel.PUSH, target=state, state=state
            )
        InsightDispatch.objects.create(
            signal=signal, revision=1, fingerprint="f", state="done" if number else "open",
            counts={"verdicts": {"suppress": 7}, "reasons": {Reason.MUTED.value: 7}} if number else {},
        )  # fmt: skip
    NotificationDeliveryLog.objects.create(
        notification=notification, channel=Channel.WEBHOOK, next_attempt_at=now - dt.timedelta(seconds=1)
    )
    DigestRun.objects.create(user=alice, local_date=now.date(), due_at=now, state="failed", message_id="<1>")
    silent_since = now - dt.timedelta(days=2)
    source = WebhookSource.objects.create(
        user=alice, name="Gone", token_hash="x", last_alert_at=silent_since, silent_since=silent_since
    )
    WebhookRequest.objects.create(
        source=source, received_at=silent_since, verdict="accepted", status_code=201, body_digest=""
    )
    WebhookSource.objects.create(user=alice, name="There", token_hash="y", last_alert_at=now)
    rolling_up.roll_up()


# --- Who may look ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("role", Role)
def test_every_role_may_look_and_finds_the_way(role: Role) -> None:
    user = member_of(role)

    assert signed_in(user).get(PAGE).status_code == 200
    assert "admin:notifications_healthfigures_changelist" in {tool.address for tool in tools_for(user)}
    assert f'href="{PAGE}"' in signed_in(user).get("/admin/").content.decode()


def test_nobody_else_may(alice: User) -> None:
    assert Client().get(PAGE)["Location"].startswith("/admin/login/")
    assert signed_in(alice).get(PAGE)["Location"].startswith("/admin/login/")
    clerk = User.objects.create_user("clerk", is_staff=True)
    assert signed_in(clerk).get(PAGE).status_code == 403
    assert f'href="{PAGE}"' not in signed_in(clerk).get("/admin/").content.decode()


# --- What stands there ----------------------------------------------------------------------------------------------


def test_an_empty_site_has_a_page_that_says_what_to_start(looker: Client) -> None:
    html = looker.get(PAGE).content.decode()
    assert tile(html, "counted")[0] == "bad"
    assert "roll_up_figures" in html
    assert tile(html, "signal_to_screen")[0] == "none"


def test_the_range_is_given_by_utc_whatever_the_readers_clock(looker: Client) -> None:
    NotificationPreference.objects.update(time_zone="Asia/Tokyo")
    with time_machine.travel(dt.datetime(2026, 11, 20, 14, 37, 12, tzinfo=dt.UTC), tick=False):
        assert "2026-11-19 14:00 to 14:37:12 UTC" in looker.get(PAGE).content.decode()


def test_the_tiles_have_the_reports_figures_and_say_how_they_are_in_words(looker: Client, rows: None) -> None:
    html = looker.get(PAGE).content.decode()
    assert {key: tile(html, key) for key in ("notifications", "insights", "sources", "dispatches", "due")} == {
        "notifications": ("none", "4"),
        "insights": ("none", "4"),
        "sources": ("warn", "1"),
        "dispatches": ("good", "1"),
        "due": ("good", "1"),
    }
    assert re.search(r'data-state="warn">\s*<h3>Sources gone silent</h3>.*?Worth a look', html, re.DOTALL)


@pytest.mark.parametrize("name", ["hour", "1d", "", "24h'"])
def test_a_range_that_nobody_knows_leads_to_the_usual_one(looker: Client, name: str) -> None:
    assert looker.get(PAGE, {"range": name})["Location"] == PAGE


def test_the_page_costs_the_same_however_much_there_is(looker: Client, rows: None, alice: User) -> None:
    looker.get(PAGE)  # what is cached once a process
    before = queries(looker, Range.HOUR)
    signal = Signal.objects.first()
    assert signal is not None
    for number in range(2, 30):
        days_old = number / 2
        notification = store_notification(alice, signal, revision=number, days_old=days_old)
        InsightDispatch.objects.create(signal=signal, revision=number, fingerprint="f")
        NotificationDeliveryLog.objects.create(notification=notification, channel=Channel.PUSH)
        at = timezone.now() - dt.timedelta(days=number)
        WebhookSource.objects.create(user=alice, token_hash=number, last_alert_at=at, silent_since=at)
    rolling_up.roll_up()

    assert {queries(looker, range_) for range_ in Range} == {before}
    assert before <= 14


def queries(client: Client, range_: Range) -> int:
    with CaptureQueriesContext(connection) as queries:
        assert client.get(PAGE, {"range": range_.value}).status_code == 200
    return len(queries)


def test_the_brake_is_said_while_it_is_on(looker: Client, rows: None) -> None:
    assert 'data-tile="brake"' not in looker.get(PAGE).content.decode()
    brake.engage("A feed went mad.", by=None, name="ada")

    html = looker.get(PAGE).content.decode()
    assert tile(html, "brake") == ("warn", "stopped")
    assert "A feed went mad." in html
    assert json.loads(said("--json"))["brake_since"]


# --- Where the numbers lead -----------------------------------------------------------------------------------------


# Their list has the insights, or the deliveries, that the number was counted in.
COUNTED_WITHIN = {"hidden", "stages", "speed", "per-user", "silent"}


@pytest.mark.parametrize("range_", Range)
def test_each_number_leads_to_a_list_of_as_many_rows(looker: Client, rows: None, range_: Range) -> None:
    html = looker.get(PAGE, {"range": range_.value}).content.decode()
    wrong: dict[str, Any] = {}
    followed = 0
    for chart in re.findall(r'<table data-table="([\w-]+)">(.*?)</table>', html, re.DOTALL):
        name, table = chart
        for url, text in re.findall(r'<td[^>]*><a href="([^"]+)">([^<]+)</a>', table):
            if text == "0" and followed > 3:
                continue  # the first few of them are enough
            response = looker.get(unescape(url))
            assert response.status_code == 200, (name, url)
            followed += 1
            if name not in COUNTED_WITHIN and str(rows_of(response)) != text:
                wrong[unescape(url)] = (text, rows_of(response))
    assert wrong == {}
    assert followed > 8


@pytest.mark.parametrize(
    ("key", "listed"), [("insights", 4), ("notifications", 4), ("dispatches", 1), ("due", 1), ("sources", 1)]
)
def test_a_tile_leads_to_the_rows_behind_it(looker: Client, rows: None, key: str, listed: int) -> None:
    html = looker.get(PAGE).content.decode()
    [url] = re.findall(rf'id="tile-{key}".*?<a href="([^"]+)"', html, re.DOTALL)
    assert rows_of(looker.get(unescape(url))) == listed


def test_a_reason_leads_to_the_insights_that_were_hidden_for_it(looker: Client, rows: None) -> None:
    html = looker.get(PAGE).content.decode()
    [table] = re.findall(r'<table data-table="hidden">(.*?)</table>', html, re.DOTALL)
    decisions, insights = re.findall(r'<td[^>]*><a href="([^"]+)">([^<]+)</a>', table)
    assert (decisions[1], insights[1]) == ("21", "3")
    assert rows_of(looker.get(unescape(insights[0]))) == 3


def rows_of(response: Any) -> int:
    number: int = response.context["cl"].queryset.count()
    return number


def tile(html: str, key: str) -> tuple[str, str]:
    """The state of a tile and its value."""
    found = re.search(rf'data-tile="{key}" data-state="(\w+)".*?health-value">(?:<a [^>]*>)?([^<]+)', html, re.DOTALL)
    assert found
    return found[1], found[2]


# --- The command ----------------------------------------------------------------------------------------------------


def said(*arguments: str) -> str:
    out = StringIO()
    call_command("notification_stats", *arguments, stdout=out)
    return out.getvalue()


@pytest.mark.parametrize("range_", Range)
def test_the_command_says_what_the_page_says(rows: None, range_: Range) -> None:
    printed = json.loads(said("--range", range_.value, "--json"))

    found = report.read(range_, timezone.now())
    expected = json.loads(json.dumps(as_json(found, judging.tiles(found, sockets=None))))
    moving = {"until", "checks", "dispatches", "due"}  # they tell of this moment
    assert {name: value for name, value in printed.items() if name not in moving} == {
        name: value for name, value in expected.items() if name not in moving
    }
    assert set(printed) == set(expected)


def test_the_json_has_a_shape_to_rely_on(rows: None) -> None:
    printed = json.loads(said("--json"))
    assert (printed["range"], printed["state"], printed["insights"], printed["notifications"]) == ("24h", "warn", 4, 4)
    assert printed["deliveries"]["push"] == {
        "states": {"sent": 2, "failed": 1},
        "success": pytest.approx(2 / 3),
        "acknowledged": None,
    }
    assert set(printed["latency"]) == {
        *("received_committed", "committed_sent", "sent_acknowledged", "received_acknowledged")
    }
    assert set(printed["latency"]["received_acknowledged"]) == {"count", "p50_s", "p95_s", "p99_s"}
    assert {check["key"] for check in printed["checks"]} == set(judging.JUDGED) - {"brake"}
    assert printed["hidden"] == [{"reason": "muted", "users": 21, "insights": 3}]
    assert printed["dispatches"]["number"] == printed["due"]["webhook"]["number"] == printed["silent"] == 1
    assert dt.datetime.fromisoformat(printed["since"]) == Range.DAY.begin(timezone.now())


def test_every_key_of_the_json_is_documented(rows: None) -> None:
    documented = set(re.findall(r"`(\w+)`", (settings.BASE_DIR / "docs/health.md").read_text(encoding="utf-8")))
    printed = json.loads(said("--json"))
    stage = printed["latency"]["received_committed"]
    inner = {*printed["checks"][0], *printed["deliveries"]["push"], *stage, *printed["dispatches"]}
    assert {*printed, *inner} - documented == set()


def test_the_table_can_be_read(rows: None) -> None:
    lines = said("--range", "1h").splitlines()
    assert lines[0].endswith("UTC: Worth a look")
    assert any(re.match(r"Sources gone silent +1 +WARN ", line) for line in lines)
    assert any(re.match(r"Web push +0 +2 +0 +1 +0 +0 +66.6 %$", line) for line in lines)


def test_the_command_says_of_an_empty_site_that_nothing_was_counted() -> None:
    assert json.loads(said("--json"))["counted_at"] is None
    assert re.search(r"Figures counted +never +BAD ", said())


def test_rolling_up_by_hand_counts_what_was_deleted(alice: User, rows: None) -> None:
    InsightNotification.objects.all().delete()
    call_command("roll_up_figures", "--since", f"{timezone.now():%Y-%m-%d}", stdout=StringIO())
    assert json.loads(said("--json"))["notifications"] == 0
    assert HealthFigures.objects.filter(length_s=Length.DAY).count() >= 1
    assert reverse("admin:notifications_healthfigures_changelist") == PAGE
