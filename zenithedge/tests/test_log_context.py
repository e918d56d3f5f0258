"""One id finds all that a request has caused: its lines, its answer, its tasks."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
from celery.signals import before_task_publish, task_prerun
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse
from django.test import AsyncClient, Client, RequestFactory
from structlog.contextvars import bound_contextvars, clear_contextvars, get_contextvars

from zenithedge import celery, log_context
from zenithedge.log_context import request_context
from zenithedge.logs import JsonFormatter, LineFormatter

logger = logging.getLogger("signals.tests")


@pytest.fixture
def lines() -> Iterator[list[dict[str, Any]]]:
    """Every entry that the site's own loggers write, as JSON, read back."""

    class Kept(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            written.append(json.loads(self.format(record)))

    written: list[dict[str, Any]] = []
    handler = Kept()
    handler.setFormatter(JsonFormatter())
    root = logging.getLogger()
    root.addHandler(handler)
    yield written
    root.removeHandler(handler)


def answer(request: HttpRequest) -> HttpResponse:
    logger.warning("said")
    return HttpResponse()


def test_the_lines_of_a_request_have_the_id_that_its_answer_tells(lines: list[dict[str, Any]]) -> None:
    response = request_context(answer)(RequestFactory().get("/"))

    assert lines[0]["request_id"] == response.headers["X-Request-ID"]  # type: ignore[union-attr]
    assert "request_id" not in get_contextvars()


def test_two_requests_have_two_ids(client: Client) -> None:
    first, second = client.get("/livez"), client.get("/livez")

    assert first.headers["X-Request-ID"] != second.headers["X-Request-ID"]


async def test_an_asynchronous_request_has_one_too(async_client: AsyncClient) -> None:
    response = await async_client.get("/livez")

    assert len(response.headers["X-Request-ID"]) == 16


@pytest.mark.parametrize(
    ("sender", "given", "taken"),
    [
        ("10.0.0.1", "0f1e2d3c-trace", True),
        ("203.0.113.9", "0f1e2d3c-trace", False),
        ("10.0.0.1", "x" * 65, False),
        ("10.0.0.1", "a b\nc d e f g", False),
        ("10.0.0.1", "", False),
    ],
    ids=["a proxy of ours", "anybody", "too long", "no id", "empty"],
)
def test_an_id_is_taken_from_our_own_proxy_only(settings: Any, sender: str, given: str, *, taken: bool) -> None:
    settings.TRUSTED_PROXIES = ["10.0.0.0/8"]
    request = RequestFactory().get("/", REMOTE_ADDR=sender, headers={"X-Request-ID": given})

    response = request_context(lambda _: HttpResponse())(request)

    assert (response.headers["X-Request-ID"] == given) is taken  # type: ignore[union-attr]


@pytest.mark.django_db
def test_a_line_names_the_user_whom_the_request_has_looked_up(alice: User, lines: list[dict[str, Any]]) -> None:
    def looks(request: HttpRequest) -> HttpResponse:
        logger.warning("before")
        request._cached_user = alice  # type: ignore[attr-defined]  # as AuthenticationMiddleware does when asked
        logger.warning("after")
        return HttpResponse()

    request_context(looks)(RequestFactory().get("/"))

    assert [line.get("user_id") for line in lines] == [None, alice.pk]


def test_lines_for_people_end_with_what_they_belong_to() -> None:
    record = logging.LogRecord("any", logging.INFO, __file__, 1, "said", (), None)

    with bound_contextvars(request_id="abcd1234", task="t"):
        line = LineFormatter("{message}", style="{").format(record)

    assert line == "said [request_id=abcd1234 task=t]"


def test_a_task_carries_the_id_of_the_request_that_sent_it() -> None:
    headers: dict[str, Any] = {}
    with bound_contextvars(request_id="abcd1234"):
        before_task_publish.send("notifications.tasks.run_job", headers=headers)

    class Task:
        name = "notifications.tasks.run_job"
        request = headers

    try:
        task_prerun.send(Task(), task_id="t1", task=Task())
        assert log_context.current() == {"request_id": "abcd1234", "task": Task.name, "task_id": "t1"}
    finally:
        clear_contextvars()
    assert celery.app.main == "zenithedge"


@pytest.mark.parametrize("given", [None, 7, "x", "a\nb\nc\nd\ne"])
def test_a_task_without_a_request_has_its_own_name_only(given: object) -> None:
    try:
        log_context.begin_task("t", "1", given)
        assert log_context.current() == {"task": "t", "task_id": "1"}
    finally:
        clear_contextvars()
