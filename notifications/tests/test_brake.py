"""The brake: what it holds, what it lets be, and what comes out when it is lifted."""

import datetime as dt
import json
from collections.abc import Callable
from io import StringIO
from typing import Any
from unittest import mock

import pytest
import time_machine
from django.contrib.auth.models import Permission, User
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from notifications import brake, lifecycle, sockets, stream
from notifications.delivery import draining, waking
from notifications.delivery.webhook import Webhook
from notifications.digests import runs, sending
from notifications.manager import NotificationManager
from notifications.models import (
    DigestRun,
    DigestState,
    Inbox,
    InsightNotification,
    NotificationDeliveryLog,
    NotificationPreference,
    OutgoingWebhook,
    SendingBrake,
)
from notifications.preferences import UNTIL_LIFTED, Channel, Reason
from notifications.tests import tabs
from notifications.tests.rows import store_notification
from notifications.tests.test_dispatching import in_threads
from signals.models import Signal

MakeInsight = Callable[..., Signal]
Hints = list[tuple[int, dict[str, Any]]]
OpenTab = Callable[..., Any]
Subscribe = Callable[..., User]

pytestmark = pytest.mark.django_db(transaction=True)

NIGHT = dt.datetime(2026, 3, 4, 23, 30, tzinfo=dt.UTC)
MORNING = dt.datetime(2026, 3, 5, 7, 0, tzinfo=dt.UTC)


def stop(reason: str = "A source went mad") -> SendingBrake:
    return brake.engage(reason, by=None, name="ada")[0]


def go_on() -> None:
    """By a process that ends as it has lifted the brake: the rest is the schedule's."""
    with mock.patch.object(brake, "_go_on"):
        lift()


def lift() -> None:
    present = brake.engaged()
    assert present
    assert brake.lift(present.pk, by=None, name="ada")


@pytest.fixture
def stopped(db: None) -> SendingBrake:
    return stop()


class TestHolding:
    def test_stores_what_comes_and_shows_nothing_of_it(
        self, stopped: SendingBrake, alice: User, make_insight: MakeInsight, hints: Hints
    ) -> None:
        make_insight(alice)

        notification = InsightNotification.objects.get()
        assert (notification.seq, notification.held_until, notification.reason) == (None, UNTIL_LIFTED, Reason.BRAKE)
        assert stream.position(alice.pk).last_seq == stream.unread_count(alice.pk) == 0
        assert NotificationDeliveryLog.objects.count() == 0
        assert hints == []

    def test_concerns_a_house_insight_and_one_pushed_by_hand_as_well(
        self, stopped: SendingBrake, alice: User, bob: User, make_insight: MakeInsight, hints: Hints
    ) -> None:
        house = make_insight(None)
        NotificationManager.push(make_insight(alice), bob)

        assert set(InsightNotification.objects.values_list("held_until", flat=True)) == {UNTIL_LIFTED}
        assert InsightNotification.objects.filter(signal=house).count() == 2
        assert hints == []

    def test_lets_go_on_what_traders_have_already(self, alice: User, make_insight: MakeInsight, hints: Hints) -> None:
        """Read in another tab, expired: a page that is open says what is true."""
        make_insight(alice)
        make_insight(alice)
        stop()
        hints.clear()
        first, second = InsightNotification.objects.order_by("id")

        stream.mark_read(alice.pk, first.pk)
        lifecycle.expire_old(second.expires_at)

        assert [frame["type"] for _, frame in hints] == ["notification_read", *["notification_updated"] * 2]

    def test_sends_nothing_again(self, alice: User, make_insight: MakeInsight, hints: Hints) -> None:
        make_insight(alice)
        stop()
        hints.clear()

        assert NotificationManager.send_again(InsightNotification.objects.get()) is False
        assert hints == []

    def test_holds_what_quiet_hours_would_release_meanwhile(
        self, alice: User, make_insight: MakeInsight, hints: Hints
    ) -> None:
        NotificationPreference.objects.filter(user=alice).update(quiet_hours_enabled=True, time_zone="UTC")
        with time_machine.travel(NIGHT, tick=False):
            make_insight(alice, timeframe="1w", received_at=NIGHT)
        stop()

        assert lifecycle.release_held(MORNING) == 0
        go_on()
        assert lifecycle.release_held(NIGHT + dt.timedelta(days=1)) == 0, "the next night has begun"
        assert lifecycle.release_held(MORNING + dt.timedelta(days=1)) == 1

    def test_leaves_history_readable_and_says_why(
        self, stopped: SendingBrake, alice: User, make_insight: MakeInsight, client: Client
    ) -> None:
        make_insight(alice)
        client.force_login(alice)

        page = client.get(reverse("history")).content.decode()

        assert "Held: sending is stopped for the moment" in page
        assert "went mad" not in page, "the reason is for the staff"


