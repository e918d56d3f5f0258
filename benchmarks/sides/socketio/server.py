"""python-socketio with its Redis manager, as its documentation shows: a room for each user.

The cookie is taken at its word: no session is looked up, so its connects are not comparable and not compared.
"""

import os
from typing import Any

import socketio

manager = socketio.AsyncRedisManager(os.environ["REDIS_URL"])
server = socketio.AsyncServer(async_mode="asgi", client_manager=manager, cors_allowed_origins="*")
application = socketio.ASGIApp(server)


@server.event
async def connect(sid: str, environ: dict[str, Any]) -> None:
    await server.enter_room(sid, environ["HTTP_COOKIE"].partition("=")[2])
