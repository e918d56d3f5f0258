"""django-notifications-hq, used as its documentation shows: one `notify.send` for many recipients. It has no socket."""

import sys
import time
from pathlib import Path

import django

sys.path[:0] = [str(Path(__file__).parent.parent), str(Path(__file__).parent)]
django.setup()

from conversation import converse
from django.contrib.auth.models import User
from insight import HEADLINE, NARRATIVE

from notifications.models import Notification
from notifications.signals import notify


def push_house(tag: int) -> dict[str, float]:
    everybody = User.objects.filter(is_active=True)
    actor = everybody.order_by("pk")[0]
    began, cpu_began = time.monotonic(), time.process_time()
    notify.send(
        actor, recipient=everybody, verb=f"bench-{tag}", description=NARRATIVE, headline=HEADLINE, symbol="EURUSD"
    )
    seconds = time.monotonic() - began
    stored = Notification.objects.filter(verb=f"bench-{tag}").count()
    return {"seconds": seconds, "cpu_s": time.process_time() - cpu_began, "stored": stored}


if __name__ == "__main__":
    converse({"push_house": push_house})
