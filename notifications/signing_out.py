"""Ending all of a user's sign-ins from outside: a stolen laptop, a password that somebody else has read."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from django.conf import settings
from django.contrib.auth import SESSION_KEY
from django.utils import timezone

from notifications import realtime
from notifications.models import PushSubscription


class NotOnRecordError(RuntimeError):
    """Sessions of this engine are not kept where they can be looked through."""


def sign_out_everywhere(user_id: int) -> int:
    """End all sessions of this user and have every server close their sockets; returns how many sessions ended.

    Nothing is pushed to their devices any more either: a push shows an insight to whoever holds the device. A session's
    owner is inside it, so all of them are read, one after the other. Raises NotOnRecordError.
    """
    store_class = import_module(settings.SESSION_ENGINE).SessionStore
    if not hasattr(store_class, "get_model_class"):
        raise NotOnRecordError("Sessions are not kept in the database: change the password, or deactivate the account.")
    keys = _session_keys(store_class, user_id)
    for key in keys:
        store_class().delete(key)  # the engine's own way, so that a cached copy goes too
    PushSubscription.objects.filter(user_id=user_id).delete()
    realtime.request_recheck(user_id)
    return len(keys)


def _session_keys(store_class: Any, user_id: int) -> list[str]:
    sessions = store_class.get_model_class()._default_manager.filter(expire_date__gt=timezone.now())
    decode = store_class().decode
    stored = sessions.values_list("session_key", "session_data").iterator(chunk_size=2000)
    return [key for key, content in stored if str(decode(content).get(SESSION_KEY)) == str(user_id)]
