"""The outbox of the digests: rows opened when they are due, claimed for a while, and closed with what came of them.

Every change of a row is an UPDATE that names what the row must be: of two processes at once one changes nothing. A run
that is sent is closed in a statement of its own right after the server took it. Who is killed in between leaves a row
whose lease ends, and one mail that goes out a second time under the same Message-ID.
"""

from __future__ import annotations

import datetime as dt
import secrets
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import reduce
from operator import or_
from typing import TYPE_CHECKING, Any

from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils import timezone

from notifications import brake
from notifications.digests import addresses
from notifications.digests.times import due_at, due_now, next_due
from notifications.models import DigestRun, DigestRunQuerySet, DigestState, NotificationPreference, PreferenceVersion
from notifications.quiet import zone_or_utc
from zenithedge.chunks import chunks

if TYPE_CHECKING:
    from django.contrib.auth.models import User

BATCH = 100  # mails for which one connection is opened; many servers close it after so many
OPENED_AT_ONCE = 1000  # users looked at and rows written in one statement
ZONES_AT_ONCE = 100
# A mail takes a few round trips of at most EMAIL_TIMEOUT each; renewed before each.
LEASE = dt.timedelta(minutes=10)
# Waits before the second to the eighth attempt: two and a half hours in all.
BACKOFF_MINUTES = (1, 2, 5, 10, 20, 40, 75)
MOST_ATTEMPTS = len(BACKOFF_MINUTES) + 1
# What a server that is away keeps waiting is not sent any more when the next one is near.
GIVEN_UP_AFTER = dt.timedelta(hours=20)

PAUSED = "Paused by the user."
NO_ADDRESS = "The account has no e-mail address."
SWITCHED_OFF = "Switched off by the user."
NOT_ACTIVE = "The account is not active."
DEADLY = "The process that sent it ended each time."
TOO_LATE = "The mail server took nothing that day."
STOPPED = "Sending was stopped for everybody that day."


# --- Opening --------------------------------------------------------------------------------------------------------


def open_due(now: dt.datetime, users: QuerySet[User] | None = None) -> int:
    """Write a row for each user whose digest has become due; return how many. Twice at once is once."""
    return sum(_write(chunk) for chunk in _to_open(now, None, users))


def open_date(day: dt.date, now: dt.datetime, users: QuerySet[User] | None = None) -> int:
    """The same for a given local date, whether it is due or not: for those who have none of it yet."""
    return sum(_write(chunk) for chunk in _to_open(now, day, users))


def would_open(now: dt.datetime, day: dt.date | None, users: QuerySet[User] | None = None) -> Iterator[list[DigestRun]]:
    """What the two would write, unsaved, in chunks of users."""
    return _to_open(now, day, users)


def open_trial(user: User, now: dt.datetime) -> DigestRun | None:
    """A digest of the last day for who asked for it; None while the last one that was asked for is on its way."""
    with transaction.atomic():
        preference = NotificationPreference.objects.select_for_update().filter(user=user).first()
        if DigestRun.objects.pending().filter(user=user, trial=True).exists():
            return None
        zone = zone_or_utc(preference.time_zone) if preference else dt.UTC
        return DigestRun.objects.create(
            user=user,
            local_date=now.astimezone(zone).date(),
            trial=True,
            due_at=now,
            next_attempt_at=now,
            message_id=addresses.message_id(user.pk, f"trial {now.isoformat()}"),
        )


@dataclass(frozen=True, slots=True)
class Outlook:
    """When a user's next digest is due; None while it is off or has nowhere to go."""

    next_at: dt.datetime | None
    paused: bool


def outlook(preference: NotificationPreference, now: dt.datetime) -> Outlook:
    pauses = [until for until in (preference.paused_until, preference.digest_paused_until) if until and until > now]
    if not preference.email_digest_enabled or not preference.user.email:
        return Outlook(None, bool(pauses))
    done = DigestRun.objects.daily().filter(user=preference.user).values_list("local_date", flat=True).first()
    zone = zone_or_utc(preference.time_zone)
    return Outlook(next_due(max([now, *pauses]), preference.digest_time, zone, done=done), bool(pauses))


def latest_failure(user: User) -> DigestRun | None:
    """The user's last digest that had something to say and is over, when it did not get through."""
    over = DigestRun.objects.filter(user=user).exclude(state__in=[DigestState.NOTHING, DigestState.PENDING])
    latest = over.first()
    undelivered = latest and (latest.state == DigestState.FAILED or latest.error == NO_ADDRESS)
    return latest if undelivered else None


