"""Write the crontab and the systemd timers that do what notifications/schedule.py says.

    python -m scripts.schedule_files

A test compares the files with what this would write.
"""

from __future__ import annotations

import os
from pathlib import Path

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "zenithedge.settings")
django.setup()

from notifications.schedule import DAY_S, JOBS, Job  # noqa: E402 - the models need the settings

DEPLOY = Path(__file__).resolve().parent.parent / "deploy"
NIGHT_HOUR = 3  # by the machine's clock, for what runs once a day

CRONTAB_HEAD = """\
# /etc/cron.d/zenithedge: the schedule on one machine without Celery's beat and without the servers' worker thread
# (NOTIFICATIONS_WORKER=false). Written by `python -m scripts.schedule_files` from notifications/schedule.py.
# Cron knows no seconds: what runs every ten seconds elsewhere comes up to a minute late here. The timers in
# deploy/systemd keep to the seconds. A run that takes longer than the pause is not started beside itself; those of
# deliver_notifications share the work.
SHELL=/bin/sh
"""


def main() -> None:
    for path, text in files().items():
        path.write_text(text, encoding="utf-8")


def files() -> dict[Path, str]:
    """What is to stand in each file."""
    timers = {DEPLOY / "systemd" / f"zenithedge-{job.command}.timer": timer(job) for job in JOBS}
    return {DEPLOY / "crontab": crontab()} | timers


def crontab() -> str:
    lines = [f"{_cron_time(job):<16} zenithedge /srv/zenithedge/deploy/run_job {job.command}" for job in JOBS]
    return CRONTAB_HEAD + "\n".join(lines) + "\n"


def timer(job: Job) -> str:
    """A run that takes longer than the pause is not started again meanwhile: its unit is active."""
    if job.every_s == DAY_S:
        when = f"OnCalendar=*-*-* {NIGHT_HOUR:02}:{_minute(job):02}:00\nPersistent=true\nRandomizedDelaySec=60"
    else:
        when = f"OnActiveSec={job.first_after_s:g}\nOnUnitActiveSec={job.every_s:g}\nAccuracySec=1"
    return (
        f"[Unit]\nDescription=ZenithEdge, {job.command}: {every(job)}\n\n"
        f"[Timer]\n{when}\nUnit=zenithedge-job@{job.command}.service\n\n"
        "[Install]\nWantedBy=timers.target\n"
    )


def every(job: Job) -> str:
    """How often, in words."""
    if job.every_s == DAY_S:
        return "once a day"
    if job.every_s % 60:
        return f"every {job.every_s:g} s"
    return "every minute" if job.every_s == 60 else f"every {job.every_s / 60:g} minutes"


def _cron_time(job: Job) -> str:
    if job.every_s == DAY_S:
        return f"{_minute(job)} {NIGHT_HOUR} * * *"
    minutes = max(1, round(job.every_s / 60))
    return f"{'*' if minutes == 1 else f'*/{minutes}'} * * * *"


def _minute(job: Job) -> int:
    return round(job.first_after_s / 60)


if __name__ == "__main__":
    main()
