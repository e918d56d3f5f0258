"""A user's stream: its position, and the insights on it."""

from __future__ import annotations

import secrets
from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext

from notifications.preferences import UNTIL_LIFTED, Reason
from notifications.priority import Priority
from signals.models import Signal, ValidationStatus


def new_epoch() -> str:
    return secrets.token_hex(4)


class Inbox(models.Model):
    """A user's stream. Its row lock orders every change that the owner can see."""

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, primary_key=True, related_name="inbox"
    )
    last_seq = models.BigIntegerField(default=0, help_text="Grows by one with each change that the owner can see.")
    epoch = models.CharField(max_length=16, default=new_epoch, help_text="Renewed after a restore from backup.")

    class Meta:
        verbose_name_plural = "inboxes"
        constraints = [models.CheckConstraint(condition=Q(last_seq__gte=0), name="inbox_last_seq_not_negative")]

    def __str__(self) -> str:
        return gettext("Inbox of user %(user)s at %(position)s") % {"user": self.user_id, "position": self.last_seq}


class InsightNotificationQuerySet(models.QuerySet["InsightNotification"]):
    def for_user(self, user: Any) -> InsightNotificationQuerySet:
        return self.filter(user=user)

    def on_web_stream(self) -> InsightNotificationQuerySet:
        """Those with a position: neither held nor meant for other channels only."""
        return self.filter(seq__isnull=False)

    def unread(self) -> InsightNotificationQuerySet:
        """On the web stream, not read, not expired, not superseded: what the badge counts."""
        return self.on_web_stream().filter(read=False, expired_at__isnull=True, superseded_by__isnull=True)

    def changed_after(self, seq: int) -> InsightNotificationQuerySet:
        """The rows that a client at position `seq` has to see again, in order of position."""
        return self.filter(seq__gt=seq).order_by("seq", "id")

    def held(self) -> InsightNotificationQuerySet:
        return self.filter(held_until__isnull=False)

    def waiting_for_brake(self) -> InsightNotificationQuerySet:
        """Held until somebody lifts the brake; nobody has looked yet when they may come out then."""
        return self.filter(held_until=UNTIL_LIFTED)

    def with_signal(self) -> InsightNotificationQuerySet:
        """Everything that a payload needs, in one query."""
        return self.select_related("signal", "signal__validation")


