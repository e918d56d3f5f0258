"""The market's side of a fault run, a process of its own: insights at a steady rate through the product's own intake.

    python -m scripts.faults.writer make 50       traders with the default preferences; prints [{id, cookie}, ...]
    python -m scripts.faults.writer write 3,4,5   writes for these traders and the house, until its input ends

`write` prints a line of JSON for each insight as soon as it is committed: {signal, took_s, retries}. Only a database
that is away may make it try again; whatever else is raised would have cost the trade, and is printed as {failure}. It
obeys the lines `pause`, `resume` and `burst N` (house insights without a pause) and answers each with {obeyed}.
"""

from __future__ import annotations

import json
import queue
import sys
import threading
import time
import traceback
from typing import Any

import django

INSIGHTS_PER_S = 20.0
HOUSE_EVERY = 40  # each of those is a notification for every trader
WEAK_EVERY = 12  # of a truth index below what the default preferences let through
AGAIN_AFTER_S = 0.2
SESSION_S = 24 * 60 * 60  # the clock faults step by an hour


def make_traders(count: int) -> list[dict[str, Any]]:
    from django.contrib.auth.models import User

    from notifications.probe_traders import session_cookie

    made = []
    for number in range(1, count + 1):
        user = User.objects.create_user(f"trader-{number:03}", f"trader-{number:03}@example.org")
        made.append({"id": user.pk, "cookie": session_cookie(user, lasts_s=SESSION_S)})
    return made


class Writer:
    """One thread writes, another reads what is asked of it."""

    def __init__(self, trader_ids: list[int]) -> None:
        from django.contrib.auth.models import User

        self._owners = list(User.objects.filter(pk__in=trader_ids).order_by("pk"))
        self._run = time.time_ns()  # of this process: alert ids of another run are another's
        self._number = 0
        self._orders: queue.Queue[str] = queue.Queue()

    def run(self) -> None:
        threading.Thread(target=self._read_orders, daemon=True).start()
        paused, due = False, time.monotonic()
        while True:
            for order in self._take_orders(wait_s=max(0.0, due - time.monotonic())):
                if order == "end":
                    return
                if order.startswith("burst"):
                    for _ in range(int(order.split()[1])):
                        self._write(house=True)
                paused = order == "pause" or (paused and order != "resume")
                say(obeyed=order)
            if not paused and time.monotonic() >= due:
                self._write(house=self._number % HOUSE_EVERY == 0)
            # What a blocked save held up is not caught up with: the rate is a steady load, not a debt.
            due = max(due + 1 / INSIGHTS_PER_S, time.monotonic())

    def _read_orders(self) -> None:
        for line in sys.stdin:
            self._orders.put(line.strip())
        self._orders.put("end")

    def _take_orders(self, wait_s: float) -> list[str]:
        orders = []
        try:
            orders.append(self._orders.get(timeout=wait_s) if wait_s else self._orders.get_nowait())
            while True:
                orders.append(self._orders.get_nowait())
        except queue.Empty:
            return orders

    def _write(self, *, house: bool) -> None:
        """One insight; tried again until it is committed, as TradingView would, under the same alert id."""
        from django.db import Error as DatabaseFault
        from django.db import close_old_connections

        from signals import intake, tradingview

        self._number += 1
        alert = tradingview.parse(json.dumps(self._alert()).encode())
        owner = None if house else self._owners[self._number % len(self._owners)]
        retries = 0
        while True:
            started = time.monotonic()
            try:
                received = intake.receive(alert, owner=owner, origin="faults")
            except DatabaseFault:
                retries += 1
            except Exception:
                say(failure=traceback.format_exc())
                return
            else:
                say(signal=received.signal.pk, took_s=round(time.monotonic() - started, 4), retries=retries)
                return
            finally:
                close_old_connections()  # as after a request
            time.sleep(AGAIN_AFTER_S)

    def _alert(self) -> dict[str, Any]:
        """Of so many strategies and symbols that none counts as repeating itself."""
        number = self._number
        return {
            "symbol": f"PAIR{number % 997}",
            "timeframe": "1h",
            "side": "buy",
            "price": "1.0850",
            "sl": "1.0800",
            "tp": "1.0852" if number % WEAK_EVERY == 0 else "1.0960",
            "confidence": 82,
            "strategy": f"Strategy {number % 9973}",
            "regime": "Trend",
            "session": "Asia" if number % WEAK_EVERY == 0 else "London",
            "alert_id": f"{self._run}-{number}",
        }


def say(**facts: Any) -> None:
    print(json.dumps(facts), flush=True)


def main(arguments: list[str]) -> None:
    django.setup()
    if arguments[0] == "make":
        print(json.dumps(make_traders(int(arguments[1]))))
    else:
        Writer([int(number) for number in arguments[1].split(",")]).run()


if __name__ == "__main__":
    main(sys.argv[1:])
