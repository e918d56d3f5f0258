"""The switch that stops sending for everybody, and who used it when and why."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import BooleanField, ExpressionWrapper, Q
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _


class SendingBrakeQuerySet(models.QuerySet["SendingBrake"]):
    def engaged(self) -> SendingBrakeQuerySet:
        """The one that is on, if any is."""
        return self.filter(lifted_at__isnull=True)


class SendingBrake(models.Model):
    """One use of the brake: on from `engaged_at` until it is lifted. The rows are its audit trail.

    Written by `notifications.brake` only. The names stay when an account is deleted, and are all that there is of who
    used it from a shell.
    """

    engaged_at = models.DateTimeField(_("engaged at"), default=timezone.now)
    engaged_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    engaged_name = models.CharField(_("engaged by"), max_length=150)
    reason = models.CharField(_("reason"), max_length=300)
    lifted_at = models.DateTimeField(_("lifted at"), null=True, blank=True)
    lifted_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    lifted_name = models.CharField(_("lifted by"), max_length=150, blank=True)

    objects = SendingBrakeQuerySet.as_manager()

    class Meta:
        verbose_name = _("use of the brake")
        verbose_name_plural = _("uses of the brake")
        ordering = ["-engaged_at", "-id"]
        permissions = [("use_brake", "Can stop sending for everybody, and let it go on")]
        constraints = [
            models.UniqueConstraint(
                ExpressionWrapper(Q(lifted_at__isnull=True), output_field=BooleanField()),
                condition=Q(lifted_at__isnull=True),
                name="brake_engaged_once",
            ),
            models.CheckConstraint(condition=~Q(reason=""), name="brake_has_a_reason"),
        ]

    def __str__(self) -> str:
        return gettext("on since %(time)s UTC, by %(name)s: %(reason)s") % {
            "time": f"{self.engaged_at:%Y-%m-%d %H:%M}",
            "name": self.engaged_name,
            "reason": self.reason,
        }
