"""The durable record that what became of insights is to reach, or has reached, everybody who holds them."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _


class ChangeKind(models.TextChoices):
    SETTLED = "settled", _("Target or stop reached")
    REVERSED = "reversed", _("Turned by an opposite signal")


class InsightChangeQuerySet(models.QuerySet["InsightChange"]):
    def unfinished(self) -> InsightChangeQuerySet:
        return self.filter(finished_at__isnull=True)


class InsightChange(models.Model):
    """What one transaction made of some insights; each of their notifications takes a position for it, once."""

    kind = models.CharField(max_length=8, choices=ChangeKind.choices)
    signal_ids = models.JSONField(help_text="A list. Those that are deleted meanwhile have no notifications either.")
    cursor = models.BigIntegerField(default=0, help_text="Id of the last user done.")
    opened_at = models.DateTimeField(default=timezone.now)
    finished_at = models.DateTimeField(null=True, blank=True)

    objects = InsightChangeQuerySet.as_manager()

    class Meta:
        ordering = ["-opened_at", "-id"]
        indexes = [
            models.Index(fields=["id"], condition=Q(finished_at__isnull=True), name="change_unfinished"),
            models.Index(fields=["finished_at"], condition=Q(finished_at__isnull=False), name="change_age"),
        ]
        constraints = [models.CheckConstraint(condition=Q(kind__in=ChangeKind.values), name="change_kind_known")]

    def __str__(self) -> str:
        return gettext("Change %(id)s of insights %(signals)s (%(kind)s)") % {
            "id": self.pk,
            "signals": self.signal_ids,
            "kind": self.get_kind_display(),
        }
