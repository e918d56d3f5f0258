"""Which request, user, socket or task a log line belongs to: kept in context variables, added by the formatters.

A request's id goes with the tasks that it sends to Celery, so that one id finds all that an alert has caused.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from asgiref.sync import iscoroutinefunction
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.decorators import sync_and_async_middleware
from structlog.contextvars import bind_contextvars, bound_contextvars, clear_contextvars, get_contextvars

from zenithedge.clients import from_trusted_proxy

HEADER = "X-Request-ID"
# What proxies and tracing tools send: uuids, hex, base64url. Anything else could forge a line or fill a disk.
GIVEN_ID = re.compile(r"[A-Za-z0-9_-]{8,64}")
TASK_HEADER = "zenithedge_request_id"

_request: ContextVar[HttpRequest | None] = ContextVar("request", default=None)

Answer = HttpResponseBase | Awaitable[HttpResponseBase]


@sync_and_async_middleware
def request_context(get_response: Callable[[HttpRequest], Answer]) -> Callable[[HttpRequest], Answer]:
    """Give each request an id, that of a trusted proxy where it brings one, and tell it in the answer."""
    if iscoroutinefunction(get_response):

        async def later(request: HttpRequest) -> HttpResponseBase:
            with _belonging_to(request) as request_id:
                return _told(await get_response(request), request_id)

        return later

    def at_once(request: HttpRequest) -> HttpResponseBase:
        with _belonging_to(request) as request_id:
            return _told(get_response(request), request_id)  # type: ignore[arg-type]  # not a coroutine, as asked above

    return at_once


def current() -> dict[str, Any]:
    """What is known of the line that is being written: request_id, user_id, connection_id, task and the like.

    The user is told only when something has looked already: a log line makes no query.
    """
    known = get_contextvars()
    user = getattr(_request.get(), "_cached_user", None)
    if "user_id" not in known and user is not None and user.pk is not None:
        known["user_id"] = user.pk
    return known


def send_with_task(headers: dict[str, Any]) -> None:
    """Before a task is sent: write into its headers which request it belongs to."""
    if request_id := get_contextvars().get("request_id"):
        headers[TASK_HEADER] = request_id


def begin_task(name: str, task_id: str, given: object) -> None:
    """In the worker: what follows belongs to this task, and to the request that sent it when it was `given` one."""
    clear_contextvars()
    known = {"request_id": given} if isinstance(given, str) and GIVEN_ID.fullmatch(given) else {}
    bind_contextvars(task=name, task_id=task_id, **known)


@contextmanager
def _belonging_to(request: HttpRequest) -> Iterator[str]:
    request_id = _id_of(request)
    before = _request.set(request)
    try:
        with bound_contextvars(request_id=request_id):
            yield request_id
    finally:
        _request.reset(before)


def _id_of(request: HttpRequest) -> str:
    given = request.headers.get(HEADER, "")
    if GIVEN_ID.fullmatch(given) and from_trusted_proxy(request):
        return given
    return secrets.token_hex(8)


def _told(response: HttpResponseBase, request_id: str) -> HttpResponseBase:
    response.headers[HEADER] = request_id
    return response
