"""What every list of the admin promises, however many rows it has."""

from __future__ import annotations

import csv
import datetime as dt
import io
import re
from collections.abc import Callable
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Group, Permission, User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from notifications.models import InsightNotification, NotificationDeliveryLog
from notifications.roles import Role
from notifications.tests.rows import store_notification
from signals.models import Signal, TradeValidation, WebhookRequest, WebhookSource
from zenithedge.admin import counting, csv_export, deleting, searching

MakeSignal = Callable[..., Signal]
NOTIFICATIONS = "admin:notifications_insightnotification_changelist"
FILES = "admin:notifications_insightnotification_export"
MANY = """
INSERT INTO notifications_insightnotification
  (user_id, signal_id, revision, title, snippet, confidence, priority, reason, created_at, expires_at,
   "read", delivered, quiet, chosen, seq)
WITH RECURSIVE number(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < %s)
SELECT auth_user.id, %s, n, 'New Insight', '', 78, 'medium', 'all_rules_passed', %s, %s, false, false, false, 0, n
FROM auth_user, number
"""


@pytest.fixture
def adas(ada: User) -> Client:
    client = Client()
    client.force_login(ada)
    return client


def store_many(signal: Signal, for_each_user: int) -> None:
    now = timezone.now()
    with connection.cursor() as cursor:
        cursor.execute(MANY, [for_each_user, signal.pk, now, now])


def shown(client: Client, address: str, **query: Any) -> Any:
    response = client.get(reverse(address), query)
    assert response.status_code == 200
    return response


def words_of(response: Any) -> str:
    paginator = response.content.decode().split('class="paginator"')[1].split("</p>")[0]
    return " ".join(re.sub(r"<[^>]+>", " ", f"<p {paginator}").split())


