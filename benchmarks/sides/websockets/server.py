"""The physical limit of a Python server: bare `websockets`, one Redis subscription, no session, no store, no limits."""

import os
import sys
from collections import defaultdict

import redis.asyncio
import uvloop
from websockets.asyncio.server import ServerConnection, broadcast, serve

sockets: defaultdict[str, set[ServerConnection]] = defaultdict(set)


async def hold(connection: ServerConnection) -> None:
    assert connection.request is not None
    user = connection.request.path.rstrip("/").rpartition("/")[2]
    sockets[user].add(connection)
    try:
        await connection.wait_closed()
    finally:
        sockets[user].discard(connection)


async def forward() -> None:
    async with redis.asyncio.from_url(os.environ["REDIS_URL"]).pubsub() as subscription:
        await subscription.psubscribe("bare:*")
        async for message in subscription.listen():
            if message["type"] == "pmessage":
                user = message["channel"].decode().removeprefix("bare:")
                broadcast(sockets[user], message["data"].decode())


async def main() -> None:
    async with serve(hold, "127.0.0.1", int(sys.argv[1]), compression=None):
        await forward()


if __name__ == "__main__":
    uvloop.run(main())
