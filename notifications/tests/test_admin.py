"""The admin: lists that cost the same however long, pages that only show, actions that go through the manager."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission, User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from notifications import dispatching
from notifications.apps import NotificationsConfig
from notifications.models import (
    ChangeKind,
    DigestRun,
    DigestState,
    DispatchState,
    HealthFigures,
    Inbox,
    InsightChange,
    InsightDispatch,
    InsightNotification,
    Mute,
    NotificationDeliveryLog,
    NotificationPreference,
    OutgoingWebhook,
    PreferenceVersion,
    PushSubscription,
    QuietWindow,
    SendingBrake,
    SuppressedInsight,
)
from notifications.preferences import Channel, MuteKind, Reason
from notifications.signing_out import NotOnRecordError, sign_out_everywhere
from notifications.tests.rows import store_notification
from signals.models import Signal

MakeSignal = Callable[..., Signal]
MODELS = [
    DigestRun,
    Inbox,
    InsightChange,
    InsightDispatch,
    InsightNotification,
    Mute,
    NotificationDeliveryLog,
    NotificationPreference,
    OutgoingWebhook,
    PreferenceVersion,
    PushSubscription,
    QuietWindow,
    SuppressedInsight,
]
READ_ONLY = [model for model in MODELS if model is not NotificationPreference]
WITH_A_PAGE_INSTEAD = {HealthFigures, SendingBrake}
SEARCHES = {InsightDispatch: "EURUSD", InsightChange: "1"}


@pytest.fixture
def ada_client(ada: User) -> Client:
    client = Client()
    client.force_login(ada)
    return client


def changelist(model: Any) -> str:
    return reverse(f"admin:notifications_{model._meta.model_name}_changelist")


def change(row: Any) -> str:
    return reverse(f"admin:notifications_{row._meta.model_name}_change", args=[row.pk])


def store_one_of_each(number: int, signal: Signal) -> User:
    """A user (with inbox, preferences and a version of them) and one row of everything else that is theirs."""
    user = User.objects.create(username=f"trader-{number}")
    store_notification(user, signal)
    InsightDispatch.objects.create(signal=signal, revision=number, fingerprint="approved:buy:Solid")
    InsightChange.objects.create(pk=number + 1, kind=ChangeKind.SETTLED, signal_ids=[signal.pk])
    SuppressedInsight.objects.create(
        user=user, signal=signal, revision=1, channel=Channel.WEBSOCKET, reason=Reason.QUIET_HOURS
    )
    OutgoingWebhook.objects.create(user=user, url="https://a.example/hook", secret="s3cret")
    PushSubscription.objects.create(
        user=user,
        endpoint=f"https://fcm.googleapis.com/fcm/send/secret-{number}",
        p256dh="BPublicKeyOfTheBrowser",
        auth="SecretOfTheBrowser",
    )
    DigestRun.objects.create(
        user=user, local_date=dt.date(2026, 5, number % 28 + 1), due_at=timezone.now(), message_id=f"<{number}@x>"
    )
    preference = NotificationPreference.objects.get(user=user)
    preference.save(changed_by=user)
    QuietWindow.objects.bulk_create([QuietWindow(preference=preference, start=dt.time(12), end=dt.time(13))])
    Mute.objects.bulk_create([Mute(user=user, kind=MuteKind.SYMBOL, name="EURUSD")])
    return user


def test_every_model_has_an_admin() -> None:
    models = {model for model in admin.site._registry if model._meta.app_label == NotificationsConfig.name}

    assert models - WITH_A_PAGE_INSTEAD == set(MODELS)


@pytest.mark.parametrize("model", MODELS)
def test_a_list_costs_as_many_queries_for_50_rows_as_for_5(
    ada_client: Client, make_signal: MakeSignal, model: Any
) -> None:
    costs = []
    for rows in (5, 50):
        for number in range(model.objects.count(), rows):
            store_one_of_each(number, make_signal())
        with CaptureQueriesContext(
            connection,
        ) as queries:
            response = ada_client.get(changelist(model))
        assert response.context["cl"].result_count >= rows
        costs.append(len(queries))

    assert costs[0] == costs[1]


@pytest.mark.parametrize("model", MODELS)
def test_a_list_can_be_searched_and_filtered(ada_client: Client, make_signal: MakeSignal, model: Any) -> None:
    store_one_of_each(0, make_signal())
    response = ada_client.get(changelist(model), {"q": SEARCHES.get(model, "trader-0")})
    assert response.context["cl"].result_count == 1

    for choices in (spec.choices(response.context["cl"]) for spec in response.context["cl"].filter_specs):
        for choice in choices:
            assert ada_client.get(changelist(model) + choice["query_string"]).status_code == 200


@pytest.mark.parametrize("standing", ["unread", "held", "expired", "superseded", "read", "other channels only"])
def test_notifications_are_found_by_their_standing(
    ada_client: Client, alice: User, make_signal: MakeSignal, standing: str
) -> None:
    now = timezone.now()
    latest = store_notification(alice, make_signal())
    by_standing = {
        "unread": latest,
        "held": store_notification(alice, make_signal(), seq=None, held_until=now + dt.timedelta(hours=1)),
        "expired": store_notification(alice, make_signal(), expired_at=now),
        "superseded": store_notification(alice, make_signal(), superseded_by=latest),
        "read": store_notification(alice, make_signal(), read=True),
        "other channels only": store_notification(alice, make_signal(), seq=None),
    }

    found = ada_client.get(changelist(InsightNotification), {"standing": standing}).context["cl"].result_list

    assert list(found) == [by_standing[standing]]
    assert admin.site._registry[InsightNotification].standing(by_standing[standing]).startswith(standing)  # type: ignore[attr-defined]  # InsightNotificationAdmin


@pytest.mark.parametrize("model", READ_ONLY)
def test_nothing_but_preferences_can_be_added_or_changed(
    ada_client: Client, make_signal: MakeSignal, model: Any
) -> None:
    store_one_of_each(1, make_signal())
    row = model.objects.first()
    before = model.objects.values().get(pk=row.pk)

    assert ada_client.get(change(row)).status_code == 200
    assert ada_client.post(change(row), {"title": "Forged", "_save": "1"}).status_code == 403
    assert ada_client.get(changelist(model) + "add/").status_code == 403
    assert model.objects.values().get(pk=row.pk) == before


@pytest.mark.parametrize("model", [model for model in MODELS if model is not PushSubscription])
def test_nothing_but_push_subscriptions_can_be_deleted_by_itself(
    ada_client: Client, make_signal: MakeSignal, model: Any
) -> None:
    store_one_of_each(1, make_signal())
    row = model.objects.first()

    response = ada_client.post(change(row).replace("/change/", "/delete/"), {"post": "yes"})
    ada_client.post(changelist(model), {"action": "delete_selected", "_selected_action": [row.pk], "post": "yes"})

    assert response.status_code == 403
    assert model.objects.filter(pk=row.pk).exists()


def test_an_account_can_be_deleted_with_all_that_is_its_own(ada_client: Client, make_signal: MakeSignal) -> None:
    user = store_one_of_each(1, make_signal())

    response = ada_client.post(reverse("admin:auth_user_delete", args=[user.pk]), {"post": "yes"})

    assert response.status_code == 302
    assert not User.objects.filter(pk=user.pk).exists()
    assert not InsightNotification.objects.exists()


class TestActions:
    def run(self, client: Client, action: str, *notifications: InsightNotification) -> str:
        selected = [notification.pk for notification in notifications]
        response = client.post(
            changelist(InsightNotification), {"action": action, "_selected_action": selected}, follow=True
        )
        return " ".join(str(message) for message in response.context["messages"])

    def test_send_again_moves_the_notification_to_the_next_position_and_logs_it(
        self, ada_client: Client, alice: User, make_signal: MakeSignal, hints: list[tuple[int, dict[str, Any]]]
    ) -> None:
        notification = store_notification(alice, make_signal())

        said = self.run(ada_client, "send_again", notification)

        notification.refresh_from_db()
        assert said == "1 notification sent again."
        assert (notification.seq, Inbox.objects.get(user=alice).last_seq) == (2, 2)
        assert [log.attempt_group for log in notification.delivery_logs.order_by("attempt_group")] == [1, 2]

    def test_send_again_says_which_it_left_alone(
        self, ada_client: Client, alice: User, make_signal: MakeSignal, hints: list[tuple[int, dict[str, Any]]]
    ) -> None:
        live = store_notification(alice, make_signal())
        held = store_notification(alice, make_signal(), seq=None, held_until=timezone.now() + dt.timedelta(hours=1))

        said = self.run(ada_client, "send_again", live, held)

        assert said == "1 notification sent again. 1 left alone: held, not for the browser, or sending is stopped."
        held.refresh_from_db()
        assert held.seq is None

    @pytest.mark.parametrize("action", ["send_again", "mark_read"])
    def test_very_many_at_once_are_left_alone(
        self, ada_client: Client, alice: User, make_signal: MakeSignal, monkeypatch: pytest.MonkeyPatch, action: str
    ) -> None:
        monkeypatch.setattr("notifications.admin.notifications.MOST_SENT_AGAIN", 1)

        said = self.run(ada_client, action, *(store_notification(alice, make_signal()) for _number in range(2)))

        assert said == "Nothing was done: choose at most 1 at a time."
        assert Inbox.objects.get(user=alice).last_seq == 2

    def test_mark_read_takes_a_position_as_the_owner_would(
        self, ada_client: Client, alice: User, bob: User, make_signal: MakeSignal
    ) -> None:
        of_alice, of_bob = store_notification(alice, make_signal()), store_notification(bob, make_signal(), read=True)

        said = self.run(ada_client, "mark_read", of_alice, of_bob)

        of_alice.refresh_from_db()
        assert said == "1 notification marked read."
        assert (of_alice.read, of_alice.seq) == (True, 2)
        assert Inbox.objects.get(user=bob).last_seq == 1

    @pytest.mark.parametrize("action", ["send_again", "mark_read"])
    def test_staff_who_may_only_look_have_no_actions(
        self, bob: User, alice: User, make_signal: MakeSignal, action: str
    ) -> None:
        User.objects.filter(pk=bob.pk).update(is_staff=True)
        bob.user_permissions.add(Permission.objects.get(codename="view_insightnotification"))
        client = Client()
        client.force_login(bob)
        notification = store_notification(alice, make_signal())

        self.run(client, action, notification)

        notification.refresh_from_db()
        assert (notification.read, notification.seq) == (False, 1)


class TestDispatchPage:
    def words(self, response: Any, module: str) -> str:
        """The text of one part of the page."""
        part = response.content.decode().split(f'data-dispatch="{module}"')[1].split('<div class="module"')[0]
        return " ".join(re.sub(r"<[^>]+>", " ", part).split())

    def test_says_who_got_a_house_insight_and_counts_who_did_not_by_reason(
        self, ada_client: Client, alice: User, bob: User, make_signal: MakeSignal
    ) -> None:
        signal = make_signal()
        dispatch = InsightDispatch.objects.create(
            signal=signal,
            revision=1,
            fingerprint="approved:buy:Solid",
            state=DispatchState.DONE,
            finished_at=timezone.now(),
            counts={
                "verdicts": {"send": 1, "suppress": 1},
                "reasons": {"all_rules_passed": 1, "symbol_not_chosen": 1, "a_rule_of_old": 2},
            },
        )
        store_notification(alice, signal)

        response = ada_client.get(change(dispatch))

        assert self.words(response, "verdicts").startswith("> Finished Sent Held Suppressed 1 0 1")
        assert "a_rule_of_old 2" in self.words(response, "reasons")
        assert "Symbol not in the list 1" in self.words(response, "reasons")
        assert "alice" in self.words(response, "recipients")
        assert "bob" not in self.words(response, "recipients")

    def test_follows_a_fan_out_while_it_runs(
        self, ada_client: Client, make_signal: MakeSignal, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        User.objects.bulk_create([User(username=f"trader-{number}") for number in range(5)])
        dispatch = InsightDispatch.objects.create(signal=make_signal(), revision=1, fingerprint="approved:buy:Solid")
        monkeypatch.setattr(dispatching, "CHUNK_USERS", 2)
        looks_again = '<meta http-equiv="refresh"'

        dispatching.run(dispatch.pk, budget_s=0)
        running = ada_client.get(change(dispatch))
        dispatching.run(dispatch.pk)
        finished = ada_client.get(change(dispatch))

        assert "40 %: 2 of 5 users." in self.words(running, "verdicts")
        assert looks_again in running.content.decode()
        assert looks_again not in finished.content.decode()
        assert "Finished Sent Held Suppressed 5 0 0" in self.words(finished, "verdicts")

    def test_says_from_which_owner_an_insight_was_kept_and_why(
        self, ada_client: Client, alice: User, make_signal: MakeSignal
    ) -> None:
        signal = make_signal(alice)
        dispatch = InsightDispatch.objects.create(signal=signal, revision=1, fingerprint="approved:buy:Solid")
        SuppressedInsight.objects.create(
            user=alice, signal=signal, revision=1, channel=Channel.WEBSOCKET, reason=Reason.BELOW_MIN_CONFIDENCE
        )

        response = ada_client.get(change(dispatch))

        assert "Still open" in self.words(response, "verdicts")
        assert "alice Browser Below the minimum confidence" in self.words(response, "suppressions")

    def test_shows_many_recipients_page_by_page_at_the_same_cost(
        self, ada_client: Client, make_signal: MakeSignal
    ) -> None:
        signal = make_signal()
        dispatch = InsightDispatch.objects.create(signal=signal, revision=1, fingerprint="approved:buy:Solid")
        costs = []
        for users in (5, 60):
            for number in range(InsightNotification.objects.count(), users):
                store_notification(User.objects.create(username=f"trader-{number}"), signal)
            with CaptureQueriesContext(connection) as queries:
                response = ada_client.get(change(dispatch))
            costs.append(len(queries))

        assert costs[0] == costs[1]
        assert "Page 1 of 2" in self.words(response, "recipients")
        assert "trader-59" in self.words(ada_client.get(change(dispatch), {"recipients": 2}), "recipients")

    def test_is_not_there_for_a_dispatch_that_is_not(self, ada_client: Client) -> None:
        address = reverse("admin:notifications_insightdispatch_change", args=[123456])

        assert ada_client.get(address).status_code == 302


def test_a_notifications_page_shows_its_deliveries(ada_client: Client, alice: User, make_signal: MakeSignal) -> None:
    notification = store_notification(alice, make_signal())

    page = ada_client.get(change(notification)).content.decode()

    assert "Browser" in page
    assert "Sent" in page


def test_the_keys_of_a_push_subscription_are_shown_nowhere(ada_client: Client, make_signal: MakeSignal) -> None:
    store_one_of_each(1, make_signal())
    subscription = PushSubscription.objects.get()

    pages = [
        ada_client.get(address).content.decode() for address in (changelist(PushSubscription), change(subscription))
    ]

    for secret in (subscription.p256dh, subscription.auth, "secret-1"):
        assert not any(secret in page for page in pages)
    assert "fcm.googleapis.com" in pages[0]
    assert "BPub…" in pages[1]


def test_a_users_page_leads_to_what_the_user_got(ada_client: Client, alice: User, make_signal: MakeSignal) -> None:
    notification = store_notification(alice, make_signal())
    link = f"{changelist(InsightNotification)}?user__id__exact={alice.pk}"

    assert link in ada_client.get(reverse("admin:auth_user_change", args=[alice.pk])).content.decode()
    assert list(ada_client.get(link).context["cl"].result_list) == [notification]


class TestPreferences:
    @pytest.fixture
    def form(self, ada_client: Client, alice: User) -> dict[str, Any]:
        """What the browser would send back unchanged."""
        response = ada_client.get(change(alice.notification_preference))
        form = response.context["adminform"].form
        values = {name: form[name].value() for name in form.fields}
        paused = {"paused_until_0": "", "paused_until_1": ""}
        return {name: value for name, value in values.items() if value not in (None, False)} | paused

    def test_a_change_is_kept_as_a_version_with_who_made_it(
        self, ada_client: Client, ada: User, alice: User, form: dict[str, Any]
    ) -> None:
        form |= {"min_confidence": "80", "symbols_filter": "eur/usd, FX:GBPUSD", "strategies_filter": "smc"}

        response = ada_client.post(change(alice.notification_preference), form)

        assert response.status_code == 302
        alice.notification_preference.refresh_from_db()
        assert alice.notification_preference.symbols_filter == ["EURUSD", "GBPUSD"]
        assert alice.notification_preference.strategies_filter == ["SMC"]
        latest = PreferenceVersion.objects.filter(user=alice).first()
        assert latest is not None
        assert latest.changed_by == ada
        listed = ada_client.get(changelist(PreferenceVersion), {"q": "alice"}).content.decode()
        assert "Minimum AI confidence: 65 → 80" in listed

    @pytest.mark.parametrize(
        "wrong",
        [
            {"symbols_filter": "EUR USD?"},
            {"time_zone": "Mars/Olympus"},
            {"min_confidence": "101"},
            {"quiet_weekdays": ["7"]},
        ],
    )
    def test_what_the_users_own_page_would_refuse_is_refused(
        self, ada_client: Client, alice: User, form: dict[str, Any], wrong: dict[str, Any]
    ) -> None:
        response = ada_client.post(change(alice.notification_preference), form | wrong)

        assert response.status_code == 200
        assert list(response.context["adminform"].form.errors) == list(wrong)


class TestSignOut:
    def run(self, client: Client, *users: User) -> str:
        selected = {"action": "sign_out", "_selected_action": [user.pk for user in users]}
        response = client.post(reverse("admin:auth_user_changelist"), selected, follow=True)
        return " ".join(str(message) for message in response.context["messages"])

    def test_ends_all_sessions_of_the_user_and_nobody_elses(
        self, ada_client: Client, alice: User, bob: User, hints: list[tuple[int, dict[str, Any]]]
    ) -> None:
        phone, laptop, bobs = Client(), Client(), Client()
        for client, user in ((phone, alice), (laptop, alice), (bobs, bob)):
            client.force_login(user)

        said = self.run(ada_client, alice)

        assert said == "Signed out: alice (2 sessions)."
        statuses = [client.get(reverse("api_unread_count")).status_code for client in (phone, laptop, bobs, ada_client)]
        assert statuses == [401, 401, 200, 200]
        assert LogEntry.objects.get(object_id=str(alice.pk)).change_message.startswith("Signed out on every device")

    def test_nothing_is_pushed_to_the_users_devices_any_more(self, ada_client: Client, alice: User, bob: User) -> None:
        """A stolen phone would go on showing insights."""
        for user in (alice, bob):
            endpoint = f"https://push.example.org/{user}"
            PushSubscription.objects.create(user=user, endpoint=endpoint, p256dh="key", auth="secret")

        self.run(ada_client, alice)

        assert PushSubscription.objects.get().user == bob

    def test_hints_every_server_to_look_at_the_users_sockets(
        self,
        ada_client: Client,
        alice: User,
        hints: list[tuple[int, dict[str, Any]]],
        django_capture_on_commit_callbacks: Any,
    ) -> None:
        with django_capture_on_commit_callbacks(execute=True):
            self.run(ada_client, alice)
        assert (alice.pk, {"type": "recheck"}) in hints

    def test_says_so_where_sessions_cannot_be_found(
        self, ada_client: Client, alice: User, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def cannot(user_id: int) -> int:
            raise NotOnRecordError("Change the password.")

        monkeypatch.setattr("notifications.admin.accounts.sign_out_everywhere", cannot)
        assert self.run(ada_client, alice) == "Change the password."

    def test_is_for_who_may_change_accounts(self, alice: User, bob: User) -> None:
        bob.is_staff = True
        bob.save()
        bob.user_permissions.add(Permission.objects.get(codename="view_user"))
        bobs, alices = Client(), Client()
        bobs.force_login(bob)
        alices.force_login(alice)
        self.run(bobs, alice)
        assert alices.get(reverse("api_unread_count")).status_code == 200


@pytest.mark.parametrize("engine", ["cached_db", "signed_cookies", "cache"])
def test_signing_out_knows_what_each_engine_keeps(engine: str, alice: User, settings: Any) -> None:
    settings.SESSION_ENGINE = f"django.contrib.sessions.backends.{engine}"
    client = Client()
    client.force_login(alice)
    if engine == "cached_db":
        assert sign_out_everywhere(alice.pk) == 1
        assert client.get(reverse("api_unread_count")).status_code == 401
    else:
        with pytest.raises(NotOnRecordError):
            sign_out_everywhere(alice.pk)


class TestDigests:
    @pytest.fixture
    def run(self, alice: User) -> DigestRun:
        return DigestRun.objects.create(
            user=alice,
            local_date=dt.date(2026, 5, 5),
            due_at=timezone.now(),
            message_id="<first@x>",
            state=DigestState.FAILED,
            attempts=3,
            error="550 no such user",
        )

    def send_again(self, client: Client, run: DigestRun) -> str:
        form = {"action": "send_again", "_selected_action": [run.pk]}
        return client.post(changelist(DigestRun), form, follow=True).content.decode()

    def test_the_list_says_why_one_failed_and_when_one_is_tried_again(self, ada_client: Client, run: DigestRun) -> None:
        assert "550 no such user" in ada_client.get(changelist(DigestRun)).content.decode()

        moment = dt.datetime(2030, 5, 5, 7, 30, tzinfo=dt.UTC)
        DigestRun.objects.update(state=DigestState.PENDING, next_attempt_at=moment)
        assert "2030-05-05 07:30 UTC" in ada_client.get(changelist(DigestRun)).content.decode()

    def test_one_goes_out_again_under_another_id(self, ada_client: Client, run: DigestRun) -> None:
        assert "1 digest goes out again." in self.send_again(ada_client, run)
        assert "1 left alone: on the way already." in self.send_again(ada_client, run)

        run.refresh_from_db()
        assert (run.state, run.attempts, run.edition, run.error) == (DigestState.PENDING, 0, 2, "")
        assert run.message_id != "<first@x>"

    def test_who_may_only_look_sends_nothing(self, bob: User, run: DigestRun) -> None:
        User.objects.filter(pk=bob.pk).update(is_staff=True)
        bob.user_permissions.add(Permission.objects.get(codename="view_digestrun"))
        client = Client()
        client.force_login(bob)

        self.send_again(client, run)

        run.refresh_from_db()
        assert run.state == DigestState.FAILED
