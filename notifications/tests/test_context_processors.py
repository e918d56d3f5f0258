"""The bell in every page's context: two queries for who shows it, none for who does not."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.contrib.auth.models import AnonymousUser, User
from django.http import HttpRequest
from django.template import RequestContext, Template
from django.test import RequestFactory
from pytest_django import DjangoAssertNumQueries

from notifications.models import Inbox
from notifications.tests.rows import store_notification
from signals.models import Signal

SHOWN = Template("{% if bell %}{{ bell.unread_count }} {{ bell.last_seq }} {{ bell.epoch }}{% endif %}")


def request_of(user: User | AnonymousUser) -> HttpRequest:
    request = RequestFactory().get("/")
    request.user = user
    return request


def test_a_page_with_the_bell_costs_two_queries(
    alice: User, make_signal: Callable[..., Signal], django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    for _ in range(3):
        store_notification(alice, make_signal())
    store_notification(alice, make_signal(), read=True)
    request = request_of(alice)

    with django_assert_max_num_queries(2):
        shown = SHOWN.render(RequestContext(request))

    assert shown == f"3 4 {Inbox.objects.get(user=alice).epoch}"


def test_a_page_without_the_bell_costs_nothing(alice: User, django_assert_num_queries: DjangoAssertNumQueries) -> None:
    request = request_of(alice)

    with django_assert_num_queries(0):
        Template("About us").render(RequestContext(request))


@pytest.mark.django_db
def test_a_signed_out_visitor_has_no_bell(django_assert_num_queries: DjangoAssertNumQueries) -> None:
    with django_assert_num_queries(0):
        assert SHOWN.render(RequestContext(request_of(AnonymousUser()))) == ""


def test_an_error_before_anybody_is_known_has_no_bell() -> None:
    assert SHOWN.render(RequestContext(RequestFactory().get("/"))) == ""
