"""Asking for quiet with one click: a pause, a mute, windows of quiet; and taking it back.

Each is a change of the user's preferences: under the lock of their row, and with a version kept of it.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

from django.db import transaction
from django.db.models import Q, QuerySet, TextChoices
from django.utils.translation import gettext_lazy as _

from notifications.models import Mute, NotificationPreference, QuietWindow
from notifications.preferences import UNTIL_TURNED_ON, MuteKind, MuteRule
from notifications.quiet import Window, zone_or_utc

if TYPE_CHECKING:
    from django.contrib.auth.models import User

MAX_MUTES = 100  # as many as a list of symbols may have
MAX_WINDOWS = 10  # beside the first one


class TooManyError(ValueError):
    """More mutes or windows than anybody needs."""


class PauseFor(TextChoices):
    HOUR = "1h", _("For 1 hour")
    UNTIL_TOMORROW = "until_tomorrow", _("Until tomorrow")
    UNTIL_TURNED_ON = "until_i_turn_it_on", _("Until I turn it on")
    OFF = "off", _("Turn on again")


def pause(user: User, duration: PauseFor, now: dt.datetime) -> dt.datetime | None:
    """Pause every channel, or end a pause; return when it ends, None for no pause.

    Tomorrow begins at the user's own midnight: the night is what quiet hours are for. Without an end it is
    UNTIL_TURNED_ON. What comes meanwhile is suppressed; what quiet hours hold already comes out after the pause.
    """
    with transaction.atomic():
        preference = NotificationPreference.locked(user)
        preference.paused_until = _end_of_pause(duration, now, zone_or_utc(preference.time_zone))
        preference.save(changed_by=user)
    return preference.paused_until


class Muted(NamedTuple):
    """A mute that was made or given another end, and what it was before, for whoever takes that back."""

    mute: Mute
    earlier: MuteRule | None


def mute(user: User, kind: MuteKind, name: str, until: dt.datetime | None) -> Muted:
    """Mute a symbol or a strategy, or give the mute that there is another end. Raises TooManyError."""
    with transaction.atomic():
        NotificationPreference.locked(user)
        wanted = Mute(user=user, kind=kind, name=name, until=until)
        wanted.spell()
        present = Mute.objects.filter(user=user, kind=kind, name=wanted.name).first()
        earlier = present.rule if present is not None else None
        if present is None and Mute.objects.filter(user=user).count() >= MAX_MUTES:
            raise TooManyError(_("At most %(most)d mutes; take one back first.") % {"most": MAX_MUTES})
        if present is not None:
            present.until = until
            wanted = present
        wanted.save()
    return Muted(wanted, earlier)


def unmute(user: User, mute_id: int) -> Mute | None:
    """Take a mute of the user's back and return what it was; None when there is none of this id."""
    with transaction.atomic():
        NotificationPreference.locked(user)
        found = Mute.objects.filter(user=user, pk=mute_id).first()
        if found is not None:
            found.delete()
    return found


def mutes_in_force(user: User, now: dt.datetime) -> QuerySet[Mute]:
    """By kind and name."""
    return Mute.objects.filter(Q(until__isnull=True) | Q(until__gt=now), user=user)


def save(preference: NotificationPreference, windows: Iterable[Window] | None, *, changed_by: User) -> None:
    """Save a row that is locked, and let the further windows of quiet be these unless None: one change, one version.

    What is held follows them. Raises TooManyError.
    """
    with transaction.atomic():
        if windows is not None:
            _replace_windows(preference, windows)
        preference.save(changed_by=changed_by)


def _replace_windows(preference: NotificationPreference, windows: Iterable[Window]) -> None:
    wanted = list(dict.fromkeys(windows))
    if len(wanted) > MAX_WINDOWS:
        raise TooManyError(_("At most %(most)d further windows.") % {"most": MAX_WINDOWS})
    QuietWindow.objects.filter(preference=preference).delete()
    QuietWindow.objects.bulk_create(
        QuietWindow(preference=preference, start=window.start, end=window.end, weekdays=sorted(window.weekdays))
        for window in wanted
    )


def _end_of_pause(duration: PauseFor, now: dt.datetime, zone: dt.tzinfo) -> dt.datetime | None:
    if duration == PauseFor.HOUR:
        return now.replace(microsecond=0) + dt.timedelta(hours=1)
    if duration == PauseFor.UNTIL_TOMORROW:
        return tomorrow(now, zone)
    return UNTIL_TURNED_ON if duration == PauseFor.UNTIL_TURNED_ON else None


def tomorrow(now: dt.datetime, zone: dt.tzinfo) -> dt.datetime:
    """The next midnight of the zone."""
    date = now.astimezone(zone).date() + dt.timedelta(days=1)
    return dt.datetime.combine(date, dt.time(0), tzinfo=zone).astimezone(dt.UTC)
