"""Digests over a real SMTP server: each goes out once, and what goes wrong with one costs no other."""

from __future__ import annotations

import datetime as dt
import logging
import threading
from collections.abc import Callable
from typing import Any

import pytest
import time_machine
from django.conf import settings
from django.contrib.auth.models import User
from django.utils import timezone

from notifications import metrics
from notifications.digests import content, runs, sending
from notifications.digests.sending import Report, send_due
from notifications.models import DigestRun, DigestState, NotificationPreference
from notifications.tests.mail_server import MailServer, drop_connection
from notifications.tests.rows import store_notification
from signals.models import Signal

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.services]

MakeInsight = Callable[..., Signal]
Subscribe = Callable[..., User]


def run_of(user: User) -> DigestRun:
    return DigestRun.objects.get(user=user)


def later(minutes: float) -> Any:
    return time_machine.travel(timezone.now() + dt.timedelta(minutes=minutes))


def test_a_digest_goes_out_once_a_local_date(mail_server: MailServer, subscribe: Subscribe) -> None:
    alice = subscribe("alice")

    first, second = send_due(), send_due()

    assert (first.opened, first.sent, second.opened, second.done) == (1, 1, 0, 0)
    assert mail_server.recipients == ["alice@example.org"]
    run = run_of(alice)
    assert (run.state, run.attempts, run.error) == (DigestState.SENT, 1, "")
    assert run.counts["unread"] == 1
    with time_machine.travel(timezone.now() + dt.timedelta(days=1), tick=False):
        Signal.objects.get().notifications.update(expired_at=None)
        assert send_due().opened == 1


def test_all_of_a_batch_go_over_one_connection(mail_server: MailServer, subscribe: Subscribe) -> None:
    for number in range(5):
        subscribe(f"trader{number}")

    send_due()

    assert len(mail_server.envelopes) == 5
    assert mail_server.connections == 1


def test_who_has_nothing_to_be_told_gets_no_mail(mail_server: MailServer, subscribe: Subscribe) -> None:
    alice = subscribe("alice", insights=0)

    assert send_due().nothing == 1
    assert run_of(alice).state == DigestState.NOTHING
    assert mail_server.connections == 0


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"paused_until": "soon"}, runs.PAUSED),
        ({"digest_paused_until": "soon"}, runs.PAUSED),
        ({"email": ""}, runs.NO_ADDRESS),
    ],
)
def test_who_has_paused_or_has_no_address_is_skipped_with_the_reason(
    mail_server: MailServer, subscribe: Subscribe, change: dict[str, str], why: str
) -> None:
    alice = subscribe("alice")
    if "email" in change:
        User.objects.filter(pk=alice.pk).update(**change)
    else:
        soon = timezone.now() + dt.timedelta(hours=1)
        NotificationPreference.objects.filter(user=alice).update(**dict.fromkeys(change, soon))

    send_due()

    assert (run_of(alice).state, run_of(alice).error) == (DigestState.SKIPPED, why)
    assert mail_server.envelopes == []


@pytest.mark.parametrize("change", [{"is_active": False}, {"email_digest_enabled": False}])
def test_who_is_not_active_or_does_not_want_it_has_no_run(
    mail_server: MailServer, subscribe: Subscribe, change: dict[str, bool]
) -> None:
    alice = subscribe("alice")
    model = User.objects.filter(pk=alice.pk) if "is_active" in change else NotificationPreference.objects
    model.update(**change)

    assert send_due() == Report()
    assert not DigestRun.objects.exists()


def test_who_leaves_between_two_attempts_gets_no_second_one(mail_server: MailServer, subscribe: Subscribe) -> None:
    alice = subscribe("alice")
    mail_server.answers["alice@example.org"] = "451 later"
    send_due()
    NotificationPreference.objects.update(email_digest_enabled=False)
    del mail_server.answers["alice@example.org"]

    with later(2):
        assert send_due().skipped == 1
    assert run_of(alice).error == runs.SWITCHED_OFF
    assert mail_server.envelopes == []


