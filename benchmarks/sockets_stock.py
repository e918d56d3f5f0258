"""The socket as the Channels documentation teaches it, for comparison: AuthMiddlewareStack and a JSON consumer.

uvicorn benchmarks.sockets_stock:application
"""

import os
from typing import Any

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "zenithedge.settings")
http = get_asgi_application()

from channels.auth import AuthMiddlewareStack  # noqa: E402
from channels.generic.websocket import AsyncJsonWebsocketConsumer  # noqa: E402
from channels.routing import ProtocolTypeRouter, URLRouter  # noqa: E402
from django.urls import path  # noqa: E402


class StockConsumer(AsyncJsonWebsocketConsumer):  # type: ignore[misc]  # channels ships no types
    async def connect(self) -> None:
        user_id = self.scope["url_route"]["kwargs"]["user_id"]
        if self.scope["user"].pk != user_id:
            await self.close()
            return
        self.group = f"user_{user_id}_notifications"
        await self.channel_layer.group_add(self.group, self.channel_name)
        await self.accept()
        await self.send_json({"type": "connection_established"})

    async def disconnect(self, code: int) -> None:
        await self.channel_layer.group_discard(self.group, self.channel_name)

    async def notification_event(self, event: dict[str, Any]) -> None:
        await self.send_json(event["content"])


application = ProtocolTypeRouter(
    {
        "http": http,
        "websocket": AuthMiddlewareStack(URLRouter([path("stream/insights/<int:user_id>/", StockConsumer.as_asgi())])),
    }
)
