"""The main path with a user model that is not Django's: migrations from nothing, insights, pages, API, admin.

Not collected with the other tests: it needs settings of its own, and so a process (`test_custom_user.py`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.auth import get_user_model
from django.test import Client
from django.urls import reverse

from notifications.manager import NotificationManager
from notifications.models import Inbox, InsightDispatch, InsightNotification, NotificationPreference
from signals.models import Signal
from zenithedge.admin.read_only import ReadOnlyAdmin

pytestmark = pytest.mark.django_db(transaction=True)

Trader: Any = get_user_model()
MakeSignal = Callable[..., Signal]


@pytest.fixture
def carol() -> Any:
    return Trader.objects.create_user("carol", "carol@example.org", "carol-password", desk="FX")


def test_the_model_is_the_installations_own(carol: Any) -> None:
    assert carol._meta.db_table == "custom_user_trader"
    assert NotificationPreference.objects.get().user == carol
    assert Inbox.objects.get().user == carol


def test_owned_and_house_insights_reach_their_traders(
    carol: Any, make_insight: MakeSignal, caplog: pytest.LogCaptureFixture
) -> None:
    Trader.objects.bulk_create([Trader(username=f"trader{number}") for number in range(5)])
    own = make_insight(carol)
    house = make_insight(None)
    assert NotificationManager.push(house) is True

    assert [row.user for row in InsightNotification.objects.filter(signal=own)] == [carol]
    assert InsightNotification.objects.filter(signal=house).count() == 6
    assert set(InsightDispatch.objects.values_list("state", flat=True)) == {"done"}
    assert NotificationManager.get_unread_count(carol) == 2
    assert [record for record in caplog.records if record.levelname == "ERROR"] == [], "each by its quickest way"


def test_pages_and_api_know_the_trader(carol: Any, make_insight: MakeSignal, client: Client) -> None:
    make_insight(carol)
    client.force_login(carol)
    for address in ("/", "/notifications/", "/notifications/preferences/"):
        assert client.get(address, follow=True).status_code == 200, address

    listed = client.get("/notifications/api/list/").json()["notifications"]
    read = client.post(f"/notifications/api/mark-read/{listed[0]['id']}/").json()

    assert (len(listed), read["unread_count"]) == (1, 0)


def test_the_admin_finds_traders_everywhere(carol: Any, make_insight: MakeSignal, client: Client) -> None:
    make_insight(carol)
    client.force_login(Trader.objects.create_superuser("ada", "ada@example.org", "ada-password"))
    wrong = {}
    for model, page in admin.site._registry.items():
        address = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
        answer = client.get(address, {"q": "carol"} if page.search_fields else {})
        if answer.status_code != 200:
            wrong[address] = answer.status_code
    assert wrong == {}
    assert isinstance(admin.site._registry[InsightDispatch], ReadOnlyAdmin)
    assert "sign_out" in (admin.site._registry[Trader].actions or ())