class TestCounting:
    @pytest.fixture
    def bounded(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(counting, "EXACT_UP_TO", 7)
        monkeypatch.setattr(counting, "MOST_PAGES", 2)

    def test_a_hundred_thousand_rows_cost_as_many_queries_as_four(
        self, adas: Client, alice: User, bob: User, make_signal: MakeSignal
    ) -> None:
        User.objects.create(username="carol")
        for _number in range(4):
            store_notification(alice, make_signal())
        with CaptureQueriesContext(connection) as few:
            shown(adas, NOTIFICATIONS)
        store_many(make_signal(), (counting.EXACT_UP_TO - 4) // User.objects.count())

        with CaptureQueriesContext(connection) as many:
            response = shown(adas, NOTIFICATIONS)

        assert InsightNotification.objects.count() == counting.EXACT_UP_TO
        assert len(many) == len(few)
        assert all("LIMIT 100001" in query["sql"] for query in many if "COUNT" in query["sql"])
        assert "200 100,000 insight notifications The first 10,000 can be paged through" in words_of(response)
        assert len(response.context["cl"].result_list) == 50

    def test_beyond_the_limit_it_says_more_than(
        self, adas: Client, alice: User, make_signal: MakeSignal, bounded: None
    ) -> None:
        for expected in ("6 insight", "7 insight", "more than 7 insight"):
            have = InsightNotification.objects.count()
            for _number in range(have, 6 if not have else have + 1):
                store_notification(alice, make_signal())
            for narrowed in ({}, {"priority__exact": "medium"}):
                assert expected in words_of(shown(adas, NOTIFICATIONS, **narrowed))

    @pytest.mark.services
    def test_of_a_whole_big_table_postgresql_is_asked_about_how_many(
        self, adas: Client, ada: User, alice: User, make_signal: MakeSignal, bounded: None
    ) -> None:
        if connection.vendor != "postgresql":
            pytest.skip("SQLite keeps no such figure")
        store_many(make_signal(), 10)
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE notifications_insightnotification")

        with CaptureQueriesContext(connection) as queries:
            response = shown(adas, NOTIFICATIONS)

        assert "about 20 insight" in words_of(response)
        assert not [query for query in queries if "COUNT" in query["sql"]]
        assert "more than 7" in words_of(shown(adas, NOTIFICATIONS, priority__exact="medium"))

    def test_what_lies_behind_the_last_page_is_not_paged_to(
        self, adas: Client, alice: User, bob: User, make_signal: MakeSignal, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(counting, "MOST_PAGES", 2)
        store_many(make_signal(), 70)

        last = shown(adas, NOTIFICATIONS, p=2)

        assert len(last.context["cl"].result_list) == 50
        assert "The first 100 can be paged through" in words_of(last)
        assert adas.get(reverse(NOTIFICATIONS), {"p": 3}).status_code == 302


class TestFilters:
    @pytest.mark.parametrize(
        ("query", "found"),
        [
            ({"user__id__exact": "alice"}, {"alice"}),
            ({"user__id__exact": ""}, {"alice", "bob"}),
            ({"signal__symbol": "XAUUSD"}, {"bob"}),
            ({"created_at_from": "2026-03-02", "created_at_until": "2026-03-02"}, {"alice"}),
            ({"created_at_until": "2026-03-03"}, {"alice", "bob"}),
            ({"created_at_from": "2026-03-04"}, set()),
        ],
    )
    def test_narrow_the_list(
        self, adas: Client, alice: User, bob: User, make_signal: MakeSignal, query: dict[str, str], found: set[str]
    ) -> None:
        zone = timezone.get_current_timezone()
        first = dt.datetime(2026, 3, 2, 23, 59, tzinfo=zone)
        store_notification(alice, make_signal(), created_at=first)
        store_notification(bob, make_signal(symbol="XAUUSD"), created_at=first + dt.timedelta(minutes=1))
        ids = {"alice": str(alice.pk)}

        response = shown(adas, NOTIFICATIONS, **{name: ids.get(value, value) for name, value in query.items()})

        assert {row.user.username for row in response.context["cl"].result_list} == found

    @pytest.mark.parametrize(
        "nonsense",
        [
            {"user__id__exact": "x"},
            {"user__id__exact": str(2**63)},
            {"user__id__exact": "9" * 5000},  # more digits than Python makes a number of
            {"created_at_from": "yesterday"},
            {"created_at_until": "9999-12-31"},
        ],
        ids=lambda nonsense: str(nonsense)[:40],
    )
    def test_refuse_nonsense(self, adas: Client, db: None, nonsense: dict[str, str]) -> None:
        assert adas.get(reverse(NOTIFICATIONS), nonsense).status_code == 302
        assert adas.get(reverse(FILES), nonsense).status_code == 400

    def test_keep_what_else_the_list_is_narrowed_to(self, adas: Client, alice: User, make_signal: MakeSignal) -> None:
        page = shown(adas, NOTIFICATIONS, priority__exact="high", user__id__exact=alice.pk).content.decode()

        forms = re.findall(r'<form class="filter-form".*?</form>', page, re.DOTALL)
        assert len(forms) == 5
        assert all('name="priority__exact" value="high"' in form for form in forms)
        assert sum('type="hidden" name="user__id__exact"' in form for form in forms) == len(forms) - 1
        assert f'<option value="{alice.pk}" selected>alice' in page


def test_no_page_of_the_admin_lists_every_user_or_signal(
    adas: Client, alice: User, make_insight: Callable[..., Signal]
) -> None:
    crowd = [User(username=f"trader-{number}") for number in range(9)]
    User.objects.bulk_create(crowd)
    signals = [make_insight() for _number in range(9)]
    store_notification(alice, signals[0])
    pages = []
    for model, model_admin in admin.site._registry.items():
        name = f"admin:{model._meta.app_label}_{model._meta.model_name}"
        pages.append(adas.get(reverse(f"{name}_changelist")))
        pages.append(adas.get(reverse(f"{name}_changelist").rstrip("/") + "/add/"))
        first = model._default_manager.first()
        if first is not None and hasattr(model_admin, "list_display"):
            pages.append(adas.get(reverse(f"{name}_changelist") + f"{first.pk}/change/"))

    selects = [re.findall(r"<select.*?</select>", page.content.decode(), re.DOTALL) for page in pages]
    options = [select for page in selects for select in page if select.count("trader-") + select.count("EURUSD") > 1]
    assert len(pages) > 40
    assert options == []


class TestSearching:
    @pytest.mark.parametrize(
        ("words", "found"),
        [
            ("ali", {"alice"}),
            ("Alice", {"alice"}),
            ("alice@example.org", {"alice"}),
            ("lice", set()),
            ("xau/usd", {"bob"}),
            ("smc", {"bob"}),
            ("bob XAUUSD", {"bob"}),
            ("alice XAUUSD", set()),
            ("9" * 30, set()),
            ("9" * 5000, set()),
            ("١", set()),
        ],
    )
    def test_finds_by_how_names_begin_and_by_whole_values(
        self, adas: Client, alice: User, bob: User, make_signal: MakeSignal, words: str, found: set[str]
    ) -> None:
        store_notification(alice, make_signal())
        store_notification(bob, make_signal(symbol="XAUUSD", strategy="SMC"))

        response = shown(adas, NOTIFICATIONS, q=words)

        assert {row.user.username for row in response.context["cl"].result_list} == found

    def test_finds_a_notification_by_its_signals_id(self, adas: Client, alice: User, make_signal: MakeSignal) -> None:
        make_signal()
        notification = store_notification(alice, make_signal())

        assert list(shown(adas, NOTIFICATIONS, q=notification.signal_id).context["cl"].result_list) == [notification]

    def test_compares_no_part_of_a_text(self, adas: Client, alice: User, make_signal: MakeSignal) -> None:
        """An index answers each condition; a part of a text over a join would be looked for in every row."""
        store_notification(alice, make_signal())
        with CaptureQueriesContext(connection) as queries:
            shown(adas, NOTIFICATIONS, q="alice EURUSD")

        assert not [query for query in queries if re.search(r"LIKE (UPPER\()?'%", query["sql"])]

    def test_of_very_many_users_takes_the_first_by_name(
        self, adas: Client, make_signal: MakeSignal, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(searching, "MOST_USERS", 2)
        for name in ("trader-3", "trader-1", "trader-2"):
            store_notification(User.objects.create(username=name), make_signal())

        response = shown(adas, NOTIFICATIONS, q="trader")

        assert {row.user.username for row in response.context["cl"].result_list} == {"trader-1", "trader-2"}


class TestExport:
    def rows(self, response: Any) -> list[dict[str, str]]:
        async def read() -> bytes:
            return b"".join([part async for part in response])

        text = async_to_sync(read)().decode("utf-8-sig")
        return list(csv.DictReader(io.StringIO(text, newline="")))

    def test_has_what_the_list_is_narrowed_to_in_however_many_pages(
        self, adas: Client, alice: User, bob: User, make_signal: MakeSignal, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(csv_export, "PAGE", 2)
        stored = [store_notification(alice, make_signal()) for _number in range(5)]
        store_notification(bob, make_signal())

        link = re.search(r'href="(export/[^"]*)"', shown(adas, NOTIFICATIONS, q="alice").content.decode())
        assert link is not None
        rows = self.rows(adas.get(reverse(NOTIFICATIONS) + link[1]))

        assert [row["id"] for row in rows] == [str(row.pk) for row in reversed(stored)]
        assert rows[0]["created_at"] == stored[-1].created_at.isoformat()
        assert (rows[0]["user"], rows[0]["delivered_over"]) == ("alice", "Browser: Sent")

    def test_reads_a_page_in_as_many_queries_however_many_rows_it_has(
        self, adas: Client, alice: User, make_signal: MakeSignal
    ) -> None:
        costs = []
        for _round in range(2):
            for _number in range(3):
                store_notification(alice, make_signal())
            with CaptureQueriesContext(connection) as queries:
                self.rows(adas.get(reverse(FILES)))
            costs.append(len(queries))

        assert costs[0] == costs[1]

    def test_has_the_chosen_rows_only(self, adas: Client, alice: User, make_signal: MakeSignal) -> None:
        chosen, _other = store_notification(alice, make_signal()), store_notification(alice, make_signal())

        action = {"action": "export_chosen", "_selected_action": [chosen.pk]}
        rows = self.rows(adas.post(reverse(NOTIFICATIONS), action))

        assert [row["id"] for row in rows] == [str(chosen.pk)]

    @pytest.mark.parametrize("title", ['=HYPERLINK("http://evil")', " =1+1", "\u00a0@SUM(1)"])
    def test_no_cell_is_a_formula(self, adas: Client, alice: User, make_signal: MakeSignal, title: str) -> None:
        store_notification(alice, make_signal(), title=title)

        assert self.rows(adas.get(reverse(FILES)))[0]["title"] == f"'{title}"

    def test_every_list_can_be_exported(self, adas: Client, alice: User, make_insight: Callable[..., Signal]) -> None:
        store_notification(alice, make_insight(alice))
        for name in re.findall(r"admin:\w+_export", " ".join(f"admin:{name}" for name in _exports())):
            assert adas.get(reverse(name)).status_code == 200, name

    def test_is_kept_in_the_admins_log(self, adas: Client, ada: User) -> None:
        adas.get(reverse(FILES), {"priority__exact": "high"})

        entry = LogEntry.objects.get()
        assert (entry.user, entry.change_message) == (ada, "Exported as CSV: priority__exact=high.")

    def test_is_for_who_may_export(self, alice: User, bob: User, make_signal: MakeSignal) -> None:
        User.objects.filter(pk=bob.pk).update(is_staff=True)
        bob.groups.add(Group.objects.get(name=Role.SUPPORT))
        client = Client()
        client.force_login(bob)
        notification = store_notification(alice, make_signal())
        action = {"action": "export_chosen", "_selected_action": [notification.pk]}

        assert "export/" not in shown(client, NOTIFICATIONS).content.decode()
        assert client.get(reverse(FILES)).status_code == 403
        assert client.post(reverse(NOTIFICATIONS), action)["Content-Type"].startswith("text/html")

        bob.user_permissions.add(Permission.objects.get(codename="export_lists"))
        assert client.get(reverse(FILES))["Content-Type"].startswith("text/csv")
        assert client.post(reverse(NOTIFICATIONS), action)["Content-Type"].startswith("text/csv")


class TestDeleting:
    @pytest.fixture
    def belongings(self, alice: User, bob: User, make_insight: Callable[..., Signal]) -> None:
        """Alice's own insight, of which Bob has a notification too, one of the house, and a webhook."""
        own = make_insight(alice)
        InsightNotification.objects.all().delete()
        for user, signal in ((alice, own), (bob, own), (alice, make_insight())):
            if not InsightNotification.objects.filter(user=user, signal=signal).exists():
                store_notification(user, signal)
        source = WebhookSource.objects.create(user=alice, token_hash="x")
        WebhookRequest.objects.create(source=source, verdict="accepted", status_code=201, signal=own)
        WebhookRequest.objects.create(
            source=WebhookSource.objects.create(user=bob, token_hash="y"),
            verdict="refused",
            status_code=400,
            signal=own,
        )

    def summary(self, response: Any) -> dict[str, int]:
        return {str(name): count for name, count in response.context["model_count"]}

    @pytest.mark.usefixtures("belongings")
    def test_says_how_much_of_each_kind_goes_with_an_account(self, adas: Client, alice: User) -> None:
        found = self.summary(adas.get(reverse("admin:auth_user_delete", args=[alice.pk])))

        others = InsightNotification.objects.filter(signal__user=None).exclude(user=alice)
        assert found["insight notifications"] == InsightNotification.objects.count() - others.count()
        assert found["notification delivery logs"] == NotificationDeliveryLog.objects.count()
        assert (found["users"], found["signals"], found["trade validations"]) == (1, 1, 1)
        assert (found["webhook sources"], found["webhook requests"]) == (1, 1)

    @pytest.mark.usefixtures("belongings")
    def test_counts_in_as_many_queries_however_much_it_is(
        self, adas: Client, alice: User, make_signal: MakeSignal
    ) -> None:
        address, costs = reverse("admin:auth_user_delete", args=[alice.pk]), []
        for more in (0, 30):
            for _number in range(more):
                store_notification(alice, make_signal())
            with CaptureQueriesContext(connection) as queries:
                adas.get(address)
            costs.append(len(queries))

        assert costs[0] == costs[1]

    @pytest.mark.usefixtures("belongings")
    def test_deletes_in_batches_just_what_it_counted(
        self, adas: Client, alice: User, bob: User, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(deleting, "BATCH", 1)
        kept = set(InsightNotification.objects.filter(user=bob, signal__user=None).values_list("pk", flat=True))

        response = adas.post(reverse("admin:auth_user_delete", args=[alice.pk]), {"post": "yes"})

        assert response.status_code == 302
        assert not User.objects.filter(pk=alice.pk).exists()
        assert set(InsightNotification.objects.values_list("pk", flat=True)) == kept
        assert not TradeValidation.objects.filter(signal__user__isnull=False).exists()
        assert WebhookRequest.objects.get().signal is None
        assert LogEntry.objects.filter(object_id=str(alice.pk), action_flag=3).exists()

    @pytest.mark.usefixtures("belongings")
    def test_refuses_what_is_too_much_and_says_what_to_do(
        self, adas: Client, alice: User, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(deleting, "MOST_ROWS", 4)
        address = reverse("admin:auth_user_delete", args=[alice.pk])
        chosen = {"action": "delete_selected", "_selected_action": [alice.pk], "post": "yes"}

        page = adas.get(address).content.decode()
        adas.post(address, {"post": "yes"})
        adas.post(reverse("admin:auth_user_changelist"), chosen)

        assert "More than 4 rows would go with it, too many at once. Switch the account off" in page
        assert 'name="post"' not in page
        assert User.objects.filter(pk=alice.pk).exists()

    def test_refuses_to_delete_very_many_at_once(
        self, adas: Client, make_signal: MakeSignal, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(deleting, "MOST_CHOSEN", 2)
        chosen = {"action": "delete_selected", "_selected_action": [make_signal().pk for _number in range(3)]}

        page = adas.post(reverse("admin:signals_signal_changelist"), chosen | {"post": "yes"}).content.decode()

        assert "Choose at most 2 at a time." in page
        assert Signal.objects.count() == 3


def _exports() -> list[str]:
    return [
        f"{model._meta.app_label}_{model._meta.model_name}_export"
        for model, model_admin in admin.site._registry.items()
        if hasattr(model_admin, "export_view") and model._meta.model_name != "healthfigures"
    ]
