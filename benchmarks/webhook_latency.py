"""How long the webhook takes to answer, on a throw-away SQLite file, with the validator that ships.

    python -m benchmarks.webhook_latency [--alerts 200]

TradingView gives up after 3 s; the aim is an answer within 200 ms. Everything between the request and the answer is
measured: parsing, the transaction with signal, validation, dispatch and raw request, and the commit; not the network.
"""

import argparse
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--alerts", type=int, default=200)
    alerts = parser.parse_args().alerts
    with tempfile.TemporaryDirectory() as directory:
        os.environ |= {
            "DJANGO_SETTINGS_MODULE": "zenithedge.settings",
            "DATABASE_URL": f"sqlite:///{Path(directory) / 'benchmark.sqlite3'}",
            "LOG_FILE": str(Path(directory) / "django.log"),
            "LOG_LEVEL": "WARNING",
            "WEBHOOK_REQUESTS_PER_MINUTE": str(10 * alerts),
            "WEBHOOK_REQUESTS_PER_MINUTE_AND_ADDRESS": str(10 * alerts),
        }
        times_ms = sorted(measure(alerts))
    percentile = statistics.quantiles(times_ms, n=100)
    sys.stdout.write(
        f"{alerts} alerts: median {percentile[49]:.1f} ms, p95 {percentile[94]:.1f} ms, "
        f"p99 {percentile[98]:.1f} ms, slowest {times_ms[-1]:.1f} ms\n"
    )


def measure(alerts: int) -> list[float]:
    """Post that many different alerts of one trader; the time of each answer in milliseconds."""
    import django

    django.setup()
    from django.contrib.auth.models import User
    from django.core.management import call_command
    from django.test import Client

    from signals.models import WebhookSource

    call_command("migrate", verbosity=0)
    source = WebhookSource(user=User.objects.create_user("trader"))
    token = source.rotate_token()
    source.save()
    client = Client(headers={"host": "localhost"})
    return [post(client, token, number) for number in range(alerts)]


def post(client: object, token: str, number: int) -> float:
    alert = {
        "symbol": "FX:EURUSD", "timeframe": "60", "side": "buy", "price": 1.085, "sl": 1.08, "tp": 1.095,
        "confidence": 70 + number % 20, "strategy": "TrendFollower", "regime": "Trend", "alert_id": f"alert {number}",
    }  # fmt: skip
    started = time.perf_counter()
    response = client.post(f"/signals/webhook/{token}/", alert, content_type="application/json")  # type: ignore[attr-defined]
    elapsed_ms = (time.perf_counter() - started) * 1000
    if response.status_code != 201:
        raise SystemExit(f"The webhook answered {response.status_code}: {response.content.decode()}")
    return elapsed_ms


if __name__ == "__main__":
    main()
