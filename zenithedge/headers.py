"""What a browser is told about every answer: where its parts may come from, and what it may not ask for.

The policy is the same for every page, so it is a constant here: a library for nonces, reports and exceptions would have
nothing to do. Scripts and styles are files of this host, the admin's included; Bootstrap draws its icons from data:
addresses; 'self' covers the socket, which has the page's own host and port.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from http import HTTPStatus

from asgiref.sync import iscoroutinefunction
from django.conf import settings
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.decorators import sync_and_async_middleware

CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'self'",
        "img-src 'self' data:",
        "connect-src 'self'",
        "object-src 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
    )
)
# Nothing here looks, listens, locates or charges; what is not named keeps the browser's own default.
PERMISSIONS_POLICY = ", ".join(
    f"{feature}=()"
    for feature in ("camera", "display-capture", "geolocation", "microphone", "midi", "payment", "serial", "usb")
)
# With DEBUG, Django's own pages for these two carry their style and script inside.
DJANGOS_DEBUG_PAGES = {HTTPStatus.NOT_FOUND, HTTPStatus.INTERNAL_SERVER_ERROR}

Answer = HttpResponseBase | Awaitable[HttpResponseBase]


@sync_and_async_middleware
def security_headers(get_response: Callable[[HttpRequest], Answer]) -> Callable[[HttpRequest], Answer]:
    """Add the two headers to every response; a view may set stricter ones of its own."""
    if iscoroutinefunction(get_response):

        async def later(request: HttpRequest) -> HttpResponseBase:
            return _protected(await get_response(request))

        return later

    def at_once(request: HttpRequest) -> HttpResponseBase:
        return _protected(get_response(request))  # type: ignore[arg-type]  # not a coroutine function, as asked above

    return at_once


def _protected(response: HttpResponseBase) -> HttpResponseBase:
    if not (settings.DEBUG and response.status_code in DJANGOS_DEBUG_PAGES):
        response.headers.setdefault("Content-Security-Policy", CONTENT_SECURITY_POLICY)
    response.headers.setdefault("Permissions-Policy", PERMISSIONS_POLICY)
    return response
