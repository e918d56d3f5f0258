"""What was decided, for whom, and how far it got. Rows are the truth; the channel layer only hints at them."""

from notifications.models.brake import SendingBrake, SendingBrakeQuerySet
from notifications.models.changes import ChangeKind, InsightChange, InsightChangeQuerySet
from notifications.models.deliveries import (
    DeliveryState,
    NotificationDeliveryLog,
    OutgoingWebhook,
    PushSubscription,
)
from notifications.models.digests import DigestRun, DigestRunQuerySet, DigestState
from notifications.models.dispatches import DispatchState, InsightDispatch, InsightDispatchQuerySet, SuppressedInsight
from notifications.models.health import HealthFigures
from notifications.models.notifications import Inbox, InsightNotification, InsightNotificationQuerySet, new_epoch
from notifications.models.preferences import (
    Mute,
    NotificationPreference,
    PreferenceVersion,
    QuietWindow,
    as_weekdays,
    default_time_zone,
    every_weekday,
)

__all__ = [
    "ChangeKind",
    "DeliveryState",
    "DigestRun",
    "DigestRunQuerySet",
    "DigestState",
    "DispatchState",
    "HealthFigures",
    "Inbox",
    "InsightChange",
    "InsightChangeQuerySet",
    "InsightDispatch",
    "InsightDispatchQuerySet",
    "InsightNotification",
    "InsightNotificationQuerySet",
    "Mute",
    "NotificationDeliveryLog",
    "NotificationPreference",
    "OutgoingWebhook",
    "PreferenceVersion",
    "PushSubscription",
    "QuietWindow",
    "SendingBrake",
    "SendingBrakeQuerySet",
    "SuppressedInsight",
    "as_weekdays",
    "default_time_zone",
    "every_weekday",
    "new_epoch",
]