class TestRefusals:
    def test_a_refused_recipient_is_logged_without_the_address_and_stops_nobody_else(
        self, mail_server: MailServer, subscribe: Subscribe, caplog: pytest.LogCaptureFixture
    ) -> None:
        users = [subscribe(name) for name in ("alice", "bob", "charlie")]
        mail_server.answers["bob@example.org"] = "550 5.1.1 <bob@example.org>: no such user here"
        before = metrics.DIGESTS.labels("failed")._value.get()

        with caplog.at_level(logging.INFO, "notifications"):
            report = send_due()

        assert (report.sent, report.failed, report.later) == (2, 1, 0)
        assert mail_server.recipients == ["alice@example.org", "charlie@example.org"]
        assert mail_server.connections == 1
        run = run_of(users[1])
        assert (run.state, run.error) == (DigestState.FAILED, "550 5.1.1 <…>: no such user here")
        assert f"user {users[1].pk}" in caplog.text
        assert "bob@" not in "".join(record.getMessage() for record in caplog.records if record.name != "mail.log")
        assert metrics.DIGESTS.labels("failed")._value.get() == before + 1

    def test_a_permanent_refusal_is_not_tried_again(self, mail_server: MailServer, subscribe: Subscribe) -> None:
        subscribe("bob")
        mail_server.answers["bob@example.org"] = "550 no"
        send_due()

        with later(600):
            assert send_due().done == 0

    def test_a_temporary_refusal_is_tried_again_with_longer_and_longer_waits_and_fails_in_the_end(
        self, mail_server: MailServer, subscribe: Subscribe
    ) -> None:
        bob = subscribe("bob")
        mail_server.answers["bob@example.org"] = "451 4.7.1 greylisted"
        waits = []
        with time_machine.travel(timezone.now(), tick=False) as clock:
            start = timezone.now()
            while not send_due().failed:
                run = run_of(bob)
                assert (run.state, run.error) == (DigestState.PENDING, "451 4.7.1 greylisted")
                waits.append(run.next_attempt_at - timezone.now())
                clock.move_to(run.next_attempt_at - dt.timedelta(seconds=1))
                assert send_due().done == 0
                clock.shift(1)
            took = timezone.now() - start

        assert run_of(bob).attempts == runs.MOST_ATTEMPTS == 8
        assert waits == sorted(waits)
        assert took < dt.timedelta(hours=4)

    def test_a_mail_that_kills_its_process_each_time_fails_in_the_end_and_keeps_nobody_waiting(
        self, mail_server: MailServer, subscribe: Subscribe, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        bob = subscribe("bob")

        def end_process(*args: object) -> None:
            raise SystemExit

        with time_machine.travel(timezone.now(), tick=False) as clock:
            with monkeypatch.context() as deadly:
                deadly.setattr("notifications.mail_server.MailServer.send", end_process)
                deadly.setattr(runs.Claimed, "release", lambda claimed: None)  # nothing is put in order
                for _attempt in range(runs.MOST_ATTEMPTS):
                    with pytest.raises(SystemExit):
                        send_due()
                    clock.shift(runs.LEASE)
            charlie = subscribe("charlie")
            report = send_due()

        assert (report.failed, report.sent) == (1, 1)
        assert (run_of(bob).state, run_of(bob).error) == (DigestState.FAILED, runs.DEADLY)
        assert run_of(charlie).state == DigestState.SENT

    def test_a_mail_whose_server_went_away_as_often_is_not_one_that_kills(self, subscribe: Subscribe) -> None:
        subscribe("bob")
        runs.open_due(timezone.now())
        DigestRun.objects.update(attempts=runs.MOST_ATTEMPTS)

        assert runs.give_up_deadly(timezone.now()) == 0

    def test_what_was_refused_for_now_goes_out_when_it_is_taken(
        self, mail_server: MailServer, subscribe: Subscribe
    ) -> None:
        bob = subscribe("bob")
        mail_server.answers["bob@example.org"] = "451 greylisted"
        send_due()
        first_id = run_of(bob).message_id
        mail_server.answers.clear()

        with later(2):
            assert send_due().sent == 1

        assert run_of(bob).error == ""
        assert [message["Message-ID"] for message in mail_server.messages] == [first_id]

    def test_a_mail_that_is_refused_after_it_was_read_costs_nobody_else_theirs(
        self, mail_server: MailServer, subscribe: Subscribe
    ) -> None:
        for name in ("alice", "bob"):
            subscribe(name)
        mail_server.at_data = lambda server, envelope: "554 spam" if "alice@example.org" in envelope.rcpt_tos else None

        report = send_due()

        assert (report.sent, report.failed) == (1, 1)

    def test_an_address_that_is_none_fails_for_its_user_only(
        self, mail_server: MailServer, subscribe: Subscribe
    ) -> None:
        alice = subscribe("alice")
        subscribe("bob")
        User.objects.filter(pk=alice.pk).update(email="alice@example.org\nBcc: everybody@example.org")

        report = send_due()

        assert (report.sent, report.failed) == (1, 1)
        assert mail_server.recipients == ["bob@example.org"]
        assert "everybody" not in run_of(alice).error


class TestServerAway:
    def test_all_stay_pending_and_go_out_later_in_the_order_in_which_they_were_due(
        self, mail_server: MailServer, subscribe: Subscribe
    ) -> None:
        names = ["late", "early", "middle"]
        for name, hour in zip(names, (3, 1, 2), strict=True):
            subscribe(name, digest_time=dt.time(0, hour))
        mail_server.stop()
        with time_machine.travel(timezone.now().replace(hour=1)):
            report = send_due()
            assert report.server_away
            assert report.done == 0
            assert {(run.state, run.attempts, run.lease_until) for run in DigestRun.objects.all()} == {
                (DigestState.PENDING, 0, None)
            }
            server = MailServer()
            server.start()
            settings.EMAIL_PORT = server.port
            assert send_due().sent == 3
            server.stop()

        assert server.recipients == ["early@example.org", "middle@example.org", "late@example.org"]

    def test_a_connection_that_is_dropped_is_opened_anew_for_the_rest(
        self, mail_server: MailServer, subscribe: Subscribe
    ) -> None:
        users = [subscribe(name) for name in ("alice", "bob", "charlie")]

        def drop_bobs(server: Any, envelope: Any) -> str | None:
            return drop_connection(server, envelope) if "bob@example.org" in envelope.rcpt_tos else None

        mail_server.at_data = drop_bobs
        report = send_due()

        assert (report.sent, report.later, report.server_away) == (2, 1, "")
        assert run_of(users[1]).state == DigestState.PENDING
        assert mail_server.connections == 2
        mail_server.at_data = lambda server, envelope: None
        with later(2):
            assert send_due().sent == 1

    def test_a_server_that_drops_every_mail_is_left_alone_after_a_few(
        self, mail_server: MailServer, subscribe: Subscribe
    ) -> None:
        for number in range(6):
            subscribe(f"trader{number}")
        mail_server.at_data = drop_connection

        report = send_due()

        assert (report.later, report.sent) == (3, 0)
        assert report.server_away
        assert DigestRun.objects.filter(attempts=0, lease_until=None, state=DigestState.PENDING).count() == 3

    def test_what_no_server_took_all_day_is_given_up(self, mail_server: MailServer, subscribe: Subscribe) -> None:
        alice = subscribe("alice", digest_time=dt.time(0))
        mail_server.stop()
        send_due()

        with later(60 * 21):
            sending.send_due()
        assert DigestRun.objects.get(user=alice, error=runs.TOO_LATE).state == DigestState.FAILED


class TestTwoAtOnce:
    def test_a_run_that_another_process_has_in_hand_is_left_to_it(
        self, mail_server: MailServer, subscribe: Subscribe
    ) -> None:
        subscribe("alice")
        runs.open_due(timezone.now())
        theirs = runs.claim(timezone.now())

        assert len(theirs.runs) == 1
        assert send_due().done == 0
        assert mail_server.envelopes == []

    def test_two_that_send_at_the_same_time_send_each_digest_once(
        self, mail_server: MailServer, subscribe: Subscribe, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from django.db import connection

        monkeypatch.setattr(runs, "BATCH", 3)
        for number in range(20):
            subscribe(f"trader{number}")
        reports: list[Report] = []
        both = threading.Barrier(2)

        def send() -> None:
            both.wait()
            reports.append(send_due())
            connection.close()

        threads = [threading.Thread(target=send) for _number in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert sum(report.sent for report in reports) == 20
        assert sorted(mail_server.recipients) == sorted(f"trader{number}@example.org" for number in range(20))

    def test_who_took_longer_than_the_lease_sends_nothing_that_another_took_over(
        self, mail_server: MailServer, subscribe: Subscribe
    ) -> None:
        subscribe("alice")
        runs.open_due(timezone.now())
        slow = runs.claim(timezone.now())
        with later(11):
            assert send_due().sent == 1

        assert not slow.begin_attempt(slow.runs[0])
        assert run_of(slow.runs[0].user).state == DigestState.SENT


def test_what_is_asked_to_stop_stops_before_the_next_mail_and_leaves_the_rest(
    mail_server: MailServer, subscribe: Subscribe
) -> None:
    for number in range(4):
        subscribe(f"trader{number}")
    done: list[int] = []

    report = send_due(should_stop=lambda: len(done) >= 2, after_each=lambda: done.append(1))

    assert report.sent == 2
    assert DigestRun.objects.filter(state=DigestState.PENDING, lease_until=None, attempts=0).count() == 2
    assert send_due().sent == 2


def test_a_user_whose_digest_cannot_be_written_costs_nobody_else_theirs(
    mail_server: MailServer, subscribe: Subscribe, monkeypatch: pytest.MonkeyPatch
) -> None:
    alice, bob = subscribe("alice"), subscribe("bob")
    read = content.Reader.read

    def read_all_but_alices(self: Any, some: Any) -> Any:
        if any(run.user_id == alice.pk for run in some):
            raise ValueError("on purpose")
        return read(self, some)

    monkeypatch.setattr(content.Reader, "read", read_all_but_alices)
    report = send_due()

    assert (report.sent, report.later) == (1, 1)
    assert run_of(bob).state == DigestState.SENT
    assert run_of(alice).attempts == 1


def test_sending_again_opens_another_edition_with_another_message_id(
    mail_server: MailServer, subscribe: Subscribe
) -> None:
    alice = subscribe("alice")
    send_due()

    assert runs.send_again(run_of(alice), timezone.now())
    assert not runs.send_again(run_of(alice), timezone.now())
    send_due()

    first, second = (message["Message-ID"] for message in mail_server.messages)
    assert first != second
    assert run_of(alice).edition == 2


def test_a_trial_tells_of_the_last_day_and_is_no_days_digest(mail_server: MailServer, subscribe: Subscribe) -> None:
    alice = subscribe("alice", email_digest_enabled=False, insights=0)

    assert runs.open_trial(alice, timezone.now()) is not None
    assert runs.open_trial(alice, timezone.now()) is None
    assert send_due().sent == 1
    assert not DigestRun.objects.daily().exists()
    assert runs.open_trial(alice, timezone.now()) is not None


def test_an_unread_notification_is_enough(mail_server: MailServer, subscribe: Subscribe, make_signal: Any) -> None:
    alice = subscribe("alice", insights=0)
    store_notification(alice, make_signal(alice))

    assert send_due().sent == 1
