"""What a user wants to hear of, and what that was at any earlier time."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models, transaction
from django.db.models import Q
from django.utils import timezone

from notifications import preferences
from notifications.preferences import Channel, QuietMode, Verdict
from notifications.priority import Priority
from signals.models import Signal

if TYPE_CHECKING:
    from django.contrib.auth.models import User


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
    digest_paused_until = models.DateTimeField(
        null=True, blank=True, help_text="No daily e-mail before then; the rest goes on."
    )
    paused_until = models.DateTimeField(null=True, blank=True)
    house_insights_for_staff = models.BooleanField(
        default=False, help_text="Staff get house insights only when they opt in; traders always do."
    )
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        indexes = [
            models.Index(
                fields=["time_zone", "digest_time", "user"],
                condition=Q(email_digest_enabled=True),
                name="preference_digest_times",
            ),
        ]
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
