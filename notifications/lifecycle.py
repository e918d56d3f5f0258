"""What time does to notifications: quiet hours end, insights lose their meaning. Both run on the schedule.

The same turn releases what the brake held, once it is lifted; while it is on, nothing comes out.
"""

from __future__ import annotations

import datetime as dt
import logging
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from django.db import transaction
from django.db.models import Case, Count, F, OuterRef, Subquery, When
from django.utils import timezone

from notifications import brake, payloads, preferences, realtime, stamping, stream
from notifications.deciding import rules_of
from notifications.delivery import pending, websocket
from notifications.models import Inbox, InsightNotification, InsightNotificationQuerySet, NotificationPreference
from notifications.pauses import let_others_write
from notifications.payloads import to_milliseconds
from notifications.preferences import AT_ONCE, UNTIL_LIFTED, Reason, Rules
from notifications.priority import Priority
from notifications.row_by_row import advance, supersede_earlier
from zenithedge.chunks import chunks

logger = logging.getLogger(__name__)

RELEASED_TOGETHER = 100  # users; bounds how long their inboxes are held
PLACED_TOGETHER = 500  # users whose preferences are read at once
TURN_S = 0.5  # for the thread that has alerts to dispatch as well


def release_held(now: dt.datetime | None = None, *, should_stop: Callable[[], bool] = lambda: False) -> int:
    """Let what is due come out of quiet hours, and out of a brake that was lifted, one brief a user; returns how many
    notifications were released. Nothing while the brake is on. `should_stop` is asked after each chunk of users."""
    return _sum(_release_chunks(now or timezone.now()), should_stop)


def release_for_a_turn() -> bool:
    """As `release_held`, for about TURN_S; False when there is more, as after a brake that held everybody's."""
    ends_at = time.monotonic() + TURN_S
    return all(time.monotonic() < ends_at for _ in _release_chunks(timezone.now()))


def reconsider_held(user_id: int, rules: Rules) -> None:
    """The user's quiet hours may have changed: what is held comes out when the new ones end, at once when it is not
    quiet any more; in neither case during a pause. What waits for the brake is looked at when it is lifted."""
    held_until = preferences.release_at(rules, timezone.now(), urgent=False)
    held = InsightNotification.objects.held().filter(user_id=user_id)
    held.exclude(held_until=UNTIL_LIFTED).update(held_until=held_until)


def expire_old(now: dt.datetime | None = None, *, should_stop: Callable[[], bool] = lambda: False) -> int:
    """Mark notifications past their expiry as expired, so that they leave the badge; returns how many.

    `should_stop` is asked after each chunk of users."""
    return _sum(_expire_chunks(now or timezone.now()), should_stop)


def expire_for_a_turn() -> bool:
    """As `expire_old`, for about TURN_S; False when there is more, as of a house insight that everybody holds."""
    ends_at = time.monotonic() + TURN_S
    return all(time.monotonic() < ends_at for _ in _expire_chunks(timezone.now()))


def _sum(chunks: Iterator[int], should_stop: Callable[[], bool]) -> int:
    total = 0
    for number in chunks:
        total += number
        if should_stop():
            break
    return total


def _expire_chunks(now: dt.datetime) -> Iterator[int]:
    """How many each chunk of users has had marked. One that fails keeps no other waiting."""
    change = stamping.Expired(now)
    due = list(stamping.rows(change).order_by("user_id").values_list("user_id", flat=True).distinct())
    for user_ids in chunks(due, stamping.CHUNK_USERS):
        try:
            yield _expire_of_users(change, user_ids)
        except Exception:
            logger.exception(
                "What users %s to %s hold could not be marked as expired; the next run tries again",
                user_ids[0],
                user_ids[-1],
            )
        let_others_write()


def _expire_of_users(change: stamping.Expired, user_ids: Sequence[int]) -> int:
    with transaction.atomic():
        events = stamping.stamp(change, user_ids)
        realtime.publish_after_commit(events)
    return len(events)


