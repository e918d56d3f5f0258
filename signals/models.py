"""The market's side: trade signals, the validator's verdict on each, and the webhooks that bring them in."""

from __future__ import annotations

import datetime as dt
import hashlib
import secrets
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Coalesce
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

PERCENT = [MinValueValidator(0), MaxValueValidator(100)]


class Timeframe(models.TextChoices):
    M1 = "1m", "1m"
    M5 = "5m", "5m"
    M15 = "15m", "15m"
    M30 = "30m", "30m"
    H1 = "1h", "1h"
    H4 = "4h", "4h"
    D1 = "1d", "1d"
    W1 = "1w", "1w"

    @property
    def duration(self) -> dt.timedelta:
        """The length of one bar."""
        count, unit = int(self.value[:-1]), self.value[-1]
        return (
            count
            * {
                "m": dt.timedelta(minutes=1),
                "h": dt.timedelta(hours=1),
                "d": dt.timedelta(days=1),
                "w": dt.timedelta(weeks=1),
            }[unit]
        )


class Side(models.TextChoices):
    BUY = "buy", _("Buy")
    SELL = "sell", _("Sell")


class Regime(models.TextChoices):
    TREND = "Trend", _("Trend")
    BREAKOUT = "Breakout", _("Breakout")
    MEAN_REVERSION = "MeanReversion", _("Mean reversion")
    SQUEEZE = "Squeeze", _("Squeeze")
    RANGE = "Range", _("Range")
    VOLATILE = "Volatile", _("Volatile")
    NEUTRAL = "Neutral", _("Neutral")


class MarketSession(models.TextChoices):
    ASIA = "Asia", _("Asia")
    LONDON = "London", _("London")
    NEW_YORK = "New York", _("New York")


class Outcome(models.TextChoices):
    PENDING = "pending", _("Pending")
    WIN = "win", _("Win")
    LOSS = "loss", _("Loss")
    EXPIRED = "expired", _("Expired")


class SignalQuerySet(models.QuerySet["Signal"]):
    def closed(self) -> SignalQuerySet:
        """Those whose target or stop was reached."""
        return self.filter(outcome__in=[Outcome.WIN, Outcome.LOSS])

    def unvalidated(self) -> SignalQuerySet:
        return self.filter(validation__isnull=True)

    def visible_to(self, user: Any) -> SignalQuerySet:
        """The user's own, and every house signal."""
        return self.filter(Q(user=user) | Q(user__isnull=True))


