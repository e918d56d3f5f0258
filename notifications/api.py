"""The JSON API of the notifications; docs/openapi.yaml describes it. Its views only read, call and answer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseServerError, JsonResponse
from django.shortcuts import render
from django.template.loader import render_to_string
from django.utils.cache import add_never_cache_headers
from django.utils.translation import gettext as _
from django.views import defaults
from django.views.decorators.csrf import csrf_exempt

from notifications import listing, stream
from notifications.http import ApiError, ApiRequest, FieldErrors, error_response, json_api, read_json_object
from notifications.listing import MAX_LIMIT, Wanted
from notifications.priority import Priority
from signals.models import Side, Signal
from signals.vocabulary import canonical_strategy, canonical_symbol

API_PREFIX = "/notifications/api/"
MAX_BIGINT = 2**63 - 1
MAX_MARKED = 200  # as many as a list that is not paged shows


@json_api("GET")
def notification_list(request: ApiRequest) -> HttpResponse:
    """The newest first; the next page is asked for with `before` = `next_before`, what comes later on the `stream`."""
    try:
        page = listing.read_payloads(request.user.pk, _wanted(request))
    except listing.UnknownBeforeError as error:
        raise _invalid_query({"before": ["No such notification."]}) from error
    return JsonResponse(
        {
            "notifications": page.notifications,
            "unread_count": page.position.unread_count,
            "last_seq": page.position.last_seq,
            "epoch": page.position.epoch,
            "next_before": page.next_before,
            "stream": stream.address(request.user.pk),
        }
    )


@json_api("GET")
def unread_count(request: ApiRequest) -> HttpResponse:
    _refuse_unknown(request, known=())
    position = stream.position(request.user.pk)
    return JsonResponse({"unread_count": position.unread_count, "last_seq": position.last_seq})


@json_api("POST")
def mark_read(request: ApiRequest, notification_id: int) -> HttpResponse:
    """Twice is once. 404 for what is not there and for what is another's: the two cannot be told apart.

    `entry`: with its repeats, as the pages show them.
    """
    entry = read_json_object(request, {"entry"}, empty_allowed=True).get("entry", False)
    if not isinstance(entry, bool):
        wrong = {"entry": [_("Say true or false.")]}
        raise ApiError(400, "invalid_fields", _("The body has fields that cannot be used."), wrong)
    result = stream.mark_read(request.user.pk, notification_id, whole_entry=entry)
    if result is None:
        raise ApiError(404, "not_found", _("There is no such notification."))
    return JsonResponse(
        {"success": True, "notification_id": result.notification_id, "unread_count": result.unread_count}
    )


@json_api("POST")
def mark_all_read(request: ApiRequest) -> HttpResponse:
    """Up to a position that the client has seen, so that what arrives meanwhile stays unread; else all of it."""
    body = read_json_object(request, {"up_to_seq"}, empty_allowed=True)
    result = stream.mark_all_read(request.user.pk, _position(body, "up_to_seq") if body else None)
    return JsonResponse({"success": True, **asdict(result)})


@json_api("POST")
def mark_many_read(request: ApiRequest) -> HttpResponse:
    """One change for all of them. Another's and unknown ids are passed over: they cannot be told apart."""
    body = read_json_object(request, {"ids"})
    ids = body.get("ids")
    if not isinstance(ids, list) or len(ids) > MAX_MARKED or not all(map(_is_id, ids)):
        wrong = {"ids": [f"Give a list of at most {MAX_MARKED} ids."]}
        raise ApiError(400, "invalid_fields", "The body has fields that cannot be used.", wrong)
    return JsonResponse({"success": True, **asdict(stream.mark_many_read(request.user.pk, ids, whole_entries=True))})


@json_api("POST")
def mark_unread(request: ApiRequest, notification_id: int) -> HttpResponse:
    """Of a read one that is still alive; otherwise nothing changes."""
    read_json_object(request, (), empty_allowed=True)
    result = stream.mark_unread(request.user.pk, notification_id)
    if result is None:
        raise ApiError(404, "not_found", _("There is no such notification."))
    return JsonResponse(
        {"success": True, "notification_id": result.notification_id, "unread_count": result.unread_count}
    )


@json_api("POST")
def undo_mark_all_read(request: ApiRequest) -> HttpResponse:
    """By the `seq` that marking all or many answered. Too late or a second time, nothing changes and the count is 0."""
    body = read_json_object(request, {"seq"})
    if "seq" not in body:
        raise ApiError(400, "invalid_fields", "The body lacks a field.", {"seq": ["This field is required."]})
    result = stream.undo_mark_all_read(request.user.pk, _position(body, "seq"))
    return JsonResponse({"success": True, **asdict(result)})


@csrf_exempt
def not_found(request: HttpRequest, rest: str = "") -> HttpResponse:
    """Whatever else is asked for under the API."""
    return _uncached(error_response(404, "not_found", "There is no such address."))


