"""Whether the sign-ins behind open sockets still hold: a socket outlives the request that let it in."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from django.conf import settings
from django.contrib.auth import HASH_SESSION_KEY, SESSION_KEY, get_user_model
from django.contrib.auth.base_user import AbstractBaseUser
from django.http import parse_cookie
from django.utils import timezone
from django.utils.crypto import constant_time_compare


@dataclass(frozen=True, slots=True)
class SignIn:
    """What a socket was opened with. `session_key` is None when somebody else vouches for the user."""

    user_id: int
    session_key: str | None


def presented_key(headers: Iterable[tuple[bytes, bytes]]) -> str | None:
    """The key of the session whose cookie came with a request; None for one that can't be a key."""
    for name, value in headers:
        if name == b"cookie":
            key = parse_cookie(value.decode("latin-1")).get(settings.SESSION_COOKIE_NAME)
            # It is looked up together with others': PostgreSQL refuses the whole question for a NUL in it.
            return key if key and key.isascii() and key.isprintable() else None
    return None


def validity(sign_ins: Iterable[SignIn]) -> dict[SignIn, bool]:
    """Whether each still holds."""
    asked = set(sign_ins)
    valid = still_valid(asked)
    return {each: each in valid for each in asked}


def still_valid(sign_ins: Iterable[SignIn]) -> set[SignIn]:
    """Those whose user is active and whose session exists, is the user's, and was made with the present password.

    Two queries for however many, with sessions in the database (the `db` and `cached_db` engines).
    """
    asked = set(sign_ins)
    users = get_user_model()._default_manager.filter(is_active=True).in_bulk({each.user_id for each in asked})
    sessions = _stored_sessions({each.session_key for each in asked if each.session_key is not None})
    return {each for each in asked if _holds(each, sessions, users.get(each.user_id))}


def clear_expired() -> None:
    """Delete the sessions whose time is over; whatever holds a socket of theirs has been told so by then.

    In one statement and without a signal for each, which would ask every server to check that user's sockets.
    """
    store_class = import_module(settings.SESSION_ENGINE).SessionStore
    if not hasattr(store_class, "get_model_class"):
        store_class.clear_expired()
        return
    expired = store_class.get_model_class()._default_manager.filter(expire_date__lt=timezone.now())
    expired._raw_delete(expired.db)


def _holds(sign_in: SignIn, sessions: Mapping[str, Mapping[str, Any]], user: AbstractBaseUser | None) -> bool:
    if sign_in.session_key is None:
        return user is not None
    return _is_of(sessions.get(sign_in.session_key, {}), user)


def _is_of(session: Mapping[str, Any], user: AbstractBaseUser | None) -> bool:
    if user is None or str(session.get(SESSION_KEY)) != str(user.pk):
        return False
    kept = session.get(HASH_SESSION_KEY) or ""
    hashes = [user.get_session_auth_hash(), *user.get_session_auth_fallback_hash()]
    return any(constant_time_compare(kept, present) for present in hashes)


def _stored_sessions(keys: set[str]) -> dict[str, Mapping[str, Any]]:
    """What the sessions contain, by key; those that ended are missing.

    An engine without a table (cache, file, signed cookies) is asked for each session. Signed cookies keep nothing on
    the server: there a log-out can't be seen, a changed password and a deactivated user still are.
    """
    store_class = import_module(settings.SESSION_ENGINE).SessionStore
    if not hasattr(store_class, "get_model_class"):
        return {key: store_class(key).load() for key in keys}
    rows = store_class.get_model_class()._default_manager.filter(session_key__in=keys, expire_date__gt=timezone.now())
    store = store_class()
    return {key: store.decode(data) for key, data in rows.values_list("session_key", "session_data")}
