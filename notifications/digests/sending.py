"""Sends what is due: batch by batch, each over one connection, each mail recorded before the next one goes out.

Whose fault it is decides what comes of a refused mail. The recipient's or the mail's own: permanent (5xx) is failed at
once, temporary (4xx) is tried again, MOST_ATTEMPTS times within hours. The server's or the network's: the mail is tried
again until its day is over, and after FAULTS_IN_A_ROW of them the rest stays as it was until the next run.

Nothing here raises for a mail that cannot be sent; what goes wrong is counted, recorded in the row and logged with the
ids of user and run, never with the address.
"""

from __future__ import annotations

import datetime as dt
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.db.models import QuerySet
from django.utils import timezone

from notifications import brake, metrics
from notifications.digests import content, mail, runs
from notifications.mail_server import MailServer, RefusedError, ServerError
from notifications.models import DigestRun, NotificationPreference

if TYPE_CHECKING:
    from django.contrib.auth.models import User

logger = logging.getLogger(__name__)

FAULTS_IN_A_ROW = 3
# What the schedule's job does at most in one go: the next one goes on.
JOB_BUDGET_S = 45.0


@dataclass(slots=True)
class Report:
    """How many runs ended how; `server_away` when the last ones were left because of the server, `braked` when they
    were because sending is stopped for everybody."""

    opened: int = 0
    sent: int = 0
    nothing: int = 0
    skipped: int = 0
    failed: int = 0
    later: int = 0
    server_away: str = ""
    braked: bool = False

    @property
    def done(self) -> int:
        return self.sent + self.nothing + self.skipped + self.failed + self.later


def send_due(
    *,
    users: QuerySet[User] | None = None,
    day: dt.date | None = None,
    should_stop: Callable[[], bool] = lambda: False,
    before_all: Callable[[], object] = lambda: None,
    after_each: Callable[[], object] = lambda: None,
) -> Report:
    """Open the runs that are due (or those of this local date) and send all that are to be tried now.

    With `users`, only theirs. `should_stop` is asked before each mail; what is not tried then is left as it was. Safe
    to run beside itself and after itself: a user gets one digest a local date.
    """
    now = timezone.now()
    report = Report()
    report.opened = runs.open_due(now, users) if day is None else runs.open_date(day, now, users)
    report.braked = brake.is_engaged()
    given_up = runs.give_up_old(now, stopped=report.braked)
    if report.braked:
        report.skipped = given_up
    else:
        report.failed = given_up + runs.give_up_deadly(now)
    only = None if users is None else list(users.values_list("pk", flat=True))
    reader = content.Reader()
    before_all()
    while not (should_stop() or report.server_away or report.braked):
        claimed = runs.claim(timezone.now(), only=only)
        if not claimed.runs:
            break
        _Batch(claimed, reader, report, should_stop, after_each).send()
        report.braked = brake.is_engaged()
    _count(report)
    return report


def send_due_for_a_while() -> bool:
    """The schedule's job: a turn; False when the time was up before all had been tried."""
    end = time.monotonic() + JOB_BUDGET_S
    report = send_due(should_stop=lambda: time.monotonic() >= end)
    if report.done:
        logger.info("Digests: %s", report)
    return time.monotonic() < end or bool(report.server_away) or report.braked


