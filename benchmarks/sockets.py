"""What a socket costs, beside one as the Channels documentation teaches it, on PostgreSQL and Redis, a process each.

    python -m scripts.with_services python -m benchmarks.sockets [--servers uvicorn daphne] [--sockets 1000]

For each server and each side, in one run: signed-in connects a second (session check, group, welcome), memory of an
idle signed-in socket, and messages of 590 bytes forwarded a second, each to one of the sockets. `µs` is processor time
of the server process for each, which a busy machine disturbs less than the clock.
"""

import argparse
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import psutil  # type: ignore[import-untyped]
import redis

from scripts import asgi_servers as servers

PORT_WAIT_S = 30
MESSAGES_A_SOCKET = 20
FRAME_BYTES = 590
SIDES = {"stock": "benchmarks.sockets_stock:application", "ours": servers.APPLICATION}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--servers", nargs="+", default=["uvicorn", "daphne"])
    parser.add_argument("--sides", nargs="+", default=list(SIDES))
    parser.add_argument("--sockets", type=int, default=1000)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        os.environ |= {
            "DJANGO_SETTINGS_MODULE": "zenithedge.settings",
            "LOG_FILE": str(Path(directory) / "django.log"),
            "NOTIFICATIONS_WORKER": "0",
        }
        places = signed_in(Path(directory), asked.sockets)
        for server in asked.servers:
            for side in asked.sides:
                figures = measure(server, side, places, asked.sockets)
                sys.stdout.write(
                    f"{server:8} {side:6} " + "  ".join(f"{k} {v:,.0f}" for k, v in figures.items()) + "\n"
                )
                sys.stdout.flush()


def signed_in(directory: Path, count: int) -> list[Path]:
    """That many users with a session each; two files of places for the client: a few to warm up, and all others."""
    import django

    django.setup()
    from django.contrib.auth.models import User
    from django.contrib.sessions.backends.db import SessionStore
    from django.core.management import call_command

    from notifications.models import Inbox

    call_command("migrate", verbosity=0)
    users = [User(username=f"trader{number}", password=f"!{number:040}") for number in range(count + 20)]
    lines = []
    Inbox.objects.bulk_create(Inbox(user=user) for user in User.objects.bulk_create(users))
    for user in users:
        store = SessionStore()
        store["_auth_user_id"], store["_auth_user_backend"] = str(user.pk), "django.contrib.auth.backends.ModelBackend"
        store["_auth_user_hash"] = user.get_session_auth_hash()
        store.save()
        lines.append(f"/stream/insights/{user.pk}/ {store.session_key}")
    files = [directory / "warm", directory / "places"]
    files[0].write_text("\n".join(lines[:20]))
    files[1].write_text("\n".join(lines[20:]))
    return files


def measure(server: str, side: str, places: list[Path], count: int) -> dict[str, float]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [part.replace(servers.APPLICATION, SIDES[side]) for part in servers.command(server, port)]
    with open(os.environ.get("SERVER_LOG", os.devnull), "ab") as log:
        running = subprocess.Popen(command, stdout=log, stderr=log)
    client = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.sockets_client", str(port)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        bufsize=1,
    )
    try:
        _wait_for(port)
        return dict(_figures(psutil.Process(running.pid), client, places, count, side))
    finally:
        client.kill()
        client.wait()
        running.terminate()
        running.wait()


def _figures(server: psutil.Process, client: Any, places: list[Path], count: int, side: str) -> Any:
    ask(client, f"connect {places[0]}")
    time.sleep(1)
    memory, cpu = server.memory_info().rss, _cpu(server)
    seconds = ask(client, f"connect {places[1]}")["seconds"]
    yield "connects/s", count / seconds
    yield "connect µs", (_cpu(server) - cpu) / count * 1e6
    time.sleep(1)
    yield "idle B", (server.memory_info().rss - memory) / count
    yield from _forwarded(server, client, places[1], count * MESSAGES_A_SOCKET, side)


def _forwarded(server: psutil.Process, client: Any, places: Path, messages: int, side: str) -> Any:
    users = [int(line.split("/")[3]) for line in places.read_text().splitlines()]
    commands = [_command(user, side) for user in users]
    ask(client, f"expect {messages} 60")
    cpu, started = _cpu(server), time.perf_counter()
    connection = redis.Redis.from_url(os.environ["REDIS_URL"])
    for _ in range(messages // len(users)):
        with connection.pipeline(transaction=False) as pipe:
            for command in commands:
                pipe.publish(*command)
            pipe.execute()
    answer = json.loads(client.stdout.readline())
    yield "forwarded", answer["frames"]
    yield "/s", answer["frames"] / (answer["at"] - started)
    yield "forward µs", (_cpu(server) - cpu) / messages * 1e6


def _command(user: int, side: str) -> tuple[str, bytes]:
    from notifications import realtime

    frame = {
        "type": "new_notification",
        "seq": None,
        "unread_count": 1,
        "notification": {"text": "x" * (FRAME_BYTES - 70)},
    }
    message: Any = realtime.event_message(user, frame)  # type: ignore[arg-type]  # as long as a real one
    if side == "stock":
        message = {"type": "notification.event", "content": frame}
    layer = realtime._layer()  # its own serializer, as any publisher's
    return f"zenithedge__group__{realtime.group_name(user)}", layer.serialize(message)


def ask(client: Any, command: str) -> Any:
    client.stdin.write(command + "\n")
    return json.loads(client.stdout.readline())


def _cpu(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def _wait_for(port: int) -> None:
    deadline = time.monotonic() + PORT_WAIT_S
    while time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise SystemExit("The server did not start.")


if __name__ == "__main__":
    main()
