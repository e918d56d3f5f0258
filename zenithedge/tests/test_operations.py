"""docs/operations.md: a section for each alert, and SQL whose answers are known."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.conf import settings
from django.contrib.auth.models import User
from django.db import connection
from django.utils import timezone

from notifications.models import DeliveryState, InsightDispatch, NotificationDeliveryLog, SuppressedInsight
from notifications.preferences import UNTIL_LIFTED, Channel, Reason
from notifications.tests.rows import store_notification
from signals.models import Signal

DOCUMENT = (Path(settings.BASE_DIR) / "docs" / "operations.md").read_text(encoding="utf-8")
ALERTS = Path(settings.BASE_DIR) / "deploy" / "prometheus" / "alerts.yml"
RUN_BOOK = DOCUMENT.partition("\n## Run-book\n")[2]
QUERIES = dict(re.findall(r"<!-- sql: (.+?) -->.*?```sql\n(.+?);\n```", DOCUMENT, flags=re.DOTALL))
Row = tuple[Any, ...]


def alerts() -> list[dict[str, Any]]:
    groups = yaml.safe_load(ALERTS.read_text(encoding="utf-8"))["groups"]
    return [rule for group in groups for rule in group["rules"] if "alert" in rule]


def test_the_run_book_has_a_section_for_each_alert_and_no_other_in_their_order() -> None:
    sections = re.findall(r"^### (\w+)$", RUN_BOOK, flags=re.MULTILINE)

    assert sections == [rule["alert"] for rule in alerts()]
    for rule in alerts():
        assert rule["annotations"]["runbook"] == f"docs/operations.md#{rule['alert'].lower()}"


@pytest.mark.parametrize("section", re.split(r"^### ", RUN_BOOK, flags=re.MULTILINE)[1:], ids=lambda text: text[:12])
def test_each_section_says_what_it_means_what_to_look_at_and_what_to_do(section: str) -> None:
    for what in ("**Means:**", "**Traders:**", "**Look:**", "**Causes and fix:**"):
        assert section.count(what) == 1, what


def test_each_link_within_the_page_leads_somewhere() -> None:
    headings = re.findall(r"^#+ (.+)$", DOCUMENT, flags=re.MULTILINE)
    anchors = {re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings}

    assert set(re.findall(r"\]\(#([\w-]+)\)", DOCUMENT)) <= anchors


def answer(name: str, **values: Any) -> list[Row]:
    """What PostgreSQL says to the query of that name; psql's `:name` is ours."""
    with connection.cursor() as cursor:
        cursor.execute(re.sub(r"(?<!:):(\w+)", r"%(\1)s", QUERIES[name].replace("%", "%%")), values)
        rows: list[Row] = cursor.fetchall()
    return rows


@pytest.fixture(autouse=True)
def postgresql(request: pytest.FixtureRequest) -> None:
    if request.node.get_closest_marker("services") and connection.vendor != "postgresql":
        pytest.skip("For PostgreSQL")


@pytest.fixture
def insight(make_insight: Callable[..., Signal]) -> Signal:
    """Of the house: handed out to nobody yet."""
    return make_insight()


def test_every_query_of_the_page_is_tried() -> None:
    tried = re.findall(r'answer\("(.+?)"', Path(__file__).read_text(encoding="utf-8"))

    assert set(QUERIES) == set(tried)


@pytest.mark.services
def test_unread_are_those_of_the_badge(alice: User, bob: User, insight: Signal) -> None:
    states: list[dict[str, Any]] = [{}, {}, {"read": True}, {"seq": None}, {"expired_at": timezone.now()}]
    for revision, fields in enumerate(states, start=1):
        store_notification(alice, insight, revision=revision, **fields)
    store_notification(bob, insight)

    assert [row[:2] for row in answer("unread per user")] == [("alice", 2), ("bob", 1)]


@pytest.mark.services
def test_the_rate_counts_what_has_ended(alice: User, insight: Signal) -> None:
    notification = store_notification(alice, insight, seq=None)
    ended = [("a", True), ("b", True), ("c", False), ("d", None)]
    for target, success in ended:
        _log(notification.pk, Channel.PUSH, target, success=success)
    _log(notification.pk, Channel.WEBHOOK, "", success=None)
    _log(notification.pk, Channel.WEBHOOK, "old", success=False, created_at=timezone.now() - dt.timedelta(days=2))

    assert answer("delivery success rate by channel") == [
        ("push", 2, 1, 1, Decimal("66.7")),
        ("webhook", 0, 0, 1, None),
    ]


