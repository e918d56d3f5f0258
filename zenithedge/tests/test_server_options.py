"""Options of servers and proxy of which a fault run has shown what they cost."""

from __future__ import annotations

from scripts import asgi_servers, nginx


def test_daphne_may_send_a_client_all_that_it_missed() -> None:
    """Its limit for messages holds for sent ones too: a catch-up above it failed again and again."""
    assert "--websocket-max-message-size" not in asgi_servers.command("daphne", 8000)


def test_nginx_lets_every_socket_back_to_a_server_that_was_restarted() -> None:
    """It forgives a failure at the end of a good request only; with sockets, which live for hours, that took long."""
    assert "server 127.0.0.1:8001 max_fails=0;" in nginx.Site(["127.0.0.1:8001"]).render()