def send_again(run: DigestRun, now: dt.datetime) -> bool:
    """Open the next edition of a run that is over; False while it is pending."""
    edition = run.edition + 1
    changed = DigestRun.objects.filter(pk=run.pk, edition=run.edition).exclude(state=DigestState.PENDING)
    return bool(
        changed.update(
            state=DigestState.PENDING,
            edition=edition,
            message_id=_message_id(run.user_id, run.local_date, edition),
            attempts=0,
            next_attempt_at=now,
            claim="",
            lease_until=None,
            error="",
            sent_at=None,
        )
    )


def _to_open(now: dt.datetime, day: dt.date | None, users: QuerySet[User] | None) -> Iterator[list[DigestRun]]:
    if day is not None:
        yield from _new_runs(_subscribers(users), day, now)
        return
    for local_date, zones in _due_zones(now).items():
        for some in chunks(sorted(zones.items()), ZONES_AT_ONCE):
            at_that_time = reduce(or_, (Q(time_zone=zone, digest_time__in=times) for zone, times in some))
            yield from _new_runs(_subscribers(users).filter(at_that_time), local_date, now)


def _write(chunk: list[DigestRun]) -> int:
    DigestRun.objects.bulk_create(chunk, ignore_conflicts=True)
    return len(chunk)


def _due_zones(now: dt.datetime) -> dict[dt.date, dict[str, set[dt.time]]]:
    """By local date, the zones and times at which a digest is due: each pair in use is judged once, in Python."""
    # PostgreSQL knows a time of 24:00, Python does not; only raw SQL could have written it.
    in_use = _subscribers(None).filter(digest_time__lte=dt.time.max).order_by()
    found: dict[dt.date, dict[str, set[dt.time]]] = defaultdict(lambda: defaultdict(set))
    for zone, time in in_use.values_list("time_zone", "digest_time").distinct():
        for due in due_now(now, time, zone_or_utc(zone)):
            found[due.local_date][zone].add(time)
    return found


def _subscribers(users: QuerySet[User] | None) -> QuerySet[NotificationPreference]:
    rows = NotificationPreference.objects.filter(email_digest_enabled=True, user__is_active=True)
    return rows if users is None else rows.filter(user__in=users)


def _without_run(rows: QuerySet[NotificationPreference], day: dt.date) -> QuerySet[NotificationPreference]:
    run = DigestRun.objects.daily().filter(user_id=OuterRef("user_id"), local_date=day)
    return rows.filter(~Exists(run))


def _new_runs(rows: QuerySet[NotificationPreference], day: dt.date, now: dt.datetime) -> Iterator[list[DigestRun]]:
    """In chunks, in the order of the users: memory stays the same however many there are."""
    last_user_id = 0
    while True:
        missing = _without_run(rows, day).filter(user_id__gt=last_user_id).order_by("user_id")
        chunk = list(missing.select_related("user")[:OPENED_AT_ONCE])
        if not chunk:
            return
        last_user_id = chunk[-1].user_id
        yield [_new_run(preference, day, now) for preference in _wanted_it_then(chunk, day)]


def _wanted_it_then(chunk: list[NotificationPreference], day: dt.date) -> list[NotificationPreference]:
    """Without those who switched the digest on after that day's time had passed: theirs begins with the next."""
    changed = {
        preference.user_id: due for preference in chunk if (due := _due(preference, day)) < preference.updated_at
    }
    off: set[int] = set()
    versions = PreferenceVersion.objects.filter(user_id__in=changed).order_by("user_id", "valid_from", "pk")
    for user_id, snapshot, valid_from in versions.values_list("user_id", "snapshot", "valid_from").iterator():
        if valid_from <= changed[user_id]:
            (off.discard if snapshot.get("email_digest_enabled") else off.add)(user_id)
    return [preference for preference in chunk if preference.user_id not in off]


def _new_run(preference: NotificationPreference, day: dt.date, now: dt.datetime) -> DigestRun:
    why_not = why_skipped(preference, now)
    return DigestRun(
        user_id=preference.user_id,
        local_date=day,
        state=DigestState.SKIPPED if why_not else DigestState.PENDING,
        due_at=_due(preference, day),
        next_attempt_at=now,
        message_id=_message_id(preference.user_id, day, 1),
        error=why_not,
    )


def why_skipped(preference: NotificationPreference, now: dt.datetime, *, trial: bool = False) -> str:
    """Why this user gets no mail at `now`, empty when nothing speaks against it. A trial was asked for by hand."""
    if not preference.user.is_active:
        return NOT_ACTIVE
    if not preference.user.email:
        return NO_ADDRESS
    if trial:
        return ""
    if not preference.email_digest_enabled:
        return SWITCHED_OFF
    pauses = (preference.paused_until, preference.digest_paused_until)
    return PAUSED if any(until and until > now for until in pauses) else ""


