"""What became of the insights and notifications of a period, counted."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext

from notifications.health.periods import Length


class HealthFigures(models.Model):
    """One period's figures, as `notifications.health.counting` counted them from the rows last."""

    length_s = models.PositiveIntegerField(help_text="Five minutes, an hour or a day.")
    begins_at = models.DateTimeField()
    counts = models.JSONField(default=dict, help_text="What notifications/health/counting.py says.")
    counted_at = models.DateTimeField()
    users = models.JSONField(default=dict, blank=True, help_text="Of a day: users by how many notifications they have.")
    users_counted_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-begins_at"]
        verbose_name = "delivery health"
        verbose_name_plural = "delivery health"
        default_permissions = ()
        permissions = [("view_health", "Can view the delivery health page")]
        constraints = [
            models.UniqueConstraint(fields=["length_s", "begins_at"], name="health_once_a_period"),
            models.CheckConstraint(
                condition=Q(length_s__in=[int(length) for length in Length]), name="health_length_known"
            ),
        ]

    def __str__(self) -> str:
        return gettext("Figures of %(seconds)s s from %(time)s") % {
            "seconds": self.length_s,
            "time": f"{self.begins_at:%Y-%m-%d %H:%M}",
        }
