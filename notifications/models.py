"""What was decided, for whom, and how far it got. Rows are the truth; the channel layer only hints at them."""

from __future__ import annotations

import datetime as dt
import secrets
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models, transaction
from django.db.models import Q
from django.urls import reverse
from django.utils import timezone

from notifications import preferences
from notifications.preferences import Channel, QuietMode, Reason, Verdict
from notifications.priority import Priority
from signals.models import Signal

if TYPE_CHECKING:
    from django.contrib.auth.models import User


class DispatchState(models.TextChoices):
    OPEN = "open", "Open"
    RUNNING = "running", "Running"
    DONE = "done", "Done"
    CLOSED = "closed", "Closed without notifying"


class InsightDispatchQuerySet(models.QuerySet["InsightDispatch"]):
    def unfinished(self) -> InsightDispatchQuerySet:
        return self.filter(state__in=[DispatchState.OPEN, DispatchState.RUNNING])


class InsightDispatch(models.Model):
    """The one durable record that a revision of an insight is to be, or has been, turned into notifications."""

    signal = models.ForeignKey(Signal, on_delete=models.CASCADE, related_name="dispatches")
    revision = models.PositiveSmallIntegerField(help_text="1, 2, …; 0 = pushed by hand before any validation.")
    fingerprint = models.CharField(max_length=64, help_text="status:side:confidence label; a change is a new revision.")
    state = models.CharField(max_length=8, choices=DispatchState.choices, default=DispatchState.OPEN)
    cursor = models.BigIntegerField(default=0, help_text="Id of the last user done.")
    counts = models.JSONField(default=dict, help_text='{"verdicts": {verdict: users}, "reasons": {reason: users}}')
    last_error = models.TextField(blank=True)
    opened_at = models.DateTimeField(default=timezone.now)
    finished_at = models.DateTimeField(null=True, blank=True)

    objects = InsightDispatchQuerySet.as_manager()

    class Meta:
        ordering = ["-opened_at", "-id"]
        verbose_name_plural = "insight dispatches"
        indexes = [
            models.Index(fields=["opened_at"], condition=Q(state__in=["open", "running"]), name="dispatch_unfinished"),
            models.Index(fields=["-opened_at", "-id"], name="dispatch_newest"),
        ]
        constraints = [
            models.UniqueConstraint(fields=["signal", "revision"], name="dispatch_once_a_revision"),
            models.CheckConstraint(condition=Q(state__in=DispatchState.values), name="dispatch_state_known"),
        ]

    def __str__(self) -> str:
        return f"Dispatch {self.signal_id}.{self.revision} ({self.state})"

    @property
    def finished(self) -> bool:
        return self.state in (DispatchState.DONE, DispatchState.CLOSED)


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
        return f"Inbox of user {self.user_id} at {self.last_seq}"


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
    read = models.BooleanField(default=False)
    read_at = models.DateTimeField(null=True, blank=True)
    delivered = models.BooleanField(default=False, help_text="A browser acknowledged it.")
    delivered_at = models.DateTimeField(null=True, blank=True)

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
    def state(self) -> str:
        """What has become of it, as the pages name it: `superseded`, `expired`, `unread` or `read`."""
        if self.superseded_by_id is not None:
            return "superseded"
        if self.expired_at is not None:
            return "expired"
        return "unread" if self.unread else "read"


def default_time_zone() -> str:
    return str(settings.TIME_ZONE)


def every_weekday() -> list[int]:
    return list(range(7))


