"""What every view of the JSON API shares: sign-in, method and CSRF checks, reading a body, the error format.

@json_api("POST")
def mark_all_read(request: ApiRequest) -> JsonResponse:
    body = read_json_object(request, {"up_to_seq"}, empty_allowed=True)
    ...
    raise ApiError(404, "not_found", "No such notification.")
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection
from functools import wraps
from typing import TYPE_CHECKING, Any

from django.core.exceptions import RequestDataTooBig, SuspiciousOperation
from django.http import HttpRequest, JsonResponse
from django.http.multipartparser import MultiPartParserError
from django.http.response import HttpResponseBase
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt, csrf_protect

from notifications.payloads import error_payload
from zenithedge import rates

if TYPE_CHECKING:
    from django.contrib.auth.models import User

MAX_BODY_BYTES = 64 * 1024
FORM_TYPES = ("multipart/form-data", "application/x-www-form-urlencoded")
FieldErrors = dict[str, list[str]]
View = Callable[..., HttpResponseBase]


class ApiRequest(HttpRequest):
    """A request that passed `json_api`: somebody is signed in."""

    user: User


class ApiError(Exception):
    """Raise it anywhere below `json_api`; it becomes the response."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        fields: FieldErrors | None = None,
        *,
        retry_after_s: int | None = None,
    ) -> None:
        super().__init__(message)
        self.status, self.code, self.message, self.fields = status, code, message, fields
        self.retry_after_s = retry_after_s

    def response(self) -> JsonResponse:
        response = error_response(self.status, self.code, self.message, self.fields)
        if self.retry_after_s is not None:
            response["Retry-After"] = str(self.retry_after_s)
        return response


def json_api(*methods: str) -> Callable[[View], View]:
    """Make a view of the JSON API, for these methods and for people who are signed in.

    Checked in this order: 401 when signed out (never a redirect), 405, 403 for a wrong CSRF token. An `ApiError`
    becomes its response. Nothing is cached.
    """

    def decorate(view: View) -> View:
        # The middleware's check would come before the 401; this one comes after it.
        return _checked(
            csrf_protect(view), lambda request: sign_in_refusal(request) or _method_refusal(request, methods)
        )

    return decorate


def json_api_by_token(*methods: str) -> Callable[[View], View]:
    """The same for a view whose body is itself the permission: no session stands behind it, and none is asked for."""

    def decorate(view: View) -> View:
        return _checked(view, lambda request: _method_refusal(request, methods))

    return decorate


def _checked(view: View, refusal_of: Callable[[HttpRequest], JsonResponse | None]) -> View:
    @csrf_exempt
    @never_cache
    @wraps(view)
    def checked(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        refusal = refusal_of(request)
        if refusal is not None:
            return refusal
        try:
            return view(request, *args, **kwargs)
        except ApiError as error:
            return error.response()
        except RequestDataTooBig:
            return _too_large().response()
        except (SuspiciousOperation, MultiPartParserError) as error:
            return error_response(400, "malformed_body", f"The body cannot be read: {error}")

    return checked


def sign_in_refusal(request: HttpRequest) -> JsonResponse | None:
    if request.user.is_authenticated:
        return None
    return error_response(401, "not_signed_in", _("Sign in first."))


def read_json_object(
    request: HttpRequest, allowed_keys: Collection[str], *, empty_allowed: bool = False
) -> dict[str, Any]:
    """Return the body as a dictionary with none but the allowed keys.

    Strict JSON: no NaN or Infinity, no key twice, nothing that UTF-8 cannot hold. With `empty_allowed`, no body reads
    as {}, whatever its content type. Raises ApiError: 413, 415, 400; unknown keys are named in `fields`.
    """
    # A form's body may have been read already, by the CSRF check, and is then there as request.POST only.
    body = _body(request) if request.content_type not in FORM_TYPES else None
    if empty_allowed and (body == b"" or (body is None and _is_empty_form(request))):
        return {}
    if body is None or request.content_type != "application/json":
        raise ApiError(415, "unsupported_media_type", "Send the body as application/json.")
    content = _strict_json(body)
    if not isinstance(content, dict):
        raise ApiError(400, "not_an_object", "The body has to be a JSON object.")
    unknown = {key[:64]: ["Unknown field."] for key in content if key not in allowed_keys}
    if unknown:
        raise ApiError(400, "invalid_fields", "The body has fields that are not known here.", unknown)
    return content


def allow_a_minute(request: ApiRequest, what: str, most: int) -> None:
    """Count one more of what the user asks for. Raises ApiError (429) beyond so many in a minute."""
    if rates.add(what, str(request.user.pk), rates.MINUTE_S) > most:
        message = _("Too many requests in a minute; wait a moment.")
        raise ApiError(429, "too_many_requests", message, retry_after_s=rates.next_window_s(rates.MINUTE_S))


def error_response(status: int, code: str, message: str, fields: FieldErrors | None = None) -> JsonResponse:
    return JsonResponse(error_payload(code, message, fields), status=status)


def _method_refusal(request: HttpRequest, methods: Collection[str]) -> JsonResponse | None:
    if request.method in methods or (request.method == "HEAD" and "GET" in methods):
        return None
    response = error_response(405, "method_not_allowed", f"Use {' or '.join(methods)}.")
    response["Allow"] = ", ".join(methods)
    return response


def _body(request: HttpRequest) -> bytes:
    try:
        body = request.body
    except RequestDataTooBig as error:
        raise _too_large() from error
    if len(body) > MAX_BODY_BYTES:  # Django looks at Content-Length only, which a chunked body does not have
        raise _too_large()
    return body


def _is_empty_form(request: HttpRequest) -> bool:
    """What a form without inputs sends, and many HTTP clients for "POST without data"."""
    return not request.FILES and set(request.POST) <= {"csrfmiddlewaretoken"}


def _too_large() -> ApiError:
    return ApiError(413, "too_large", f"The body may have at most {MAX_BODY_BYTES} bytes.")


def _strict_json(body: bytes) -> Any:
    try:
        content = json.loads(body.decode(), parse_constant=_refuse_constant, object_pairs_hook=_no_key_twice)
        json.dumps(content, ensure_ascii=False).encode()  # half a surrogate pair passes `loads` and fails later
    except (ValueError, RecursionError) as error:
        reason = "it is nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise ApiError(400, "invalid_json", f"The body is not valid JSON: {reason}.") from error
    return content


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not a JSON value")


def _no_key_twice(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) != len(pairs):
        raise ValueError("a key appears twice")
    return content
