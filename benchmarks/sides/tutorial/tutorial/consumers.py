from typing import Any

from channels.generic.websocket import AsyncJsonWebsocketConsumer


class NotificationConsumer(AsyncJsonWebsocketConsumer):
    async def connect(self) -> None:
        user = self.scope["user"]
        if not user.is_authenticated or user.pk != self.scope["url_route"]["kwargs"]["user_id"]:
            await self.close()
            return
        self.group_name = f"user_{user.pk}_notifications"
        await self.channel_layer.group_add(self.group_name, self.channel_name)
        await self.accept()

    async def disconnect(self, code: int) -> None:
        if hasattr(self, "group_name"):
            await self.channel_layer.group_discard(self.group_name, self.channel_name)

    async def notification_message(self, event: dict[str, Any]) -> None:
        await self.send_json(event["message"])