def _due(preference: NotificationPreference, day: dt.date) -> dt.datetime:
    return due_at(day, preference.digest_time, zone_or_utc(preference.time_zone))


def _message_id(user_id: int, day: dt.date, edition: int) -> str:
    return addresses.message_id(user_id, f"{day.isoformat()} {edition}")


# --- Claiming and closing -------------------------------------------------------------------------------------------


class Claimed:
    """A batch of runs that this process has in hand."""

    def __init__(self, claim: str, runs: list[DigestRun]) -> None:
        self._claim = claim
        self.runs = runs

    def begin_attempt(self, run: DigestRun) -> bool:
        """Count an attempt and renew the lease; False when another process has taken the run over, or somebody has
        stopped sending."""
        mine = self._mine(run).exclude(brake.engaged_exists())
        begun = bool(mine.update(attempts=run.attempts + 1, lease_until=timezone.now() + LEASE))
        run.attempts += begun
        return begun

    def sent(self, run: DigestRun, counts: dict[str, int]) -> bool:
        return self._close(run, DigestState.SENT, sent_at=timezone.now(), counts=counts)

    def nothing(self, run: DigestRun, counts: dict[str, int]) -> bool:
        return self._close(run, DigestState.NOTHING, counts=counts)

    def skipped(self, run: DigestRun, why: str) -> bool:
        return self._close(run, DigestState.SKIPPED, error=why)

    def failed(self, run: DigestRun, why: str) -> bool:
        return self._close(run, DigestState.FAILED, error=why)

    def try_later(self, run: DigestRun, why: str) -> bool:
        wait = BACKOFF_MINUTES[min(run.attempts, len(BACKOFF_MINUTES)) - 1]
        next_attempt_at = timezone.now() + dt.timedelta(minutes=wait)
        return self._update(run, error=why, next_attempt_at=next_attempt_at, claim="", lease_until=None)

    def release(self) -> None:
        """Give back what was not tried: it is pending as before."""
        mine = DigestRun.objects.pending().filter(claim=self._claim)
        mine.update(claim="", lease_until=None)

    def _close(self, run: DigestRun, state: DigestState, **fields: Any) -> bool:
        return self._update(run, state=state, claim="", lease_until=None, **{"error": "", **fields})

    def _update(self, run: DigestRun, **fields: Any) -> bool:
        return bool(self._mine(run).update(**fields))

    def _mine(self, run: DigestRun) -> DigestRunQuerySet:
        return DigestRun.objects.pending().filter(pk=run.pk, claim=self._claim)


def claim(now: dt.datetime, *, only: Iterable[int] | None = None, most: int = BATCH) -> Claimed:
    """Take the next runs that are to be tried, those that have been due for longest first; none when there are none.

    `only` bounds them to these users.
    """
    name = secrets.token_hex(16)
    with transaction.atomic():
        free = _free(now) if only is None else _free(now).filter(user_id__in=only)
        # Locked, so that two at once take different ones; where rows cannot be locked, writers take turns.
        ids = list(
            free.order_by("due_at", "pk").select_for_update(skip_locked=True).values_list("pk", flat=True)[:most]
        )
        if not ids:
            return Claimed(name, [])
        _free(now).filter(pk__in=ids).update(claim=name, lease_until=now + LEASE)
    return Claimed(name, list(DigestRun.objects.pending().filter(claim=name).order_by("due_at", "pk")))


def give_up_old(now: dt.datetime, *, stopped: bool = False) -> int:
    """Close what has been waiting for too long, `stopped` by us or else by a server; return how many."""
    # Not what somebody had sent again: nobody opens another for it.
    old = _free(now, whenever=True).filter(created_at__lte=now - GIVEN_UP_AFTER, edition=1)
    state, why = (DigestState.SKIPPED, STOPPED) if stopped else (DigestState.FAILED, TOO_LATE)
    return old.update(state=state, error=why, claim="", lease_until=None)


def give_up_deadly(now: dt.datetime) -> int:
    """Close what was begun MOST_ATTEMPTS times and did not end the last time, so that it kills no more."""
    deadly = _free(now, whenever=True).filter(lease_until__isnull=False, attempts__gte=MOST_ATTEMPTS)
    return deadly.update(state=DigestState.FAILED, error=DEADLY, claim="", lease_until=None)


def _free(now: dt.datetime, *, whenever: bool = False) -> QuerySet[DigestRun]:
    free = DigestRun.objects.pending().filter(Q(lease_until__isnull=True) | Q(lease_until__lte=now))
    return free if whenever else free.filter(next_attempt_at__lte=now)
