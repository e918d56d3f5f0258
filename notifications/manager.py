"""The façade of the notification system."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from django.db import transaction
from django.db.models import Max

from notifications import announcing, brake, changes, dispatching, lifecycle, messages, retention, row_by_row, stream
from notifications.delivery import pending, websocket
from notifications.models import InsightNotification, NotificationDeliveryLog, NotificationPreference
from notifications.preferences import Channel
from notifications.priority import Priority
from notifications.reconcile import Reconciled, reconcile

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser, User

    from signals.models import Signal

ShouldStop = Callable[[], bool]


class NotificationManager:
    """The façade: what shells, commands, the admin and other apps call. It has no logic of its own.

    The socket and the HTTP API, which answer with positions, call `stream` beneath it. Not a `models.Manager`: it has
    no state and no queryset, and all of its methods are called on the class.
    """

    @classmethod
    def calculate_priority(cls, signal: Signal) -> Priority:
        """`high`, `medium` or `low`; see priority.calculate for the rules."""
        return announcing.calculate_priority(signal)

    @classmethod
    def format_message(cls, signal: Signal) -> messages.Message:
        """Title, snippet and news headline of the signal as it is now."""
        return announcing.format_message(signal, revision=dispatching.present_revision(signal))

    @classmethod
    def create_notification(cls, signal: Signal, user: User | None = None) -> InsightNotification | None:
        """Store the notification of this signal for a user, the owner by default, if the preferences let it through.

        Returns the one that is there already when there is one, None when the preferences suppress it. Sends nothing.
        Raises ValueError for a house signal without a user.
        """
        recipient = user or signal.user
        if recipient is None:
            raise ValueError(f"Signal {signal.pk} has no owner: say which user is to be notified.")

        @transaction.atomic
        def create() -> InsightNotification | None:
            revision = dispatching.present_dispatch(signal).revision
            dispatching.notify(signal, revision, [recipient.pk], braked=brake.is_engaged())
            rows = InsightNotification.objects.for_user(recipient).filter(signal=signal, revision=revision)
            return rows.with_signal().first()

        return dispatching.again_when_overtaken(create)

    @classmethod
    def push(cls, signal: Signal, user: User | None = None) -> bool:
        """Notify one user, without a user the owner, of a house signal every trader; twice is once.

        True when the user (any user) has the notification afterwards.
        """
        if user is None and signal.user_id is None:
            dispatch = dispatching.present_dispatch(signal)
            dispatching.run(dispatch.pk)
            return InsightNotification.objects.filter(signal=signal, revision=dispatch.revision).exists()
        notification = cls.create_notification(signal, user)
        if notification is not None and not notification.delivered:
            cls.deliver_websocket(notification)
        return notification is not None

    @classmethod
    def deliver_websocket(cls, notification: InsightNotification) -> bool:
        """Hint a stored notification to its user's sockets, after the commit when inside a transaction.

        True when the channel layer took the hint; that a browser has it is known from its acknowledgement only.
        """
        return websocket.deliver(notification)

    @classmethod
    def send_again(cls, notification: InsightNotification) -> bool:
        """Bring a notification to its user once more, over every channel that is on: a change with a position, and a
        new attempt group in the log. False when it is held, while the brake is on, or when no channel can carry it."""
        with stream.locked_inbox(notification.user_id) as inbox:
            fresh = InsightNotification.objects.with_signal().get(pk=notification.pk)
            if fresh.held_until is not None or brake.is_engaged():
                return False
            group = _next_attempt_group(fresh)
            rules = NotificationPreference.of(notification.user).rules(windows=[], mutes=[])
            on = [channel.value for channel in Channel if rules.enables(channel)]
            elsewhere = pending.write_again(fresh, on, attempt_group=group)
            if fresh.seq is None:
                return elsewhere > 0
            fresh.seq = row_by_row.advance(inbox)
            fresh.save(update_fields=["seq"])
            websocket.write_pending([fresh], attempt_group=group)
        return cls.deliver_websocket(fresh)

    @classmethod
    def get_unread_count(cls, user: User | AnonymousUser) -> int:
        """What the badge shows; 0 for somebody who is not signed in."""
        return stream.unread_count(user.pk) if user.pk is not None else 0

    @classmethod
    def mark_read(cls, user: User, notification_id: int) -> stream.ReadResult | None:
        """None when the user has no notification of that id."""
        return stream.mark_read(user.pk, notification_id)

    @classmethod
    def mark_all_as_read(cls, user: User) -> int:
        """Mark all that is unread now; returns how many."""
        return stream.mark_all_read(user.pk).count

    @classmethod
    def cleanup_old_notifications(cls, days: int = 30) -> int:
        """Delete read notifications older than `days`, with their delivery logs; returns how many."""
        return retention.delete_old(days=days).notifications

    @classmethod
    def release_held(cls, *, should_stop: ShouldStop = lambda: False) -> int:
        """Let out what was held for quiet hours that have ended; returns how many."""
        return lifecycle.release_held(should_stop=should_stop)

    @classmethod
    def expire_old(cls, *, should_stop: ShouldStop = lambda: False) -> int:
        """Mark what is past its expiry as expired; returns how many."""
        return lifecycle.expire_old(should_stop=should_stop)

    @classmethod
    def tell_of_changes(cls, *, should_stop: ShouldStop = lambda: False) -> int:
        """Go on with what became of insights and was not told to all of their holders; returns how many are told."""
        return changes.finish_open(should_stop=should_stop)

    @classmethod
    def reconcile(cls, *, should_stop: ShouldStop = lambda: False) -> Reconciled:
        """Find and finish what was left behind."""
        return reconcile(should_stop=should_stop)


def _next_attempt_group(notification: InsightNotification) -> int:
    logs = NotificationDeliveryLog.objects.filter(notification=notification)
    latest: int | None = logs.aggregate(latest=Max("attempt_group"))["latest"]
    return (latest or 0) + 1
