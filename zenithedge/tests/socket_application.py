"""An application of nothing but sockets, for tests of what the servers make of `send` and `receive`.

The path says what a socket does: `/flood` sends without end until the server makes it wait, `/deaf` receives nothing,
any other only stays. A plain request to `/waits` is answered when `/flood` waits.
"""

from __future__ import annotations

import asyncio
from typing import Any

from zenithedge.daphne_sockets import bound_daphnes_sockets

CHUNK = "x" * 64 * 1024
PATIENCE_S = 1.0  # a server that takes nothing for this long lets us wait for the client
MAX_CHUNKS = 1000  # far more than the kernel's buffers hold

flood = {"sent": 0}
waits = asyncio.Event()


async def application(scope: dict[str, Any], receive: Any, send: Any) -> None:
    if scope["type"] == "http":
        await waits.wait()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": str(flood["sent"]).encode()})
        return
    await receive()
    await send({"type": "websocket.accept"})
    if scope["path"] == "/flood":
        await send_without_end(send)
    await asyncio.Event().wait()


async def send_without_end(send: Any) -> None:
    try:
        while flood["sent"] < MAX_CHUNKS:
            async with asyncio.timeout(PATIENCE_S):
                await send({"type": "websocket.send", "text": CHUNK})
            flood["sent"] += 1
    except TimeoutError:
        pass
    waits.set()


bound_daphnes_sockets()
