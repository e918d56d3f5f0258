"""The daily e-mails: whose went out when, why one did not, and when it is tried again."""

from __future__ import annotations

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from notifications.admin.read_only import ReadOnlyAdmin
from notifications.digests import runs
from notifications.models import DigestRun, DigestState


@admin.register(DigestRun)
class DigestRunAdmin(ReadOnlyAdmin):
    list_display = (
        "due_at",
        "user",
        "local_date",
        "state",
        "attempts",
        "sent_at",
        "next_try",
        "error",
        "said",
        "trial",
    )
    list_filter = ("state", "trial", "local_date")
    list_select_related = ("user",)
    search_fields = ("user__username", "user__email", "message_id", "error")
    search_help_text = _("User, e-mail address, Message-ID or the error.")
    date_hierarchy = "due_at"
    actions = ("send_again",)

    @admin.display(description=_("next try"))
    def next_try(self, run: DigestRun) -> str:
        if run.state != DigestState.PENDING:
            return ""
        if run.lease_until and run.lease_until > timezone.now():
            return "being sent"
        return f"{run.next_attempt_at:%Y-%m-%d %H:%M} UTC"

    @admin.display(description=_("what was in it"))
    def said(self, run: DigestRun) -> str:
        return ", ".join(f"{count} {what}" for what, count in run.counts.items() if count)

    def has_manage_permission(self, request: HttpRequest) -> bool:
        """The rows cannot be changed here, but who may change runs may send them again."""
        return request.user.has_perm("notifications.change_digestrun")

    @admin.action(description=_("Send again"), permissions=["manage"])
    def send_again(self, request: HttpRequest, queryset: QuerySet[DigestRun]) -> None:
        opened = [runs.send_again(run, timezone.now()) for run in queryset]
        said = ngettext("%(count)d digest goes out again.", "%(count)d digests go out again.", sum(opened))
        self.message_user(request, said % {"count": sum(opened)}, messages.SUCCESS)
        if not all(opened):
            left = len(opened) - sum(opened)
            self.message_user(request, f"{left} left alone: on the way already.", messages.WARNING)
