"""What is on its way to one client: in order, bounded, and never in another's way."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from notifications import outbox
from notifications.outbox import Outbox


class Server:
    """A server's `send`, which waits while the client does not read."""

    def __init__(self) -> None:
        self.sent: list[str] = []
        self.reads = asyncio.Event()
        self.reads.set()
        self.fault: Exception | None = None

    async def send(self, message: dict[str, Any]) -> None:
        await self.reads.wait()
        if self.fault:
            raise self.fault
        self.sent.append(message.get("text", message["type"]))


class Owner:
    def __init__(self) -> None:
        self.told: list[str] = []

    def gone(self) -> None:
        self.told.append("gone")

    def stuck(self) -> None:
        self.told.append("stuck")

    def fell_behind(self) -> None:
        self.told.append("fell behind")


@pytest.fixture
async def server() -> Server:
    return Server()


@pytest.fixture
def owner() -> Owner:
    return Owner()


@pytest.fixture
def box(server: Server, owner: Owner) -> Outbox:
    return Outbox(server.send, owner)


async def test_what_a_reading_client_is_sent_is_sent_at_once_and_without_a_task(server: Server, box: Outbox) -> None:
    tasks = asyncio.all_tasks()
    for text in "abc":
        assert box.offer(text)
    assert server.sent == ["a", "b", "c"]
    assert box.flows
    assert asyncio.all_tasks() == tasks


async def test_what_waits_for_a_client_keeps_its_order(server: Server, box: Outbox, owner: Owner) -> None:
    server.reads.clear()
    box.offer("a")
    box.put("b")
    box.offer("c")
    assert server.sent == []
    assert not box.flows
    server.reads.set()
    await box.flow()
    box.offer("d")
    assert server.sent == ["a", "b", "c", "d"]
    assert owner.told == []


async def test_hints_beyond_the_bound_are_dropped_and_the_owner_told_when_there_is_room(
    server: Server, box: Outbox, owner: Owner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox, "MAX_WAITING_BYTES", 3)
    server.reads.clear()
    assert [box.offer(text) for text in "abcdef"] == [True] * 4 + [False] * 2, "the first is the server's already"
    box.put("the answer to a command")
    assert owner.told == []
    server.reads.set()
    await box.flow()
    assert server.sent == ["a", "b", "c", "d", "the answer to a command"]
    assert owner.told == ["fell behind"]


async def test_what_is_larger_than_the_bound_is_sent_to_a_reading_client(
    server: Server, box: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox, "MAX_WAITING_BYTES", 3)
    assert box.offer("large")
    assert server.sent == ["large"]


async def test_the_end_overtakes_what_waits(server: Server, box: Outbox, owner: Owner) -> None:
    server.reads.clear()
    box.offer("begun")
    box.offer("waiting")
    box.end({"type": "websocket.close"})
    server.reads.set()
    await box.flow()
    assert server.sent == ["begun", "websocket.close"]


async def test_a_client_that_takes_nothing_for_long_is_stuck(
    server: Server, box: Outbox, owner: Owner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox, "STUCK_S", 0.01)
    server.reads.clear()
    box.offer("a")
    box.offer("b")
    await box.flow()
    assert (server.sent, owner.told) == ([], ["stuck"])


@pytest.mark.parametrize("waiting", [False, True])
async def test_a_client_that_has_gone_is_no_fault(
    waiting: bool, server: Server, box: Outbox, owner: Owner, caplog: pytest.LogCaptureFixture
) -> None:
    server.fault = ConnectionResetError("gone")
    if waiting:
        server.reads.clear()
    box.offer("a")
    server.reads.set()
    await box.flow()
    assert owner.told == ["gone"]
    assert caplog.records == []


async def test_a_mistake_of_the_server_is_logged_and_raises_nothing(
    server: Server, box: Outbox, owner: Owner, caplog: pytest.LogCaptureFixture
) -> None:
    server.fault = RuntimeError("a mistake")
    box.offer("a")
    assert owner.told == ["gone"]
    assert "a mistake" in caplog.text
