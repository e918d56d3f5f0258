"""Middleware: a signed-in person reads in the language of their own choice, and times by their own clock.

Who is not signed in, or has chosen no language, gets the one that the browser asks for (Django's LocaleMiddleware).
"""

from __future__ import annotations

import logging

from django.conf import settings
from django.db import DatabaseError
from django.http import HttpRequest
from django.utils import timezone, translation
from django.utils.deprecation import MiddlewareMixin

from notifications.models import NotificationPreference
from notifications.quiet import zone_or_utc

logger = logging.getLogger(__name__)


class OwnLanguageAndClock(MiddlewareMixin):
    """After the one for authentication. Pages read the preferences anyway; the API pays one query."""

    def process_request(self, request: HttpRequest) -> None:
        timezone.deactivate()  # what this thread's last request was given
        preference = _preference(request)
        if preference is None:
            return
        timezone.activate(zone_or_utc(preference.time_zone))
        if preference.language in dict(settings.LANGUAGES):  # one that has been taken away since is no longer spoken
            translation.activate(preference.language)
            request.LANGUAGE_CODE = preference.language


def _preference(request: HttpRequest) -> NotificationPreference | None:
    if settings.SESSION_COOKIE_NAME not in request.COOKIES:
        return None
    try:
        return getattr(request.user, "notification_preference", None)
    except DatabaseError:
        # A view that needs the database says so in its own way; one that does not, such as /readyz, has to answer.
        logger.warning("The reader's preferences could not be read")
        return None