# --- Releasing ------------------------------------------------------------------------------------------------------


def _release_chunks(now: dt.datetime) -> Iterator[int]:
    """How many each chunk of users has had released."""
    held = InsightNotification.objects.held()
    if brake.is_engaged():
        # Nothing is lost with this: whose quiet hours end meanwhile may be in the next ones when it is lifted.
        held.filter(held_until__lte=now).update(held_until=UNTIL_LIFTED)
        return
    for user_ids in chunks(_users_of(InsightNotification.objects.waiting_for_brake()), PLACED_TOGETHER):
        _place(user_ids, now)
        yield 0
    for user_ids in chunks(_users_of(held.filter(held_until__lte=now)), RELEASED_TOGETHER):
        yield _release_of_users(user_ids, now)
        let_others_write()


def _users_of(rows: InsightNotificationQuerySet) -> list[int]:
    return list(rows.order_by("user_id").values_list("user_id", flat=True).distinct())


def _place(user_ids: Sequence[int], now: dt.datetime) -> None:
    """The brake is lifted: say when what it held of these users comes out, as their preferences are now. Twice is
    once: what has been placed does not wait for the brake any more."""
    rules = rules_of(user_ids)
    waiting = InsightNotification.objects.waiting_for_brake()
    for urgent, rows in ((True, waiting.filter(priority=Priority.HIGH)), (False, waiting)):
        by_moment: defaultdict[dt.datetime, list[int]] = defaultdict(list)
        for user_id, own in rules.items():
            by_moment[preferences.release_at(own, now, urgent=urgent)].append(user_id)
        for moment, of_these in by_moment.items():
            rows.filter(user_id__in=of_these).update(held_until=moment)


def _release_of_users(user_ids: Sequence[int], now: dt.datetime) -> int:
    """One user's fault costs nobody else: each is tried alone then."""
    try:
        with transaction.atomic():
            return _release(user_ids, now)
    except Exception:
        if len(user_ids) > 1:
            logger.exception("Users %s to %s are released one by one", user_ids[0], user_ids[-1])
            return sum(_release_of_users([user_id], now) for user_id in user_ids)
        logger.exception("What is held of user %s could not be released; the next run tries again", user_ids[0])
        return 0


def _release(user_ids: Sequence[int], now: dt.datetime) -> int:
    """In a transaction, of all these users in one go."""
    inboxes = {inbox.user_id: inbox for inbox in stream.lock_inboxes(user_ids)}
    if brake.is_engaged():  # since the last chunk
        return 0
    due = InsightNotification.objects.held().filter(user_id__in=user_ids, held_until__lte=now)
    rows = list(due.with_signal().order_by("id"))  # fewer than were looked for when another process was faster
    wanted = {row.user_id: NotificationPreference(user_id=row.user_id) for row in rows}
    wanted |= {row.user_id: row for row in NotificationPreference.objects.filter(user__in=wanted)}
    on_web = [row for row in rows if wanted[row.user_id].web_enabled]
    beside = [row for row in rows if not wanted[row.user_id].web_enabled]
    released = _release_on_the_web(on_web, wanted, inboxes, now) + _release_past_the_web(beside, wanted, now)
    if released:
        logger.info("notifications released after quiet hours or the brake: %d, of %d users", released, len(wanted))
    return released


def _release_on_the_web(
    rows: Sequence[InsightNotification],
    wanted: Mapping[int, NotificationPreference],
    inboxes: dict[int, Inbox],
    now: dt.datetime,
) -> int:
    """One change a user, one position: it stamps every released row, and a client that sees the brief asks for them."""
    if not rows:
        return 0
    released_at = to_milliseconds(now)  # as clients name it: what a brief told of has the same instant
    by_user: defaultdict[int, list[InsightNotification]] = defaultdict(list)
    for row in rows:
        by_user[row.user_id].append(row)
    seqs = {user_id: advance(inboxes[user_id]) for user_id in by_user}
    for row in rows:
        row.seq, row.held_until, row.released_at = seqs[row.user_id], None, released_at
        row.expired_at = now if row.expires_at <= now else None
    _save_released(rows, seqs, released_at, now)
    superseded = supersede_earlier(rows, inboxes)
    Inbox.objects.bulk_update([inboxes[row.user_id] for row in superseded], ["last_seq"])
    websocket.write_pending(rows)
    live_ids = [row.pk for row in rows if row.expired_at is None]
    pending.write(live_ids, _elsewhere((row for row in rows if row.expired_at is None), wanted))
    events = [*_briefs(by_user, seqs, released_at), *_updates(superseded)]
    websocket.publish_new_after_commit([row.pk for row in rows], events)
    return len(rows)