def _log(notification_id: int, channel: Channel, target: str, *, success: bool | None, **fields: Any) -> None:
    states = {True: DeliveryState.SENT, False: DeliveryState.FAILED, None: DeliveryState.PENDING}
    NotificationDeliveryLog.objects.create(
        notification_id=notification_id,
        channel=channel,
        target=target,
        state=states[success],
        success=success,
        **fields,
    )


@pytest.mark.services
def test_notifications_of_each_user_and_day(alice: User, bob: User, insight: Signal) -> None:
    store_notification(alice, insight, revision=1)
    store_notification(alice, insight, revision=2)
    store_notification(bob, insight, days_old=1)
    store_notification(bob, insight, days_old=8, revision=2)
    today = timezone.now().date()

    assert answer("notifications per user and day") == [(today, "alice", 2), (today - dt.timedelta(days=1), "bob", 1)]


@pytest.mark.services
def test_held_by_quiet_hours_and_by_the_brake(alice: User, bob: User, insight: Signal) -> None:
    morning = timezone.now() + dt.timedelta(hours=3)
    for revision, user in enumerate((alice, alice, bob), start=1):
        store_notification(user, insight, seq=None, revision=revision, held_until=morning)
    store_notification(bob, insight, seq=None, revision=9, held_until=UNTIL_LIFTED)

    assert answer("what is held") == [("quiet hours", 3, 2, morning), ("the brake", 1, 1, None)]


@pytest.mark.services
def test_the_dispatch_that_waits_longest_is_first(make_insight: Callable[..., Signal]) -> None:
    InsightDispatch.objects.all().delete()
    now = timezone.now()
    for minutes, state, symbol in ((5, "running", "EURUSD"), (9, "open", "GBPUSD"), (20, "done", "USDJPY")):
        InsightDispatch.objects.update_or_create(
            signal=make_insight(symbol=symbol),
            revision=1,
            defaults={"state": state, "opened_at": now - dt.timedelta(minutes=minutes), "fingerprint": "f"},
        )

    assert [row[2:4] for row in answer("oldest open dispatch")] == [("GBPUSD", "open"), ("EURUSD", "running")]


@pytest.mark.services
def test_what_became_of_an_insight_is_told_by_rule(insight: Signal) -> None:
    counts = {"verdicts": {"send": 1, "suppress": 3}, "reasons": {"all_rules_passed": 1, "muted": 3}}
    InsightDispatch.objects.update_or_create(
        signal=insight, revision=1, defaults={"state": "done", "counts": counts, "fingerprint": "f"}
    )

    rows = answer("what became of an insight", signal_id=insight.pk)

    assert [(revision, reason, users) for revision, _, _, reason, users in rows] == [
        (1, "muted", 3),
        (1, "all_rules_passed", 1),
    ]


@pytest.mark.services
def test_who_did_not_get_an_insight_and_why(
    alice: User, bob: User, ada: User, make_insight: Callable[..., Signal]
) -> None:
    of_house, of_bob = make_insight(), make_insight(bob)
    store_notification(alice, of_house)
    SuppressedInsight.objects.update_or_create(
        user=bob, signal=of_bob, revision=1, channel=Channel.WEBSOCKET, defaults={"reason": Reason.MUTED}
    )

    assert answer("who did not get an insight", signal_id=of_house.pk) == [(bob.pk, "bob", None)]
    assert answer("who did not get an insight", signal_id=of_bob.pk) == [(bob.pk, "bob", "websocket: muted")]


@pytest.mark.services
def test_errors_of_deliveries_are_counted(alice: User, insight: Signal) -> None:
    notification = store_notification(alice, insight, seq=None)
    for target in ("a", "b"):
        _log(notification.pk, Channel.PUSH, target, success=False, error_message="410 Gone")
    _log(notification.pk, Channel.WEBHOOK, "", success=True)

    assert answer("deliveries that fail and why") == [("push", "failed", "410 Gone", 2, None)]


@pytest.mark.services
def test_the_tables_and_the_waiting_are_told(alice: User) -> None:
    tables = [row[0] for row in answer("sizes of the tables")]

    assert len(tables) == 10
    assert answer("who waits for whom") == []
