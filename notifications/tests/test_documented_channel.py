"""The channel that docs/deliveries.md gives as an example, as it stands there."""

from __future__ import annotations

import syslog
from collections.abc import Callable
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth.models import User

from notifications.delivery import draining, pending
from notifications.delivery.hosts import Hosts
from notifications.delivery.registry import CHANNELS
from notifications.models import NotificationDeliveryLog
from notifications.tests.rows import store_notification
from signals.models import Signal

pytestmark = [pytest.mark.services, pytest.mark.django_db]

TEXT = (settings.BASE_DIR / "docs" / "deliveries.md").read_text(encoding="utf-8")
EXAMPLE = TEXT.partition("<!-- example: begin -->\n```python\n")[2].partition("```\n<!-- example: end -->")[0]


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is written to the system's log, with the example registered as its one line would do."""
    found: list[str] = []
    monkeypatch.setattr(syslog, "syslog", found.append)
    monkeypatch.setattr(draining, "_hosts", Hosts())
    names: dict[str, Any] = {}
    exec(compile(EXAMPLE, "docs/deliveries.md", "exec"), names)  # noqa: S102 - ours
    channel = names["SystemLog"]()
    monkeypatch.setitem(CHANNELS, channel.name, channel)
    return found


def test_it_carries_what_is_on_the_web_and_is_told_of_like_any_other(
    lines: list[str], alice: User, make_signal: Callable[..., Signal]
) -> None:
    notification = store_notification(alice, make_signal(alice))

    assert pending.write([notification.pk], {}) == 1
    assert draining.drain() == {"sent": 1}

    assert lines == [f"alice: {notification.title}"]
    log = NotificationDeliveryLog.objects.get(channel="syslog")
    assert (log.target, log.state, log.attempts) == ("alice", "sent", 1)


def test_its_errors_are_the_engines(
    lines: list[str], alice: User, make_signal: Callable[..., Signal], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(text: str) -> None:
        raise OSError("no socket")

    monkeypatch.setattr(syslog, "syslog", fail)
    pending.write([store_notification(alice, make_signal(alice)).pk], {})

    assert draining.drain() == {"pending": 1}
    assert "no socket" in NotificationDeliveryLog.objects.get(channel="syslog").error_message


def test_it_is_as_short_as_it_is_said_to_be() -> None:
    assert 20 < len(EXAMPLE.splitlines()) <= 30