# --- Errors that happen outside a view ------------------------------------------------------------------------------


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """settings.CSRF_FAILURE_VIEW: JSON for the API, the site's own page for a form."""
    if _is_api(request):
        return _uncached(error_response(403, "csrf_failed", reason or _("The CSRF token is missing or wrong.")))
    return defaults.permission_denied(request, PermissionDenied(reason))


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """handler400."""
    if _is_api(request):
        return _uncached(error_response(400, "bad_request", "The request cannot be read."))
    return render(request, "400.html", status=400)  # Django's own way forgets who is signed in


def server_error(request: HttpRequest) -> HttpResponse:
    """handler500. The page gets the request for its theme, but nothing that asks a database."""
    if _is_api(request):
        return _uncached(error_response(500, "server_error", _("Something went wrong here; it has been logged.")))
    return HttpResponseServerError(render_to_string("500.html", {"request": request}))


# --- The query string -----------------------------------------------------------------------------------------------


def _wanted(request: HttpRequest) -> Wanted:
    """Raises ApiError that names every key that is unknown, given twice or has a bad value."""
    _refuse_unknown(request, known=READERS)
    given: dict[str, Any] = {}
    errors: FieldErrors = {}
    for key, text in request.GET.items():
        try:
            given[key] = READERS[key](str(text))
        except ValueError as error:
            errors[key] = [str(error)]
    if errors:
        raise _invalid_query(errors)
    return Wanted(**given)


def _refuse_unknown(request: HttpRequest, *, known: Any) -> None:
    errors: FieldErrors = {}
    for key, values in request.GET.lists():
        if key not in known:
            errors[key[:64]] = ["Unknown parameter."]
        elif len(values) > 1:
            errors[key] = ["Give it once."]
    if errors:
        raise _invalid_query(errors)


def _read_limit(text: str) -> int:
    return _read_int(text, 1, MAX_LIMIT)


def _read_id(text: str) -> int:
    return _read_int(text, 1, MAX_BIGINT)


def _read_int(text: str, smallest: int, largest: int) -> int:
    # 20 digits: more than any id has, and int() refuses thousands of them in words that would help nobody
    if not (text.isascii() and text.isdecimal() and len(text) <= 20 and smallest <= int(text) <= largest):
        raise ValueError(f"Give a whole number from {smallest} to {largest}.")
    return int(text)


def _read_bool(text: str) -> bool:
    values = {"true": True, "1": True, "false": False, "0": False}
    if text.lower() not in values:
        raise ValueError("Give true or false.")
    return values[text.lower()]


def _read_priority(text: str) -> str:
    if text not in Priority.values:
        raise ValueError(f"Give one of {', '.join(Priority.values)}.")
    return text


def _read_side(text: str) -> str:
    if text not in Side.values:
        raise ValueError(f"Give one of {', '.join(Side.values)}.")
    return text


def _read_symbol(text: str) -> str:
    longest = Signal._meta.get_field("symbol").max_length or 0
    return _fitting(canonical_symbol(text), longest, "Give a symbol such as EURUSD.")


def _read_strategy(text: str) -> str:
    longest = Signal._meta.get_field("strategy").max_length or 0
    return _fitting(canonical_strategy(text), longest, "Give a strategy such as TrendFollower.")


def _fitting(text: str, longest: int, advice: str) -> str:
    """What the signal's field can hold; PostgreSQL takes no NUL even to compare with."""
    if not text or len(text) > longest or "\0" in text:
        raise ValueError(advice)
    return text


READERS: dict[str, Callable[[str], Any]] = {
    "limit": _read_limit,
    "before": _read_id,
    "unread_only": _read_bool,
    "priority": _read_priority,
    "symbol": _read_symbol,
    "strategy": _read_strategy,
    "side": _read_side,
}

# --- Bits and pieces ------------------------------------------------------------------------------------------------


def _is_id(value: object) -> bool:
    return type(value) is int and 0 < value <= MAX_BIGINT  # true is an int to Python, not an id


def _position(body: dict[str, Any], field: str) -> int:
    position = body[field]
    # `type(...) is`: true is an int to Python, not a position
    if type(position) is int and 0 <= position <= MAX_BIGINT:
        return position
    wrong = {field: ["Give a position: a whole number from 0."]}
    raise ApiError(400, "invalid_fields", "The body has fields that cannot be used.", wrong)


def _invalid_query(fields: FieldErrors) -> ApiError:
    return ApiError(400, "invalid_query", "The query has parameters that cannot be used.", fields)


def _is_api(request: HttpRequest) -> bool:
    return request.path.startswith(API_PREFIX)


def _uncached(response: HttpResponse) -> HttpResponse:
    add_never_cache_headers(response)
    return response
