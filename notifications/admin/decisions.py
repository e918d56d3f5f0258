"""Did they get it? One user, one insight: what came, when and over what, and if not, every rule."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin
from django.contrib.admin.widgets import AutocompleteSelect
from django.contrib.auth import get_user_model
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from notifications import answers, decisions
from notifications.models import (
    InsightDispatch,
    InsightNotification,
    NotificationDeliveryLog,
    NotificationPreference,
    SuppressedInsight,
)
from notifications.preferences import Channel
from signals.admin_search import by_strategy, by_symbol
from signals.models import Signal
from zenithedge.admin import searching

if TYPE_CHECKING:
    from django.contrib.auth.models import User

# Of all that it tells of: accounts, insights (which may be somebody's own), preferences, and what came of both.
PERMISSIONS = (
    "auth.view_user",
    "signals.view_signal",
    *(f"notifications.view_{model._meta.model_name}" for model in (NotificationPreference, InsightDispatch)),
    *(f"notifications.view_{model._meta.model_name}" for model in (InsightNotification, SuppressedInsight)),
    f"notifications.view_{NotificationDeliveryLog._meta.model_name}",
)
FOUND = 20
SIGNAL_FINDERS = (searching.by_id("pk"), by_symbol("symbol"), by_strategy("strategy"))


class DecisionForm(forms.Form):
    user = forms.ModelChoiceField(
        get_user_model()._default_manager.all(),
        label=_("User"),
        required=False,
        widget=AutocompleteSelect(NotificationPreference._meta.get_field("user"), admin.site),
    )
    signal = forms.ModelChoiceField(
        Signal.objects.select_related("validation", "user"),
        label=_("Insight"),
        required=False,
        widget=AutocompleteSelect(InsightDispatch._meta.get_field("signal"), admin.site),
    )


def decision_view(request: HttpRequest) -> HttpResponse:
    """For who may see all that it tells of. Reads only.

    With a user and an insight it answers; with one of them, or words to search (`q`), it lists what to choose from.
    """
    if not request.user.has_perms(PERMISSIONS):
        raise PermissionDenied
    searching.refuse_no_ids(request, "user", "signal")
    words = request.GET.get("q", "").strip()
    users, signals = _found(words) if words else ([], [])
    form = DecisionForm(_chosen(request, users, signals))
    user = signal = None
    if form.is_valid():
        user, signal = form.cleaned_data["user"], form.cleaned_data["signal"]
    context = {
        **admin.site.each_context(request),
        "title": _("Did they get it?"),
        "form": form,
        "words": words,
        "users": users,
        "signals": signals,
        "channels": list(Channel),
        "chosen_user": user,
        "chosen_signal": signal,
        **_told(user, signal),
    }
    return TemplateResponse(request, "admin/notifications/decision.html", context)


def _found(words: str) -> tuple[list[User], list[Signal]]:
    """Users by how their names begin, signals by id, symbol or strategy: the newest."""
    users = searching.condition(words, (searching.by_user("pk"),))
    signals = searching.condition(words, SIGNAL_FINDERS)
    return (
        list(get_user_model()._default_manager.filter(users).order_by("username")[:FOUND]) if users else [],
        list(Signal.objects.filter(signals).select_related("user")[:FOUND]) if signals else [],
    )


def _chosen(request: HttpRequest, users: list[User], signals: list[Signal]) -> dict[str, Any]:
    """What was chosen, or is the only thing that was found."""
    asked: dict[str, Any] = {name: request.GET[name] for name in ("user", "signal") if request.GET.get(name)}
    if len(users) == 1 and not signals:
        asked.setdefault("user", users[0].pk)
    if len(signals) == 1 and not users:
        asked.setdefault("signal", signals[0].pk)
    return asked


def _told(user: User | None, signal: Signal | None) -> dict[str, Any]:
    if user and signal:
        return _answer(user, signal)
    if user:
        return {"lines": answers.newest_of(user)}
    return {"lines": answers.newest_holders(signal)} if signal else {}


def _answer(user: User, signal: Signal) -> dict[str, Any]:
    then = decisions.story_then(user, signal)
    now = decisions.story_now(user, signal, timezone.now())
    return {
        "answer": answers.answer(user, signal, then[0] if then else None),
        "before_any_rule": decisions.before_any_rule(user, signal),
        "on_record": then[1].on_record if then else "",
        "stories": [*([("as-it-was", _("As it was"), then[0])] if then else []), ("now", _("As it would be now"), now)],
    }
