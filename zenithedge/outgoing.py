"""The one way in which this site calls an address that a user gave: push services and users' own webhooks.

Such an address may name a machine inside our network, or be made to do so later. So it is https on port 443 with a
public address, checked when it is saved and again when it is used; the connection goes to the very IP address that was
checked, no redirect is followed, and the whole call has one deadline, however slowly the other side answers.
"""

from __future__ import annotations

import http.client
import ipaddress
import socket
import ssl
import threading
import time
from collections.abc import Collection, Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from urllib.parse import urlsplit

from django.conf import settings
from django.utils.translation import gettext_noop

HTTPS_PORT = 443
MAX_URL_LENGTH = 500
# For the look-up of the name, the connection, the request and the answer together.
TIMEOUT_S = 10.0
# Of an answer only the status, the headers and what fits into a line of the log are of use.
MAX_ANSWER_BYTES = 2048


class AddressRefused(ValueError):  # noqa: N818 - reads as what has happened
    """The address is none that this site calls; the message says why, in words for whoever gave it.

    It is English, and whoever shows it has it translated: so it holds nothing of the address.
    """


class CallFailed(Exception):  # noqa: N818 - the same
    """No usable answer came: no connection, no TLS, or not within the time."""


@dataclass(frozen=True, slots=True)
class Address:
    """An address that may be called as far as its text can tell."""

    host: str
    port: int
    path: str
    secure: bool
    trusted: bool

    @property
    def host_header(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == HTTPS_PORT else f"{host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: str


def parse(url: str, *, hosts: Collection[str] | None = None) -> Address:
    """The parts of an address that may be called; with `hosts` only these and, for `*.name`, what is below them.

    Raises AddressRefused. Hosts in OUTGOING_TRUSTED_HOSTS, each `host:port`, may have any scheme, port and network.
    """
    if len(url) > MAX_URL_LENGTH or not url.isascii() or not url.isprintable() or " " in url:
        raise AddressRefused(gettext_noop("Give a shorter address, of plain characters only."))
    try:
        parts = urlsplit(url)
        port = parts.port or (80 if parts.scheme == "http" else HTTPS_PORT)
    except ValueError as error:
        raise AddressRefused(gettext_noop("This is not an address.")) from error
    host = (parts.hostname or "").rstrip(".")
    if not host or parts.username is not None or parts.password is not None:
        raise AddressRefused(gettext_noop("Give an address such as https://example.org/path, without a user name."))
    trusted = f"{host}:{port}" in settings.OUTGOING_TRUSTED_HOSTS and parts.scheme in ("http", "https")
    if not trusted:
        _refuse_unless_public_https(parts.scheme, host, port, hosts)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Address(host, port, path, parts.scheme == "https", trusted)


def host_of(url: str) -> str:
    """Host and port as the address names them, in lower case; empty for what is no address."""
    try:
        return urlsplit(url).netloc.lower()
    except ValueError:
        return ""


def check(url: str, *, hosts: Collection[str] | None = None) -> None:
    """Refuse what `post` would refuse now. Raises AddressRefused, also when the name cannot be looked up."""
    try:
        _public_ip(parse(url, hosts=hosts), time.monotonic() + TIMEOUT_S)
    except CallFailed as error:
        raise AddressRefused(gettext_noop("The host of this address cannot be found.")) from error


def post(
    url: str,
    body: bytes,
    headers: Mapping[str, str],
    *,
    hosts: Collection[str] | None = None,
    timeout_s: float = TIMEOUT_S,
) -> Answer:
    """POST and return the answer, whatever its status. Raises AddressRefused and CallFailed, nothing else."""
    address = parse(url, hosts=hosts)
    deadline = time.monotonic() + timeout_s
    ip = _public_ip(address, deadline)
    try:
        with _connected(address, ip, deadline) as connection:
            connection.request("POST", address.path, body, {"Host": address.host_header, **headers})
            response = connection.getresponse()
            if time.monotonic() >= deadline:  # cut in the middle of the headers, which reads like their end
                raise TimeoutError
            # A body that is cut is as good as a whole one: the status has been given.
            text = response.read(MAX_ANSWER_BYTES).decode("utf-8", "replace")
            lower = {name.lower(): value for name, value in response.getheaders()}
            return Answer(response.status, lower, text)
    except ssl.SSLCertVerificationError as error:
        raise CallFailed(f"The certificate of {address.host} is not valid: {error.verify_message}.") from error
    except (OSError, http.client.HTTPException, ValueError) as error:
        if time.monotonic() >= deadline:
            raise CallFailed(f"{address.host} did not answer within {timeout_s:g} s.") from error
        raise CallFailed(f"{address.host} gave no usable answer: {type(error).__name__}.") from error


# --- Which addresses ------------------------------------------------------------------------------------------------


def _refuse_unless_public_https(scheme: str, host: str, port: int, hosts: Collection[str] | None) -> None:
    if scheme != "https":
        raise AddressRefused(gettext_noop("The address has to begin with https://."))
    if port != HTTPS_PORT:
        raise AddressRefused(gettext_noop("The address may not name a port of its own."))
    if hosts is not None and not any(_matches(host, pattern) for pattern in hosts):
        raise AddressRefused(gettext_noop("The host is not among those that are known here."))
    try:
        literal = ipaddress.ip_address(host)
    except ValueError:
        return
    _refuse_unless_public(literal)


def _matches(host: str, pattern: str) -> bool:
    return host.endswith(pattern[1:]) if pattern.startswith("*.") else host == pattern


def _public_ip(address: Address, deadline: float) -> str:
    """The IP address to connect to. One name may have several: if any of them is ours, the name is not called."""
    try:
        ips = _looked_up(address, deadline)
    except TimeoutError as error:
        raise CallFailed(f"The host {address.host} was not found in time.") from error
    except (OSError, UnicodeError) as error:
        raise CallFailed(f"The host {address.host} cannot be found.") from error
    if not ips:
        raise CallFailed(f"The host {address.host} cannot be found.")
    if not address.trusted:
        for ip in ips:
            _refuse_unless_public(ipaddress.ip_address(ip.partition("%")[0]))
    return ips[0]


def _looked_up(address: Address, deadline: float) -> list[str]:
    """In a thread of its own: the system's look-up takes no time-out, and is left behind to end when it ends."""
    found: Future[list[str]] = Future()

    def look_up() -> None:
        try:
            answers = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            found.set_exception(error)
        else:
            found.set_result([str(sockaddr[0]) for *_, sockaddr in answers])

    threading.Thread(target=look_up, name="look-up", daemon=True).start()
    return found.result(_left(deadline))


NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
# All that is handed out of IPv6. Python's is_global is true of anything that no list names, such as fec0::/10, which
# sites used among themselves, and ::/96, which once stood for IPv4.
UNICAST = ipaddress.IPv6Network("2000::/3")


def _refuse_unless_public(ip: ipaddress.IPv4Address | ipaddress.IPv6Address) -> None:
    if not all(_is_public(part) for part in _with_embedded(ip)):
        raise AddressRefused(gettext_noop("This is not a public address."))


def _is_public(ip: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    if isinstance(ip, ipaddress.IPv6Address) and ip not in UNICAST and ip not in NAT64:
        return False
    return ip.is_global and not ip.is_multicast


def _with_embedded(
    ip: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> Iterator[ipaddress.IPv4Address | ipaddress.IPv6Address]:
    """The address and, for one of IPv6 that stands for one of IPv4, that one: ::ffff:127.0.0.1 is this machine."""
    if isinstance(ip, ipaddress.IPv4Address):
        yield ip
        return
    if ip.ipv4_mapped is None:
        yield ip
    embedded = [ip.ipv4_mapped, ip.sixtofour, *(ip.teredo or ())]
    if ip in NAT64:
        embedded.append(ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF))
    yield from (part for part in embedded if part is not None)


# --- The connection -------------------------------------------------------------------------------------------------


@contextmanager
def _connected(address: Address, ip: str, deadline: float) -> Iterator[http.client.HTTPConnection]:
    """A connection to exactly this IP address, which is cut at the deadline whatever it is doing."""
    stream: socket.socket = socket.create_connection((ip, address.port), timeout=_left(deadline))
    if address.secure:
        context = ssl.create_default_context()
        stream = context.wrap_socket(stream, server_hostname=address.host, do_handshake_on_connect=False)
    # A time-out of the socket is for one read: who sends a byte now and then would never meet it.
    cut = threading.Timer(_left(deadline), _shut, (stream,))
    cut.daemon = True
    cut.start()
    try:
        if isinstance(stream, ssl.SSLSocket):
            stream.do_handshake()
        connection = http.client.HTTPConnection(address.host, address.port)
        connection.sock = stream
        yield connection
    finally:
        cut.cancel()
        stream.close()


def _left(deadline: float) -> float:
    return max(0.001, deadline - time.monotonic())


def _shut(stream: socket.socket) -> None:
    with suppress(OSError):  # it has ended by itself
        socket.socket.shutdown(stream, socket.SHUT_RDWR)  # TLS's own would first say good-bye
