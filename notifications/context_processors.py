"""What every page's header may show."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject

from notifications import listing, stream
from notifications.stream import Position


def bell(request: HttpRequest) -> dict[str, Any]:
    """`bell`: last_seq, epoch and unread_count of a signed-in user's stream, else None; `bell_rows`: the panel's.

    Read when a template first asks for it: a page that shows no bell costs no query, not even that for the session.
    """
    return {
        "bell": SimpleLazyObject(lambda: _position(request)),
        "bell_rows": SimpleLazyObject(lambda: listing.latest(request.user.pk)),
    }


def _position(request: HttpRequest) -> Position | None:
    user = getattr(request, "user", None)  # an error page may be made before the middleware that sets it
    return stream.position(user.pk) if user is not None and user.is_authenticated else None
