"""What a user wants to hear of, and what that was at any earlier time."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models, transaction
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext

from notifications import preferences
from notifications.preferences import Channel, MuteKind, MuteRule, QuietMode, Verdict
from notifications.priority import Priority
from notifications.quiet import Window
from notifications.sounds import Sound
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
    webhook_enabled = models.BooleanField(
        default=False, db_default=False, editable=False, help_text="Set with the webhook itself."
    )
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
    language = models.CharField(
        max_length=16,
        blank=True,
        default="",
        db_default="",
        help_text="A code of LANGUAGES; empty: as the browser asks.",
    )
    sound = models.BooleanField(default=False)
    sound_high = models.CharField(max_length=8, choices=Sound.choices, default=Sound.RISE, db_default=Sound.RISE)
    sound_medium = models.CharField(max_length=8, choices=Sound.choices, default=Sound.CHIME, db_default=Sound.CHIME)
    sound_low = models.CharField(max_length=8, choices=Sound.choices, default=Sound.TICK, db_default=Sound.TICK)
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
        return gettext("Preferences of user %(user)s") % {"user": self.user_id}

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

    @classmethod
    def locked(cls, user: User) -> NotificationPreference:
        """The user's row, locked until the end of the transaction; made with the defaults when there is none."""
        cls.objects.get_or_create(user=user)
        return cls.objects.select_for_update().get(user=user)

    def rules(
        self, *, windows: Sequence[QuietWindow] | None = None, mutes: Sequence[Mute] | None = None
    ) -> preferences.Rules:
        """The pure value that `preferences.decide` works on.

        The further windows and the mutes are read unless they are given; unsaved preferences have none.
        """
        if windows is None:
            windows = list(QuietWindow.objects.filter(preference_id=self.pk)) if self.pk else []
        if mutes is None:
            mutes = list(Mute.objects.filter(user_id=self.user_id)) if self.pk else []
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
            quiet_windows=tuple(sorted((window.rule for window in windows), key=preferences.order_of_window)),
            mutes=tuple(mute.rule for mute in mutes),
            webhook_enabled=self.webhook_enabled,
        )

    def as_json(self) -> dict[str, Any]:
        """What a version keeps: the rules, and beside them what decides about no insight of a trader's."""
        return self.rules().as_json() | {
            "language": self.language,
            "sound": self.sound,
            "sound_high": str(self.sound_high),
            "sound_medium": str(self.sound_medium),
            "sound_low": str(self.sound_low),
            "digest_time": self.digest_time.isoformat(),
            "house_insights_for_staff": self.house_insights_for_staff,
        }

    @property
    def sounds(self) -> dict[str, str]:
        """What is heard, by priority; nothing with the switch off."""
        chosen = {
            Priority.HIGH: self.sound_high,
            Priority.MEDIUM: self.sound_medium,
            Priority.LOW: self.sound_low,
        }
        return {str(priority): name for priority, name in chosen.items() if self.sound and name != Sound.NONE}

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


def as_bits(weekdays: Iterable[int]) -> int:
    """Bit 0 is Monday."""
    return sum(1 << day for day in set(weekdays))


def as_weekdays(bits: int) -> list[int]:
    return [day for day in range(7) if bits & 1 << day]


class WeekdaysField(models.Field):  # type: ignore[type-arg]  # generic in the stubs only
    """A sorted list of weekdays, 0 = Monday. Seven bits in the database, where so nothing else can be written."""

    def get_internal_type(self) -> str:
        return "PositiveSmallIntegerField"

    def from_db_value(self, value: int, expression: Any, connection: Any) -> list[int]:
        return as_weekdays(value)

    def to_python(self, value: Any) -> list[int]:
        if not isinstance(value, (list, tuple, set, frozenset)) or not set(value) <= set(range(7)):
            raise ValidationError("Give weekdays from 0 (Monday) to 6 (Sunday).")
        return sorted(set(value))

    def get_prep_value(self, value: Any) -> int:
        return as_bits(self.to_python(value))


