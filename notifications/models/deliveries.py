"""How each notification is brought to each target, and how that went: the outbox."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from notifications.models.notifications import InsightNotification
from notifications.preferences import Channel


class DeliveryState(models.TextChoices):
    PENDING = "pending", _("Pending")
    SENT = "sent", _("Sent")
    ACKNOWLEDGED = "acknowledged", _("Acknowledged")
    FAILED = "failed", _("Failed")
    GONE = "gone", _("Gone")
    SKIPPED = "skipped", _("Skipped")


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
    lease_until = models.DateTimeField(
        null=True, blank=True, help_text="Until then somebody is sending it; later: whoever did was killed at it."
    )
    interruptions = models.PositiveSmallIntegerField(
        default=0, db_default=0, help_text="Attempts of which nobody knows how they ended."
    )
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["-created_at", "-id"]
        permissions = [
            ("resend_notification", "Can send notifications and daily e-mails again"),
            ("export_lists", "Can export the admin's lists as CSV"),
        ]
        indexes = [
            models.Index(fields=["-created_at", "-id"], name="delivery_newest"),
            models.Index(fields=["channel", "next_attempt_at"], condition=Q(state="pending"), name="delivery_pending"),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["notification", "channel", "target", "attempt_group"], name="delivery_once_a_target"
            ),
            # None for the channel: a site may add one of its own (notifications/delivery/registry.py).
            models.CheckConstraint(condition=Q(state__in=DeliveryState.values), name="delivery_state_known"),
        ]

    def __str__(self) -> str:
        return gettext("%(channel)s of notification %(id)s: %(state)s") % {
            "channel": self.get_channel_display(),
            "id": self.notification_id,
            "state": self.get_state_display(),
        }


class PushSubscription(models.Model):
    """A browser that agreed to web push."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="push_subscriptions")
    endpoint = models.URLField(max_length=500, unique=True)
    p256dh = models.CharField(max_length=128)
    auth = models.CharField(max_length=64)
    user_agent = models.CharField(max_length=300, blank=True)
    browser = models.CharField(
        max_length=64, blank=True, default="", db_default="", help_text="Digest of the cookie that it was given."
    )
    created_at = models.DateTimeField(auto_now_add=True)
    last_success_at = models.DateTimeField(null=True, blank=True)
    failures = models.PositiveSmallIntegerField(default=0, help_text="In a row; those of one attempt group are one.")
    failing_since = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-created_at"]

    def __str__(self) -> str:
        return gettext("Push subscription %(id)s of user %(user)s") % {"id": self.pk, "user": self.user_id}


class OutgoingWebhook(models.Model):
    """A user's own address that insights are posted to. Whether it is on is among the user's preferences."""

    user = models.OneToOneField(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="outgoing_webhook")
    url = models.CharField(max_length=500)
    secret = models.CharField(max_length=64, help_text="Signs what is sent; shown to the user once.")
    created_at = models.DateTimeField(default=timezone.now)
    last_success_at = models.DateTimeField(null=True, blank=True)
    failures = models.PositiveSmallIntegerField(default=0, help_text="In a row; after 20 it is paused.")
    failing_since = models.DateTimeField(null=True, blank=True)
    paused_at = models.DateTimeField(null=True, blank=True, help_text="By the site, because nothing arrived.")
    last_error = models.TextField(blank=True)

    def __str__(self) -> str:
        return gettext("Webhook of user %(user)s") % {"user": self.user_id}
