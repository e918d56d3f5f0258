"""The pages without JavaScript and without a socket: what they show, and that reading them changes nothing."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from pytest_django import DjangoAssertNumQueries

from notifications import insight_page, stream
from notifications.insight_page import sub_scores
from notifications.manager import NotificationManager
from notifications.models import InsightNotification, NotificationDeliveryLog
from notifications.tests.rows import store_notification, stored_rows
from signals.models import Signal, TradeValidation

MakeSignal = Callable[..., Signal]


@pytest.fixture
def alice_client(alice: User) -> Client:
    client = Client()
    client.force_login(alice)
    return client


@pytest.fixture
def bob_client(bob: User) -> Client:
    client = Client()
    client.force_login(bob)
    return client


def insight_url(signal: Signal) -> str:
    return reverse("insight", args=[signal.pk])


def form_fields(page: str, action: str) -> dict[str, str]:
    """The hidden inputs of the form with this action."""
    form, *_same_elsewhere = re.findall(rf'<form[^>]*action="{action}".*?</form>', page, re.DOTALL)
    return dict(re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', form))


@pytest.mark.django_db
@pytest.mark.parametrize("address", ["/", "/notifications/", "/signals/insight/1/"])
def test_a_signed_out_visitor_is_sent_to_sign_in_and_back(address: str) -> None:
    response = Client().get(address)

    assert (response.status_code, response["Location"]) == (302, f"/accounts/login/?next={address}")


@pytest.mark.parametrize("name", ["mark_all_read", "mark_read"])
def test_a_signed_out_visitor_marks_nothing_read(alice: User, make_signal: MakeSignal, name: str) -> None:
    notification = store_notification(alice, make_signal())

    response = Client().post(reverse(name, args=[notification.pk] if name == "mark_read" else []))

    assert response["Location"].startswith("/accounts/login/")
    assert InsightNotification.objects.unread().exists()


def test_reading_pages_and_the_api_changes_nothing(alice_client: Client, alice: User, make_insight: MakeSignal) -> None:
    notification = store_notification(alice, make_insight(alice))
    before = stored_rows()

    for address in (
        "/",
        "/notifications/",
        f"/notifications/?before={notification.pk}",
        "/notifications/preferences/",
        notification.get_absolute_url(),
        "/notifications/api/list/",
        "/notifications/api/unread-count/",
    ):
        assert alice_client.get(address).status_code == 200

    assert stored_rows() == before


@pytest.mark.parametrize("name", ["dashboard", "history"])
class TestLists:
    def test_show_the_newest_20_and_nobody_elses(
        self, alice_client: Client, alice: User, bob: User, make_signal: MakeSignal, name: str
    ) -> None:
        signal = make_signal()
        stored = [store_notification(alice, signal, revision=number, days_old=1 / number) for number in range(1, 23)]
        store_notification(bob, signal)

        response = alice_client.get(reverse(name))

        assert response.context["notifications"] == stored[:1:-1]
        assert response.context["unread_count"] == 22

    def test_cost_the_same_queries_however_long(
        self,
        alice_client: Client,
        alice: User,
        make_signal: MakeSignal,
        name: str,
        django_assert_num_queries: DjangoAssertNumQueries,
    ) -> None:
        for rows in (1, 20):
            for _ in range(InsightNotification.objects.count(), rows):
                store_notification(alice, make_signal())
            # Session, user, preferences; position with the bell's count, rows; what to choose from; figures; the bell.
            with django_assert_num_queries({"dashboard": 9, "history": 8}[name]):
                alice_client.get(reverse(name))

    def test_show_an_empty_stream(self, alice_client: Client, name: str) -> None:
        response = alice_client.get(reverse(name))

        assert (response.status_code, response.context["notifications"]) == (200, [])

    def test_are_not_kept_by_caches(self, alice_client: Client, name: str) -> None:
        assert "no-store" in alice_client.get(reverse(name))["Cache-Control"]

    def test_are_not_posted_to(self, alice_client: Client, name: str) -> None:
        assert alice_client.post(reverse(name)).status_code == 405


class TestHistory:
    def test_pages_meet_while_new_ones_arrive(self, alice_client: Client, alice: User, make_signal: MakeSignal) -> None:
        signal = make_signal()
        stored = [store_notification(alice, signal, revision=number, days_old=1 / number) for number in range(1, 31)]

        first = alice_client.get("/notifications/")
        store_notification(alice, signal, revision=31)
        second = alice_client.get(f"/notifications/?before={first.context['next_before']}")

        assert first.context["notifications"] + second.context["notifications"] == stored[::-1]
        assert second.context["next_before"] is None
        assert f'href="?before={first.context["next_before"]}"' in first.content.decode()

    @pytest.mark.parametrize(
        ("before", "status"), [("x", 400), ("0", 400), ("9" * 30, 400), ("9" * 5000, 400), ("", 400), ("123456", 404)]
    )
    def test_a_page_that_makes_no_sense_is_refused(self, alice_client: Client, before: str, status: int) -> None:
        assert alice_client.get("/notifications/", {"before": before}).status_code == status

    def test_a_page_before_anothers_notification_is_not_found(
        self, alice_client: Client, bob: User, make_signal: MakeSignal
    ) -> None:
        bobs = store_notification(bob, make_signal())

        assert alice_client.get("/notifications/", {"before": bobs.pk}).status_code == 404


class TestInsightPage:
    def test_is_shown_to_its_owner_with_all_that_is_known(
        self, alice_client: Client, alice: User, make_insight: MakeSignal
    ) -> None:
        signal = make_insight(alice)
        store_notification(alice, signal, revision=1)
        latest = store_notification(alice, signal, revision=2)

        context = alice_client.get(insight_url(signal)).context

        assert (context["signal"], context["validation"]) == (signal, signal.validation)
        assert context["notification"] == latest
        assert set(context["delivery_logs"]) == set(NotificationDeliveryLog.objects.all())

    def test_has_a_position_from_before_what_it_shows(
        self, alice_client: Client, alice: User, make_insight: MakeSignal, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """So that the socket brings what changed while the page was made: here it is read in another tab."""
        signal = make_insight(alice)
        notification = store_notification(alice, signal)
        before = stream.position(alice.pk).last_seq

        def read_elsewhere(signal: Signal) -> dict[str, str]:
            NotificationManager.mark_read(alice, notification.pk)
            return {}

        monkeypatch.setattr(insight_page, "prices", read_elsewhere)
        page = alice_client.get(insight_url(signal)).content.decode()

        assert 'data-state="unread"' in page
        assert f'data-last-seq="{before}"' in page

    def test_of_a_house_signal_is_shown_to_every_trader_with_their_own_deliveries_only(
        self, bob_client: Client, alice: User, make_insight: MakeSignal
    ) -> None:
        signal = make_insight()
        store_notification(alice, signal)

        context = bob_client.get(insight_url(signal)).context

        assert (context["notification"], list(context["delivery_logs"])) == (None, [])

    def test_of_anothers_signal_is_shown_to_who_was_notified_of_it(
        self, bob_client: Client, bob: User, alice: User, make_insight: MakeSignal
    ) -> None:
        signal = make_insight(alice)
        assert bob_client.get(insight_url(signal)).status_code == 404

        store_notification(bob, signal)

        assert bob_client.get(insight_url(signal)).status_code == 200

    @pytest.mark.parametrize("id_", [123456, 10**30])
    def test_of_nothing_is_not_found(self, alice_client: Client, id_: int) -> None:
        assert alice_client.get(f"/signals/insight/{id_}/").status_code == 404

    def test_is_shown_before_the_signal_is_validated(
        self, alice_client: Client, alice: User, make_signal: MakeSignal
    ) -> None:
        response = alice_client.get(insight_url(make_signal(alice)))

        assert (response.status_code, response.context["validation"]) == (200, None)

    def test_names_each_sub_score_with_its_explanation(
        self, alice_client: Client, alice: User, make_insight: MakeSignal
    ) -> None:
        signal = make_insight(alice)
        breakdown = {"session": {"score": None, "weight": 0, "explanation": "Nobody trades <now>."}}
        TradeValidation.objects.filter(signal=signal).update(breakdown=breakdown)

        page = alice_client.get(insight_url(signal)).content.decode()

        assert "Nobody trades &lt;now&gt;." in page
        assert "no data" in page

    def test_has_the_form_that_marks_its_notification_read(
        self, alice_client: Client, alice: User, make_insight: MakeSignal
    ) -> None:
        signal = make_insight(alice)
        notification = store_notification(alice, signal)
        action = reverse("mark_read", args=[notification.pk])

        response = alice_client.post(
            action, form_fields(alice_client.get(insight_url(signal)).content.decode(), action)
        )

        notification.refresh_from_db()
        assert notification.read
        assert response["Location"] == insight_url(signal)


def test_sub_scores_come_in_their_own_order_with_others_behind_and_plain_numbers_are_taken_too() -> None:
    breakdown = {
        "momentum_check": 55,
        "session": {"score": None, "weight": 0, "explanation": "No session given."},
        "trend_agreement": {"score": 80, "weight": 0.4, "explanation": "With the trend."},
    }

    assert sub_scores(breakdown) == [
        {"name": "Trend agreement", "score": 80, "weight": 0.4, "explanation": "With the trend."},
        {"name": "Session", "score": None, "weight": 0, "explanation": "No session given."},
        {"name": "Momentum check", "score": 55, "weight": None, "explanation": ""},
    ]


class TestForms:
    def test_mark_read_goes_back_to_the_page_it_was_on(
        self, alice_client: Client, alice: User, make_signal: MakeSignal
    ) -> None:
        notification = store_notification(alice, make_signal())

        response = alice_client.post(reverse("mark_read", args=[notification.pk]), {"next": "/?x=1"})

        notification.refresh_from_db()
        assert (notification.read, response.status_code, response["Location"]) == (True, 302, "/?x=1")

    @pytest.mark.parametrize(
        "next_", ["", "https://evil.example/", "//evil.example/", "javascript:alert(1)", "\\\\evil"]
    )
    def test_a_page_elsewhere_is_never_gone_to(
        self, alice_client: Client, alice: User, make_signal: MakeSignal, next_: str
    ) -> None:
        notification = store_notification(alice, make_signal())

        response = alice_client.post(reverse("mark_read", args=[notification.pk]), {"next": next_})

        assert response["Location"] == "/notifications/"

    def test_bob_cannot_mark_alices_notification_read(
        self, bob_client: Client, alice: User, make_signal: MakeSignal
    ) -> None:
        notification = store_notification(alice, make_signal())

        assert bob_client.post(reverse("mark_read", args=[notification.pk])).status_code == 404
        notification.refresh_from_db()
        assert not notification.read

    def test_mark_all_leaves_unread_what_came_after_the_page_was_made(
        self, alice_client: Client, alice: User, make_signal: MakeSignal
    ) -> None:
        store_notification(alice, make_signal())
        fields = form_fields(alice_client.get("/").content.decode(), reverse("mark_all_read"))
        late = store_notification(alice, make_signal())

        german = {"Accept-Language": "de"}
        response = alice_client.post(reverse("mark_all_read"), fields, follow=True, headers=german)

        assert list(InsightNotification.objects.unread()) == [late]
        assert "1 als gelesen markiert." in response.content.decode()

    @pytest.mark.parametrize("up_to_seq", ["x", "-1", "1.5", "9" * 30, "9" * 5000])
    def test_mark_all_refuses_a_position_that_is_none(
        self, alice_client: Client, alice: User, make_signal: MakeSignal, up_to_seq: str
    ) -> None:
        store_notification(alice, make_signal())

        assert alice_client.post(reverse("mark_all_read"), {"up_to_seq": up_to_seq}).status_code == 400
        assert InsightNotification.objects.unread().count() == 1

    @pytest.mark.parametrize("name", ["mark_all_read", "mark_read"])
    def test_a_link_marks_nothing_read(
        self, alice_client: Client, alice: User, make_signal: MakeSignal, name: str
    ) -> None:
        notification = store_notification(alice, make_signal())

        response = alice_client.get(reverse(name, args=[notification.pk] if name == "mark_read" else []))

        assert (response.status_code, response["Location"]) == (302, reverse("history"))
        assert InsightNotification.objects.unread().exists()