class NotificationPreference(models.Model):
    """What a user wants to hear of, when, and over which channel. `preferences.decide` gives it its meaning."""

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="notification_preference"
    )
    web_enabled = models.BooleanField(default=True)
    push_enabled = models.BooleanField(default=False)
    email_digest_enabled = models.BooleanField(default=False)
    min_confidence = models.DecimalField(
        max_digits=5, decimal_places=2, default=65, validators=[MinValueValidator(0), MaxValueValidator(100)]
    )
    strategies_filter = models.JSONField(default=list, blank=True, help_text="Empty = every strategy.")
    symbols_filter = models.JSONField(default=list, blank=True, help_text="Empty = every symbol.")
    high_priority_only = models.BooleanField(default=False)
    quiet_hours_enabled = models.BooleanField(default=False)
    quiet_start_time = models.TimeField(default=dt.time(22))
    quiet_end_time = models.TimeField(default=dt.time(7))
    quiet_weekdays = models.JSONField(default=every_weekday, blank=True, help_text="0 = Monday; days they start on.")
    quiet_mode = models.CharField(max_length=4, choices=QuietMode.choices, default=QuietMode.HOLD)
    urgent_bypasses_quiet = models.BooleanField(default=False)
    time_zone = models.CharField(max_length=64, default=default_time_zone, help_text="IANA name.")
    sound = models.BooleanField(default=False)
    digest_time = models.TimeField(default=dt.time(7), help_text="Local time of the daily e-mail.")
    paused_until = models.DateTimeField(null=True, blank=True)
    house_insights_for_staff = models.BooleanField(
        default=False, help_text="Staff get house insights only when they opt in; traders always do."
    )
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(min_confidence__gte=0, min_confidence__lte=100), name="preference_confidence_0_100"
            ),
            models.CheckConstraint(condition=Q(quiet_mode__in=QuietMode.values), name="preference_quiet_mode_known"),
        ]

    def __str__(self) -> str:
        return f"Preferences of user {self.user_id}"

    def save(self, *args: Any, changed_by: User | None = None, **kwargs: Any) -> None:
        """Save in canonical form and keep a version when anything changed; `changed_by` None means the owner.

        Values may come as text, as from a shell ("22:00"); ValidationError for one that can't be read.
        """
        for field in self._meta.concrete_fields:
            setattr(self, field.attname, field.to_python(getattr(self, field.attname)))
        self.symbols_filter = preferences.canonical_symbols(self.symbols_filter)
        self.strategies_filter = preferences.canonical_strategies(self.strategies_filter)
        with transaction.atomic():
            super().save(*args, **kwargs)
            PreferenceVersion.record(self, changed_by=changed_by)

    @classmethod
    def of(cls, user: User) -> NotificationPreference:
        """The user's preferences; the defaults, unsaved, for an account without a row."""
        return cls.objects.filter(user=user).first() or cls(user=user)

    def rules(self) -> preferences.Rules:
        """The pure value that `preferences.decide` works on."""
        return preferences.Rules(
            web_enabled=self.web_enabled,
            push_enabled=self.push_enabled,
            email_digest_enabled=self.email_digest_enabled,
            min_confidence=preferences.as_decimal(self.min_confidence),
            strategies=frozenset(self.strategies_filter),
            symbols=frozenset(self.symbols_filter),
            high_priority_only=self.high_priority_only,
            quiet_hours_enabled=self.quiet_hours_enabled,
            quiet_start=self.quiet_start_time,
            quiet_end=self.quiet_end_time,
            quiet_weekdays=frozenset(self.quiet_weekdays),
            quiet_mode=QuietMode(self.quiet_mode),
            urgent_bypasses_quiet=self.urgent_bypasses_quiet,
            time_zone=self.time_zone,
            paused_until=self.paused_until,
        )

    def should_notify(self, signal: Signal, priority: str = Priority.MEDIUM) -> bool:
        """Whether to disturb the user with this signal in the browser now."""
        facts = preferences.Facts(
            symbol=signal.symbol,
            strategy=signal.strategy,
            ai_confidence=signal.ai_confidence,
            priority=Priority(priority),
        )
        decision = preferences.decide(self.rules(), facts, Channel.WEBSOCKET, timezone.now())
        return decision.verdict is Verdict.SEND


