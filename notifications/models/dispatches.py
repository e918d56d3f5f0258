"""The durable record that an insight is to be, or has been, handed out, and to whom it was not."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from notifications.preferences import Channel, Reason
from signals.models import Signal


class DispatchState(models.TextChoices):
    OPEN = "open", _("Open")
    RUNNING = "running", _("Running")
    DONE = "done", _("Done")
    CLOSED = "closed", _("Closed without notifying")


class InsightDispatchQuerySet(models.QuerySet["InsightDispatch"]):
    def unfinished(self) -> InsightDispatchQuerySet:
        return self.filter(state__in=[DispatchState.OPEN, DispatchState.RUNNING])


class InsightDispatch(models.Model):
    """The one durable record that a revision of an insight is to be, or has been, turned into notifications."""

    signal = models.ForeignKey(Signal, on_delete=models.CASCADE, related_name="dispatches")
    revision = models.PositiveSmallIntegerField(help_text="1, 2, …; 0 = pushed by hand before any validation.")
    fingerprint = models.CharField(max_length=64, help_text="status:side:confidence label; a change is a new revision.")
    confidence = models.DecimalField(
        max_digits=5, decimal_places=2, null=True, blank=True, help_text="AI confidence when it was recorded, 0–100."
    )
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
        return gettext("Dispatch %(signal)s.%(revision)s (%(state)s)") % {
            "signal": self.signal_id,
            "revision": self.revision,
            "state": self.get_state_display(),
        }

    @property
    def finished(self) -> bool:
        return self.state in (DispatchState.DONE, DispatchState.CLOSED)


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
        return gettext("Insight %(signal)s.%(revision)s kept from user %(user)s: %(reason)s") % {
            "signal": self.signal_id,
            "revision": self.revision,
            "user": self.user_id,
            "reason": self.get_reason_display(),
        }
