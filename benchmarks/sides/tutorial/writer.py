"""The tutorial's app, from the writing side: its receiver does all the work inside `save`."""

import asyncio
import sys
import time
from pathlib import Path

import django

sys.path[:0] = [str(Path(__file__).parent.parent), str(Path(__file__).parent)]
django.setup()

import redis
from channels.layers import get_channel_layer
from conversation import converse, saving
from django.conf import settings
from django.db import transaction
from insight import HEADLINE, NARRATIVE, TRUTH_INDEX, message, signal_fields
from tutorial.models import Signal, TradeValidation


def save(user_id: int | None, tag: int) -> None:
    signal = Signal.objects.create(user_id=user_id, **signal_fields(tag))
    TradeValidation.objects.create(
        signal=signal, truth_index=TRUTH_INDEX, context_summary=NARRATIVE, news_headline=HEADLINE
    )


def house(tag: int) -> float:
    began = time.monotonic()
    save(None, tag)
    return began


def forward(users: list[int], rounds: int, first_tag: int) -> float:
    """Straight to the pub/sub layer's own channels, in one round trip for 1,000: what is measured is the consumer."""
    layer = get_channel_layer()
    prefix = "asgi__group__user_{}_notifications"
    client = redis.Redis.from_url(settings.CHANNEL_LAYERS["default"]["CONFIG"]["hosts"][0])
    began = time.monotonic()
    for turn in range(rounds):
        pipeline = client.pipeline(transaction=False)
        event = {"type": "notification.message", "message": message(first_tag + turn, 1, 1)}
        packed = layer.serialize(event)
        for user_id in users:
            pipeline.publish(prefix.format(user_id), packed)
        pipeline.execute()
    return began


def burst(users: list[int], each: int) -> None:
    """All at once, as an event loop would: a hundred `group_send` side by side."""

    async def send() -> None:
        layer = get_channel_layer()
        for turn in range(each):
            event = {"type": "notification.message", "message": message(turn + 1, 1, 1)}
            await asyncio.gather(*(layer.group_send(f"user_{user_id}_notifications", event) for user_id in users))

    asyncio.run(send())


if __name__ == "__main__":
    converse(
        {
            **saving(save, transaction.atomic),
            "house": house,
            "forward": forward,
            "burst": burst,
        }
    )
