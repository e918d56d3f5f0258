import datetime as dt
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import islice
from pathlib import Path

import pytest

from signals import replay, strategies
from signals.models import Regime, Side
from signals.replay import Alert, Pace, Position, Replay, ReplayError, alerts, token_for
from signals.strategies import Setup
from signals.tests.webhook_server import Reply, WebhookServer, refusing_url, webhook_server
from signals.webhook_client import WebhookClient

SETUP = Setup(
    date=dt.date(2024, 1, 2),
    symbol="EURUSD",
    side=Side.BUY,
    price=Decimal("1.09560"),
    sl=Decimal("1.09100"),
    tp=Decimal("1.10480"),
    confidence=Decimal("67.8"),
    strategy="TrendFollower",
    regime=Regime.BREAKOUT,
)
SETUPS = strategies.setups_between(dt.date(2024, 1, 1), dt.date(2024, 1, 19))
TOKENS = ["secret-1", "secret-2"]


@dataclass
class FakeStop:
    """A clock and a stop in one: waiting takes no time and is remembered."""

    now: float = 0.0
    waits: list[float] = field(default_factory=list)
    stop_at_wait: int = 0

    def is_set(self) -> bool:
        return bool(self.stop_at_wait) and len(self.waits) >= self.stop_at_wait

    def wait(self, timeout: float) -> bool:
        self.waits.append(timeout)
        self.now += timeout
        return self.is_set()


@pytest.fixture
def server() -> Iterator[WebhookServer]:
    with webhook_server() as running:
        yield running


@pytest.fixture
def stop() -> FakeStop:
    return FakeStop()


MakeReplay = Callable[..., Replay]


@pytest.fixture
def make_replay(server: WebhookServer, stop: FakeStop, lines: list[str]) -> Iterator[MakeReplay]:
    clients = []

    def make(url: str = "", tokens: list[str] = TOKENS, pace: Pace | None = None) -> Replay:
        clients.append(WebhookClient(url or server.url))
        return Replay(clients[-1], tokens, pace or Pace(0, 0, lambda: stop.now), stop, lines.append)

    yield make
    for client in clients:
        client.close()


@pytest.fixture
def lines() -> list[str]:
    """What the replay said."""
    return []


def run(running: Replay, setups: list[Setup]) -> list[Alert]:
    return list(running.run(alerts(setups)))


def test_a_setup_is_worded_as_tradingview_would() -> None:
    assert Alert(SETUP).message() == {
        "alert_id": "replay-2024-01-02-EURUSD-TrendFollower",
        "symbol": "FX:EURUSD",
        "timeframe": "D",
        "side": "buy",
        "price": "1.09560",
        "sl": "1.09100",
        "tp": "1.10480",
        "confidence": "67.8",
        "strategy": "TrendFollower",
        "regime": "Breakout",
        "timestamp": "2024-01-02T15:00:00Z",
    }


def test_setups_are_delivered_in_order(make_replay: MakeReplay, server: WebhookServer) -> None:
    running = make_replay()
    run(running, SETUPS)
    assert server.alert_ids == [Alert(setup).id for setup in SETUPS]
    assert str(running.summary) == f"{len(SETUPS)} accepted, 0 already known, 0 refused"


def test_the_same_strategy_on_the_same_symbol_always_has_the_same_token() -> None:
    year = strategies.setups_between(dt.date(2024, 1, 1), dt.date(2024, 12, 31))
    dealt = {(setup.symbol, setup.strategy, token_for(setup, TOKENS)) for setup in year}
    assert len(dealt) == len({(symbol, strategy) for symbol, strategy, _ in dealt})
    assert {token for _, _, token in dealt} == set(TOKENS)


def test_the_first_go_at_once_and_then_so_many_a_minute(make_replay: MakeReplay, stop: FakeStop) -> None:
    run(make_replay(pace=Pace(15, 3, lambda: stop.now)), SETUPS[:6])
    assert stop.waits == [4, 4, 4]


