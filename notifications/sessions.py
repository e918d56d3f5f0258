"""Whether the sign-ins behind open sockets still hold: a socket outlives the request that let it in."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from django.conf import settings
from django.contrib.auth import HASH_SESSION_KEY, SESSION_KEY, get_user_model
from django.contrib.auth.base_user import AbstractBaseUser
from django.utils import timezone
from django.utils.crypto import constant_time_compare


@dataclass(frozen=True, slots=True)
class SignIn:
    """What a socket was opened with."""

    user_id: int
    session_key: str


def still_valid(sign_ins: Iterable[SignIn]) -> set[SignIn]:
    """Those whose user is active and whose session exists, is the user's, and was made with the present password.

    Two queries for however many, with sessions in the database (the `db` and `cached_db` engines).
    """
    asked = set(sign_ins)
    users = get_user_model()._default_manager.filter(is_active=True).in_bulk({each.user_id for each in asked})
    sessions = _stored_sessions({each.session_key for each in asked})
    return {each for each in asked if _is_of(sessions.get(each.session_key, {}), users.get(each.user_id))}


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
