"""Django's own page of accounts, with a way to end somebody's sign-ins."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib import admin, messages
from django.contrib.auth.admin import UserAdmin
from django.contrib.auth.models import User
from django.db.models import QuerySet
from django.http import HttpRequest

from notifications.signing_out import NotOnRecordError, sign_out_everywhere

if TYPE_CHECKING:
    UserModelAdmin = UserAdmin[User]
else:
    UserModelAdmin = UserAdmin  # generic in the stubs only

admin.site.unregister(User)


@admin.register(User)
class AccountAdmin(UserModelAdmin):
    actions = ("sign_out",)

    @admin.action(description="Sign out on every device", permissions=["change"])
    def sign_out(self, request: HttpRequest, queryset: QuerySet[User]) -> None:
        """Who may not change superusers' rights can still end their sign-ins: it takes nothing away that lasts."""
        try:
            ended = {user: sign_out_everywhere(user.pk) for user in queryset}
        except NotOnRecordError as error:
            self.message_user(request, str(error), messages.ERROR)
            return
        for user, sessions in ended.items():
            self.log_change(request, user, f"Signed out on every device: {sessions} sessions ended.")
        said = ", ".join(f"{user} ({sessions} sessions)" for user, sessions in ended.items())
        self.message_user(request, f"Signed out: {said}.", messages.SUCCESS)
