"""The admin's lists take any lookup of any field from their address, also those that no database can answer."""

from __future__ import annotations

import logging

from django.core.exceptions import BadRequest
from django.db import DataError, NotSupportedError, ProgrammingError
from django.http import HttpRequest, HttpResponse
from django.utils.deprecation import MiddlewareMixin

from notifications.api import bad_request

logger = logging.getLogger(__name__)

# A year of 30 digits, a range of one end, a part of a JSON document; each database has its own words for them.
UNANSWERABLE = (OverflowError, ValueError, IndexError, DataError, NotSupportedError, ProgrammingError)


class UnanswerableLookups(MiddlewareMixin):
    """Answers 400 where a list asked for with parameters, or an action on rows, failed over their values.

    The same list without parameters is our own doing: its faults stay faults.
    """

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        if not isinstance(exception, UNANSWERABLE) or not _is_list_with_parameters(request):
            return None
        logger.warning("An admin list could not be made as it was asked for: %r", exception)
        return bad_request(request, BadRequest("The list can't be made with these parameters."))


def _is_list_with_parameters(request: HttpRequest) -> bool:
    match = request.resolver_match
    if match is None or match.app_name != "admin" or not str(match.url_name).endswith(("_changelist", "_export")):
        return False
    return bool(request.GET) or "_selected_action" in request.POST
