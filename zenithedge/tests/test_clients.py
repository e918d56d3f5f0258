"""Whose request it is, when proxies stand in front."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import RequestFactory

from zenithedge.clients import client_address, limited_address, unreadable_proxies

PROXY = "10.0.0.1"
CLIENT = "198.51.100.7"
LIAR = "203.0.113.9"


def request(peer: str, forwarded: str | None = None) -> Any:
    headers = {} if forwarded is None else {"X-Forwarded-For": forwarded}
    return RequestFactory().get("/", headers=headers, REMOTE_ADDR=peer)


@pytest.mark.parametrize(
    ("proxies", "peer", "forwarded", "address"),
    [
        ([], CLIENT, None, CLIENT),
        ([], CLIENT, LIAR, CLIENT),  # nobody is believed
        ([PROXY], CLIENT, LIAR, CLIENT),  # past the proxy, and forged
        ([PROXY], PROXY, CLIENT, CLIENT),
        ([PROXY], PROXY, f"{LIAR}, {CLIENT}", CLIENT),  # what the client wrote itself stands first
        (["10.0.0.0/8"], PROXY, f"{CLIENT}, 10.9.9.9", CLIENT),  # two of our proxies
        ([PROXY], PROXY, f"{CLIENT}, 10.9.9.9", "10.9.9.9"),
        ([PROXY], PROXY, None, PROXY),
        ([PROXY], PROXY, "", PROXY),
        ([PROXY], PROXY, "x' OR 1=1", PROXY),
        ([PROXY], PROXY, f"{CLIENT}, unknown", PROXY),
        (["unix"], "", CLIENT, CLIENT),
        ([PROXY], "", CLIENT, None),
        ([PROXY], f"::ffff:{PROXY}", CLIENT, CLIENT),
        ([PROXY], PROXY, "fe80::1%eth0", "fe80::1"),
        ([PROXY], PROXY, " , ".join([LIAR] * 5000), LIAR),
    ],
)
def test_the_client_is_who_the_last_trusted_proxy_names(
    settings: Any, proxies: list[str], peer: str, forwarded: str | None, address: str | None
) -> None:
    settings.TRUSTED_PROXIES = proxies
    assert client_address(request(peer, forwarded)) == address


@pytest.mark.parametrize(
    ("peer", "counted_for"), [(CLIENT, CLIENT), ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"), ("", None)]
)
def test_limits_count_a_customers_whole_network(peer: str, counted_for: str | None) -> None:
    assert limited_address(request(peer)) == counted_for


def test_what_is_no_proxy_is_found() -> None:
    assert unreadable_proxies(["unix", "127.0.0.1", "10.0.0.0/8", "::1", "nginx", "10.0.0.0/99"]) == [
        "nginx",
        "10.0.0.0/99",
    ]
