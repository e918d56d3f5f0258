"""What every page's header may show."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject

from notifications import listing, stream

Read = TypeVar("Read")


def bell(request: HttpRequest) -> dict[str, Any]:
    """`bell`: last_seq, epoch and unread_count of a signed-in user's stream, else None; `bell_rows`: the panel's.

    Read when a template first asks for it: a page that shows no bell costs no query, not even that for the session.
    """
    return {
        "bell": SimpleLazyObject(lambda: _of_user(request, stream.position)),
        "bell_rows": SimpleLazyObject(lambda: _of_user(request, listing.latest)),
    }


def _of_user(request: HttpRequest, read: Callable[[int], Read]) -> Read | None:
    user = getattr(request, "user", None)  # an error page may be made before the middleware that sets it
    return read(user.pk) if user is not None and user.is_authenticated else None
