"""Every address of the JSON API refuses in one format: who is signed out, the wrong method, the wrong body."""

from __future__ import annotations

import json

import pytest
from django.contrib.auth.models import User
from django.http import JsonResponse
from django.http.response import HttpResponseBase
from django.test import Client, RequestFactory
from django.urls import reverse
from django.utils.http import urlencode

from notifications import api

GETS = ("/notifications/api/list/", "/notifications/api/unread-count/", "/notifications/api/hidden/")
MARK_ALL_READ = "/notifications/api/mark-all-read/"
POSTS = (
    "/notifications/api/mark-read/1/",
    "/notifications/api/mark-read/",
    "/notifications/api/mark-unread/1/",
    MARK_ALL_READ,
    "/notifications/api/mark-all-read/undo/",
    "/notifications/api/update-preferences/",
    "/notifications/api/pause/",
    "/notifications/api/mutes/",
)
NOWHERE = "/notifications/api/nowhere/"


@pytest.fixture
def alice_client(alice: User) -> Client:
    client = Client()
    client.force_login(alice)
    return client


def assert_refused(response: HttpResponseBase, status: int, code: str) -> None:
    assert isinstance(response, JsonResponse)
    assert (response.status_code, response["Content-Type"]) == (status, "application/json")
    error = json.loads(response.content)["error"]
    assert (error["code"], bool(error["message"])) == (code, True)
    assert set(error) <= {"code", "message", "fields"}
    assert "no-store" in response["Cache-Control"]


@pytest.mark.django_db
@pytest.mark.parametrize("address", GETS)
def test_signed_out_reading_is_401_and_no_redirect(address: str) -> None:
    assert_refused(Client().get(address), 401, "not_signed_in")


@pytest.mark.django_db
@pytest.mark.parametrize("address", POSTS)
def test_signed_out_writing_is_401_though_the_csrf_token_is_missing_too(address: str) -> None:
    assert_refused(Client(enforce_csrf_checks=True).post(address), 401, "not_signed_in")


@pytest.mark.parametrize("address", GETS)
@pytest.mark.parametrize("method", ["post", "put", "delete", "patch"])
def test_writing_where_one_reads_is_405_and_says_what_is_allowed(
    alice_client: Client, address: str, method: str
) -> None:
    response = getattr(alice_client, method)(address)

    assert_refused(response, 405, "method_not_allowed")
    assert response["Allow"] == "GET"


@pytest.mark.parametrize("address", POSTS)
@pytest.mark.parametrize("method", ["get", "put", "delete"])
def test_reading_where_one_writes_is_405_and_says_what_is_allowed(
    alice_client: Client, address: str, method: str
) -> None:
    response = getattr(alice_client, method)(address)

    assert_refused(response, 405, "method_not_allowed")
    assert response["Allow"] == "POST"


@pytest.mark.parametrize("address", POSTS)
def test_without_a_csrf_token_writing_is_403(alice: User, address: str) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(alice)

    assert_refused(client.post(address, {}, content_type="application/json"), 403, "csrf_failed")


def test_a_form_without_a_csrf_token_gets_the_page_and_not_json(alice: User) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(alice)

    response = client.post(reverse("mark_all_read"))

    assert response.status_code == 403
    assert response["Content-Type"].startswith("text/html")


@pytest.mark.parametrize("address", POSTS)
@pytest.mark.parametrize(
    ("body", "content_type", "status", "code"),
    [
        (b"{", "application/json", 400, "invalid_json"),
        (b'{"up_to_seq": NaN}', "application/json", 400, "invalid_json"),
        (b"\xff", "application/json", 400, "invalid_json"),
        (b"[]", "application/json", 400, "not_an_object"),
        (b'{"nonsense": 1}', "application/json", 400, "invalid_fields"),
        (b"up_to_seq=1", "application/x-www-form-urlencoded", 415, "unsupported_media_type"),
        (b"{}", "text/plain", 415, "unsupported_media_type"),
        (b'{"up_to_seq": ' + b" " * 70_000 + b"1}", "application/json", 413, "too_large"),
    ],
)
def test_a_body_that_cannot_be_used_is_refused(
    alice_client: Client, address: str, body: bytes, content_type: str, status: int, code: str
) -> None:
    assert_refused(alice_client.post(address, body, content_type=content_type), status, code)


@pytest.mark.parametrize("content_type", ["multipart/form-data", "application/x-www-form-urlencoded"])
def test_a_form_with_its_token_in_it_is_refused_by_its_type(alice: User, content_type: str) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(alice)
    client.get(reverse("password_change"))
    form = {"csrfmiddlewaretoken": client.cookies["csrftoken"].value, "up_to_seq": "1"}
    if content_type == "multipart/form-data":
        response = client.post(MARK_ALL_READ, form)
    else:
        response = client.post(MARK_ALL_READ, urlencode(form), content_type=content_type)

    assert_refused(response, 415, "unsupported_media_type")


@pytest.mark.parametrize("content_type", ["multipart/form-data", "application/x-www-form-urlencoded"])
def test_a_form_without_inputs_is_no_body(alice: User, content_type: str) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(alice)
    client.get(reverse("password_change"))
    token = {"x-csrftoken": client.cookies["csrftoken"].value}
    if content_type == "multipart/form-data":
        response = client.post(MARK_ALL_READ, headers=token)
    else:
        response = client.post(MARK_ALL_READ, "", content_type=content_type, headers=token)

    assert response.status_code == 200


@pytest.mark.parametrize("method", ["get", "post"])
def test_an_unknown_address_is_404_in_the_same_format(alice_client: Client, method: str) -> None:
    assert_refused(getattr(alice_client, method)(NOWHERE), 404, "not_found")


@pytest.mark.parametrize("address", [address.rstrip("/") for address in (*GETS, *POSTS)])
def test_an_address_without_its_last_slash_is_404_and_no_redirect(alice_client: Client, address: str) -> None:
    assert_refused(alice_client.get(address), 404, "not_found")


def test_a_fault_of_ours_is_json_for_the_api_and_a_page_elsewhere() -> None:
    at_api, at_page = RequestFactory().get(GETS[0]), RequestFactory().get("/")

    assert_refused(api.server_error(at_api), 500, "server_error")
    assert api.server_error(at_page)["Content-Type"].startswith("text/html")


def test_a_request_that_django_cannot_read_is_json_for_the_api_and_a_page_elsewhere() -> None:
    at_api, at_page = RequestFactory().get(GETS[0]), RequestFactory().get("/")

    assert_refused(api.bad_request(at_api, ValueError()), 400, "bad_request")
    assert api.bad_request(at_page, ValueError())["Content-Type"].startswith("text/html")


def test_nothing_of_the_api_is_cached(alice_client: Client) -> None:
    for address in GETS:
        assert "no-store" in alice_client.get(address)["Cache-Control"]
