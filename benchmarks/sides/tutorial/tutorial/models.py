"""Signals, what a validator says of them, and one notification for each user: the facts that ours stores, plainly."""

from django.conf import settings
from django.db import models
from django.utils import timezone


class Signal(models.Model):
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, null=True)
    symbol = models.CharField(max_length=32)
    timeframe = models.CharField(max_length=3)
    side = models.CharField(max_length=4)
    price = models.DecimalField(max_digits=20, decimal_places=8)
    sl = models.DecimalField(max_digits=20, decimal_places=8)
    tp = models.DecimalField(max_digits=20, decimal_places=8)
    confidence = models.DecimalField(max_digits=5, decimal_places=2)
    strategy = models.CharField(max_length=64)
    regime = models.CharField(max_length=16)
    session = models.CharField(max_length=16)
    received_at = models.DateTimeField(default=timezone.now)


class TradeValidation(models.Model):
    signal = models.OneToOneField(Signal, on_delete=models.CASCADE, related_name="validation")
    truth_index = models.DecimalField(max_digits=5, decimal_places=2)
    context_summary = models.TextField()
    news_headline = models.CharField(max_length=200)


class Notification(models.Model):
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE)
    signal = models.ForeignKey(Signal, on_delete=models.CASCADE)
    title = models.CharField(max_length=120)
    snippet = models.TextField()
    priority = models.CharField(max_length=8)
    created_at = models.DateTimeField(default=timezone.now)
    read = models.BooleanField(default=False)
