"""The admin answers: what did this user get, when, over what, and why. It writes only through NotificationManager."""

from notifications.admin.accounts import AccountAdmin
from notifications.admin.brake import SendingBrakeAdmin
from notifications.admin.deliveries import NotificationDeliveryLogAdmin, PushSubscriptionAdmin
from notifications.admin.digests import DigestRunAdmin
from notifications.admin.dispatches import InsightChangeAdmin, InsightDispatchAdmin, SuppressedInsightAdmin
from notifications.admin.health import HealthFiguresAdmin
from notifications.admin.notifications import InboxAdmin, InsightNotificationAdmin
from notifications.admin.preferences import (
    MuteAdmin,
    NotificationPreferenceAdmin,
    PreferenceVersionAdmin,
    QuietWindowAdmin,
)
from notifications.admin.sign_ins import AccessAttemptAdmin

__all__ = [
    "AccessAttemptAdmin",
    "AccountAdmin",
    "DigestRunAdmin",
    "HealthFiguresAdmin",
    "InboxAdmin",
    "InsightChangeAdmin",
    "InsightDispatchAdmin",
    "InsightNotificationAdmin",
    "MuteAdmin",
    "NotificationDeliveryLogAdmin",
    "NotificationPreferenceAdmin",
    "PreferenceVersionAdmin",
    "PushSubscriptionAdmin",
    "QuietWindowAdmin",
    "SendingBrakeAdmin",
    "SuppressedInsightAdmin",
]
