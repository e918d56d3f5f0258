"""Django's own page of accounts, with a way to end somebody's sign-ins."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib import admin, messages
from django.contrib.auth import get_user_model
from django.contrib.auth.admin import UserAdmin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from notifications.signing_out import NotOnRecordError, sign_out_everywhere

if TYPE_CHECKING:
    from django.contrib.auth.models import User

    UserModelAdmin = UserAdmin[User]
else:
    UserModelAdmin = UserAdmin  # generic in the stubs only

# Django registers its own model; a custom one may be registered by the app that brings it, with fields of its own.
if admin.site.is_registered(get_user_model()):
    admin.site.unregister(get_user_model())


@admin.register(get_user_model())
class AccountAdmin(UserModelAdmin):
    actions = ("sign_out",)

    @admin.action(description=_("Sign out on every device"), permissions=["change"])
    def sign_out(self, request: HttpRequest, queryset: QuerySet[User]) -> None:
        """Who may not change superusers' rights can still end their sign-ins: it takes nothing away that lasts."""
        try:
            ended = {user: sign_out_everywhere(user.pk) for user in queryset}
        except NotOnRecordError as error:
            self.message_user(request, str(error), messages.ERROR)
            return
        for user, sessions in ended.items():
            self.log_change(
                request, user, gettext("Signed out on every device: %(count)s sessions ended.") % {"count": sessions}
            )
        said = ", ".join(
            gettext("%(user)s (%(count)s sessions)") % {"user": user, "count": sessions}
            for user, sessions in ended.items()
        )
        self.message_user(request, gettext("Signed out: %(users)s.") % {"users": said}, messages.SUCCESS)
