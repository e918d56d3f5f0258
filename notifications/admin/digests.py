"""The daily e-mails: whose went out when, why one did not, and when it is tried again."""

from __future__ import annotations

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from notifications.digests import runs
from notifications.models import DigestRun, DigestState
from zenithedge.admin.filters import ChosenFilter, DaysFilter
from zenithedge.admin.read_only import ReadOnlyAdmin
from zenithedge.admin.searching import by_user, by_value

MOST_SENT_AGAIN = 500


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
    sortable_by = ("due_at",)
    list_filter = (("due_at", DaysFilter), ("user", ChosenFilter), "state", "trial")
    list_select_related = ("user",)
    finders = (by_user("user"), by_value("message_id"))
    search_help_text = _("How the user name begins, the e-mail address or the Message-ID.")
    actions = ("send_again", "export_chosen")

    @admin.display(description=_("next try"))
    def next_try(self, run: DigestRun) -> str:
        if run.state != DigestState.PENDING:
            return ""
        if run.lease_until and run.lease_until > timezone.now():
            return gettext("being sent")
        return f"{run.next_attempt_at:%Y-%m-%d %H:%M} UTC"

    @admin.display(description=_("what was in it"))
    def said(self, run: DigestRun) -> str:
        return ", ".join(f"{count} {what}" for what, count in run.counts.items() if count)

    def has_resend_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("notifications.resend_notification")

    @admin.action(description=_("Send again"), permissions=["resend"])
    def send_again(self, request: HttpRequest, queryset: QuerySet[DigestRun]) -> None:
        if not self.few_enough(request, queryset, MOST_SENT_AGAIN):
            return
        opened = [runs.send_again(run, timezone.now()) for run in queryset]
        said = ngettext("%(count)d digest goes out again.", "%(count)d digests go out again.", sum(opened))
        self.message_user(request, said % {"count": sum(opened)}, messages.SUCCESS)
        if not all(opened):
            left = len(opened) - sum(opened)
            words = gettext("%(count)s left alone: on the way already.") % {"count": left}
            self.message_user(request, words, messages.WARNING)