class InsightNotification(models.Model):
    """One insight for one user. Only NotificationManager writes these."""

    # No index of their own where another one begins with the column: each is paid for with every row of a fan-out.
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="insight_notifications", db_index=False
    )
    signal = models.ForeignKey(Signal, on_delete=models.CASCADE, related_name="notifications", db_index=False)
    revision = models.PositiveSmallIntegerField(default=1)
    title = models.CharField(max_length=120)
    snippet = models.TextField()
    confidence = models.DecimalField(max_digits=5, decimal_places=2, help_text="AI confidence, 0–100.")
    priority = models.CharField(max_length=8, choices=Priority.choices)
    news_headline = models.CharField(max_length=200, null=True, blank=True)  # noqa: DJ001 - null is the contract
    reason = models.CharField(max_length=32, choices=Reason.choices, default=Reason.ALL_RULES_PASSED)
    seq = models.BigIntegerField(
        null=True, blank=True, help_text="Position of the last change; none while held or not for the web."
    )
    created_at = models.DateTimeField(default=timezone.now)
    expires_at = models.DateTimeField()
    expired_at = models.DateTimeField(null=True, blank=True)
    held_until = models.DateTimeField(null=True, blank=True)
    superseded_by = models.ForeignKey(
        "self", on_delete=models.CASCADE, null=True, blank=True, related_name="supersedes", db_index=False
    )
    released_at = models.DateTimeField(
        null=True, blank=True, help_text="When quiet hours that held it ended; one brief told of all with the same."
    )
    # No foreign key: it is compared only, and would be checked with every row of a fan-out.
    repeat_of = models.BigIntegerField(
        null=True, blank=True, help_text="Id of the first of the repeats that are one entry; none for the first."
    )
    earlier_confidence = models.DecimalField(
        max_digits=5, decimal_places=2, null=True, blank=True, help_text="What this revision changed: 0–100 before it."
    )
    new_status = models.CharField(  # noqa: DJ001 - null is the absence of a change
        max_length=12, choices=ValidationStatus.choices, null=True, blank=True, help_text="Where the verdict changed."
    )
    quiet = models.BooleanField(
        default=False, db_default=False, help_text="A revision in the place of the one before it: no toast."
    )
    min_confidence = models.DecimalField(
        max_digits=5, decimal_places=2, null=True, blank=True, help_text="What the user asked for when it was decided."
    )
    chosen = models.SmallIntegerField(
        default=0, db_default=0, help_text="What the user had named: 1 the symbol, 2 the strategy, 4 high priority."
    )
    read = models.BooleanField(default=False)
    read_at = models.DateTimeField(null=True, blank=True)
    delivered = models.BooleanField(default=False, help_text="A browser acknowledged it.")
    delivered_at = models.DateTimeField(null=True, blank=True)

    tells_of = 1  # no field: how many insights a message with it speaks for

    objects = InsightNotificationQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at", "-id"]
        indexes = [
            models.Index(fields=["user", "-created_at"], name="notification_user_newest"),
            models.Index(fields=["user", "seq"], name="notification_user_seq"),
            models.Index(
                fields=["user"],
                condition=Q(seq__isnull=False, read=False, expired_at__isnull=True, superseded_by__isnull=True),
                name="notification_user_unread",
            ),
            models.Index(fields=["held_until"], condition=Q(held_until__isnull=False), name="notification_held"),
            models.Index(
                fields=["expires_at"],
                condition=Q(expired_at__isnull=True),
                name="notification_to_expire",
            ),
            models.Index(fields=["created_at"], name="notification_age"),
            models.Index(
                fields=["superseded_by"], condition=Q(superseded_by__isnull=False), name="notification_superseded"
            ),
            models.Index(fields=["repeat_of"], condition=Q(repeat_of__isnull=False), name="notification_repeats"),
            models.Index(
                fields=["user", "released_at"],
                condition=Q(released_at__isnull=False),
                name="notification_released",
            ),
        ]
        constraints = [
            # The signal first: a chunk of a fan-out reads the range of its own users, whatever the planner expects.
            models.UniqueConstraint(fields=["signal", "user", "revision"], name="notification_once_a_revision"),
            models.CheckConstraint(
                condition=Q(read=True, read_at__isnull=False) | Q(read=False, read_at__isnull=True),
                name="notification_read_has_time",
            ),
            models.CheckConstraint(
                condition=Q(delivered=True, delivered_at__isnull=False) | Q(delivered=False, delivered_at__isnull=True),
                name="notification_delivered_has_time",
            ),
            models.CheckConstraint(
                condition=Q(held_until__isnull=True) | Q(seq__isnull=True), name="notification_held_has_no_position"
            ),
            models.CheckConstraint(condition=Q(priority__in=Priority.values), name="notification_priority_known"),
            models.CheckConstraint(
                condition=Q(confidence__gte=0, confidence__lte=100), name="notification_confidence_0_100"
            ),
        ]

    def __str__(self) -> str:
        return self.title

    def get_absolute_url(self) -> str:
        return reverse("insight", args=[self.signal_id])

    @property
    def unread(self) -> bool:
        return self.seq is not None and not self.read and self.expired_at is None and self.superseded_by_id is None

    @property
    def waits_for_brake(self) -> bool:
        return self.held_until == UNTIL_LIFTED

    @property
    def state(self) -> str:
        """What has become of it, as the pages name it: `held`, `superseded`, `expired`, `unread` or `read`."""
        if self.held_until is not None:
            return "held"
        if self.superseded_by_id is not None:
            return "superseded"
        if self.expired_at is not None:
            return "expired"
        return "unread" if self.unread else "read"