class TestReleasing:
    def test_comes_with_the_lifting_so_that_nothing_new_is_told_before(
        self, stopped: SendingBrake, alice: User, make_insight: MakeInsight
    ) -> None:
        make_insight(alice, symbol="EURUSD")
        lift()
        make_insight(alice, symbol="GBPUSD")

        rows = stream.catch_up(alice.pk, since=0, epoch=alice.inbox.epoch).notifications
        assert [row["symbol"] for row in rows] == ["EURUSD", "GBPUSD"]

    def test_brings_all_that_was_held_as_one_brief_in_order(
        self, stopped: SendingBrake, alice: User, make_insight: MakeInsight, hints: Hints
    ) -> None:
        for symbol in ("EURUSD", "GBPUSD", "AUDUSD"):
            make_insight(alice, symbol=symbol)
        go_on()

        assert lifecycle.release_held() == 3
        assert lifecycle.release_held() == 0, "twice is once"

        [(user_id, frame)] = hints
        assert (user_id, frame["type"], frame["held"], frame["braked"]) == (alice.pk, "brief", 3, True)
        rows = stream.catch_up(alice.pk, since=0, epoch=alice.inbox.epoch).notifications
        assert [row["symbol"] for row in rows] == ["EURUSD", "GBPUSD", "AUDUSD"]

    def test_closes_what_has_expired_meanwhile(
        self, stopped: SendingBrake, alice: User, make_insight: MakeInsight, hints: Hints
    ) -> None:
        make_insight(alice)
        go_on()
        lifecycle.release_held(timezone.now() + dt.timedelta(days=10))

        assert hints[0][1]["expired"] == 1
        assert stream.unread_count(alice.pk) == 0

    @pytest.mark.parametrize(
        ("fields", "truth_index", "held_until"),
        [
            ({}, 70, None),
            ({"quiet_hours_enabled": True}, 70, MORNING),
            ({"quiet_hours_enabled": True, "urgent_bypasses_quiet": True}, 70, MORNING),
            ({"quiet_hours_enabled": True, "urgent_bypasses_quiet": True}, 90, None),
            ({"paused_until": NIGHT + dt.timedelta(hours=1)}, 90, NIGHT + dt.timedelta(hours=1)),
            ({"quiet_hours_enabled": True, "paused_until": NIGHT + dt.timedelta(hours=1)}, 70, MORNING),
        ],
    )
    def test_keeps_to_each_users_quiet_hours_and_pause(
        self,
        stopped: SendingBrake,
        alice: User,
        make_insight: MakeInsight,
        fields: dict[str, Any],
        truth_index: int,
        held_until: dt.datetime | None,
    ) -> None:
        NotificationPreference.objects.filter(user=alice).update(time_zone="UTC")
        with time_machine.travel(NIGHT - dt.timedelta(hours=2), tick=False):
            make_insight(alice, truth_index=truth_index, timeframe="1w", received_at=timezone.now())
        NotificationPreference.objects.filter(user=alice).update(**fields)
        go_on()

        lifecycle.release_held(NIGHT)

        notification = InsightNotification.objects.get()
        assert (notification.held_until, notification.seq is None) == (held_until, held_until is not None)

    def test_is_not_begun_by_changed_preferences(
        self, stopped: SendingBrake, alice: User, make_insight: MakeInsight
    ) -> None:
        make_insight(alice)
        preference = NotificationPreference.objects.get(user=alice)
        preference.quiet_hours_enabled = True
        preference.save()

        assert InsightNotification.objects.get().held_until == UNTIL_LIFTED

    def test_finds_what_was_written_by_who_saw_the_brake_just_before(
        self, alice: User, make_insight: MakeInsight, hints: Hints
    ) -> None:
        signal = make_insight(None, symbol="XAUUSD")
        InsightNotification.objects.all().delete()
        store_notification(alice, signal, seq=None, held_until=UNTIL_LIFTED, reason=Reason.BRAKE)

        assert lifecycle.release_for_a_turn() is True
        assert InsightNotification.objects.get().seq is not None

    def test_goes_on_after_a_kill_and_tells_nobody_twice(
        self,
        stopped: SendingBrake,
        make_insight: MakeInsight,
        hints: Hints,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr(lifecycle, "PLACED_TOGETHER", 2)
        monkeypatch.setattr(lifecycle, "RELEASED_TOGETHER", 2)
        users = [User.objects.create_user(f"trader{number}") for number in range(7)]
        make_insight(None)
        go_on()
        for step in ("_place", "_release"):
            with monkeypatch.context() as killed:
                killed.setattr(lifecycle, step, killed_at_the_second(getattr(lifecycle, step)))
                with pytest.raises(KeyboardInterrupt):
                    lifecycle.release_held()

        lifecycle.release_held()

        assert [user_id for user_id, _ in hints] == [user.pk for user in users]
        assert not InsightNotification.objects.held().exists()

    def test_stops_when_somebody_stops_sending_again(
        self, stopped: SendingBrake, alice: User, bob: User, make_insight: MakeInsight, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(lifecycle, "RELEASED_TOGETHER", 1)
        make_insight(None)
        go_on()
        released = lifecycle._release_chunks(timezone.now())
        assert [next(released), next(released)] == [0, 1]
        stop()

        assert list(released) == [0]
        assert lifecycle.release_held() == 0
        assert InsightNotification.objects.waiting_for_brake().get().user == bob

    def test_costs_as_many_statements_for_many_users_as_for_few(
        self, stopped: SendingBrake, make_insight: MakeInsight, django_assert_max_num_queries: Any
    ) -> None:
        for number in range(30):
            User.objects.create_user(f"trader{number}")
        make_insight(None)
        go_on()

        with django_assert_max_num_queries(32):
            assert lifecycle.release_held() == 30


class TestPressing:
    def test_twice_is_once(self, stopped: SendingBrake) -> None:
        assert brake.engage("Another reason", by=None, name="bob") == (stopped, False)
        go_on()
        assert brake.lift(stopped.pk, by=None, name="bob") is False

        stopped.refresh_from_db()
        assert (stopped.reason, stopped.lifted_name) == ("A source went mad", "ada")

    @pytest.mark.services
    def test_at_once_by_two_is_one_use(self, db: None) -> None:
        begun: list[bool] = []

        def press() -> None:
            begun.append(brake.engage("Both saw it", by=None, name="ada")[1])

        in_threads(press, press)

        assert sorted(begun) == [False, True]
        assert SendingBrake.objects.count() == 1

    def test_a_page_of_an_earlier_use_lifts_no_later_one(self, stopped: SendingBrake) -> None:
        go_on()
        stop()

        assert brake.lift(stopped.pk, by=None, name="bob") is False
        assert brake.is_engaged()

    def test_without_a_reason_is_refused(self, db: None) -> None:
        with pytest.raises(ValueError, match="reason"):
            brake.engage("  ", by=None, name="ada")

    def test_a_name_that_is_longer_than_djangos_keeps_nobody_from_it(self, db: None) -> None:
        present, begun = brake.engage("A source went mad", by=None, name=f"{'a' * 200}@example.org")

        assert begun
        assert present.engaged_name == "a" * 150
        assert brake.lift(present.pk, by=None, name="b" * 151)

    def test_names_outlive_the_account(self, ada: User) -> None:
        brake.engage("A source went mad", by=ada, name="ada")
        ada.delete()

        present = brake.engaged()
        assert present
        assert (present.engaged_by, present.engaged_name) == (None, "ada")


class TestBesideTheBrowser:
    @pytest.fixture
    def called(self, monkeypatch: pytest.MonkeyPatch) -> list[str]:
        """Titles of what a channel was told to deliver."""
        titles: list[str] = []
        monkeypatch.setattr(Webhook, "deliver", lambda self, notification, target: titles.append(notification.title))
        return titles

    @pytest.fixture
    def pending_for(self, alice: User, make_signal: MakeInsight) -> Callable[..., NotificationDeliveryLog]:
        webhook = OutgoingWebhook.objects.create(user=alice, url="https://a.example/hook", secret="s" * 32)
        NotificationPreference.objects.filter(user=alice).update(webhook_enabled=True)

        def make(title: str, **fields: Any) -> NotificationDeliveryLog:
            row = store_notification(alice, make_signal(alice), title=title, **fields)
            return NotificationDeliveryLog.objects.create(
                notification=row, channel=Channel.WEBHOOK, target=str(webhook.pk), next_attempt_at=timezone.now()
            )

        return make

    @pytest.mark.services
    def test_what_is_pending_waits_and_goes_out_in_order(
        self, called: list[str], pending_for: Callable[..., NotificationDeliveryLog]
    ) -> None:
        pending_for("second")
        pending_for("first", priority="high")
        late = pending_for("late", expires_at=timezone.now() - dt.timedelta(hours=1))
        pending_for("third")
        stop()

        assert draining.drain() == {}
        assert called == []
        go_on()
        assert draining.drain() == {"sent": 3, "skipped": 1}

        late.refresh_from_db()
        assert late.error_message == draining.EXPIRED
        assert called[0] == "first"
        assert set(called) == {"first", "second", "third"}

    def test_what_waits_is_counted_and_is_begun_at_once_when_sending_goes_on(
        self,
        pending_for: Callable[..., NotificationDeliveryLog],
        subscribe: Subscribe,
        make_insight: MakeInsight,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        woken: list[float] = []
        monkeypatch.setattr(waking, "wake", woken.append)
        pending_for("one")
        NotificationDeliveryLog.objects.filter(channel=Channel.WEBSOCKET).update(state="pending")  # it waits for a tab
        stop()
        bob = subscribe("bob")
        make_insight(bob)
        runs.open_due(timezone.now())

        assert brake.waiting() == brake.Waiting(notifications=2, deliveries=1, digests=1)
        assert woken == []
        lift()
        assert woken[-1] == 0

    def test_what_was_found_before_is_not_claimed_any_more(
        self, called: list[str], pending_for: Callable[..., NotificationDeliveryLog]
    ) -> None:
        log = pending_for("found")
        [due] = draining._look()
        stop()

        assert draining._begin(due) is None
        log.refresh_from_db()
        assert (log.state, log.attempts) == ("pending", 0)

    @pytest.mark.services
    def test_mails_wait_and_what_is_too_old_by_then_is_closed(
        self, subscribe: Subscribe, mailoutbox: list[Any]
    ) -> None:
        alice = subscribe("alice")
        stop()

        report = sending.send_due()

        assert (report.opened, report.sent, report.braked) == (1, 0, True)
        assert mailoutbox == []
        with time_machine.travel(timezone.now() + runs.GIVEN_UP_AFTER, tick=False):
            sending.send_due()
        run = alice.digest_runs.earliest("local_date")
        assert (run.state, run.error) == (DigestState.SKIPPED, runs.STOPPED)

    def test_a_mail_that_was_claimed_before_is_not_begun_any_more(self, subscribe: Subscribe) -> None:
        alice = subscribe("alice")
        runs.open_due(timezone.now())
        claimed = runs.claim(timezone.now())
        [run] = claimed.runs
        stop()

        assert claimed.begin_attempt(run) is False
        assert (run.attempts, alice.digest_runs.get().attempts) == (0, 0)

    def test_a_run_of_mails_ends_when_somebody_stops_it_in_the_middle(
        self, subscribe: Subscribe, mailoutbox: list[Any]
    ) -> None:
        subscribe("alice")
        subscribe("bob")
        asked = iter([False] * 20)

        report = sending.send_due(after_each=stop, should_stop=lambda: next(asked, True))

        assert (report.sent, report.braked, len(mailoutbox)) == (1, True, 1)
        waiting = DigestRun.objects.pending().get()
        assert (waiting.attempts, waiting.claim) == (0, "")

    @pytest.mark.services
    def test_mails_go_out_once_sending_goes_on(self, subscribe: Subscribe, mailoutbox: list[Any]) -> None:
        subscribe("alice")
        stop()
        sending.send_due()
        go_on()

        assert sending.send_due().sent == 1
        assert len(mailoutbox) == 1


class TestTraders:
    async def test_are_told_on_open_pages_when_it_is_pressed_and_lifted(self, alice: User, open_tab: OpenTab) -> None:
        tab = await open_tab(alice)
        registry = sockets.current()
        assert registry
        assert tab.welcome["stopped"] is False
        for change, stopped in ((stop, True), (go_on, False)):
            await tabs.in_thread(change)
            await registry.look_at_brake()
            await registry.look_at_brake()
            assert await tab.frame() == {"type": "sending", "stopped": stopped}
        await tab.settled()

    async def test_are_told_as_they_connect(self, stopped: SendingBrake, alice: User, open_tab: OpenTab) -> None:
        assert (await open_tab(alice)).welcome["stopped"] is True
        assert (await open_tab(alice, since=0, epoch=alice.inbox.epoch)).welcome["stopped"] is True

    @pytest.mark.parametrize("pressed", [False, True])
    def test_see_it_on_every_page_at_the_cost_of_no_query(self, alice: User, client: Client, pressed: bool) -> None:
        client.force_login(alice)
        if pressed:
            stop()

        with CaptureQueriesContext(connection) as asked:
            page = client.get(reverse("history")).content.decode()

        note = page[page.index("data-brake") :].split(">")[0]
        assert ("hidden" in note) is not pressed
        table = f'FROM "{SendingBrake._meta.db_table}"'
        statements = [query["sql"] or "" for query in asked.captured_queries]  # none of one that is prepared
        on_its_own = [sql for sql in statements if table in sql and f'FROM "{Inbox._meta.db_table}"' not in sql]
        assert on_its_own == [], "it comes with the position of the bell"


class TestTheAdmin:
    @pytest.fixture
    def operator(self, client: Client) -> User:
        user = User.objects.create_user("olga", is_staff=True)
        wanted = Permission.objects.filter(codename__in=["view_sendingbrake", "use_brake"])
        user.user_permissions.set(wanted)
        client.force_login(user)
        return user

    def press(self, client: Client, **fields: Any) -> Any:
        return client.post(reverse("admin:notifications_sendingbrake_changelist"), fields, follow=True)

    def test_stops_and_goes_on_with_who_and_why_on_record(self, operator: User, client: Client) -> None:
        page = self.press(client, reason="A source went mad", sure="on").content.decode()
        present = brake.engaged()
        assert present
        assert (present.engaged_by, present.reason) == (operator, "A source went mad")
        assert "brake-alarm" in page

        page = self.press(client, use=present.pk, sure="on").content.decode()
        present.refresh_from_db()
        assert (present.lifted_by, present.lifted_name) == (operator, "olga")
        assert "brake-alarm" not in page
        assert "A source went mad" in page, "the history says why"

    def test_gives_the_time_by_utc_whatever_the_readers_clock(self, operator: User, client: Client) -> None:
        NotificationPreference.objects.filter(user=operator).update(time_zone="Asia/Tokyo")
        with time_machine.travel(NIGHT, tick=False):
            stop()

        page = client.get(reverse("admin:notifications_sendingbrake_changelist")).content.decode()

        assert "since 23:30 UTC, by ada" in page, "the note on every page"
        assert "Since 2026-03-04 23:30 UTC" in page
        assert ">2026-03-04 23:30:00<" in page, "the history"

    @pytest.mark.parametrize("fields", [{}, {"reason": "Why not"}, {"sure": "on"}, {"reason": " ", "sure": "on"}])
    def test_asks_for_a_reason_and_a_confirmation(self, operator: User, client: Client, fields: dict[str, Any]) -> None:
        assert self.press(client, **fields).status_code == 400
        assert not SendingBrake.objects.exists()

    def test_lifts_only_with_a_confirmation(self, stopped: SendingBrake, operator: User, client: Client) -> None:
        assert self.press(client, use=stopped.pk).status_code == 400
        assert brake.is_engaged()

    def test_tells_the_second_of_two_who_was_first(self, stopped: SendingBrake, operator: User, client: Client) -> None:
        page = self.press(client, reason="I saw it too", sure="on").content.decode()
        assert "It had been stopped already, by ada: A source went mad" in page

    @pytest.mark.parametrize(("codenames", "looks", "uses"), [([], 403, 403), (["view_sendingbrake"], 200, 403)])
    def test_is_for_who_may(self, client: Client, codenames: list[str], looks: int, uses: int) -> None:
        user = User.objects.create_user("sam", is_staff=True)
        user.user_permissions.set(Permission.objects.filter(codename__in=codenames))
        client.force_login(user)

        assert client.get(reverse("admin:notifications_sendingbrake_changelist")).status_code == looks
        assert self.press(client, reason="Why not", sure="on").status_code == uses
        assert not SendingBrake.objects.exists()

    def test_says_so_on_every_page_to_staff_only(
        self, stopped: SendingBrake, ada: User, alice: User, client: Client
    ) -> None:
        client.force_login(ada)
        assert "by ada: A source went mad" in client.get(reverse("admin:index")).content.decode()
        client.logout()
        assert "went mad" not in client.get(reverse("admin:login")).content.decode()


class TestTheCommand:
    def run(self, *arguments: str) -> str:
        out = StringIO()
        call_command("sending_brake", *arguments, stdout=out)
        return out.getvalue()

    def test_stops_says_so_and_goes_on(self, ada: User) -> None:
        assert "Sending is stopped: on since" in self.run("on", "--reason", "It went mad", "--user", "ada")
        assert "stopped already" in self.run("on", "--reason", "Again", "--user", "ada")
        with pytest.raises(SystemExit) as ended:
            self.run("status")
        assert ended.value.code == 3
        assert "Sending goes on" in self.run("off", "--user", "ada")
        assert "was on already" in self.run("off")
        assert "Sending is on." in self.run("status")
        assert SendingBrake.objects.get().lifted_by == ada

    def test_makes_the_load_test_refuse_to_wait_for_nothing(self, stopped: SendingBrake) -> None:
        with pytest.raises(CommandError, match="Sending is stopped"):
            call_command("load_test", stdout=StringIO())
        assert not User.objects.exists()

    def test_keeps_who_it_was_in_the_shell(self, db: None) -> None:
        self.run("on", "--reason", "At night")
        present = brake.engaged()
        assert present
        assert present.engaged_name.endswith("(shell)")

    def test_speaks_json(self, db: None) -> None:
        facts = json.loads(self.run("status", "--json"))
        assert facts["stopped"] is False
        assert facts["waiting"] == {"notifications": 0, "deliveries": 0, "digests": 0}

    @pytest.mark.parametrize("arguments", [["on"], ["on", "--reason", " "], ["on", "--reason", "x", "--user", "alice"]])
    def test_refuses_what_nobody_could_account_for(self, alice: User, arguments: list[str]) -> None:
        with pytest.raises(CommandError):
            self.run(*arguments)
        assert not SendingBrake.objects.exists()


def killed_at_the_second(function: Callable[..., Any]) -> Callable[..., Any]:
    calls: list[Any] = []

    def killed(*arguments: Any) -> Any:
        calls.append(arguments)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return function(*arguments)

    return killed
