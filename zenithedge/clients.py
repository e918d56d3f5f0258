"""Who is asking: the address that limits are counted for."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence

from django.conf import settings
from django.http import HttpRequest

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

# Stands in TRUSTED_PROXIES for a proxy that connects over a Unix socket, and so has no address.
UNIX_SOCKET = "unix"
# An IPv6 customer gets at least so large a network, and could count anew from each address in it.
IPV6_CUSTOMER_PREFIX = 64


def client_address(request: HttpRequest) -> str | None:
    """The address that the request came from; None over a Unix socket.

    `X-Forwarded-For` is read from its end, and only as far as TRUSTED_PROXIES wrote it: what stands before that was
    written by the client itself.
    """
    address = read_address(request.META.get("REMOTE_ADDR", ""))
    forwarded = request.META.get("HTTP_X_FORWARDED_FOR", "").split(",")
    while _is_trusted(address) and forwarded:
        before = read_address(forwarded.pop())
        if before is None:
            break
        address = before
    return str(address) if address else None


def limited_address(request: HttpRequest) -> str | None:
    """What a limit counts for: the address, of IPv6 the network that one customer has."""
    address = client_address(request)
    if address is None or ":" not in address:
        return address
    return str(ipaddress.ip_network((address, IPV6_CUSTOMER_PREFIX), strict=False).network_address)


def from_trusted_proxy(request: HttpRequest) -> bool:
    """Whether what the request's headers say was written, or let through, by a proxy of ours."""
    return _is_trusted(read_address(request.META.get("REMOTE_ADDR", "")))


def read_address(text: str) -> Address | None:
    """None for what is no address. An IPv4 one that came over an IPv6 socket is taken for what it is."""
    try:
        address = ipaddress.ip_address(text.strip().partition("%")[0])
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def unreadable_proxies(proxies: Sequence[str]) -> list[str]:
    """What in TRUSTED_PROXIES is neither an address, a network nor `unix`."""
    return [proxy for proxy in proxies if proxy != UNIX_SOCKET and _network(proxy) is None]


def _is_trusted(address: Address | None) -> bool:
    if address is None:
        return UNIX_SOCKET in settings.TRUSTED_PROXIES
    networks = (_network(proxy) for proxy in settings.TRUSTED_PROXIES)
    return any(network is not None and address in network for network in networks)


def _network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError:
        return None