def _save_released(
    rows: Sequence[InsightNotification], seqs: Mapping[int, int], released_at: dt.datetime, now: dt.datetime
) -> None:
    """As two statements: one that names each row's values takes longer than all the rest."""
    Inbox.objects.filter(user__in=seqs).update(last_seq=F("last_seq") + 1)
    position = Inbox.objects.filter(user=OuterRef("user")).values("last_seq")
    InsightNotification.objects.filter(pk__in=[row.pk for row in rows]).update(
        seq=Subquery(position),
        held_until=None,
        released_at=released_at,
        expired_at=Case(When(expires_at__lte=now, then=now)),
    )


def _briefs(
    by_user: Mapping[int, Sequence[InsightNotification]], seqs: Mapping[int, int], released_at: dt.datetime
) -> Iterator[tuple[int, payloads.Frame]]:
    unread = stream.unread_counts(by_user)
    ids = [row.pk for rows in by_user.values() for row in rows]
    unread_of_these = InsightNotification.objects.filter(pk__in=ids).unread().order_by()
    live = dict(unread_of_these.values_list("user_id").annotate(Count("pk")))
    for user_id, rows in by_user.items():
        yield (
            user_id,
            payloads.brief_frame(
                seq=seqs[user_id],
                unread_count=unread[user_id],
                held=len(rows),
                live=live.get(user_id, 0),
                expired=sum(row.expired_at is not None for row in rows),
                released_at=released_at,
                reversed_=sum(row.signal.reversed_by_id is not None for row in rows),
                braked=any(row.reason == Reason.BRAKE for row in rows),
            ),
        )


def _release_past_the_web(
    rows: Sequence[InsightNotification], wanted: Mapping[int, NotificationPreference], now: dt.datetime
) -> int:
    """The browser is off by now: what is still live goes out over what is on, and moves no position."""
    if not rows:
        return 0
    InsightNotification.objects.filter(pk__in=[row.pk for row in rows]).update(
        held_until=None, released_at=to_milliseconds(now)
    )
    live = [row for row in rows if row.expires_at > now]
    elsewhere = _elsewhere(live, wanted)
    released = {id_ for ids in elsewhere.values() for id_ in ids}
    kept_back = InsightNotification.objects.filter(pk__in=[row.pk for row in rows if row.pk not in released])
    kept_back.update(reason=Reason.CHANNEL_OFF)
    pending.write([], elsewhere)
    return len(released)


def _elsewhere(
    rows: Iterable[InsightNotification], wanted: Mapping[int, NotificationPreference]
) -> dict[str, Sequence[int]]:
    """By channel beside the web, the ids of what its users have on."""
    rules = {user_id: preference.rules(windows=[], mutes=[]) for user_id, preference in wanted.items()}
    found: dict[str, list[int]] = {channel.value: [] for channel in AT_ONCE[1:]}
    for row in rows:
        for channel in AT_ONCE[1:]:
            if rules[row.user_id].enables(channel):
                found[channel.value].append(row.pk)
    return dict(found)


def _updates(rows: Sequence[InsightNotification]) -> Iterator[tuple[int, payloads.Frame]]:
    unread = stream.unread_counts({row.user_id for row in rows})
    for row in rows:
        frame = payloads.notification_frame("notification_updated", row, unread_count=unread[row.user_id])
        yield row.user_id, frame