class Signal(models.Model):
    """One trade signal as its source sent it. Without a user it is a house signal, meant for every trader."""

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, null=True, blank=True, related_name="trade_signals"
    )
    symbol = models.CharField(max_length=32, help_text="Canonical: EURUSD, not EUR/USD.")
    timeframe = models.CharField(max_length=3, choices=Timeframe.choices)
    side = models.CharField(max_length=4, choices=Side.choices)
    price = models.DecimalField(max_digits=20, decimal_places=8, null=True, blank=True)
    sl = models.DecimalField("stop loss", max_digits=20, decimal_places=8)
    tp = models.DecimalField("take profit", max_digits=20, decimal_places=8)
    confidence = models.DecimalField(
        max_digits=5, decimal_places=2, validators=PERCENT, help_text="The source's own figure, 0–100."
    )
    strategy = models.CharField(max_length=64)
    regime = models.CharField(max_length=16, choices=Regime.choices, blank=True)
    session = models.CharField(max_length=16, choices=MarketSession.choices, blank=True)
    structure = models.CharField(max_length=64, blank=True)
    news_headline = models.CharField(max_length=200, blank=True)
    news_context = models.TextField(blank=True)
    notes = models.TextField(blank=True)
    extra = models.JSONField(default=dict, blank=True, help_text="What else the source said: multi_tf, explain.")
    source = models.CharField(max_length=32, default="manual", help_text="webhook, replay, admin, manual …")
    webhook_source = models.ForeignKey(
        "WebhookSource", on_delete=models.SET_NULL, null=True, blank=True, related_name="trade_signals", editable=False
    )
    dedupe_key = models.CharField(
        max_length=64,
        null=True,
        blank=True,
        unique=True,
        editable=False,
        help_text="Digest of sender and alert id or alert time: the same alert is one signal.",
    )
    bar_time = models.DateTimeField(null=True, blank=True, help_text="The alert's own time.")
    received_at = models.DateTimeField(default=timezone.now)
    updated_at = models.DateTimeField(auto_now=True)
    outcome = models.CharField(max_length=8, choices=Outcome.choices, default=Outcome.PENDING)
    closed_at = models.DateTimeField(
        null=True, blank=True, help_text="The time of the price that reached the target or the stop."
    )
    reversed_by = models.ForeignKey(
        "self",
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="reverses",
        db_index=False,
        help_text="The later signal of the other side that turned this one while it was live.",
    )

    objects = SignalQuerySet.as_manager()

    class Meta:
        ordering = ["-received_at", "-id"]
        indexes = [
            models.Index(fields=["-received_at", "-id"], name="signal_newest"),
            models.Index(fields=["user", "-received_at"], name="signal_owner_newest"),
            models.Index(fields=["strategy", "symbol", "outcome"], name="signal_track_record"),
            models.Index(fields=["symbol"], condition=Q(outcome="pending"), name="signal_open"),
            models.Index(fields=["reversed_by"], condition=Q(reversed_by__isnull=False), name="signal_reversed"),
            models.Index("symbol", "strategy", Coalesce("bar_time", "received_at"), name="signal_own_time"),
        ]
        constraints = [
            models.CheckConstraint(condition=~Q(symbol=""), name="signal_symbol_given"),
            models.CheckConstraint(condition=~Q(strategy=""), name="signal_strategy_given"),
            models.CheckConstraint(condition=Q(timeframe__in=Timeframe.values), name="signal_timeframe_known"),
            models.CheckConstraint(condition=Q(side__in=Side.values), name="signal_side_known"),
            models.CheckConstraint(condition=Q(regime__in=["", *Regime.values]), name="signal_regime_known"),
            models.CheckConstraint(condition=Q(session__in=["", *MarketSession.values]), name="signal_session_known"),
            models.CheckConstraint(condition=Q(outcome__in=Outcome.values), name="signal_outcome_known"),
            models.CheckConstraint(condition=Q(confidence__gte=0, confidence__lte=100), name="signal_confidence_0_100"),
            models.CheckConstraint(
                condition=Q(sl__gt=0, tp__gt=0) & (Q(price__isnull=True) | Q(price__gt=0)),
                name="signal_prices_positive",
            ),
            models.CheckConstraint(
                condition=Q(side=Side.BUY, sl__lt=F("tp")) | Q(side=Side.SELL, sl__gt=F("tp")),
                name="signal_stop_opposite_target",
            ),
            models.CheckConstraint(
                condition=Q(price__isnull=True)
                | Q(side=Side.BUY, sl__lt=F("price"), tp__gt=F("price"))
                | Q(side=Side.SELL, sl__gt=F("price"), tp__lt=F("price")),
                name="signal_price_between_stop_and_target",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_side_display()} {self.symbol} {self.timeframe} ({self.strategy})"

    def get_absolute_url(self) -> str:
        return reverse("insight", args=[self.pk])

    @property
    def ai_confidence(self) -> Decimal:
        """The validator's truth index when there is a validation, else the source's own confidence (0–100)."""
        validation = getattr(self, "validation", None)
        return Decimal(str(validation.truth_index if validation else self.confidence))

    @property
    def price_places(self) -> int:
        """The decimals of the most exact of its prices: all are shown with as many, so that they can be compared."""
        prices = (self.sl, self.tp, self.price)
        return max(len(f"{price.normalize():f}".partition(".")[2]) for price in prices if price is not None)

    @property
    def own_time(self) -> dt.datetime:
        """The alert's own time, else the time at which it was received."""
        return self.bar_time or self.received_at

    @property
    def expires_at(self) -> dt.datetime:
        """When the insight has lost its meaning: so many bars of its timeframe after it was received."""
        bars: int = settings.NOTIFICATIONS_LIFE_BARS
        return self.received_at + bars * Timeframe(self.timeframe).duration


class ValidationStatus(models.TextChoices):
    APPROVED = "approved", _("Approved")
    CONDITIONAL = "conditional", _("Conditional")
    REJECTED = "rejected", _("Rejected")

    @classmethod
    def for_truth_index(cls, truth_index: Decimal) -> ValidationStatus:
        """approved from 80, conditional from 60, else rejected."""
        if truth_index >= 80:
            return cls.APPROVED
        return cls.CONDITIONAL if truth_index >= 60 else cls.REJECTED


class TradeValidation(models.Model):
    """The validator's verdict on one signal: with it the signal is an insight."""

    signal = models.OneToOneField(Signal, on_delete=models.CASCADE, related_name="validation")
    truth_index = models.DecimalField(max_digits=5, decimal_places=2, validators=PERCENT)
    status = models.CharField(max_length=12, choices=ValidationStatus.choices)
    breakdown = models.JSONField(default=dict, blank=True, help_text="Named sub-scores, 0–100.")
    context_summary = models.TextField(blank=True, help_text="The narrative.")
    recommendation = models.TextField(blank=True)
    news_headline = models.CharField(max_length=200, blank=True)
    news_context = models.TextField(blank=True)
    validated_at = models.DateTimeField(default=timezone.now)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["-validated_at", "-id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(truth_index__gte=0, truth_index__lte=100), name="validation_truth_index_0_100"
            ),
            models.CheckConstraint(condition=Q(status__in=ValidationStatus.values), name="validation_status_known"),
        ]

    def __str__(self) -> str:
        return gettext("%(status)s (%(truth_index)s %%) of signal %(signal)s") % {
            "status": self.get_status_display(),
            "truth_index": self.truth_index,
            "signal": self.signal_id,
        }

    def save(self, *args: Any, **kwargs: Any) -> None:
        if not self.status:
            self.status = ValidationStatus.for_truth_index(Decimal(str(self.truth_index)))
        super().save(*args, **kwargs)