class _Batch:
    """The runs of one claim, over one connection, which is opened when there is something to send."""

    def __init__(
        self,
        claimed: runs.Claimed,
        reader: content.Reader,
        report: Report,
        should_stop: Callable[[], bool],
        after_each: Callable[[], object],
    ) -> None:
        self._claimed = claimed
        self._reader = reader
        self._report = report
        self._should_stop = should_stop
        self._after_each = after_each
        self._connection = MailServer()
        self._faults = 0

    def send(self) -> None:
        try:
            written = self._read(self._claimed.runs)
            for run in self._claimed.runs:
                if self._should_stop() or self._report.server_away:
                    break
                self._finish(run, written.get(run.pk) or self._read([run]).get(run.pk))
                self._after_each()
        finally:
            self._connection.close()
            self._claimed.release()

    def _read(self, some: list[DigestRun]) -> dict[int, tuple[content.Digest, NotificationPreference]]:
        """Nothing when it fails: one user's unreadable row must not keep the others' mails back."""
        try:
            digests = dict(zip((run.pk for run in some), self._reader.read(some), strict=True))
            wanted = NotificationPreference.objects.filter(user__in=[run.user_id for run in some])
            preferences = {preference.user_id: preference for preference in wanted.select_related("user")}
        except Exception:
            logger.exception("Of %d digests not all can be read", len(some))
            return {}
        return {run.pk: (digests[run.pk], preferences[run.user_id]) for run in some if run.user_id in preferences}

    def _finish(self, run: DigestRun, written: tuple[content.Digest, NotificationPreference] | None) -> None:
        if written is None:
            self._cannot_be_written(run)
            return
        digest, preference = written
        if why_not := runs.why_skipped(preference, timezone.now(), trial=run.trial):
            self._report.skipped += self._claimed.skipped(run, why_not)
        elif not (digest.says_something or run.trial):
            self._report.nothing += self._claimed.nothing(run, digest.counts)
        else:
            run.user = preference.user
            self._try(run, digest, preference)

    def _try(self, run: DigestRun, digest: content.Digest, preference: NotificationPreference) -> None:
        try:
            message = mail.message(run, digest, preference)
            self._connection.open()
        except ServerError as fault:
            self._server_is_away(str(fault))
            return
        except Exception:
            logger.exception("Digest %s of user %s could not be written", run.pk, run.user_id)
            self._cannot_be_written(run)
            return
        if self._claimed.begin_attempt(run):
            self._send(run, message, digest.counts)

    def _send(self, run: DigestRun, message: Any, counts: dict[str, int]) -> None:
        try:
            self._connection.send(message)
        except RefusedError as refusal:
            self._faults = 0
            self._refused(run, _without_address(str(refusal), run.user.email), permanent=refusal.permanent)
        except ServerError as fault:
            why = _without_address(str(fault), run.user.email)
            self._report.later += self._claimed.try_later(run, why)
            logger.warning("Digest %s of user %s: %s; it is tried again", run.pk, run.user_id, why)
            self._faults += 1
            if self._faults >= FAULTS_IN_A_ROW:
                self._server_is_away(why)
        else:
            self._faults = 0
            if self._claimed.sent(run, counts):
                self._report.sent += 1
            else:
                logger.warning("Digest %s of user %s took longer than its lease", run.pk, run.user_id)

    def _cannot_be_written(self, run: DigestRun) -> None:
        """The next attempt may find other content."""
        if self._claimed.begin_attempt(run):
            self._again_or_never(run, "It could not be written; the log says why.")

    def _refused(self, run: DigestRun, why: str, *, permanent: bool) -> None:
        logger.warning("Digest %s of user %s was refused: %s", run.pk, run.user_id, why)
        if permanent:
            self._report.failed += self._claimed.failed(run, why)
        else:
            self._again_or_never(run, why)

    def _again_or_never(self, run: DigestRun, why: str) -> None:
        if run.attempts >= runs.MOST_ATTEMPTS:
            self._report.failed += self._claimed.failed(run, why)
        else:
            self._report.later += self._claimed.try_later(run, why)

    def _server_is_away(self, why: str) -> None:
        self._report.server_away = why
        logger.error("The mail server is of no use now, the digests wait for the next run: %s", why)


def _without_address(text: str, address: str) -> str:
    """Servers like to repeat it."""
    local_part = address.rpartition("@")[0]
    return text.replace(address, "…").replace(f"<{local_part}>", "…") if local_part else text


def _count(report: Report) -> None:
    for state in ("sent", "nothing", "skipped", "failed", "later"):
        metrics.DIGESTS.labels(state).inc(getattr(report, state))
