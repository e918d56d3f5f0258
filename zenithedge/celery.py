"""The Celery application: does what is not the request's where there is a broker (Redis).

    celery -A zenithedge.celery worker
    celery -A zenithedge.celery beat

Imported by those two, and by whoever has something to send; a site without a broker never loads Celery.
"""

from __future__ import annotations

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "zenithedge.settings")

app = Celery("zenithedge")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks(["notifications"])


@app.on_after_finalize.connect
def follow_the_schedule(sender: Celery, **_: object) -> None:
    """Have beat run what notifications/schedule.py lists; here the models are loaded, in the settings they are not."""
    from notifications.tasks import beat_schedule

    sender.conf.beat_schedule = beat_schedule()
