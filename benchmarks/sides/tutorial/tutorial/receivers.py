"""A validated signal is stored for its owner, or for everybody, and sent to each one's group."""

from typing import Any

from asgiref.sync import async_to_sync
from channels.layers import get_channel_layer
from django.contrib.auth.models import User
from django.db.models.signals import post_save
from django.dispatch import receiver

from tutorial.models import Notification, TradeValidation


@receiver(post_save, sender=TradeValidation)
def notify(sender: type[TradeValidation], instance: TradeValidation, **kwargs: Any) -> None:
    signal = instance.signal
    users = [signal.user] if signal.user else User.objects.filter(is_active=True)
    for user in users:
        notification = Notification.objects.create(
            user=user,
            signal=signal,
            title=f"New Insight – {signal.symbol} ({signal.timeframe.upper()})",
            snippet=f"High confidence ({instance.truth_index:.0f}%). {instance.context_summary}",
            priority="high",
        )
        unread = Notification.objects.filter(user=user, read=False).count()
        async_to_sync(get_channel_layer().group_send)(
            f"user_{user.pk}_notifications", {"type": "notification.message", "message": message(notification, unread)}
        )


def message(notification: Notification, unread: int) -> dict[str, Any]:
    signal = notification.signal
    return {
        "type": "new_notification",
        "unread_count": unread,
        "notification": {
            "id": notification.pk,
            "title": notification.title,
            "snippet": notification.snippet,
            "confidence": float(signal.validation.truth_index),
            "priority": notification.priority,
            "news_headline": signal.validation.news_headline,
            "signal_id": signal.pk,
            "symbol": signal.symbol,
            "timeframe": signal.timeframe,
            "side": signal.side,
            "strategy": signal.strategy,
            "regime": signal.regime,
            "session": signal.session,
            "created_at": notification.created_at.isoformat(),
            "read": notification.read,
            "url": f"/signals/insight/{signal.pk}/",
        },
    }
