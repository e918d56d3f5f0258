"""The daily e-mails: one row for each user and local date, and the outbox that they go out from."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _


class DigestState(models.TextChoices):
    PENDING = "pending", _("Pending")
    SENT = "sent", _("Sent")
    FAILED = "failed", _("Failed")
    SKIPPED = "skipped", _("Skipped")
    NOTHING = "nothing", _("Nothing to say")


class DigestRunQuerySet(models.QuerySet["DigestRun"]):
    def daily(self) -> DigestRunQuerySet:
        return self.filter(trial=False)

    def pending(self) -> DigestRunQuerySet:
        return self.filter(state=DigestState.PENDING)


class DigestRun(models.Model):
    """One user's e-mail of one local date; its row is there before anything is sent.

    A run belongs to whoever wrote `claim` into it last, until `lease_until`. Who was killed between sending and
    recording leaves it pending: the same mail goes out once more, with the same Message-ID.
    """

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="digest_runs", db_index=False
    )
    local_date = models.DateField(help_text="By the user's own clock.")
    trial = models.BooleanField(default=False, help_text="Asked for by the user with “send me one now”.")
    state = models.CharField(max_length=8, choices=DigestState.choices, default=DigestState.PENDING)
    due_at = models.DateTimeField(help_text="When the user's clock read the time that they chose.")
    edition = models.PositiveSmallIntegerField(default=1, help_text="Each “send again” opens the next.")
    message_id = models.CharField(max_length=200, help_text="The same each time that an edition is tried.")
    attempts = models.PositiveSmallIntegerField(default=0)
    next_attempt_at = models.DateTimeField(default=timezone.now)
    claim = models.CharField(max_length=32, blank=True, help_text="Who has it in hand.")
    lease_until = models.DateTimeField(null=True, blank=True)
    error = models.TextField(blank=True, help_text="Why it was not sent, without the address.")
    counts = models.JSONField(default=dict, blank=True, help_text='What was in it: {"unread": 3, "best": 2, …}')
    created_at = models.DateTimeField(default=timezone.now)
    sent_at = models.DateTimeField(null=True, blank=True)

    objects = DigestRunQuerySet.as_manager()

    class Meta:
        ordering = ["-due_at", "-id"]
        indexes = [
            models.Index(fields=["user", "-due_at"], name="digest_user_newest"),
            models.Index(fields=["due_at", "id"], condition=Q(state="pending"), name="digest_pending"),
            models.Index(fields=["-due_at", "-id"], name="digest_newest"),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["user", "local_date"], condition=Q(trial=False), name="digest_once_a_local_date"
            ),
            models.CheckConstraint(condition=Q(state__in=DigestState.values), name="digest_state_known"),
            models.CheckConstraint(
                condition=Q(state="sent", sent_at__isnull=False) | ~Q(state="sent"), name="digest_sent_has_time"
            ),
        ]

    def __str__(self) -> str:
        return f"Digest of user {self.user_id} for {self.local_date} ({self.state})"
