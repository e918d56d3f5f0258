"""The channels that deliveries go out over, beside the socket. Adding one is a file and a line here."""

from __future__ import annotations

from typing import Any

from notifications.delivery.base import DeliveryChannel
from notifications.delivery.webhook import Webhook
from notifications.delivery.webpush import WebPush

_CHANNELS: tuple[DeliveryChannel[Any], ...] = (
    WebPush(),
    Webhook(),
)

CHANNELS: dict[str, DeliveryChannel[Any]] = {channel.name: channel for channel in _CHANNELS}