class QuietWindow(models.Model):
    """A further window of quiet, beside the one in the preferences; it counts while their quiet hours are enabled."""

    preference = models.ForeignKey(NotificationPreference, on_delete=models.CASCADE, related_name="quiet_windows")
    start = models.TimeField()
    end = models.TimeField(help_text="Earlier than the start: over midnight. The same: all day.")
    weekdays = WeekdaysField(default=every_weekday, help_text="0 = Monday; days it starts on.")

    class Meta:
        ordering = ["start", "end", "id"]
        constraints = [
            # PostgreSQL has a 24:00, Python has not.
            models.CheckConstraint(
                condition=Q(start__lte=dt.time.max, end__lte=dt.time.max), name="quiet_window_times_known"
            ),
            models.CheckConstraint(condition=Q(weekdays__lte=every_weekday()), name="quiet_window_weekdays_known"),
        ]

    def __str__(self) -> str:
        return gettext("Quiet %(start)s–%(end)s of preferences %(id)s") % {
            "start": f"{self.start:%H:%M}",
            "end": f"{self.end:%H:%M}",
            "id": self.preference_id,
        }

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Save, and keep a version of the preferences that it belongs to."""
        for field in self._meta.concrete_fields:
            setattr(self, field.attname, field.to_python(getattr(self, field.attname)))
        with transaction.atomic():
            super().save(*args, **kwargs)
            PreferenceVersion.record(self.preference)

    def delete(self, *args: Any, **kwargs: Any) -> tuple[int, dict[str, int]]:
        with transaction.atomic():
            deleted = super().delete(*args, **kwargs)
            PreferenceVersion.record(self.preference)
        return deleted

    @property
    def rule(self) -> Window:
        return Window(self.start, self.end, frozenset(self.weekdays))


class Mute(models.Model):
    """One symbol or strategy of which the user wants to hear nothing, for a while or until it is taken back."""

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="notification_mutes", db_index=False
    )
    kind = models.CharField(max_length=8, choices=MuteKind.choices)
    name = models.CharField(max_length=64)
    until = models.DateTimeField(null=True, blank=True, help_text="Empty = until it is taken back.")
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["kind", "name"]
        indexes = [models.Index(fields=["until"], condition=Q(until__isnull=False), name="mute_to_end")]
        constraints = [
            models.UniqueConstraint(fields=["user", "kind", "name"], name="mute_once_a_name"),
            models.CheckConstraint(condition=Q(kind__in=MuteKind.values), name="mute_kind_known"),
            # PostgreSQL has an infinity, Python has not.
            models.CheckConstraint(
                condition=Q(until__isnull=True) | Q(until__lte=preferences.UNTIL_TURNED_ON), name="mute_until_known"
            ),
        ]

    def __str__(self) -> str:
        end = f"until {self.until:%Y-%m-%d %H:%M} UTC" if self.until else "for good"
        return f"{self.get_kind_display()} {self.name} muted {end}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Save in canonical form, and keep a version of the user's preferences."""
        self.spell()
        with transaction.atomic():
            super().save(*args, **kwargs)
            self._keep_version()

    def delete(self, *args: Any, **kwargs: Any) -> tuple[int, dict[str, int]]:
        with transaction.atomic():
            deleted = super().delete(*args, **kwargs)
            self._keep_version()
        return deleted

    def spell(self) -> None:
        """Let the name be in canonical spelling, as signals have it."""
        canonical = preferences.canonical_symbols if self.kind == MuteKind.SYMBOL else preferences.canonical_strategies
        self.name = (canonical([self.name]) or [""])[0]

    @property
    def rule(self) -> MuteRule:
        return MuteRule(MuteKind(self.kind), self.name, self.until)

    def _keep_version(self) -> None:
        """Mutes count beside a row of preferences only: whoever has none has the defaults."""
        preference, _ = NotificationPreference.objects.get_or_create(user_id=self.user_id)
        PreferenceVersion.record(preference)


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
        return gettext("Preferences of user %(user)s from %(time)s") % {
            "user": self.user_id,
            "time": f"{self.valid_from:%Y-%m-%d %H:%M:%S}",
        }

    @classmethod
    def record(cls, preference: NotificationPreference, *, changed_by: User | None = None) -> None:
        """Keep a snapshot unless nothing changed since the last one."""
        snapshot = preference.as_json()
        latest = cls.objects.filter(user_id=preference.user_id).order_by("-valid_from", "-id").first()
        if latest is None or latest.snapshot != snapshot:
            cls.objects.create(
                user_id=preference.user_id,
                snapshot=snapshot,
                changed_by_id=changed_by.pk if changed_by else preference.user_id,
            )
