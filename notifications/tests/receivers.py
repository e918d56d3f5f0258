"""Real servers that deliveries go to: a push service that decrypts what it gets, and the receiver of a webhook."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

import http_ece
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from django.contrib.auth.models import User

from notifications.delivery import vapid
from notifications.models import PushSubscription


@dataclass(frozen=True, slots=True)
class Request:
    path: str
    headers: dict[str, str]  # names in lower case
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True, slots=True)
class Reply:
    status: int = 201
    headers: dict[str, str] = field(default_factory=dict)
    wait: threading.Event | None = None  # before it is sent


class Receiver(ThreadingHTTPServer):
    """Keeps every request; answers with what `reply` says, by default 201."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.requests: list[Request] = []
        self.reply: Callable[[Request], Reply] = lambda request: Reply()
        self._thread = threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.shutdown()
        self._thread.join()
        self.server_close()

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.server_address[1]}"

    @property
    def url(self) -> str:
        return f"http://{self.host}"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is what some tests are about."""


class _Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        headers = {name.lower(): value for name, value in self.headers.items()}
        request = Request(self.path, headers, self.rfile.read(int(headers["content-length"])))
        self.server.requests.append(request)
        reply = self.server.reply(request)
        if reply.wait is not None:
            reply.wait.wait(20)
        with contextlib.suppress(OSError):
            self.send_response(reply.status)
            for name, value in {"Content-Length": "0", **reply.headers}.items():
                self.send_header(name, value)
            self.end_headers()

    def log_message(self, *args: Any) -> None:
        """Nothing."""


@dataclass(slots=True)
class Device:
    """A browser that agreed to push: what only it has, and its subscription."""

    subscription: PushSubscription
    private_key: ec.EllipticCurvePrivateKey
    auth: bytes

    @property
    def path(self) -> str:
        return f"/{self.subscription.endpoint.rpartition('/')[2]}"

    def read(self, request: Request) -> Any:
        """What the browser would be given; raises when it is not for this device."""
        plain = http_ece.decrypt(request.body, private_key=self.private_key, auth_secret=self.auth, version="aes128gcm")
        return json.loads(plain)


def make_keys() -> tuple[ec.EllipticCurvePrivateKey, bytes, dict[str, str]]:
    """A browser's private key and secret, and the two keys that it gives away."""
    key, auth = ec.generate_private_key(ec.SECP256R1()), b"0123456789abcdef"
    point = key.public_key().public_bytes(serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint)
    return key, auth, {"p256dh": vapid.encoded(point), "auth": vapid.encoded(auth)}


def add_device(user: User, receiver: Receiver, name: str = "phone") -> Device:
    key, auth, keys = make_keys()
    endpoint = f"{receiver.url}/{user.pk}-{name}"
    return Device(PushSubscription.objects.create(user=user, endpoint=endpoint, **keys), key, auth)


def verify_vapid(request: Request, *, audience: str) -> dict[str, Any]:
    """The claims of the request's token; raises when it is not signed by the key that it names."""
    scheme, _, parameters = request.headers["authorization"].partition(" ")
    assert scheme == "vapid"
    values = dict(part.strip().split("=", 1) for part in parameters.split(","))
    signed, _, signature = values["t"].rpartition(".")
    raw = vapid.decoded(signature)
    der = encode_dss_signature(int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big"))
    public = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), vapid.decoded(values["k"]))
    public.verify(der, signed.encode(), ec.ECDSA(hashes.SHA256()))
    assert values["k"] == vapid.public_key()
    claims: dict[str, Any] = json.loads(vapid.decoded(signed.partition(".")[2]))
    assert claims["aud"] == audience
    assert time.time() < claims["exp"] <= time.time() + 24 * 60 * 60
    return claims


@contextlib.contextmanager
def receiving(settings: Any) -> Iterator[Receiver]:
    """A receiver that may be called; only the setting lets it be."""
    with Receiver() as receiver:
        settings.OUTGOING_TRUSTED_HOSTS = [*settings.OUTGOING_TRUSTED_HOSTS, receiver.host]
        yield receiver
