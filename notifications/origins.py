"""Which pages may open a socket: browsers send the session cookie along from anywhere, and CORS does not stop them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import Any
from urllib.parse import ParseResult, urlparse

from channels.security.websocket import OriginValidator
from django.conf import settings
from django.http.request import split_domain_port, validate_host

HTTP_SCHEMES = {"ws": "http", "wss": "https", "http": "http", "https": "https"}
REFUSED = 1008  # before the socket was accepted any code is a 403 in the handshake


async def refuse(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Refuse any handshake (403). Channels' own way of doing so subscribes each knock to the channel layer first."""
    await receive()
    await send({"type": "websocket.close", "code": REFUSED})


class SiteOriginValidator(OriginValidator):  # type: ignore[misc]  # channels ships no types
    """Lets a handshake through when its Origin is the site's own, compared whole: scheme, host and port.

    The site's own are SITE_URL, CSRF_TRUSTED_ORIGINS, and scheme and Host of the request itself when that host is an
    allowed one (so that any port of a bare server works). Without an Origin the sender is no browser, so nobody's
    cookie can have been sent behind their back. Everything else is refused in the handshake (403).
    """

    def __init__(self, application: Callable[..., Awaitable[None]]) -> None:
        super().__init__(application, allowed_origins=())

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        if self.allows(scope):
            await self.application(scope, receive, send)
        else:
            await refuse(scope, receive, send)

    def allows(self, scope: dict[str, Any]) -> bool:
        origins = _header(scope, b"origin")
        return all(self._is_own(origin, scope) for origin in origins)

    def _is_own(self, origin: str, scope: dict[str, Any]) -> bool:
        own_origins = list(_own_origins(scope))
        if origin in own_origins:  # as every browser of ours writes it
            return True
        try:
            parsed = urlparse(origin)
            return any(self.match_allowed_origin(parsed, own) for own in own_origins) and _is_bare(parsed)
        except ValueError:  # no port number, no IPv6 address
            return False


def _own_origins(scope: dict[str, Any]) -> Iterable[str]:
    yield settings.SITE_URL
    for trusted in settings.CSRF_TRUSTED_ORIGINS:
        yield trusted.replace("://*.", "://.")  # Django writes subdomains with a star, channels with a dot
    host = _allowed_host(scope)
    if host:
        yield f"{HTTP_SCHEMES[scope.get('scheme', 'ws')]}://{host}"


def _allowed_host(scope: dict[str, Any]) -> str | None:
    """The request's Host, port included, when ALLOWED_HOSTS has it."""
    hosts = _header(scope, b"host")
    if len(hosts) != 1:
        return None
    domain, _port = split_domain_port(hosts[0])
    return hosts[0] if domain and validate_host(domain, settings.ALLOWED_HOSTS) else None


def _is_bare(origin: ParseResult) -> bool:
    """An origin has no more parts than scheme, host and port."""
    return "@" not in origin.netloc and not (origin.path or origin.params or origin.query or origin.fragment)


def _header(scope: dict[str, Any], name: bytes) -> list[str]:
    return [value.decode("latin-1") for key, value in scope.get("headers", []) if key == name]
