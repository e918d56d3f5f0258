"""docs/tutorial.md: the two clients that it builds, each run as it says against the real application on a real port."""

from __future__ import annotations

import asyncio
import logging
import re
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from os import environ
from pathlib import Path

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session

from notifications import realtime
from notifications.models import InsightNotification
from notifications.tests import tabs
from notifications.tests.conftest import NewInsight
from notifications.tests.live_server import LiveServer, running_server
from scripts.node import node

CLIENTS = settings.BASE_DIR / "docs" / "clients"
TUTORIAL = (settings.BASE_DIR / "docs" / "tutorial.md").read_text(encoding="utf-8")
LANGUAGES = {"js": "client.mjs", "python": "client.py"}

PASSWORD = "alice-password"


@dataclass
class Running:
    """A client that has read the list."""

    process: Process

    async def line(self) -> str:
        assert self.process.stdout
        async with asyncio.timeout(tabs.PATIENCE_S):
            return (await self.process.stdout.readline()).decode().rstrip()

    async def complaint(self) -> str:
        """What it says when it ends, which it must do by itself."""
        async with asyncio.timeout(tabs.PATIENCE_S):
            _, complaint = await self.process.communicate()
        return complaint.decode()


Start = Callable[..., Awaitable[Running]]


@pytest.fixture
def server(still_tick: None) -> Iterator[LiveServer]:
    with running_server() as server:
        yield server


@pytest.fixture
async def start(server: LiveServer) -> AsyncIterator[Start]:
    """Run a client of Alice's; what still runs at the end of the test is ended."""
    running: list[Process] = []

    async def run(program: Path | str, file: str, *, password: str = PASSWORD) -> Running:
        process = await asyncio.create_subprocess_exec(
            program,
            CLIENTS / file,
            server.address,
            "alice",
            stdout=PIPE,
            stderr=PIPE,
            env=environ | {"ZENITHEDGE_PASSWORD": password},
        )
        running.append(process)
        return Running(process)

    yield run
    for process in running:
        if process.returncode is None:
            process.kill()
            await process.communicate()


@pytest.fixture(params=LANGUAGES)
def client(request: pytest.FixtureRequest) -> tuple[Path | str, str]:
    """A language's program and the client for it."""
    program = sys.executable if request.param == "python" else node()
    if program is None:
        pytest.skip("no Node.js here")
    return program, LANGUAGES[request.param]


@pytest.mark.services
@pytest.mark.django_db(transaction=True)
async def test_a_client_tells_each_insight_once_whatever_becomes_of_its_connection(
    client: tuple[Path | str, str],
    alice: User,
    start: Start,
    server: LiveServer,
    new_insight: NewInsight,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, "notifications")
    earlier = await new_insight(alice)
    running = await start(*client)
    assert await running.line() == "1 unread"

    live = await new_insight(alice, symbol="GBPUSD")
    assert (await running.line()).startswith(f"#{live.pk} {live.title}, ")
    await tabs.until(lambda: is_delivered(live))
    assert not await is_delivered(earlier)  # it was on the list; this client has only read it there

    with monkeypatch.context() as lost:
        lost.setattr(realtime, "publish", lambda events: True)
        behind_a_gap = await new_insight(alice, symbol="USDJPY")
    shows_the_gap = await new_insight(alice, symbol="USDCHF")
    told = {(await running.line()).partition(" ")[0] for _ in range(2)}
    assert told == {f"#{behind_a_gap.pk}", f"#{shows_the_gap.pk}"}

    server.cut()
    assert connections(caplog) == 1
    while_away = [await new_insight(alice, symbol=symbol) for symbol in ("AUDUSD", "NZDUSD")]
    assert [(await running.line()).partition(" ")[0] for _ in while_away] == [f"#{row.pk}" for row in while_away]
    await tabs.until(lambda: is_delivered(while_away[-1]))
    assert connections(caplog) == 2

    await tabs.in_thread(Session.objects.all().delete)
    assert "Signed out" in await running.complaint()
    assert running.process.returncode == 1


def connections(caplog: pytest.LogCaptureFixture) -> int:
    return caplog.text.count("WebSocket connected")


async def is_delivered(notification: InsightNotification) -> bool:
    return await InsightNotification.objects.filter(pk=notification.pk, delivered=True).aexists()


@pytest.mark.django_db(transaction=True)
async def test_a_client_with_a_wrong_password_says_so_and_ends(
    client: tuple[Path | str, str], alice: User, start: Start
) -> None:
    running = await start(*client, password="guessed")
    assert "Could not sign in as alice" in await running.complaint()
    assert running.process.returncode == 1


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_the_tutorial_quotes_is_the_clients(language: str) -> None:
    quoted = re.findall(rf"^```{language}\n(.*?)^```$", TUTORIAL, re.MULTILINE | re.DOTALL)
    source = (CLIENTS / LANGUAGES[language]).read_text(encoding="utf-8")

    assert len(quoted) >= 5
    assert [part for part in quoted if part not in source] == []
