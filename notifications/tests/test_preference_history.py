"""What changed in a user's preferences: who, when, from what, to what."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from notifications import preference_history, quieting
from notifications.models import NotificationPreference, PreferenceVersion, QuietWindow
from notifications.preferences import MuteKind

pytestmark = pytest.mark.django_db


def change(user: User, by: User | None = None, **fields: Any) -> None:
    preference = NotificationPreference.objects.get(user=user)
    for name, value in fields.items():
        setattr(preference, name, value)
    preference.save(changed_by=by)


def newest(user: User) -> list[str]:
    [entry, *_older] = preference_history.latest(user.pk, 5)
    return [str(each) for each in entry.changes or []]


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"min_confidence": 80}, "Minimum AI confidence: 65 → 80"),
        ({"web_enabled": False}, "In the browser: on → off"),
        ({"webhook_enabled": True}, "Webhook: off → on"),
        ({"symbols_filter": ["XAUUSD", "EURUSD"]}, "Symbols: every symbol → EURUSD, XAUUSD"),
        ({"strategies_filter": ["smc"]}, "Strategies: every strategy → SMC"),
        ({"quiet_start_time": dt.time(23, 30)}, "Quiet from: 22:00 → 23:30"),
        ({"quiet_weekdays": [0, 4]}, "On these days: every day → Monday, Friday"),
        ({"quiet_mode": "skip"}, "What comes in quiet hours is: held until they end → skipped"),
        ({"time_zone": "Asia/Tokyo"}, "Time zone: UTC → Asia/Tokyo"),
        ({"digest_time": dt.time(6, 30)}, "Time of the daily e-mail: 07:00 → 06:30"),
        ({"language": "de"}, "Language: As the browser asks → Deutsch"),
        ({"sound_high": "none"}, "Play a sound, High priority: Three notes, rising → No sound"),
        ({"house_insights_for_staff": True}, "House insights: off → on"),
        (
            {"paused_until": dt.datetime(2026, 3, 4, 12, tzinfo=dt.UTC)},
            "Pause everything until: no pause → 4 Mar 2026, 12:00",
        ),
    ],
    ids=str,
)
def test_each_field_is_told_in_the_words_of_its_page(alice: User, fields: dict[str, Any], told: str) -> None:
    change(alice, **fields)

    assert newest(alice) == [told]


def test_windows_and_mutes_are_told_too(alice: User) -> None:
    preference = NotificationPreference.objects.get(user=alice)
    QuietWindow(preference=preference, start=dt.time(12), end=dt.time(13), weekdays=[0, 4]).save()
    assert newest(alice) == ["Further quiet windows: none → 12:00–13:00 Mon Fri"]

    quieting.mute(alice, MuteKind.SYMBOL, "XAUUSD", dt.datetime(2099, 3, 4, 12, tzinfo=dt.UTC))
    quieting.mute(alice, MuteKind.STRATEGY, "SMC", None)
    assert newest(alice) == ["Mutes: XAUUSD until 4 Mar 2099, 12:00 → SMC, XAUUSD until 4 Mar 2099, 12:00"]


def test_what_a_version_of_earlier_days_does_not_know_is_told_as_no_change(alice: User) -> None:
    old = PreferenceVersion.objects.get(user=alice)
    for name in ("quiet_windows", "mutes", "webhook_enabled", "sound_high", "language"):
        del old.snapshot[name]
    old.save()
    change(alice, high_priority_only=True)

    assert newest(alice) == ["High priority only: off → on"]


def test_entries_come_newest_first_with_who_made_them(alice: User, ada: User) -> None:
    change(alice, min_confidence=70)
    change(alice, by=ada, min_confidence=80)

    entries = preference_history.latest(alice.pk, 2)

    assert [(entry.version.changed_by, [str(each) for each in entry.changes or []]) for entry in entries] == [
        (ada, ["Minimum AI confidence: 70 → 80"]),
        (alice, ["Minimum AI confidence: 65 → 70"]),
    ]
    assert preference_history.latest(alice.pk, 5)[-1].changes is None


class TestInTheAdmin:
    @pytest.fixture
    def adas(self, ada: User) -> Client:
        client = Client()
        client.force_login(ada)
        return client

    def test_the_preferences_page_shows_the_history(self, adas: Client, alice: User, ada: User) -> None:
        change(alice, by=ada, min_confidence=80, symbols_filter=["EURUSD"])
        preference = NotificationPreference.objects.get(user=alice)

        page = adas.get(reverse("admin:notifications_notificationpreference_change", args=[preference.pk]))

        history = page.content.decode().split('data-admin="history"')[1]
        for words in ("ada", "Minimum AI confidence", "65", "80", "every symbol", "EURUSD", "First version"):
            assert words in history
        assert f'?user__id__exact={alice.pk}"' in history

    @pytest.mark.parametrize(
        ("query", "found"), [("user__id__exact", {"alice"}), ("changed_by__id__exact", {"alice", "bob", "ada"})]
    )
    def test_the_list_is_narrowed_by_whose_and_by_whom(
        self, adas: Client, alice: User, bob: User, ada: User, query: str, found: set[str]
    ) -> None:
        for user in (alice, bob):
            change(user, by=ada, min_confidence=80)
        asked = alice if query.startswith("user") else ada

        page = adas.get(reverse("admin:notifications_preferenceversion_changelist"), {query: asked.pk})

        assert {row.user.username for row in page.context["cl"].result_list} == found
        assert "Minimum AI confidence: 65 → 80" in page.content.decode()
