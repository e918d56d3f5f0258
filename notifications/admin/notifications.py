"""Notifications and the streams that they are on."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.db.models import Count, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.http import HttpRequest
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from notifications.admin.unread import UnreadFilter
from notifications.manager import NotificationManager
from notifications.models import Inbox, InsightNotification, NotificationDeliveryLog
from signals.admin_search import by_strategy, by_symbol
from zenithedge.admin.filters import ChosenFilter, DaysFilter, ValueFilter
from zenithedge.admin.read_only import ReadOnlyAdmin, ReadOnlyInline
from zenithedge.admin.searching import by_id, by_user

MOST_SENT_AGAIN = 500

STANDINGS = {
    "held": Q(held_until__isnull=False),
    "expired": Q(expired_at__isnull=False),
    "superseded": Q(superseded_by__isnull=False),
    "read": Q(read=True),
    "other channels only": Q(seq__isnull=True, held_until__isnull=True),
}


STANDING_WORDS = {
    "unread": _("unread"),
    "held": _("held"),
    "expired": _("expired"),
    "superseded": _("superseded"),
    "read": _("read"),
    "other channels only": _("other channels only"),
}


class StandingFilter(admin.SimpleListFilter):
    title = _("standing")
    parameter_name = "standing"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(name, str(words)) for name, words in STANDING_WORDS.items()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if self.value() == "unread":
            return queryset & InsightNotification.objects.unread()
        standing = STANDINGS.get(self.value() or "")
        return queryset.filter(standing) if standing else queryset


class DeliveryLogInline(ReadOnlyInline):
    model = NotificationDeliveryLog
    fields = readonly_fields = (
        "channel",
        "target",
        "attempt_group",
        "state",
        "success",
        "attempts",
        "attempted_at",
        "next_attempt_at",
        "acknowledged_at",
        "acknowledged_visible",
        "error_message",
    )


@admin.register(InsightNotification)
class InsightNotificationAdmin(ReadOnlyAdmin):
    list_display = (
        "created_at",
        "user",
        "title",
        "revision",
        "priority",
        "confidence",
        "reason",
        "standing",
        "delivered_over",
    )
    list_display_links = ("title",)
    sortable_by = ("created_at",)
    list_filter = (
        ("created_at", DaysFilter),
        ("user", ChosenFilter),
        ("signal", ChosenFilter),
        StandingFilter,
        "priority",
        "reason",
        "delivered",
        ("signal__symbol", ValueFilter),
        ("signal__strategy", ValueFilter),
    )
    list_select_related = ("user",)
    finders = (
        by_id("pk", "signal"),
        by_user("user"),
        by_symbol("signal__symbol"),
        by_strategy("signal__strategy"),
    )
    search_help_text = _("How the user name begins, the e-mail address, symbol, strategy, or the id of the signal.")
    inlines = (DeliveryLogInline,)
    actions = ("send_again", "mark_read", "export_chosen")

    def get_queryset(self, request: HttpRequest) -> QuerySet[InsightNotification]:
        return super().get_queryset(request).prefetch_related("delivery_logs")

    @admin.display(description=_("standing"))
    def standing(self, notification: InsightNotification) -> str:
        if notification.waits_for_brake:
            return gettext("held: sending is stopped")
        if notification.held_until:
            return gettext("held until %(time)s UTC") % {"time": f"{notification.held_until:%Y-%m-%d %H:%M}"}
        if notification.expired_at:
            return str(STANDING_WORDS["expired"])
        if notification.superseded_by_id:
            return str(STANDING_WORDS["superseded"])
        if notification.read:
            return str(STANDING_WORDS["read"])
        return str(STANDING_WORDS["unread" if notification.unread else "other channels only"])

    @admin.display(description=_("over what"))
    def delivered_over(self, notification: InsightNotification) -> str:
        logs = sorted(notification.delivery_logs.all(), key=lambda log: log.pk)
        return ", ".join(f"{log.get_channel_display()}: {log.get_state_display()}" for log in logs)

    def has_resend_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("notifications.resend_notification")

    def has_manage_permission(self, request: HttpRequest) -> bool:
        """The rows cannot be changed here, but who may change notifications may do it in their owner's place."""
        return request.user.has_perm("notifications.change_insightnotification")

    @admin.action(description=_("Send again"), permissions=["resend"])
    def send_again(self, request: HttpRequest, queryset: QuerySet[InsightNotification]) -> None:
        if not self.few_enough(request, queryset, MOST_SENT_AGAIN):
            return
        sent = [NotificationManager.send_again(notification) for notification in queryset]
        said = ngettext("%(count)d notification sent again.", "%(count)d notifications sent again.", sum(sent))
        self.message_user(request, said % {"count": sum(sent)}, messages.SUCCESS)
        if not all(sent):
            left = len(sent) - sum(sent)
            self.message_user(
                request,
                gettext("%(count)s left alone: held, not for the browser, or sending is stopped.") % {"count": left},
                messages.WARNING,
            )

    @admin.action(description=_("Mark read"), permissions=["manage"])
    def mark_read(self, request: HttpRequest, queryset: QuerySet[InsightNotification]) -> None:
        if not self.few_enough(request, queryset, MOST_SENT_AGAIN):
            return
        results = [
            NotificationManager.mark_read(notification.user, notification.pk)
            for notification in queryset.filter(read=False).select_related("user")
        ]
        count = sum(result is not None and result.changed for result in results)
        said = ngettext("%(count)d notification marked read.", "%(count)d notifications marked read.", count)
        self.message_user(request, said % {"count": count}, messages.SUCCESS)


@admin.register(Inbox)
class InboxAdmin(ReadOnlyAdmin):
    list_display = ("user", "last_seq", "epoch", "unread")
    sortable_by = ("user",)
    list_select_related = ("user",)
    list_filter = (("user", ChosenFilter), UnreadFilter)
    finders = (by_user("user"),)
    search_help_text = _("How the user name begins.")
    ordering = ("user_id",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Inbox]:
        own = InsightNotification.objects.filter(user=OuterRef("user")).unread().order_by()
        count = own.values("user").annotate(count=Count("pk")).values("count")
        inboxes: QuerySet[Inbox] = super().get_queryset(request)
        return inboxes.annotate(unread_count=Coalesce(Subquery(count), 0))

    @admin.display(description=_("unread"))
    def unread(self, inbox: Any) -> int:
        return int(inbox.unread_count)
