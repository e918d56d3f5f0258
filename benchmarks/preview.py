"""How long the preview of a draft takes with 20,000 insights in its window, on SQLite and on PostgreSQL.

    python -m benchmarks.preview [--insights 20000] [--requests 20]

The aim is an answer within 300 ms. Everything between the request and the answer is measured, each time with another
draft: session, checks, the one query, two decisions for each insight (by the draft and by what is saved), and the JSON;
not the network. A third of the insights are the house's; no two are alike.
"""

import argparse
import datetime as dt
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

WINDOW_DAYS = 29
ADDRESS = "/notifications/api/preview-preferences/"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--insights", type=int, default=20_000)
    parser.add_argument("--requests", type=int, default=20)
    parser.add_argument("--here", action="store_true", help="in the database that DATABASE_URL names")
    options = parser.parse_args()
    if options.here:
        say(options.insights, measure(options.insights, options.requests))
        return
    from scripts.with_services import services

    with tempfile.TemporaryDirectory() as directory, services() as addresses:
        common = os.environ | {"DJANGO_SETTINGS_MODULE": "zenithedge.settings", "LOG_LEVEL": "WARNING"}
        common |= {"LOG_FILE": str(Path(directory) / "django.log"), "REDIS_URL": ""}
        for address in (f"sqlite:///{Path(directory) / 'benchmark.sqlite3'}", addresses["DATABASE_URL"]):
            again = [sys.executable, "-m", "benchmarks.preview", "--here", *sys.argv[1:]]
            subprocess.run(again, env=common | {"DATABASE_URL": address}, check=True)


def say(insights: int, taken: list[tuple[float, float]]) -> None:
    from django.db import connection

    ordered = sorted(wall for wall, _cpu in taken)
    sys.stdout.write(
        f"{connection.vendor}, {insights:,} insights: median {statistics.median(ordered):.0f} ms, "
        f"fastest {ordered[0]:.0f} ms, slowest {ordered[-1]:.0f} ms of {len(ordered)}; "
        f"processor time of this process {statistics.median(cpu for _wall, cpu in taken):.0f} ms\n"
    )


def measure(insights: int, requests: int) -> list[tuple[float, float]]:
    """Milliseconds of each request: by the clock, and of processor time, which says more on a busy machine."""
    import django

    django.setup()
    from django.contrib.auth.models import User
    from django.core.management import call_command
    from django.db import connection
    from django.test import Client

    call_command("migrate", verbosity=0)
    user = User.objects.create_user("trader")
    fill(user, insights)
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE")
    client = Client(headers={"host": "localhost"})
    client.force_login(user)
    return [ask(client, number) for number in range(requests)]


def fill(user: object, insights: int) -> None:
    """Every table in one go, without the receivers that would hand them out."""
    from django.utils import timezone

    from notifications.models import InsightDispatch
    from signals.models import Signal, TradeValidation, ValidationStatus

    chance, now = random.Random(1), timezone.now()  # noqa: S311 - a sample, no secret
    signals = Signal.objects.bulk_create(
        Signal(
            user=user if number % 3 else None,  # type: ignore[misc]  # a User, which cannot be imported yet
            symbol=chance.choice(("EURUSD", "GBPUSD", "USDJPY", "AUDUSD", "XAUUSD")),
            timeframe="1h", side="buy", sl=1, tp=2, confidence=70,
            strategy=chance.choice(("ZenithEdge", "SMC", "TrendFollower")),
            received_at=now - chance.random() * dt.timedelta(days=WINDOW_DAYS),
            outcome=chance.choice(("pending", "win", "loss")),
        )
        for number in range(insights)
    )  # fmt: skip
    TradeValidation.objects.bulk_create(
        TradeValidation(
            signal=signal,
            truth_index=chance.randrange(4000, 9900) / 100,
            status=ValidationStatus.APPROVED,
            news_context=chance.choice(("", "", "The bank kept its rate unchanged and said that it watches prices.")),
        )
        for signal in signals
    )
    InsightDispatch.objects.bulk_create(
        InsightDispatch(
            signal=signal, revision=1, state="done", opened_at=signal.received_at, finished_at=signal.received_at
        )
        for signal in signals
    )


def ask(client: object, number: int) -> tuple[float, float]:
    draft = {
        "min_confidence": 60 + number % 40,
        "symbols_filter": ["EURUSD", "XAUUSD"],
        "quiet_hours_enabled": True,
        "time_zone": "Europe/London",
        "quiet_windows": [{"start": "12:00", "end": "13:00", "weekdays": [0, 1, 2, 3, 4]}],
    }
    began, cpu_began = time.perf_counter(), time.process_time()
    response = client.post(ADDRESS, json.dumps(draft), content_type="application/json")  # type: ignore[attr-defined]
    taken = ((time.perf_counter() - began) * 1000, (time.process_time() - cpu_began) * 1000)
    if response.status_code != 200:
        raise SystemExit(f"The preview answered {response.status_code}: {response.content.decode()}")
    return taken


if __name__ == "__main__":
    main()
