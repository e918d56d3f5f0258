"""Does an insight arrive? See `notifications.canary`."""

from __future__ import annotations

import logging
from argparse import ArgumentParser
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError

from notifications import canary
from notifications.canary import Report
from notifications.canary_stages import Stage
from zenithedge.commands import Command as BaseCommand

logger = logging.getLogger(__name__)


class Command(BaseCommand):
    help = (
        "Send a test insight through the running site, from the webhook to a socket and its acknowledgement, and one "
        "through the Celery workers; say what each stage took and which one is broken. A trader is made for it and "
        "deleted again; nobody else is told anything."
    )
    when = (
        "Every five minutes, by a timer, with --metrics-file, so that an alert tells when insights stop arriving; and "
        "by hand as the first step of every look for what is broken."
    )
    examples = (
        "",
        "--url https://hub.example.org --timeout 5",
        "--metrics-file /var/lib/node_exporter/canary.prom",
    )
    exit_codes = {stage.exit_code: f"broken: {stage}" for stage in Stage}
    interrupted = True
    left = "Stopped; the canary's trader is deleted."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--url", default=settings.SITE_URL, help="The site. Default: %(default)s.")
        parser.add_argument("--timeout", type=float, default=10.0, help="Seconds that a stage may take. Default: 10.")
        parser.add_argument(
            "--metrics-file", type=Path, help="Where to write the result for Prometheus, such as …/zenithedge.prom."
        )

    def work(self, *, url: str, timeout: float, metrics_file: Path | None, **options: Any) -> Mapping[str, int]:
        report = canary.fly(url, timeout_s=timeout)
        self._say(report)
        if metrics_file is not None:
            self._write(report, metrics_file)
        if report.broken is not None:
            stage = report.broken.stage
            logger.error("The canary did not arrive, broken is the %s: %s", stage, report.broken)
            raise CommandError(f"Broken: {stage}. {report.broken}", returncode=stage.exit_code)
        return {f"{stage} ms": round(took_s * 1000) for stage, took_s in report.took_s.items()}

    def _say(self, report: Report) -> None:
        for stage, took_s in report.took_s.items():
            self.stdout.write(f"{stage:<16}{took_s * 1000:>8.0f} ms")
        if report.to_screen_s is not None:
            self.stdout.write(f"{'signal to screen':<16}{report.to_screen_s * 1000:>8.0f} ms")
        for note in report.notes:
            self.stdout.write(note)

    def _write(self, report: Report, path: Path) -> None:
        try:
            canary.write_metrics(report, path)
        except OSError as error:
            raise CommandError(f"{path} cannot be written: {error}") from error