class WebhookSourceQuerySet(models.QuerySet["WebhookSource"]):
    def for_token(self, token: str) -> WebhookSource | None:
        """The source with this token, paused or not; None for an unknown one."""
        return self.select_related("user").filter(token_hash=WebhookSource.hash_token(token)).first()

    def silent(self) -> WebhookSourceQuerySet:
        """Those whose owners were told of their silence, and which have said nothing since (signals/silence.py)."""
        return self.filter(paused=False, silent_since__isnull=False, silent_since=F("last_alert_at"))


class WebhookSource(models.Model):
    """An address that alerts are posted to. Without a user its signals are house signals."""

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, null=True, blank=True, related_name="webhook_sources"
    )
    name = models.CharField(max_length=64, default="TradingView")
    token_hash = models.CharField(max_length=64, unique=True, editable=False)
    paused = models.BooleanField(default=False)
    created_at = models.DateTimeField(auto_now_add=True)
    last_alert_at = models.DateTimeField(null=True, blank=True, editable=False)
    silent_since = models.DateTimeField(
        null=True, blank=True, editable=False, help_text="Its last alert, when the owner was told of its silence."
    )

    objects = WebhookSourceQuerySet.as_manager()

    class Meta:
        ordering = ["name", "id"]
        permissions = [("pause_webhooksource", "Can pause and resume webhooks")]

    def __str__(self) -> str:
        if self.user is None:
            return gettext("%(name)s of the house") % {"name": self.name}
        return gettext("%(name)s of %(user)s") % {"name": self.name, "user": self.user}

    @property
    def is_silent(self) -> bool:
        """As `silent()` of the query set."""
        return not self.paused and self.silent_since is not None and self.silent_since == self.last_alert_at

    @staticmethod
    def hash_token(token: str) -> str:
        """SHA-256: the token is 256 random bits, so a slow hash would add nothing."""
        return hashlib.sha256(token.encode()).hexdigest()

    def rotate_token(self) -> str:
        """Give the source a new token and return it: it is stored hashed and cannot be shown again. Does not save."""
        token = secrets.token_urlsafe(32)
        self.token_hash = self.hash_token(token)
        return token


class Verdict(models.TextChoices):
    ACCEPTED = "accepted", _("Accepted")
    DUPLICATE = "duplicate", _("Duplicate")
    REFUSED = "refused", _("Refused")


class WebhookRequest(models.Model):
    """One raw request to a webhook, refused ones too; kept for 30 days (`cleanup_notifications`)."""

    source = models.ForeignKey(WebhookSource, on_delete=models.CASCADE, related_name="requests")
    received_at = models.DateTimeField(default=timezone.now)
    content_type = models.CharField(max_length=100, blank=True)
    body = models.TextField(blank=True, help_text="At most 16 KiB, values of secret keys blanked.")
    body_digest = models.CharField(max_length=64, help_text="SHA-256 of the body as it came.")
    verdict = models.CharField(max_length=12, choices=Verdict.choices)
    status_code = models.PositiveSmallIntegerField()
    reason = models.TextField(blank=True, help_text="For a refused one: what was wrong.")
    field_errors = models.JSONField(default=dict, blank=True, help_text="Field name → list of errors.")
    warnings = models.JSONField(default=list, blank=True, help_text="What was accepted but not understood.")
    signal = models.ForeignKey(
        Signal, on_delete=models.SET_NULL, null=True, blank=True, related_name="webhook_requests"
    )

    class Meta:
        ordering = ["-received_at", "-id"]
        indexes = [
            models.Index(fields=["source", "-received_at"], name="webhook_request_newest"),
            models.Index(fields=["received_at"], name="webhook_request_age"),
            models.Index(fields=["source", "body_digest", "-received_at"], name="webhook_request_repeat"),
        ]
        constraints = [
            models.CheckConstraint(condition=Q(verdict__in=Verdict.values), name="webhook_request_verdict_known"),
        ]

    def __str__(self) -> str:
        return gettext("%(verdict)s at %(time)s") % {
            "verdict": self.get_verdict_display(),
            "time": f"{self.received_at:%Y-%m-%d %H:%M:%S}",
        }
