"""What a trader can use at once: messages to paste into a TradingView alert, and a test insight."""

from __future__ import annotations

import datetime as dt
import json
from decimal import Decimal

from signals import market
from signals.models import Side
from signals.tradingview import Alert, parse

TEST_SYMBOL = "EURUSD"
# A name of its own: a test shall not count in a real strategy's record.
TEST_STRATEGY = "Test insight"
STOP_DISTANCE = Decimal("0.005")  # half a percent of the price; the target is twice as far

# Every value in quotes: what TradingView cannot fill in then stays valid JSON, and the error can name the field.
STRATEGY_MESSAGE = """\
{
  "symbol": "{{exchange}}:{{ticker}}",
  "timeframe": "{{interval}}",
  "side": "{{strategy.order.action}}",
  "price": "{{close}}",
  "sl": "{{plot_0}}",
  "tp": "{{plot_1}}",
  "confidence": "{{plot_2}}",
  "strategy": "My strategy",
  "timestamp": "{{timenow}}"
}"""

INDICATOR_MESSAGE = STRATEGY_MESSAGE.replace("{{strategy.order.action}}", "buy").replace("My strategy", "My indicator")


def trial_alert(now: dt.datetime) -> Alert:
    """A realistic alert at the last known close of EURUSD, in the direction of its last fifty days."""
    closes = market.series(TEST_SYMBOL)
    if closes is None:
        raise LookupError(f"{TEST_SYMBOL} is not among the pairs that ship")
    known = closes.known_at(now)
    price, recent = closes.prices[known - 1], closes.prices[known - 50 : known]
    sign = 1 if price >= sum(recent) / len(recent) else -1
    distance = (price * STOP_DISTANCE).quantize(market.price_step(TEST_SYMBOL))
    return parse(
        json.dumps(
            {
                "symbol": TEST_SYMBOL,
                "timeframe": "1h",
                "side": Side.BUY if sign == 1 else Side.SELL,
                "price": str(price),
                "sl": str(price - sign * distance),
                "tp": str(price + sign * 2 * distance),
                "confidence": 80,
                "strategy": TEST_STRATEGY,
                "regime": "Trend",
                "timestamp": now.isoformat(timespec="seconds"),
                "notes": "A test that you asked for on the page “Connect TradingView”.",
            }
        ).encode(),
        now=now,
    )
