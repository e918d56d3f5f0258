"""Django's own page of accounts, with a way to end somebody's sign-ins."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin, messages
from django.contrib.auth import get_user_model
from django.contrib.auth.admin import UserAdmin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from notifications.signing_out import NotOnRecordError, sign_out_everywhere
from zenithedge.admin import deleting
from zenithedge.admin.lists import ListAdmin

if TYPE_CHECKING:
    from django.contrib.auth.models import User

    UserModelAdmin = UserAdmin[User]
else:
    UserModelAdmin = UserAdmin  # generic in the stubs only

# Django registers its own model; a custom one may be registered by the app that brings it, with fields of its own.
if admin.site.is_registered(get_user_model()):
    admin.site.unregister(get_user_model())


MOST_SIGNED_OUT = 100


@admin.register(get_user_model())
class AccountAdmin(ListAdmin, UserModelAdmin):
    """A superuser's account is changed by superusers only: else who may change accounts could make himself one."""

    list_display = ("username", "email", "is_active", "is_staff", "last_login", "date_joined")
    list_filter = ("is_active", "is_staff", "is_superuser", "groups")
    search_fields = ("^username", "^email", "^first_name", "^last_name")
    search_help_text = _("How the user name, the e-mail address or a name begins.")
    actions = ("sign_out", "export_chosen")
    too_many = _(
        "Switch the account off (“Active”): it can't sign in and gets nothing any more. Its notifications go by "
        "themselves after 30 days; delete it then."
    )

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return super().has_change_permission(request, obj) and _may_touch(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return super().has_delete_permission(request, obj) and _may_touch(request, obj)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        own = super().get_readonly_fields(request, obj)
        return own if request.user.is_superuser else (*own, "is_superuser")

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """The list asks for no single account, so superusers' are looked for here."""
        if not request.user.is_superuser and any(each.is_superuser for each in objs[: deleting.MOST_CHOSEN]):
            return [], {}, {str(get_user_model()._meta.verbose_name)}, []
        return super().get_deleted_objects(objs, request)

    @admin.action(description=_("Sign out on every device"), permissions=["change"])
    def sign_out(self, request: HttpRequest, queryset: QuerySet[User]) -> None:
        """Who may not change superusers' rights can still end their sign-ins: it takes nothing away that lasts."""
        if not self.few_enough(request, queryset, MOST_SIGNED_OUT):
            return
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


def _may_touch(request: HttpRequest, account: Any) -> bool:
    return account is None or not account.is_superuser or request.user.is_superuser
