"""What runs on a clock, and how often. The worker thread or Celery's beat drives this table.

Each entry is also a command. deploy/crontab and the timers in deploy/systemd run these where neither is wanted.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

from notifications import changes, lifecycle, metrics, retention, sessions, silent_sources
from notifications.delivery import waking
from notifications.digests import sending
from notifications.health import rolling_up
from notifications.reconcile import reconcile

DAY_S = 24 * 60 * 60


@dataclass(frozen=True, slots=True)
class Job:
    """A function to call every `every_s` seconds, for the first time `first_after_s` after the start.

    One that returns False has more to do, and is called again when others had their turn. One that `leaves_dispatches`
    takes a function as its argument, and gives it the dispatches that are to go on later. One that `waits_for_others`,
    servers that are not ours, runs in a thread of its own where the worker is a thread. `command` does the same.
    """

    name: str
    every_s: float
    first_after_s: float
    function: Callable[..., object]
    leaves_dispatches: bool = False
    waits_for_others: bool = False
    command: str = ""

    def run(self, *arguments: object) -> object:
        """Call it, and count how long that took and that it was done; what it raises is raised."""
        with metrics.job(self.name):
            return self.function(*arguments)


JOBS = (
    # At once: the process before may have been killed.
    Job("reconcile", 10, 0, reconcile, leaves_dispatches=True, command="reconcile_insights"),
    Job("tell of changes", 10, 1, changes.finish_open, command="tell_of_changes"),
    Job("release held notifications", 10, 2, lifecycle.release_for_a_turn, command="release_held"),
    Job("expire notifications", 30, 5, lifecycle.expire_for_a_turn, command="expire_notifications"),
    Job("deliver", 10, 3, waking.sweep, command="deliver_notifications"),
    Job("send digests", 60, 20, sending.send_due_for_a_while, waits_for_others=True, command="send_digests"),
    Job("roll up", 60, 30, rolling_up.roll_up_for_a_turn, command="roll_up_figures"),
    Job("check sources", 15 * 60, 90, silent_sources.check_by_schedule, waits_for_others=True, command="check_sources"),
    Job("clean up", DAY_S, 15 * 60, retention.delete_old, command="cleanup_notifications"),
    Job("clear expired sessions", DAY_S, 20 * 60, sessions.clear_expired, command="clearsessions"),  # Django's own
)


def counted(command: str) -> AbstractContextManager[None]:
    """Counts a command as the job that it is, for where cron or timers run the schedule; nothing for any other."""
    names = [job.name for job in JOBS if job.command == command]
    return metrics.job(names[0]) if names else nullcontext()