class PreferenceVersion(models.Model):
    """The preferences as they were from `valid_from` on, until the next version."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="preference_versions")
    snapshot = models.JSONField()
    valid_from = models.DateTimeField(default=timezone.now)
    changed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )

    class Meta:
        ordering = ["-valid_from", "-id"]
        indexes = [models.Index(fields=["user", "-valid_from"], name="preference_version_newest")]

    def __str__(self) -> str:
        return f"Preferences of user {self.user_id} from {self.valid_from:%Y-%m-%d %H:%M:%S}"

    @classmethod
    def record(cls, preference: NotificationPreference, *, changed_by: User | None) -> None:
        """Keep a snapshot unless nothing changed since the last one."""
        snapshot = preference.rules().as_json()
        latest = cls.objects.filter(user_id=preference.user_id).order_by("-valid_from", "-id").first()
        if latest is None or latest.snapshot != snapshot:
            cls.objects.create(
                user_id=preference.user_id,
                snapshot=snapshot,
                changed_by_id=changed_by.pk if changed_by else preference.user_id,
            )


class DeliveryState(models.TextChoices):
    PENDING = "pending", "Pending"
    SENT = "sent", "Sent"
    ACKNOWLEDGED = "acknowledged", "Acknowledged"
    FAILED = "failed", "Failed"
    GONE = "gone", "Gone"
    SKIPPED = "skipped", "Skipped"


class NotificationDeliveryLog(models.Model):
    """One attempt group to bring one notification to one target over one channel; the outbox and its history."""

    notification = models.ForeignKey(
        InsightNotification, on_delete=models.CASCADE, related_name="delivery_logs", db_index=False
    )
    channel = models.CharField(max_length=12, choices=Channel.choices)
    target = models.CharField(max_length=200, blank=True, help_text="Empty for the socket: all the user's tabs.")
    attempt_group = models.PositiveSmallIntegerField(default=1, help_text="Each “send again” opens the next.")
    state = models.CharField(max_length=12, choices=DeliveryState.choices, default=DeliveryState.PENDING)
    success = models.BooleanField(null=True, blank=True, help_text="Unknown until final.")
    error_message = models.TextField(blank=True)
    attempts = models.PositiveSmallIntegerField(default=0)
    attempted_at = models.DateTimeField(null=True, blank=True)
    acknowledged_at = models.DateTimeField(null=True, blank=True)
    acknowledged_visible = models.BooleanField(
        null=True, blank=True, help_text="Whether the acknowledging tab was in view."
    )
    next_attempt_at = models.DateTimeField(null=True, blank=True)
    lease_until = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["-created_at", "-id"]
        indexes = [
            models.Index(fields=["-created_at", "-id"], name="delivery_newest"),
            models.Index(fields=["channel", "next_attempt_at"], condition=Q(state="pending"), name="delivery_pending"),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["notification", "channel", "target", "attempt_group"], name="delivery_once_a_target"
            ),
            models.CheckConstraint(condition=Q(channel__in=Channel.values), name="delivery_channel_known"),
            models.CheckConstraint(condition=Q(state__in=DeliveryState.values), name="delivery_state_known"),
        ]

    def __str__(self) -> str:
        return f"{self.get_channel_display()} of notification {self.notification_id}: {self.state}"


class PushSubscription(models.Model):
    """A browser that agreed to web push."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="push_subscriptions")
    endpoint = models.URLField(max_length=500, unique=True)
    p256dh = models.CharField(max_length=128)
    auth = models.CharField(max_length=64)
    user_agent = models.CharField(max_length=300, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    last_success_at = models.DateTimeField(null=True, blank=True)
    failures = models.PositiveSmallIntegerField(default=0)

    class Meta:
        ordering = ["-created_at"]

    def __str__(self) -> str:
        return f"Push subscription {self.pk} of user {self.user_id}"


class SuppressedInsight(models.Model):
    """An owned insight that the owner's preferences kept back, and the rule that did; kept for 14 days."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="suppressed_insights")
    signal = models.ForeignKey(Signal, on_delete=models.CASCADE, related_name="suppressions")
    revision = models.PositiveSmallIntegerField()
    channel = models.CharField(max_length=12, choices=Channel.choices)
    reason = models.CharField(max_length=32, choices=Reason.choices)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["-created_at", "-id"]
        indexes = [
            models.Index(fields=["user", "-created_at"], name="suppressed_user_newest"),
            models.Index(fields=["created_at"], name="suppressed_age"),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["user", "signal", "revision", "channel"], name="suppressed_once_a_revision"
            ),
        ]

    def __str__(self) -> str:
        return f"Insight {self.signal_id}.{self.revision} kept from user {self.user_id}: {self.reason}"
