"""Kill the process that delivers, again and again, while it drains the outbox; count at the receiving end.

    python -m scripts.delivery_kills                      2,000 deliveries, 50 kills, then a push service that is away
    python -m scripts.delivery_kills --deliveries 200 --kills 5

Runs on DATABASE_URL when it is set (`python -m scripts.with_services python -m scripts.delivery_kills`), else on an
SQLite file of its own. Ends with 1 when a promise did not hold: each delivery in exactly one final state, none sent
more than twice, none lost; after the outage all delivered, the more important ones first.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

RECEIVERS = 4
# Shorter than in production, so that a run takes seconds: still longer than any call here.
LEASE_S = 3.0
ANSWER_AFTER_S = 0.01
LIFE_S = (0.02, 0.5)  # of a worker, before it is killed
PATIENCE_S = 120.0
OUTAGE_S = 300.0
# As long as a delivery is tried at all.
OUTAGE_PATIENCE_S = 30 * 60


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--deliveries", type=int, default=2000)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument(
        "--away", type=float, default=3.0, help="seconds that the push service is away; with 300 all pauses are real"
    )
    parser.add_argument("--workers", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.workers:
        return fork_workers()
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        os.environ.setdefault("DATABASE_URL", f"sqlite:///{Path(folder) / 'deliveries.sqlite3'}")
        os.environ["LOG_FILE"] = str(Path(folder) / "deliveries.log")
        os.environ["LOG_LEVEL"] = "ERROR"
        set_up()
        from django.core.management import call_command

        from notifications.tests.receivers import Receiver

        call_command("migrate", verbosity=0)

        receivers = [stack.enter_context(Receiver()) for _ in range(RECEIVERS)]
        kept = not options.kills or kill_while_draining(receivers, options.deliveries, options.kills)
        return 0 if outage(receivers[0], away_s=options.away) and kept else 1


def set_up() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "zenithedge.settings")
    import django

    django.setup()


# --- Killed ---------------------------------------------------------------------------------------------------------


def kill_while_draining(receivers: list[Any], deliveries: int, kills: int) -> bool:
    from notifications.models import DeliveryState
    from notifications.tests.receivers import Reply

    def reply(request: Any) -> Reply:
        time.sleep(ANSWER_AFTER_S)
        return Reply()

    for receiver in receivers:
        receiver.reply = reply
    logs = write_deliveries([receiver.url for receiver in receivers], deliveries)
    started = time.monotonic()
    killed_while_pending = 0
    with workers([receiver.host for receiver in receivers]) as new_worker:
        for _ in range(kills):
            pid = new_worker()
            time.sleep(random.uniform(*LIFE_S) * min(1.0, deliveries / 2000 + 0.2))  # noqa: S311 - no secret
            killed_while_pending += logs.filter(state=DeliveryState.PENDING).exists()
            os.kill(pid, signal.SIGKILL)
        new_worker()
        while logs.filter(state=DeliveryState.PENDING).exists():
            if time.monotonic() - started > PATIENCE_S:
                break
            time.sleep(0.1)
    arrived = Counter(
        int(request.headers["webhook-id"].removeprefix("notification-"))
        for receiver in receivers
        for request in receiver.requests
    )
    rows = list(logs.values_list("notification_id", "state", "interruptions"))
    states = Counter(state for _, state, _ in rows)
    lost = sum(1 for id_, *_ in rows if not arrived[id_])
    thrice = sum(times > 2 for times in arrived.values())
    print(
        f"{deliveries} deliveries, {kills} workers killed ({killed_while_pending} of them with deliveries left), "
        f"{time.monotonic() - started:.0f} s: {dict(states)}; {sum(bool(each) for *_, each in rows)} were interrupted, "
        f"{sum(times == 2 for times in arrived.values())} arrived twice, {thrice} more often, {lost} never."
    )
    final = states.total() == deliveries and not states[DeliveryState.PENDING]
    return final and not thrice and not lost


def write_deliveries(urls: list[str], number: int, priorities: tuple[str, ...] = ("high", "medium", "low")) -> Any:
    """As many pending deliveries, spread over a user for each address; returns them as a queryset."""
    from django.contrib.auth.models import User
    from django.utils import timezone
    from django.utils.crypto import get_random_string

    from notifications.delivery import pending
    from notifications.models import (
        InsightNotification,
        NotificationDeliveryLog,
        NotificationPreference,
        OutgoingWebhook,
    )
    from signals.models import Signal, Timeframe

    now = timezone.now()
    signals = Signal.objects.bulk_create(
        Signal(symbol="EURUSD", timeframe=Timeframe.H4, side="buy", sl="1.08", tp="1.1", confidence=80, strategy="SMC")
        for _ in range(number)
    )
    users = [User.objects.create_user(get_random_string(12)) for _ in urls]
    NotificationPreference.objects.filter(user__in=users).update(webhook_enabled=True)
    OutgoingWebhook.objects.bulk_create(
        OutgoingWebhook(user=user, url=url) for user, url in zip(users, urls, strict=True)
    )
    rows = InsightNotification.objects.bulk_create(
        InsightNotification(
            user=users[place % len(users)], signal=each, title="EURUSD", snippet="x", confidence=80,
            priority=priorities[place % len(priorities)], created_at=now, expires_at=each.expires_at,
        )
        for place, each in enumerate(signals)
    )  # fmt: skip
    pending.write([], {"webhook": [row.pk for row in rows]})
    return NotificationDeliveryLog.objects.filter(notification__user__in=users)


@contextmanager
def workers(hosts: list[str]) -> Iterator[Any]:
    """A function that starts a worker and returns its process id: a fork of a process that has loaded everything."""
    environment = os.environ | {"OUTGOING_TRUSTED_HOSTS": ",".join(hosts)}
    command = [sys.executable, "-m", "scripts.delivery_kills", "--workers"]
    with subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as parent:
        if parent.stdin is None or parent.stdout is None:
            raise RuntimeError("There are no pipes to the process that starts workers.")
        requests, answers = parent.stdin, parent.stdout
        pids: list[int] = []

        def new_worker() -> int:
            requests.write("another\n")
            requests.flush()
            pids.append(int(answers.readline()))
            return pids[-1]

        yield new_worker
        os.kill(pids[-1], signal.SIGKILL)
        requests.close()


def fork_workers() -> int:
    """For each line that comes in, a child that drains until it is killed. Only the children open connections."""
    set_up()
    from notifications.delivery import draining

    draining.LEASE_S = LEASE_S
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    for _ in sys.stdin:
        pid = os.fork()
        if pid == 0:
            while True:
                draining.drain()
                time.sleep(0.05)
        print(pid, flush=True)
    return 0


# --- Away -----------------------------------------------------------------------------------------------------------


def outage(receiver: Any, *, number: int = 300, away_s: float) -> bool:
    """A receiver that is away for a while, with all pauses as much shorter as that is shorter than five minutes."""
    from django.conf import settings

    from notifications.delivery import draining, hosts
    from notifications.models import DeliveryState
    from notifications.tests.receivers import Reply

    share = away_s / OUTAGE_S
    draining.FIRST_RETRY_S *= share
    hosts.PROBE_AFTER_S *= share
    hosts.PROBE_AT_LEAST_EVERY_S *= share
    settings.OUTGOING_TRUSTED_HOSTS = [receiver.host]
    logs = write_deliveries([receiver.url], number)
    back_at = time.monotonic() + away_s
    taken: list[int] = []

    def reply(request: Any) -> Reply:
        if time.monotonic() < back_at:
            return Reply(503)
        taken.append(int(request.headers["webhook-id"].removeprefix("notification-")))
        return Reply()

    receiver.reply = reply
    asked = len(receiver.requests)
    while logs.filter(state=DeliveryState.PENDING).exists() and time.monotonic() < back_at + share * OUTAGE_PATIENCE_S:
        draining.drain()
        time.sleep(2 * share)
    refused = len(receiver.requests) - asked - len(taken)
    ranks = dict(logs.values_list("notification_id", "notification__priority"))
    order = [("high", "medium", "low").index(ranks[id_]) for id_ in taken]
    # Calls that run side by side may overtake each other by as many as there are.
    early = sum(rank > min(order[place:]) for place, rank in enumerate(order))
    sent = logs.filter(state=DeliveryState.SENT).count()
    print(
        f"{number} deliveries to a receiver that was away for {away_s:g} s, pauses × {share:g}: {sent} sent, {refused} "
        f"calls refused meanwhile, {early} went before one of more importance."
    )
    return sent == number and early <= 2 * hosts.CALLS_AT_ONCE


if __name__ == "__main__":
    sys.exit(main())
