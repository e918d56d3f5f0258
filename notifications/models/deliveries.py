"""How each notification is brought to each target, and how that went: the outbox."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

from notifications.models.notifications import InsightNotification
from notifications.preferences import Channel


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
