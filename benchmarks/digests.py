"""How long the daily e-mails of very many users take, and how much memory: on a PostgreSQL of its own.

    python -m benchmarks.digests [--users 10000]

`manage.py send_digests` prepares them and sends them to an SMTP server on this machine that takes everything and keeps
nothing. Each user has three unread insights and two that are read; the house has 200, and a tenth of the users has
rules of their own. Everything that the command does is measured: opening the runs, reading, rendering, SMTP, and a
commit before and after each mail. Memory is the peak of the command's process.
"""

import argparse
import datetime as dt
import os
import resource
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from scripts.processes import Process, free_port
from scripts.with_services import services

UNREAD, READ, HOUSE = 3, 2, 200
AT_ONCE = 2000


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--users", type=int, default=10_000)
    parser.add_argument("--serve", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        serve(options.serve)
        return 0
    with ExitStack() as stack:
        addresses = stack.enter_context(services(durable=True))
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        port = free_port()
        os.environ |= {
            "DJANGO_SETTINGS_MODULE": "zenithedge.settings",
            "DATABASE_URL": addresses["DATABASE_URL"],
            "EMAIL_URL": f"smtp://127.0.0.1:{port}",
            "LOG_FILE": str(folder / "django.log"),
            "LOG_LEVEL": "WARNING",
            "NOTIFICATIONS_WORKER": "off",
        }
        fill(options.users)
        command = [sys.executable, "-m", "benchmarks.digests", "--serve", str(port)]
        server = Process("mail server", command, folder / "server.log", lambda process: process.has_said("ready"))
        server.start()
        stack.callback(server.stop)
        began = time.perf_counter()
        done = subprocess.run([sys.executable, "manage.py", "send_digests"], check=True, capture_output=True, text=True)
        took_s = time.perf_counter() - began
        peak_mb = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024  # the services are not waited for yet
    sent = int(dict(line.split(": ") for line in done.stdout.splitlines())["sent"])
    print(f"{sent} digests: {took_s:.1f} s, {sent / took_s:.0f} a second, {peak_mb:.0f} MB at most")
    return 0 if sent == options.users else 1


def serve(port: int) -> None:
    """Take every mail and forget it, until somebody ends this process."""
    import asyncio

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 sink\r\n")
        while line := await reader.readline():
            command = line[:4].upper()
            if command == b"DATA":
                writer.write(b"354 go on\r\n")
                await reader.readuntil(b"\r\n.\r\n")
            writer.write(b"250 OK\r\n")
            if command == b"QUIT":
                break
        writer.close()

    async def run() -> None:
        async with await asyncio.start_server(talk, "127.0.0.1", port, limit=1 << 20) as server:
            print("ready", flush=True)
            await server.serve_forever()

    asyncio.run(run())


def fill(users: int) -> None:
    import django

    django.setup()
    from django.contrib.auth.models import User
    from django.core.management import call_command
    from django.db import connection
    from django.utils import timezone

    from notifications.models import InsightNotification, NotificationPreference
    from signals.models import Signal, TradeValidation

    call_command("migrate", verbosity=0)
    now = timezone.now()
    yesterday = now.replace(hour=0, minute=0, second=0, microsecond=0) - dt.timedelta(hours=6)

    def signals(owners: list[int | None]) -> list[Signal]:
        made = [
            Signal(
                user_id=owner,
                symbol=("EURUSD", "GBPUSD", "USDJPY", "XAUUSD")[number % 4],
                timeframe="1d",
                side="buy",
                price="1.0850",
                sl="1.0800",
                tp="1.0950",
                confidence=70,
                strategy=("TrendFollower", "Breakout", "Squeeze")[number % 3],
                received_at=yesterday,
            )
            for number, owner in enumerate(owners)
        ]
        Signal.objects.bulk_create(made, batch_size=AT_ONCE)
        TradeValidation.objects.bulk_create(
            [
                TradeValidation(
                    signal=signal,
                    truth_index=60 + number % 35,
                    status="approved",
                    context_summary="Price holds above the average of fifty days. Reward is 2.0 times the risk.",
                )
                for number, signal in enumerate(made)
            ],
            batch_size=AT_ONCE,
        )
        return made

    signals([None] * HOUSE)
    for start in range(0, users, AT_ONCE):
        traders = User.objects.bulk_create(
            [User(username=f"t{n}", email=f"t{n}@example.org") for n in range(start, min(start + AT_ONCE, users))]
        )
        NotificationPreference.objects.bulk_create(
            [
                NotificationPreference(
                    user=trader,
                    email_digest_enabled=True,
                    digest_time="00:00",
                    time_zone="UTC",
                    min_confidence=trader.pk % 500 / 10 if trader.pk % 10 == 0 else 65,
                )
                for trader in traders
            ]
        )
        own = signals([trader.pk for trader in traders for _ in range(UNREAD + READ)])
        InsightNotification.objects.bulk_create(
            [
                InsightNotification(
                    user_id=signal.user_id or 0,
                    signal=signal,
                    title="New Insight",
                    snippet="Solid",
                    confidence=78,
                    priority="medium",
                    seq=number % (UNREAD + READ) + 1,
                    expires_at=now + dt.timedelta(days=2),
                    read=number % (UNREAD + READ) >= UNREAD,
                    read_at=now if number % (UNREAD + READ) >= UNREAD else None,
                )
                for number, signal in enumerate(own)
            ],
            batch_size=AT_ONCE,
        )
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    connection.close()


if __name__ == "__main__":
    raise SystemExit(main())
