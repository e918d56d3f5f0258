"""What was decided, for whom, and how far it got. Rows are the truth; the channel layer only hints at them."""

from notifications.models.deliveries import DeliveryState, NotificationDeliveryLog, PushSubscription
from notifications.models.digests import DigestRun, DigestRunQuerySet, DigestState
from notifications.models.dispatches import DispatchState, InsightDispatch, InsightDispatchQuerySet, SuppressedInsight
from notifications.models.notifications import Inbox, InsightNotification, InsightNotificationQuerySet, new_epoch
from notifications.models.preferences import NotificationPreference, PreferenceVersion, default_time_zone, every_weekday

__all__ = [
    "DeliveryState",
    "DigestRun",
    "DigestRunQuerySet",
    "DigestState",
    "DispatchState",
    "Inbox",
    "InsightDispatch",
    "InsightDispatchQuerySet",
    "InsightNotification",
    "InsightNotificationQuerySet",
    "NotificationDeliveryLog",
    "NotificationPreference",
    "PreferenceVersion",
    "PushSubscription",
    "SuppressedInsight",
    "default_time_zone",
    "every_weekday",
    "new_epoch",
]
