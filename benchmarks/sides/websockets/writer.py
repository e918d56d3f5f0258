"""The bare server's writer: one INSERT and one PUBLISH."""

import json
import os
import sys
import time
from pathlib import Path

import redis

sys.path.insert(0, str(Path(__file__).parent.parent))
from conversation import converse, saving
from insight import message
from raw import Store

store = Store()
client = redis.Redis.from_url(os.environ["REDIS_URL"])


def save(user_id: int, tag: int) -> None:
    notification_id = store.add(user_id, tag)
    client.publish(f"bare:{user_id}", json.dumps(message(tag, notification_id, user_id)))


def house(tag: int, users: list[int]) -> float:
    began = time.monotonic()
    with client.pipeline(transaction=False) as pipeline:
        for user_id, notification_id in zip(users, store.add_for_all(users, tag), strict=True):
            pipeline.publish(f"bare:{user_id}", json.dumps(message(tag, notification_id, user_id)))
        pipeline.execute()
    return began


def forward(users: list[int], rounds: int, first_tag: int) -> float:
    began = time.monotonic()
    for turn in range(rounds):
        text = json.dumps(message(first_tag + turn, 1, 1))
        with client.pipeline(transaction=False) as pipeline:
            for user_id in users:
                pipeline.publish(f"bare:{user_id}", text)
            pipeline.execute()
    return began


if __name__ == "__main__":
    converse(
        {
            **saving(save),
            "house": house,
            "forward": forward,
        }
    )
