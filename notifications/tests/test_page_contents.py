"""What the pages say before any script runs."""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from notifications import stream
from notifications.insight_page import prices
from notifications.models import InsightNotification
from notifications.sounds import Sound
from scripts import tone
from signals.models import Signal

pytestmark = pytest.mark.django_db(transaction=True)
MakeInsight = Callable[..., Signal]


@pytest.fixture
def browser(alice: User) -> Client:
    client = Client()
    client.force_login(alice)
    return client


def body(client: Client, path: str) -> str:
    return client.get(path).content.decode()


def state_of(html: str, notification: InsightNotification) -> list[str]:
    return re.findall(rf'data-id="{notification.pk}"[^>]*data-state="([^"]*)"', html)


@pytest.mark.parametrize("name", ["dashboard", "history"])
def test_the_first_state_is_in_the_page(browser: Client, alice: User, make_insight: MakeInsight, name: str) -> None:
    for _ in range(2):
        make_insight(alice)
    position = stream.position(alice.pk)
    html = body(browser, reverse(name))
    for attribute in (
        f'data-user-id="{alice.pk}"',
        'data-unread-count="2"',
        f'data-last-seq="{position.last_seq}"',
        f'data-epoch="{position.epoch}"',
        f'data-stream="/stream/insights/{alice.pk}/"',
        'aria-label="Notifications, 2 unread"',
        f'name="up_to_seq" value="{position.last_seq}"',
    ):
        assert attribute in html


@pytest.mark.parametrize(("count", "shown"), [(99, "99"), (100, "99+")])
def test_the_badge_counts_to_99(browser: Client, monkeypatch: pytest.MonkeyPatch, count: int, shown: str) -> None:
    monkeypatch.setattr(stream, "position", lambda user_id: stream.Position(0, "epoch", count))
    html = body(browser, reverse("preferences"))
    assert re.search(r"data-badge[^>]*>([^<]*)<", html).group(1) == shown  # type: ignore[union-attr]  # it is there
    assert f'aria-label="Notifications, {count} unread"' in html


def test_each_row_says_what_has_become_of_it(browser: Client, alice: User, make_insight: MakeInsight) -> None:
    for symbol in ("EURUSD", "GBPUSD"):
        make_insight(alice, symbol=symbol)
    unread, read = InsightNotification.objects.for_user(alice).order_by("pk")
    stream.mark_read(alice.pk, read.pk)
    html = body(browser, reverse("dashboard"))
    in_panel_and_list = 2
    assert state_of(html, unread) == ["unread"] * in_panel_and_list
    assert state_of(html, read) == ["read"] * in_panel_and_list


def test_the_bell_lists_unread_ones_first_however_old(browser: Client, alice: User, make_insight: MakeInsight) -> None:
    for number in range(22):
        make_insight(alice, strategy=f"Strategy {number}")
    oldest, *others = InsightNotification.objects.for_user(alice).order_by("pk")
    for notification in others:
        stream.mark_read(alice.pk, notification.pk)
    rows = browser.get(reverse("preferences")).context["bell_rows"]
    assert rows == {"unread": [oldest], "earlier": others[:-20:-1]}


def test_what_a_source_writes_stays_text(browser: Client, alice: User, make_insight: MakeInsight) -> None:
    signal = make_insight(
        alice, strategy="<b>bold</b>", context_summary="<script>alert(1)</script>", news_headline="<img src=x>"
    )
    for path in (reverse("dashboard"), reverse("history"), reverse("insight", args=[signal.pk])):
        html = body(browser, path)
        assert "&lt;script&gt;alert(1)" in html
        assert not re.search(r"<script>|<b>bold|<img src=x", html)


@pytest.mark.parametrize("name", ["dashboard", "history", "preferences", "connect", "login", "password_change"])
def test_no_page_holds_a_script_or_a_style_of_its_own(browser: Client, name: str) -> None:
    html = body(browser, reverse(name))
    assert not re.search(r"<style|\sstyle=|\son[a-z]+=|javascript:", html)
    assert all("src=" in tag for tag in re.findall(r"<script[^>]*>", html))


def test_an_empty_list_says_what_to_do(browser: Client) -> None:
    assert reverse("connect") in body(browser, reverse("dashboard")).split("<main", 1)[1]


def test_confidence_is_rounded_down(browser: Client, alice: User, make_insight: MakeInsight) -> None:
    signal = make_insight(alice, truth_index=Decimal("79.60"))
    for path in (reverse("dashboard"), reverse("insight", args=[signal.pk])):
        html = body(browser, path)
        assert "79%" in html
        assert "80%" not in html


def test_an_unknown_address_is_answered_in_the_same_look(browser: Client) -> None:
    response = browser.get("/nowhere/")
    assert response.status_code == 404
    assert "There is nothing here" in response.content.decode()
    assert "data-bell-button" in response.content.decode()


def test_prices_have_the_same_decimals(make_signal: Callable[..., Signal]) -> None:
    signal = make_signal(price=Decimal("191.2"), sl=Decimal(190), tp=Decimal("193.455"))
    assert prices(signal) == {"sl": "190.000", "tp": "193.455", "price": "191.200"}
    assert prices(make_signal(price=None, sl=Decimal(19000), tp=Decimal(19500))) == {"sl": "19000", "tp": "19500"}


@pytest.mark.parametrize("sound", [True, False])
def test_a_page_brings_the_sound_of_toasts_to_who_wants_it(browser: Client, alice: User, *, sound: bool) -> None:
    alice.notification_preference.sound = sound
    alice.notification_preference.save()

    assert ("<audio" in body(browser, reverse("connect"))) is sound


def test_an_account_without_preferences_hears_nothing(browser: Client, alice: User) -> None:
    alice.notification_preference.delete()

    assert "<audio" not in body(browser, reverse("connect"))


def test_a_page_brings_the_sound_that_was_chosen_for_each_priority(browser: Client, alice: User) -> None:
    preference = alice.notification_preference
    preference.sound, preference.sound_high, preference.sound_low = True, "chime", "none"
    preference.save()

    found = re.findall(
        r'<audio src="/static/sounds/(\w+).wav"[^>]*data-sound="(\w+)"', body(browser, reverse("connect"))
    )
    assert found == [("chime", "high"), ("chime", "medium")]


def test_the_sounds_are_what_their_script_makes() -> None:
    assert set(tone.NOTES_HZ) == set(Sound.values) - {Sound.NONE}
    for name in tone.NOTES_HZ:
        assert (tone.FOLDER / f"{name}.wav").read_bytes() == tone.tone(name)
