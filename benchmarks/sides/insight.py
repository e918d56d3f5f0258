"""The insight that every side stores and sends; with the usual envelope it makes a frame of about 600 octets."""

from decimal import Decimal
from typing import Any

NARRATIVE = "Bullish with the trend."
HEADLINE = "ECB holds"
TRUTH_INDEX = Decimal("88.40")


def signal_fields(tag: int) -> dict[str, Any]:
    return {
        "symbol": "EURUSD",
        "timeframe": "1h",
        "side": "buy",
        "price": Decimal("1.08500"),
        "sl": Decimal("1.08000"),
        "tp": Decimal("1.09500"),
        "confidence": Decimal(80),
        "strategy": f"bench-{tag}",
        "regime": "Trend",
        "session": "London",
    }


def message(tag: int, notification_id: int, user_id: int) -> dict[str, Any]:
    """What the sides without Django send."""
    return {
        "type": "new_notification",
        "seq": tag,
        "unread_count": 1,
        "toast": True,
        "notification": {
            "id": notification_id,
            "seq": tag,
            "revision": 1,
            "title": "🟢 New Insight – EURUSD (1H)",
            "snippet": f"🎯 High confidence (88%). {NARRATIVE}",
            "confidence": 88.4,
            "priority": "high",
            "news_headline": HEADLINE,
            "signal_id": notification_id,
            "symbol": "EURUSD",
            "timeframe": "1h",
            "side": "buy",
            "strategy": f"bench-{tag}",
            "reason": "all_rules_passed",
            "created_at": "2026-01-05T08:00:00.000Z",
            "read": False,
            "url": f"/signals/insight/{notification_id}/",
            "user": user_id,
        },
    }
