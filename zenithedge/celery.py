"""The Celery application: does what is not the request's where there is a broker (Redis).

    celery -A zenithedge.celery worker
    celery -A zenithedge.celery beat

Imported by those two, and by whoever has something to send; a site without a broker never loads Celery.
"""

from __future__ import annotations

import os
from typing import Any

from celery import Celery
from celery.signals import before_task_publish, task_prerun

from zenithedge import log_context

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "zenithedge.settings")

app = Celery("zenithedge")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks(["notifications"])


@app.on_after_finalize.connect
def follow_the_schedule(sender: Celery, **_: object) -> None:
    """Have beat run what notifications/schedule.py lists; here the models are loaded, in the settings they are not."""
    from notifications.tasks import beat_schedule

    sender.conf.beat_schedule = beat_schedule()


@before_task_publish.connect
def _tell_the_request(headers: dict[str, Any], **_: object) -> None:
    log_context.send_with_task(headers)


@task_prerun.connect
def _begin_lines_of_task(task_id: str, task: Any, **_: object) -> None:
    log_context.begin_task(task.name, task_id, task.request.get(log_context.TASK_HEADER))