def test_without_a_burst_the_first_still_goes_at_once(make_replay: MakeReplay, stop: FakeStop) -> None:
    run(make_replay(pace=Pace(60, 0, lambda: stop.now)), SETUPS[:3])
    assert stop.waits == [1, 1]


def test_what_the_server_knows_already_is_passed_over_without_a_wait(
    make_replay: MakeReplay, server: WebhookServer, stop: FakeStop
) -> None:
    server.replies = [Reply(200) for _ in SETUPS[:-1]]
    running = make_replay(pace=Pace(15, 1, lambda: stop.now))
    run(running, SETUPS)
    assert stop.waits == []
    assert (running.summary.accepted, running.summary.duplicates) == (1, len(SETUPS) - 1)


@pytest.mark.parametrize(("header", "wait_s"), [("7", 7), ("0", 5), ("3600", 60), ("", 5)])
def test_a_busy_server_is_given_the_time_that_it_asks_for_within_bounds(
    make_replay: MakeReplay, server: WebhookServer, stop: FakeStop, lines: list[str], header: str, wait_s: int
) -> None:
    server.replies = [Reply(429, headers={"Retry-After": header})]
    running = make_replay()
    run(running, [SETUP])
    assert stop.waits == [wait_s]
    assert lines[0] == f"The server is busy (429); trying again in {wait_s} s"
    assert running.summary.accepted == 1


def test_a_faulty_server_is_tried_again_with_growing_pauses(
    make_replay: MakeReplay, server: WebhookServer, stop: FakeStop
) -> None:
    server.replies = [Reply(503), Reply(502, b"<html>"), Reply(500)]
    running = make_replay()
    run(running, [SETUP])
    assert stop.waits == [1, 2, 4]
    assert server.alert_ids == [Alert(SETUP).id] * 4
    assert running.summary.accepted == 1


def test_a_server_that_never_answers_is_given_up_after_five_minutes(
    make_replay: MakeReplay, stop: FakeStop, lines: list[str]
) -> None:
    with pytest.raises(ReplayError, match=r"Gave up after \d+ s of trying: The server is not reachable"):
        run(make_replay(refusing_url()), [SETUP])
    assert stop.waits[:6] == [1, 2, 4, 8, 15, 15]
    assert 280 < sum(stop.waits) <= replay.GIVE_UP_AFTER_S
    assert "not reachable" in lines[0]


def test_a_server_that_comes_back_gets_the_alert_that_it_missed(
    make_replay: MakeReplay, server: WebhookServer, stop: FakeStop
) -> None:
    running = make_replay(refusing_url())
    back = WebhookClient(server.url)

    def come_back(line: str) -> None:
        running.client = back

    running.say = come_back
    run(running, [SETUP])
    back.close()
    assert server.alert_ids == [Alert(SETUP).id]


def test_a_refused_setup_is_counted_with_its_reason_and_the_next_one_follows(
    make_replay: MakeReplay, server: WebhookServer, lines: list[str]
) -> None:
    refusal = {"error": {"code": "invalid", "message": "Not valid.", "fields": {"sl": ["Must be below the price."]}}}
    server.replies = [Reply(400, refusal), Reply(403, {"error": {"message": "This webhook is paused."}})]
    running = make_replay()
    run(running, SETUPS[:3])
    assert (running.summary.refused, running.summary.accepted) == (2, 1)
    assert lines[0].endswith('refused (400) {"sl": ["Must be below the price."]}')
    assert lines[1].endswith('refused (403) "This webhook is paused."')
    assert lines[2].endswith(": approved 81.50")


