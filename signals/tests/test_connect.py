"""The page "Connect TradingView": whose it is, what it shows, and that its address works."""

import re
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from signals import samples
from signals.forms import MAX_SOURCES
from signals.models import Signal, WebhookRequest, WebhookSource
from signals.tests.alerts import alert_body
from signals.tests.conftest import Post

pytestmark = pytest.mark.django_db

ACTIONS = ("connect_rename", "connect_rotate", "connect_pause", "connect_resume", "connect_delete")


@pytest.fixture
def browser(alice: User) -> Client:
    client = Client()
    client.force_login(alice)
    return client


def shown_address(response: Any) -> str:
    (address,) = re.findall(r'value="(http[^"]+/signals/webhook/[^"]+)"', response.content.decode())
    return str(address)


def posted_to(address: str) -> int:
    return int(Client().post(urlsplit(address).path, alert_body(), content_type="application/json").status_code)


def test_signed_out_visitor_is_sent_to_the_login() -> None:
    for address in (reverse("connect"), reverse("connect_test"), reverse("connect_pause", args=[1])):
        response = Client().post(address)
        assert response.status_code == 302
        assert response.headers["Location"] == f"{reverse('login')}?next={reverse('connect')}"


def test_new_webhook_shows_its_address_once_and_the_address_works(
    browser: Client, alice: User, settings: Any, fixed_validator: None
) -> None:
    response = browser.post(reverse("connect"), {"name": " My  chart "})
    address = shown_address(response)

    source = WebhookSource.objects.get()
    assert (source.user, source.name) == (alice, "My chart")
    assert address.startswith(settings.SITE_URL)
    assert "no-store" in response.headers["Cache-Control"]
    assert posted_to(address) == 201
    assert Signal.objects.get().user == alice
    assert urlsplit(address).path not in browser.get(reverse("connect")).content.decode()


@pytest.mark.parametrize(("name", "error"), [("", "required"), ("x" * 65, "at most 64"), ("\x07", "required")])
def test_wrong_name_is_named_and_nothing_is_made(browser: Client, name: str, error: str) -> None:
    response = browser.post(reverse("connect"), {"name": name})
    assert response.status_code == 400
    assert error in response.content.decode()
    assert not WebhookSource.objects.exists()


def test_nobody_needs_more_webhooks_than_the_limit(browser: Client, alice: User) -> None:
    for number in range(MAX_SOURCES):
        WebhookSource.objects.create(user=alice, token_hash=str(number))
    response = browser.post(reverse("connect"), {"name": "one more"})
    assert response.status_code == 400
    assert WebhookSource.objects.count() == MAX_SOURCES


def test_replaced_address_works_and_the_old_one_no_longer_does(
    browser: Client, source: WebhookSource, token: str, fixed_validator: None
) -> None:
    response = browser.post(reverse("connect_rotate", args=[source.pk]))
    assert posted_to(reverse("webhook", args=[token])) == 404
    assert posted_to(shown_address(response)) == 201


def test_paused_webhook_refuses_until_it_is_resumed(browser: Client, source: WebhookSource, post: Post) -> None:
    browser.post(reverse("connect_pause", args=[source.pk]))
    assert post().status_code == 403
    browser.post(reverse("connect_resume", args=[source.pk]))
    assert post().status_code == 201


def test_webhook_is_renamed(browser: Client, source: WebhookSource) -> None:
    response = browser.post(reverse("connect_rename", args=[source.pk]), {"name": "Gold"}, follow=True)
    source.refresh_from_db()
    assert source.name == "Gold"
    assert "Renamed to Gold." in response.content.decode()


def test_wrong_new_name_is_named_and_the_old_one_stays(browser: Client, source: WebhookSource) -> None:
    response = browser.post(reverse("connect_rename", args=[source.pk]), {"name": ""}, follow=True)
    source.refresh_from_db()
    assert source.name == "TradingView"
    assert "This field is required." in response.content.decode()


def test_deleted_webhook_leaves_its_signals(browser: Client, source: WebhookSource, post: Post) -> None:
    post()
    browser.post(reverse("connect_delete", args=[source.pk]))
    assert not WebhookSource.objects.exists()
    assert Signal.objects.get().webhook_source is None
    assert post().status_code == 404


