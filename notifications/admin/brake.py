"""The switch that stops sending for everybody, with what waits behind it and who has used it."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from notifications import brake
from notifications.models import SendingBrake
from zenithedge.admin.read_only import ReadOnlyAdmin

USES_PER_PAGE = 20
ADDRESS = "admin:notifications_sendingbrake_changelist"


class EngageForm(forms.Form):
    reason = forms.CharField(
        label=_("Why"),
        max_length=SendingBrake._meta.get_field("reason").max_length,
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
        help_text=_("For the other members of staff and for the record; traders are not shown it."),
    )
    sure = forms.BooleanField(label=_("Yes, stop sending to every trader"))


class LiftForm(forms.Form):
    use = forms.IntegerField(widget=forms.HiddenInput)
    sure = forms.BooleanField(label=_("Yes, send what waits, and all that comes"))


@admin.register(SendingBrake)
class SendingBrakeAdmin(ReadOnlyAdmin):
    """Its list is the page of the switch: whoever may look sees it, who has `use_brake` may press it."""

    fields = ("engaged_at", "engaged_name", "engaged_by", "reason", "lifted_at", "lifted_name", "lifted_by")

    def has_use_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("notifications.use_brake")

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        if not self.has_view_permission(request):
            raise PermissionDenied
        form = None
        if request.method == "POST":
            if not self.has_use_permission(request):
                raise PermissionDenied
            form = LiftForm(request.POST) if "use" in request.POST else EngageForm(request.POST)
            if form.is_valid():
                _press(request, form)
                return HttpResponseRedirect(reverse(ADDRESS))
        return self._page(request, form)

    def _page(self, request: HttpRequest, invalid: forms.Form | None) -> HttpResponse:
        present = brake.engaged()
        fitting = LiftForm if present else EngageForm  # another admin may have pressed it meanwhile
        uses = Paginator(SendingBrake.objects.all(), USES_PER_PAGE).get_page(request.GET.get("page"))
        context = {
            **self.admin_site.each_context(request),
            "title": _("The brake"),
            "opts": self.opts,
            "present": present,
            "now": timezone.now(),
            "waiting": brake.waiting(),
            "form": invalid if isinstance(invalid, fitting) else fitting(initial={"use": present and present.pk}),
            "may_use": self.has_use_permission(request),
            "uses": uses,
        }
        return TemplateResponse(
            request, "admin/notifications/brake.html", context, status=400 if invalid is not None else None
        )


def _press(request: HttpRequest, form: forms.Form) -> None:
    user: Any = request.user
    who = {"by": user, "name": user.get_username()}
    if isinstance(form, EngageForm):
        present, begun = brake.engage(form.cleaned_data["reason"], **who)
        if begun:
            messages.warning(request, gettext("Sending is stopped for everybody. All that comes is kept."))
        else:
            messages.info(
                request,
                gettext("It had been stopped already, by %(name)s: %(reason)s")
                % {"name": present.engaged_name, "reason": present.reason},
            )
    elif brake.lift(form.cleaned_data["use"], **who):
        messages.success(request, gettext("Sending goes on. What was held comes out now, in order."))
    else:
        messages.info(request, gettext("Somebody else had let it go on already."))
