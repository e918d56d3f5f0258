"""Addresses that users gave: which are called, and how long one of them can keep us waiting."""

from __future__ import annotations

import contextlib
import datetime as dt
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from zenithedge import outgoing
from zenithedge.outgoing import AddressRefused, CallFailed

MOST_DROPS = 500
Resolve = Callable[[str, list[str]], None]


@pytest.mark.parametrize(
    "url",
    [
        "http://hooks.example.org/a",
        "https://hooks.example.org:8443/a",
        "https://user:secret@hooks.example.org/",
        "ftp://hooks.example.org/",
        "https://",
        "https://[::1]/",
        "https://127.0.0.1/",
        "https://10.0.0.7/",
        "https://169.254.169.254/latest/meta-data/",
        "https://[::ffff:127.0.0.1]/",
        "https://[64:ff9b::a00:1]/",
        "https://[64:ff9b:1::a00:1]/",
        "https://[2002:7f00:1::]/",
        "https://[::7f00:1]/",
        "https://[::ffff:0:127.0.0.1]/",
        "https://[fec0::1]/",
        "https://[4000::1]/",
        "https://224.0.0.1/",
        "https://0.0.0.0/",
        "https://[/",
        "https://hooks.example.org/\r\nX-Injected: yes",
        "https://hooks.example.org/" + "a" * 500,
    ],
)
def test_an_address_that_may_lead_into_our_network_is_refused(url: str) -> None:
    with pytest.raises(AddressRefused):
        outgoing.parse(url)


@pytest.mark.parametrize("host", ["evil.org", "push.example.org.evil.org", "xpush.example.org", "example.org"])
def test_only_the_given_hosts_are_called(host: str) -> None:
    outgoing.parse("https://a.push.example.org/1", hosts=["*.push.example.org"])
    with pytest.raises(AddressRefused, match="not among"):
        outgoing.parse(f"https://{host}/1", hosts=["*.push.example.org"])


@pytest.mark.parametrize("host", ["93.184.215.14", "[2001:4860:4860::8888]", "[64:ff9b::808:808]"])
def test_a_public_address_may_be_given_as_such(host: str) -> None:
    assert outgoing.parse(f"https://{host}/").host == host.strip("[]")


@pytest.mark.parametrize("ips", [["127.0.0.1"], ["93.184.215.14", "10.1.2.3"], ["fd00::1"], ["::ffff:192.168.0.1"]])
def test_a_name_of_a_machine_of_ours_is_refused_when_it_is_saved_and_when_it_is_used(
    ips: list[str], resolve: Resolve
) -> None:
    resolve("hooks.example.org", ips)

    with pytest.raises(AddressRefused, match="not a public address"):
        outgoing.check("https://hooks.example.org/")
    with pytest.raises(AddressRefused, match="not a public address"):
        outgoing.post("https://hooks.example.org/", b"", {})


