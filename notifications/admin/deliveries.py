"""What was sent to where, and the browsers that agreed to web push."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from django.contrib import admin
from django.http import HttpRequest
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from notifications.models import NotificationDeliveryLog, OutgoingWebhook, PushSubscription
from zenithedge import outgoing
from zenithedge.admin.filters import ChosenFilter, DaysFilter
from zenithedge.admin.read_only import ReadOnlyAdmin
from zenithedge.admin.searching import by_id, by_user


@admin.register(NotificationDeliveryLog)
class NotificationDeliveryLogAdmin(ReadOnlyAdmin):
    list_display = (
        "created_at",
        "user",
        "notification",
        "channel",
        "target",
        "state",
        "attempts",
        "attempted_at",
        "next_attempt_at",
        "acknowledged_at",
        "error_message",
    )
    sortable_by = ("created_at",)
    list_filter = (
        ("created_at", DaysFilter),
        ("notification__user", ChosenFilter),
        "channel",
        "state",
        "acknowledged_visible",
    )
    list_select_related = ("notification__user",)
    finders = (by_id("notification"), by_user("notification__user"))
    search_help_text = _("How the user name begins, or the id of the notification.")

    @admin.display(description=_("user"))
    def user(self, log: NotificationDeliveryLog) -> str:
        return log.notification.user.get_username()


@admin.register(PushSubscription)
class PushSubscriptionAdmin(ReadOnlyAdmin):
    """The endpoint and the keys together let anyone send to this browser: none is shown in full."""

    list_display = ("user", "service", "user_agent", "created_at", "last_success_at", "failures", "failing_since")
    sortable_by = ("created_at", "last_success_at", "failures", "failing_since")
    list_filter = (("created_at", DaysFilter), ("user", ChosenFilter), ("failing_since", admin.EmptyFieldListFilter))
    list_select_related = ("user",)
    finders = (by_user("user"),)
    search_help_text = _("How the user name begins.")
    fields = readonly_fields = (
        "user",
        "service",
        "endpoint_start",
        "public_key",
        "auth_secret",
        "user_agent",
        "created_at",
        "last_success_at",
        "failures",
        "failing_since",
    )

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """A subscription may go: the browser makes another when its user asks for it."""
        return request.user.has_perm("notifications.delete_pushsubscription")

    @admin.display(description=_("push service"))
    def service(self, subscription: PushSubscription) -> str:
        return urlsplit(subscription.endpoint).hostname or "?"

    @admin.display(description=_("endpoint"))
    def endpoint_start(self, subscription: PushSubscription) -> str:
        address = urlsplit(subscription.endpoint)
        return f"{address.scheme}://{address.netloc}/…"

    @admin.display(description=_("public key"))
    def public_key(self, subscription: PushSubscription) -> str:
        return shortened(subscription.p256dh)

    @admin.display(description=_("authentication secret"))
    def auth_secret(self, subscription: PushSubscription) -> str:
        return shortened(subscription.auth)


def shortened(key: str) -> str:
    """Enough to tell two keys apart, too little to use."""
    return gettext("%(start)s… (%(count)s characters)") % {"start": key[:4], "count": len(key)}


@admin.register(OutgoingWebhook)
class OutgoingWebhookAdmin(ReadOnlyAdmin):
    """The secret signs what this site sends: nobody is shown it, and an address may hold one too."""

    list_display = ("user", "host", "created_at", "last_success_at", "failures", "failing_since", "paused_at")
    sortable_by = ("created_at", "last_success_at", "failures", "failing_since", "paused_at")
    list_filter = (
        ("created_at", DaysFilter),
        ("user", ChosenFilter),
        ("paused_at", admin.EmptyFieldListFilter),
        ("failing_since", admin.EmptyFieldListFilter),
    )
    list_select_related = ("user",)
    finders = (by_user("user"),)
    search_help_text = _("How the user name begins.")
    fields = readonly_fields = (*list_display, "last_error")

    @admin.display(description=_("host"))
    def host(self, webhook: OutgoingWebhook) -> str:
        return outgoing.host_of(webhook.url)
