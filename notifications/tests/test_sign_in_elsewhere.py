"""The end of a sign-in closes its sockets on another server process, by the hint that crosses Redis.

The server's own tick would close them too, after half a minute; these tests wait for less.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit, urlunsplit

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.urls import reverse
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from notifications.tests import tabs
from notifications.tests.browser.site import listens
from scripts import asgi_servers
from scripts.processes import Process, free_port

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.services,
    pytest.mark.skipif(not settings.REDIS_URL, reason="without Redis hints stay in their process; the tick is all"),
]

PATIENCE_S = 15  # less than the tick of a server with a shared layer


def log_out(alice: User, browser: Client, ada: User) -> None:
    browser.post(reverse("logout"))


def change_password(alice: User, browser: Client, ada: User) -> None:
    alice.set_password("another-password")
    alice.save()


def deactivate(alice: User, browser: Client, ada: User) -> None:
    alice.is_active = False
    alice.save()


def sign_out_by_the_admin(alice: User, browser: Client, ada: User) -> None:
    selected = {"action": "sign_out", "_selected_action": [alice.pk]}
    tabs.sign_in(ada).post(reverse("admin:auth_user_changelist"), selected)


@pytest.fixture(scope="module", params=["daphne", "uvicorn"])
def elsewhere(
    request: pytest.FixtureRequest, django_db_setup: None, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """The address of a real server in another process, on the tests' database."""
    port = free_port()
    database = urlsplit(os.environ["DATABASE_URL"])._replace(path=f"/{connection.settings_dict['NAME']}")
    environment = os.environ | {"DATABASE_URL": urlunsplit(database), "SITE_URL": f"http://127.0.0.1:{port}"}
    command = asgi_servers.command(request.param, port)
    log = tmp_path_factory.mktemp("elsewhere") / "server.log"
    server = Process(request.param, command, log, lambda _: listens(port), environment=environment)
    server.start()
    yield f"127.0.0.1:{port}"
    server.stop()


@pytest.mark.parametrize("end", [log_out, change_password, deactivate, sign_out_by_the_admin])
async def test_the_end_of_a_sign_in_closes_its_sockets_on_another_server(
    elsewhere: str, end: Callable[[User, Client, User], None], alice: User, ada: User
) -> None:
    browser = await tabs.in_thread(tabs.sign_in, alice)
    headers = {"Cookie": f"{settings.SESSION_COOKIE_NAME}={tabs.cookie_of(browser)}"}
    stream = f"ws://{elsewhere}{tabs.stream_path(alice)}"
    async with connect(stream, origin=f"http://{elsewhere}", additional_headers=headers) as socket:  # type: ignore[arg-type]  # a str is what its NewType is
        await socket.recv()
        await tabs.in_thread(end, alice, browser, ada)
        with pytest.raises(ConnectionClosed) as closed:
            async with asyncio.timeout(PATIENCE_S):
                await socket.recv()
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 4401