def test_a_token_that_the_server_does_not_know_ends_its_own_alerts_only(
    make_replay: MakeReplay, server: WebhookServer, lines: list[str]
) -> None:
    server.replies = [Reply(404)]
    running = make_replay()
    run(running, SETUPS)
    wrong = token_for(SETUPS[0], TOKENS)
    assert [request.path for request in server.requests].count(f"/signals/webhook/{wrong}/") == 1
    assert running.summary.accepted == sum(token_for(setup, TOKENS) != wrong for setup in SETUPS) > 0
    assert lines[0] == f"The server does not know token {TOKENS.index(wrong) + 1} of 2 (404); was it rotated?"


def test_a_replay_without_a_token_left_ends(make_replay: MakeReplay, server: WebhookServer) -> None:
    server.replies = [Reply(404)]
    with pytest.raises(ReplayError, match="No token is left"):
        run(make_replay(tokens=["secret-1"]), SETUPS)


def test_a_redirect_ends_the_replay(make_replay: MakeReplay, server: WebhookServer) -> None:
    server.replies = [Reply(301, headers={"Location": "https://elsewhere.example/secret-1"})]
    with pytest.raises(ReplayError, match="give its final address"):
        run(make_replay(), [SETUP])


def test_no_token_is_ever_said(make_replay: MakeReplay, server: WebhookServer, lines: list[str]) -> None:
    server.replies = [Reply(503), Reply(429), Reply(404), Reply(400), Reply(201)]
    run(make_replay(), SETUPS)
    assert lines
    assert "secret" not in "".join(lines)


@pytest.mark.parametrize("trouble", [[], [Reply(503)]])
def test_a_stop_ends_the_replay_before_the_next_alert(
    make_replay: MakeReplay, server: WebhookServer, stop: FakeStop, trouble: list[Reply]
) -> None:
    server.replies = trouble
    stop.stop_at_wait = 1
    run(make_replay(pace=Pace(15, 1, lambda: stop.now)), SETUPS)
    assert len(server.requests) == 1


def test_a_later_run_goes_on_after_the_last_delivered_alert(make_replay: MakeReplay, tmp_path: Path) -> None:
    position = Position(tmp_path / "position.json", TOKENS)
    running = make_replay()
    running.position = position
    list(islice(running.run(alerts(SETUPS)), 3))
    assert [alert.setup for alert in alerts(SETUPS, after=position.read())] == SETUPS[3:]


def test_the_position_belongs_to_the_tokens_and_names_none(tmp_path: Path) -> None:
    path = tmp_path / "position.json"
    Position(path, TOKENS).write("replay-1")
    Position(path, ["other"]).write("replay-2")
    assert Position(path, TOKENS[::-1]).read() == "replay-1"
    assert Position(path, ["new"]).read() == ""
    assert "secret" not in path.read_text()


@pytest.mark.parametrize("content", ["", "[1]", "3", "{"])
def test_a_damaged_position_says_what_to_do(tmp_path: Path, content: str) -> None:
    path = tmp_path / "position.json"
    path.write_text(content)
    with pytest.raises(ReplayError, match="damaged: delete it"):
        Position(path, TOKENS).read()


def test_a_position_of_another_period_leaves_nothing_out() -> None:
    assert [alert.setup for alert in alerts(SETUPS, after="replay-2020-01-02-EURUSD-TrendFollower")] == SETUPS


def test_a_loop_starts_over_with_alerts_of_their_own() -> None:
    two_rounds = list(islice(alerts(SETUPS, loop=True), 2 * len(SETUPS)))
    assert len({alert.id for alert in two_rounds}) == 2 * len(SETUPS)
    assert [alert.setup for alert in two_rounds] == 2 * SETUPS


@pytest.mark.parametrize("done", [1, len(SETUPS), len(SETUPS) + 2])
def test_a_loop_goes_on_where_it_ended_in_any_round(done: int) -> None:
    whole = list(islice(alerts(SETUPS, loop=True), done + 3))
    assert list(islice(alerts(SETUPS, loop=True, after=whole[done - 1].id), 3)) == whole[done:]


def test_a_loop_over_nothing_ends() -> None:
    assert list(alerts([], loop=True)) == []
