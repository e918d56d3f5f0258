"""nchan's writer: one INSERT and one HTTP POST on a connection that stays open; many are sent in one go."""

import json
import os
import socket
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))
from conversation import converse, saving
from insight import message
from raw import Store

store = Store()
port = int(os.environ["NCHAN_PORT"])
server = socket.create_connection(("127.0.0.1", port))
server.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
answers = server.makefile("rb")
REQUEST = b"POST /publish/%d HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: %d\r\n\r\n%b"
AT_ONCE = 100  # what is on its way unanswered: more would fill the socket's buffers on both sides


def post(users: list[int], text: str) -> None:
    body = text.encode()
    for start in range(0, len(users), AT_ONCE):
        batch = users[start : start + AT_ONCE]
        server.sendall(b"".join(REQUEST % (user, len(body), body) for user in batch))
        for _user in batch:
            read_answer()


def read_answer() -> None:
    status = answers.readline()
    if b" 20" not in status:
        raise RuntimeError(f"nchan answered {status!r}")
    length = 0
    while (line := answers.readline()) not in (b"\r\n", b""):
        if line.lower().startswith(b"content-length:"):
            length = int(line.partition(b":")[2])
    answers.read(length)


def save(user_id: int, tag: int) -> None:
    post([user_id], json.dumps(message(tag, store.add(user_id, tag), user_id)))


def house(tag: int, users: list[int]) -> float:
    began = time.monotonic()
    ids = store.add_for_all(users, tag)
    post(users, json.dumps(message(tag, ids[0], 0)))
    return began


def forward(users: list[int], rounds: int, first_tag: int) -> float:
    began = time.monotonic()
    for turn in range(rounds):
        post(users, json.dumps(message(first_tag + turn, 1, 1)))
    return began


if __name__ == "__main__":
    converse(
        {
            **saving(save),
            "house": house,
            "forward": forward,
        }
    )