def test_the_connection_goes_to_the_ip_address_that_was_checked(
    resolve: Resolve, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever looked the name up a second time could be told another one."""
    resolve("hooks.example.org", ["93.184.215.14"])
    called: list[Any] = []

    def connect(address: Any, timeout: float) -> socket.socket:
        called.append(address)
        raise ConnectionRefusedError

    monkeypatch.setattr(socket, "create_connection", connect)

    with pytest.raises(CallFailed):
        outgoing.post("https://hooks.example.org/", b"", {})

    assert called == [("93.184.215.14", 443)]


def test_a_name_that_cannot_be_found_is_refused_when_it_is_saved(resolve: Resolve) -> None:
    with pytest.raises(AddressRefused, match="cannot be found"):
        outgoing.check("https://nowhere.example.org/")
    with pytest.raises(CallFailed, match="cannot be found"):
        outgoing.post("https://nowhere.example.org/", b"", {})


def test_a_name_server_that_does_not_answer_keeps_nobody_beyond_the_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    answered = threading.Event()
    monkeypatch.setattr("zenithedge.outgoing.socket.getaddrinfo", lambda *args, **options: answered.wait(20) and [])

    with pytest.raises(CallFailed, match="in time"):
        outgoing.post("https://hooks.example.org/", b"", {}, timeout_s=0.05)

    assert not answered.is_set()
    answered.set()


def test_a_redirect_is_an_answer_and_is_not_followed(server: Receiver, trust: Callable[..., str]) -> None:
    url = trust(server)
    server.answer = lambda request: _answer(request, 302, {"Location": f"{url}elsewhere"})

    answer = outgoing.post(url, b"{}", {"Content-Type": "application/json"})

    assert (answer.status, answer.headers["location"]) == (302, f"{url}elsewhere")
    assert server.paths == ["/"]


def test_an_answer_is_read_up_to_a_limit(server: Receiver, trust: Callable[..., str]) -> None:
    server.answer = lambda request: _answer(request, 200, {}, b"x" * 100_000)

    assert len(outgoing.post(trust(server), b"", {}).body) == outgoing.MAX_ANSWER_BYTES


def test_who_sends_its_headers_a_byte_now_and_then_is_cut_off_at_the_deadline(
    server: Receiver, trust: Callable[..., str]
) -> None:
    with dripping(server, b"HTTP/1.1 200 OK\r\nX-Slow: "), pytest.raises(CallFailed, match="within"):
        outgoing.post(trust(server), b"", {}, timeout_s=0.3)


def test_who_never_ends_its_body_has_answered_and_is_cut_off_at_the_deadline(
    server: Receiver, trust: Callable[..., str]
) -> None:
    with dripping(server, b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"):
        assert outgoing.post(trust(server), b"", {}, timeout_s=0.3).status == 200


def test_the_certificate_has_to_be_of_the_name(
    server: Receiver, trust: Callable[..., str], resolve: Resolve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate = _certificate(tmp_path, "push.test")
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    for name in ("push.test", "other.test"):
        resolve(name, ["127.0.0.1"])

    assert outgoing.post(trust(server, "https", "push.test"), b"", {}).status == 201
    with pytest.raises(CallFailed, match="certificate"):
        outgoing.post(trust(server, "https", "other.test"), b"", {})


# --- The other side -------------------------------------------------------------------------------------------------


class Receiver(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.paths: list[str] = []
        self.answer: Callable[[BaseHTTPRequestHandler], None] = lambda request: _answer(request, 201, {})

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A handshake that the client broke off is what some tests are about."""


class _Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        self.server.paths.append(self.path)
        self.rfile.read(int(self.headers["Content-Length"]))
        self.server.answer(self)

    def log_message(self, *args: Any) -> None:
        """Nothing."""


def _answer(request: BaseHTTPRequestHandler, status: int, headers: dict[str, str], body: bytes = b"") -> None:
    request.send_response(status)
    for name, value in {"Content-Length": str(len(body)), **headers}.items():
        request.send_header(name, value)
    request.end_headers()
    with contextlib.suppress(OSError):
        request.wfile.write(body)


@contextlib.contextmanager
def dripping(server: Receiver, beginning: bytes) -> Iterator[None]:
    """The server begins its answer so and then sends a byte each 20 ms; it has to be left long before the last."""
    drops = iter(range(MOST_DROPS))

    def drip(request: BaseHTTPRequestHandler) -> None:
        request.wfile.write(beginning)
        with contextlib.suppress(OSError):
            for _ in drops:
                time.sleep(0.02)
                request.wfile.write(b"x")

    server.answer = drip
    yield
    assert next(drops, None) is not None, "the client waited for all of it"


@pytest.fixture
def server() -> Iterator[Receiver]:
    receiver = Receiver()
    thread = threading.Thread(target=receiver.serve_forever, args=(0.01,))
    thread.start()
    yield receiver
    receiver.shutdown()
    thread.join()
    receiver.server_close()


@pytest.fixture
def trust(settings: Any) -> Callable[..., str]:
    """Let this server be called by some name; return its address."""

    def allow(server: Receiver, scheme: str = "http", host: str = "127.0.0.1") -> str:
        port = server.server_address[1]
        settings.OUTGOING_TRUSTED_HOSTS = [*settings.OUTGOING_TRUSTED_HOSTS, f"{host}:{port}"]
        return f"{scheme}://{host}:{port}/"

    return allow


@pytest.fixture
def resolve(monkeypatch: pytest.MonkeyPatch) -> Resolve:
    """Names have these addresses and no others."""
    names: dict[str, list[str]] = {}

    def getaddrinfo(host: str, port: int, *args: Any, **kwargs: Any) -> list[Any]:
        ips = [host] if host == "127.0.0.1" else names.get(host)
        if ips is None:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (ip, port)) for ip in ips]

    monkeypatch.setattr("zenithedge.outgoing.socket.getaddrinfo", getaddrinfo)
    return names.__setitem__


def _certificate(folder: Path, name: str) -> Path:
    """A certificate that signs itself, with its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ) + certificate.public_bytes(serialization.Encoding.PEM)
    path = folder / "certificate.pem"
    path.write_bytes(pem)
    return path
