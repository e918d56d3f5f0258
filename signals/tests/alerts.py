"""Alerts as the tests send them."""

import json
from typing import Any

GOOD_ALERT: dict[str, Any] = {
    "symbol": "FX:EURUSD",
    "timeframe": "60",
    "side": "buy",
    "price": "1.0850",
    "sl": 1.08,
    "tp": 1.095,
    "confidence": 78,
    "strategy": "ZenithEdge",
    "regime": "Trending",
    "session": "London",
}

MISSING = object()


def alert_body(**changes: Any) -> bytes:
    """A good alert's body with some fields changed, or left out when given as MISSING."""
    fields = {name: value for name, value in (GOOD_ALERT | changes).items() if value is not MISSING}
    return json.dumps(fields).encode()
