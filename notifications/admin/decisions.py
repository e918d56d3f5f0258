"""Why, or why not: one user, one insight, every rule."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.admin.widgets import AutocompleteSelect
from django.contrib.auth import get_user_model
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from notifications import decisions
from notifications.models import InsightDispatch, NotificationPreference
from notifications.preferences import Channel
from signals.models import Signal

PERMISSIONS = ("notifications.view_notificationpreference", "notifications.view_insightdispatch")


class DecisionForm(forms.Form):
    user = forms.ModelChoiceField(
        get_user_model()._default_manager.all(),
        label=_("User"),
        widget=AutocompleteSelect(NotificationPreference._meta.get_field("user"), admin.site),
    )
    signal = forms.ModelChoiceField(
        Signal.objects.select_related("validation"),
        label=_("Insight"),
        widget=AutocompleteSelect(InsightDispatch._meta.get_field("signal"), admin.site),
    )


def decision_view(request: HttpRequest) -> HttpResponse:
    """For who may see both the preferences and what became of insights. Reads only."""
    if not request.user.has_perms(PERMISSIONS):
        raise PermissionDenied
    form = DecisionForm(request.GET or None)
    context = {
        **admin.site.each_context(request),
        "title": _("Why, or why not"),
        "form": form,
        "channels": list(Channel),
        **(_told(form) if form.is_valid() else {}),
    }
    return TemplateResponse(request, "admin/notifications/decision.html", context)


def _told(form: DecisionForm) -> dict[str, Any]:
    user, signal = form.cleaned_data["user"], form.cleaned_data["signal"]
    then = decisions.story_then(user, signal)
    now = decisions.story_now(user, signal, timezone.now())
    return {
        "chosen_user": user,
        "chosen_signal": signal,
        "before_any_rule": decisions.before_any_rule(user, signal),
        "on_record": then[1].on_record if then else "",
        "stories": [*([("as-it-was", _("As it was"), then[0])] if then else []), ("now", _("As it would be now"), now)],
    }
