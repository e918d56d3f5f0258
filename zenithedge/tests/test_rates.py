"""Counts for limits: shared when they can be, never in the way."""

from __future__ import annotations

import logging
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
import time_machine
from django.conf import settings as site_settings
from django.utils.crypto import get_random_string

from zenithedge import rates


@pytest.fixture
def who() -> str:
    return get_random_string(8)


@pytest.fixture
def dead_redis(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A Redis that takes connections and never answers."""
    monkeypatch.setattr(rates, "_skip_redis_until", 0.0)
    monkeypatch.setattr(rates, "REDIS_TIMEOUT_S", 0.01)
    with socket.create_server(("127.0.0.1", 0)) as server:
        settings.REDIS_URL = f"redis://127.0.0.1:{server.getsockname()[1]}/0"
        yield


@pytest.mark.services
def test_counts_each_by_itself_and_only_in_its_window(who: str) -> None:
    with time_machine.travel("2026-05-04T09:30:20Z", tick=False) as clock:
        assert [rates.add("a", who, 60), rates.add("a", who, 60), rates.add("b", who, 60)] == [1, 2, 1]
        assert (rates.count("a", who, 60), rates.count("a", f"not {who}", 60)) == (2, 0)
        assert rates.next_window_s(60) == 40
        clock.shift(40)
        assert (rates.count("a", who, 60), rates.add("a", who, 60)) == (0, 1)


@pytest.mark.services
@pytest.mark.skipif(not site_settings.REDIS_URL, reason="without Redis each process counts for itself")
def test_processes_count_together(who: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rates, "NAMESPACE", "rate")  # as the other process has it
    rates.add("a", who, rates.DAY_S)
    code = f"import django; django.setup(); from zenithedge import rates; rates.add('a', {who!r}, rates.DAY_S)"
    environment = os.environ | {"DJANGO_SETTINGS_MODULE": "zenithedge.settings"}
    subprocess.run([sys.executable, "-c", code], check=True, env=environment)
    assert rates.count("a", who, rates.DAY_S) == 2


def test_counts_go_on_here_while_redis_hangs_and_it_is_asked_once(
    dead_redis: None, who: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        assert [rates.add("a", who, 60) for _ in range(3)] == [1, 2, 3]
    assert len([line for line in caplog.messages if "Redis did not count" in line]) == 1


def test_a_flood_from_many_addresses_takes_bounded_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rates, "MAX_OWN_COUNTS", 100)
    for number in range(1000):
        rates.add("flood", str(number), 60)
    assert len(rates._own) <= 100