@pytest.mark.parametrize("action", ACTIONS)
def test_charlie_cannot_touch_alices_webhook(charlie: User, source: WebhookSource, action: str) -> None:
    client = Client()
    client.force_login(charlie)
    before = WebhookSource.objects.values().get()

    assert client.post(reverse(action, args=[source.pk]), {"name": "mine"}).status_code == 404
    assert WebhookSource.objects.values().get() == before


@pytest.mark.parametrize("action", ACTIONS)
def test_links_change_nothing_and_lead_to_the_page(browser: Client, source: WebhookSource, action: str) -> None:
    before = WebhookSource.objects.values().get()
    response = browser.get(reverse(action, args=[source.pk]))
    assert (response.status_code, response.headers["Location"]) == (302, reverse("connect"))
    assert browser.put(reverse(action, args=[source.pk])).status_code == 405
    assert WebhookSource.objects.values().get() == before


def test_forms_need_the_csrf_token(alice: User, source: WebhookSource) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(alice)
    assert client.post(reverse("connect_delete", args=[source.pk])).status_code == 403
    assert WebhookSource.objects.exists()


def test_page_shows_each_requests_verdict_and_why_it_was_refused(browser: Client, post: Post) -> None:
    post()
    post(confidence="NaN", notes="<script>alert(1)</script>")
    page = browser.get(reverse("connect")).content.decode()

    assert "Accepted" in page
    assert "Buy EURUSD 1h (ZenithEdge)" in page
    assert re.search(r"Refused.*<code>confidence</code>: Must be a finite number, not NaN", page, re.DOTALL)
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "<script>alert" not in page


def test_page_shows_the_last_twenty_requests_of_the_users_own_webhooks(
    browser: Client, bob: User, source: WebhookSource
) -> None:
    bobs = WebhookSource.objects.create(user=bob, token_hash="bobs", name="Bobs chart")
    for number in range(25):
        for owner in (source, bobs):
            WebhookRequest.objects.create(source=owner, verdict="refused", status_code=400, reason=f"number {number}.")
    page = browser.get(reverse("connect")).content.decode()

    assert re.findall(r"number (\d+)\.", page) == [str(number) for number in range(24, 4, -1)]
    assert "Bobs chart" not in page


def test_page_costs_the_same_queries_however_much_there_is(browser: Client, alice: User, post: Post) -> None:
    def visit() -> int:
        with CaptureQueriesContext(connection) as queries:
            assert browser.get(reverse("connect")).status_code == 200
        return len(queries)

    post(alert_id="first")
    few = visit()
    for number in range(10):
        WebhookSource.objects.create(user=alice, token_hash=str(number))
        post(alert_id=str(number))
    assert visit() == few


def test_test_insight_is_a_validated_signal_of_the_user(browser: Client, alice: User) -> None:
    response = browser.post(reverse("connect_test"), follow=True)

    signal = Signal.objects.get()
    assert (signal.user, signal.source, signal.symbol) == (alice, "test", samples.TEST_SYMBOL)
    assert signal.validation.truth_index > 0
    assert "A test insight is made" in response.content.decode()


@pytest.mark.parametrize("message", [samples.STRATEGY_MESSAGE, samples.INDICATOR_MESSAGE])
def test_shown_message_is_a_good_alert_once_tradingview_has_filled_it_in(post: Post, message: str) -> None:
    filled = {
        "{{exchange}}": "OANDA",
        "{{ticker}}": "EURUSD",
        "{{interval}}": "60",
        "{{strategy.order.action}}": "buy",
        "{{close}}": "1.085",
        "{{plot_0}}": "1.08",
        "{{plot_1}}": "1.095",
        "{{plot_2}}": "78",
        "{{timenow}}": "2026-05-04T09:30:00Z",
    }
    for placeholder, value in filled.items():
        message = message.replace(placeholder, value)
    response = post(message.encode())
    assert response.status_code == 201
    assert WebhookRequest.objects.get().warnings == []


def test_page_shows_both_messages_in_full(browser: Client) -> None:
    page = browser.get(reverse("connect")).content.decode()
    for message in (samples.STRATEGY_MESSAGE, samples.INDICATOR_MESSAGE):
        assert message.replace('"', "&quot;") in page
