"""python-socketio's writer: one INSERT and one emit through the write-only Redis manager, as documented."""

import os
import sys
import time
from pathlib import Path

import socketio

sys.path.insert(0, str(Path(__file__).parent.parent))
from conversation import converse, saving
from insight import message
from raw import Store

store = Store()
manager = socketio.RedisManager(os.environ["REDIS_URL"], write_only=True)


def save(user_id: int, tag: int) -> None:
    emit(user_id, tag, store.add(user_id, tag))


def emit(user_id: int, tag: int, notification_id: int) -> None:
    manager.emit("notification", message(tag, notification_id, user_id), room=str(user_id))


def house(tag: int, users: list[int]) -> float:
    began = time.monotonic()
    for user_id, notification_id in zip(users, store.add_for_all(users, tag), strict=True):
        emit(user_id, tag, notification_id)
    return began


def forward(users: list[int], rounds: int, first_tag: int) -> float:
    began = time.monotonic()
    for turn in range(rounds):
        for user_id in users:
            emit(user_id, first_tag + turn, 1)
    return began


if __name__ == "__main__":
    converse(
        {
            **saving(save),
            "house": house,
            "forward": forward,
        }
    )
