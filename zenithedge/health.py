"""Health checks for load balancers and supervisors."""

import logging

from django.db import connection
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.http import require_safe

from notifications import brake, realtime

logger = logging.getLogger(__name__)


@require_safe
def livez(request: HttpRequest) -> HttpResponse:
    """Answer 200 while the process serves requests; touches nothing else."""
    return JsonResponse({"status": "ok"})


@require_safe
def readyz(request: HttpRequest) -> HttpResponse:
    """Answer 200 when the database and the channel layer answer, else 503 naming the part that does not.

    `sending_stopped` says whether somebody has pressed the brake; that is no fault, and a process is ready then, too.
    """
    parts = {"database": _database_answers(), "channel_layer": realtime.layer_answers()}
    ready = all(parts.values())
    facts = {**parts, "sending_stopped": brake.is_engaged() if parts["database"] else None}
    return JsonResponse({"status": "ok" if ready else "unavailable", **facts}, status=200 if ready else 503)


def _database_answers() -> bool:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except Exception:
        logger.exception("readyz: the database does not answer")
        return False
    return True
