"""Tells owners that a webhook of theirs has gone silent: one mail for each silence, as `signals.silence` finds them.

The episode is begun before the mail goes out, and taken back when the server is away: a process that is killed in
between has told nobody, but never tells anybody twice. The page of the webhooks says it as long as it lasts, also to
who has no address. A house webhook concerns the staff who may pause it.
"""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.mail import EmailMessage
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone, translation
from django.utils.timesince import timesince
from django.utils.translation import gettext as _

from notifications import brake
from notifications.digests import addresses
from notifications.digests.mail import language_of, readable
from notifications.mail_server import MailServer, RefusedError, ServerError
from notifications.models import NotificationPreference
from notifications.quiet import zone_or_utc
from signals import silence
from signals.silence import Silence

if TYPE_CHECKING:
    from django.contrib.auth.models import User

logger = logging.getLogger(__name__)

ADDRESSED_BY_PERMISSION = "signals.pause_webhooksource"
# Several sign-in backends are configured; this one knows permissions.
PERMISSIONS_OF = "django.contrib.auth.backends.ModelBackend"
LEAST_SHOWN = dt.timedelta(minutes=1)


@dataclass(slots=True)
class Report:
    """`silent` sources were found, `mails` went out for them, and `unreachable` ones are told of on the page only.

    `server_away` says why the rest waits for the next look.
    """

    silent: int = 0
    mails: int = 0
    unreachable: int = 0
    server_away: str = ""


def check(*, should_stop: Callable[[], bool] = lambda: False, now: dt.datetime | None = None) -> Report:
    """Tell of each silence that has begun. Nothing while sending is stopped for everybody: that waits, too."""
    report = Report()
    now = now or timezone.now()
    if brake.is_engaged():
        return report
    server = MailServer()
    try:
        for found in silence.find(now):
            if should_stop() or report.server_away:
                break
            if silence.begin_episode(found):
                _tell(found, now, server, report)
    finally:
        server.close()
    return report


def check_by_schedule() -> None:
    """The schedule's job."""
    report = check()
    if report.silent:
        logger.info("Sources gone silent: %s", report)


def addressees(found: Silence) -> list[User]:
    """Who is to hear of it, with their preferences."""
    users = get_user_model()._default_manager
    if found.source.user_id is None:
        staff: Iterable[Any] = users.with_perm(ADDRESSED_BY_PERMISSION, backend=PERMISSIONS_OF).filter(is_staff=True)
    else:
        staff = users.filter(pk=found.source.user_id, is_active=True)
    return [user for user in staff if user.email]


def message(found: Silence, user: User, now: dt.datetime) -> EmailMessage:
    """In the user's language and by the user's clock."""
    preference = NotificationPreference.of(user)
    with translation.override(language_of(preference)), timezone.override(zone_or_utc(preference.time_zone)):
        name = readable(found.source.name)
        context = {
            "name": name,
            "since": found.since,
            "silent_for": timesince(found.since, now),
            "usual_gap": timesince(now - max(found.usual_gap, LEAST_SHOWN), now),
            "url": addresses.site(_page_of(found)),
        }
        subject = _("Your webhook %(name)s has gone silent")
        if found.source.user_id is None:
            subject = _("The house webhook %(name)s has gone silent")
        return EmailMessage(
            subject=subject % {"name": name},
            body=render_to_string("notifications/mail/silent_source.txt", context),
            from_email=settings.BOUNCE_EMAIL or settings.DEFAULT_FROM_EMAIL,
            to=[user.email],
            headers={"From": settings.DEFAULT_FROM_EMAIL, "Auto-Submitted": "auto-generated"},
        )


def _tell(found: Silence, now: dt.datetime, server: MailServer, report: Report) -> None:
    """One that was told of to somebody is told, whatever becomes of the further mails."""
    mails = 0
    for user in addressees(found):
        try:
            server.open()
            server.send(message(found, user, now))
            mails += 1
        except RefusedError:
            logger.warning("The mail to user %s about source %s was refused", user.pk, found.source.pk)
        except ServerError as fault:
            report.server_away = str(fault).replace(user.email, "…")
            logger.error("The mail server is of no use now, silent sources wait: %s", report.server_away)
            break
    if report.server_away and not mails:
        silence.take_back(found)
        return
    report.silent += 1
    report.mails += mails
    report.unreachable += not mails
    logger.info("Source %s has been silent since %s; %d were told", found.source.pk, found.since.isoformat(), mails)


def _page_of(found: Silence) -> str:
    if found.source.user_id is None:
        return reverse("admin:signals_webhooksource_change", args=[found.source.pk])
    return reverse("connect")
