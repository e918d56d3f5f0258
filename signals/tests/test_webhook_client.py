from collections.abc import Iterator

import pytest

from signals.tests.webhook_server import ACCEPTED, Reply, WebhookServer, refusing_url, webhook_server
from signals.webhook_client import AddressError, Answer, UnreachableError, WebhookClient

MESSAGE = {"alert_id": "1"}


@pytest.fixture
def server() -> Iterator[WebhookServer]:
    with webhook_server() as running:
        yield running


@pytest.fixture
def client(server: WebhookServer) -> Iterator[WebhookClient]:
    client = WebhookClient(server.url)
    yield client
    client.close()


def test_a_message_is_posted_to_the_tokens_address(server: WebhookServer, client: WebhookClient) -> None:
    assert client.post("secret-1", MESSAGE) == Answer(201, None, ACCEPTED)
    assert (server.requests[0].path, server.requests[0].message) == ("/signals/webhook/secret-1/", MESSAGE)


def test_a_server_below_a_path_is_reached(server: WebhookServer) -> None:
    client = WebhookClient(f"{server.url}/edge/")
    client.post("secret-1", MESSAGE)
    client.close()
    assert server.requests[0].path == "/edge/signals/webhook/secret-1/"


def test_the_connection_is_kept(server: WebhookServer, client: WebhookClient) -> None:
    client.post("secret-1", MESSAGE)
    client.post("secret-1", MESSAGE)
    assert server.requests[0].client_port == server.requests[1].client_port


def test_a_connection_that_the_server_closed_meanwhile_is_opened_again(
    server: WebhookServer, client: WebhookClient
) -> None:
    server.replies = [Reply(hang_up=True)]
    client.post("secret-1", MESSAGE)
    assert client.post("secret-1", MESSAGE).status == 201
    assert server.requests[0].client_port != server.requests[1].client_port


def test_a_server_that_is_not_there_is_unreachable() -> None:
    with pytest.raises(UnreachableError, match="refused"):
        WebhookClient(refusing_url()).post("secret-1", MESSAGE)


def test_a_server_that_hangs_up_without_an_answer_is_unreachable(server: WebhookServer, client: WebhookClient) -> None:
    server.replies = [Reply(0)]
    with pytest.raises(UnreachableError):
        client.post("secret-1", MESSAGE)
    assert client.post("secret-1", MESSAGE).status == 201


def test_an_answer_whose_body_breaks_off_counts_by_its_status(server: WebhookServer, client: WebhookClient) -> None:
    server.replies = [Reply(201, b'{"sta', {"Content-Length": "100"}, hang_up=True)]
    assert client.post("secret-1", MESSAGE) == Answer(201)


@pytest.mark.parametrize(
    ("header", "seconds"), [("7", 7.0), ("0", 0.0), ("Wed, 21 Oct 2026 07:28:00 GMT", None), ("-5", None), ("²", None)]
)
def test_the_time_to_wait_is_read_in_seconds(
    server: WebhookServer, client: WebhookClient, header: str, seconds: float | None
) -> None:
    server.replies = [Reply(429, headers={"Retry-After": header})]
    assert client.post("secret-1", MESSAGE).retry_after_s == seconds


@pytest.mark.parametrize("body", [b"<html>Bad gateway</html>", b"[]", b"\xff", b""])
def test_an_answer_that_is_no_json_object_counts_by_its_status(
    server: WebhookServer, client: WebhookClient, body: bytes
) -> None:
    server.replies = [Reply(502, body)]
    assert client.post("secret-1", MESSAGE) == Answer(502)


def test_a_redirect_is_not_followed(server: WebhookServer, client: WebhookClient) -> None:
    server.replies = [Reply(302, b"", {"Location": f"{server.url}/elsewhere"})]
    assert client.post("secret-1", MESSAGE).status == 302
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    "url", ["127.0.0.1:8000", "ftp://localhost", "http://", "http://a:b@localhost", "http://localhost:port", ""]
)
def test_an_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(AddressError, match="address"):
        WebhookClient(url)


@pytest.mark.parametrize("token", ["", "se cret", "secret/../x", "secret\r\nHost: x", "sécret"])
def test_a_token_with_other_characters_is_refused_without_being_shown(client: WebhookClient, token: str) -> None:
    with pytest.raises(AddressError) as refusal:
        client.post(token, MESSAGE)
    assert "cret" not in str(refusal.value)
