"""Who would get this: an insight, or one thought up, by today's defaults and by others."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.admin.widgets import AutocompleteSelect
from django.contrib.auth import get_user_model
from django.core.exceptions import PermissionDenied
from django.core.paginator import Page, Paginator
from django.db.models import TextChoices
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from notifications import audience, brake
from notifications.admin.decisions import PERMISSIONS
from notifications.audience import Audience, Figures, Member
from notifications.deciding import default_of
from notifications.delivery.registry import CHANNELS
from notifications.models import InsightDispatch
from notifications.preferences import Channel, Facts, Reason, Verdict, canonical_strategies, canonical_symbols
from notifications.priority import Priority
from notifications.reasons import facts_of
from signals.models import Signal
from zenithedge.admin.searching import refuse_no_ids

USERS_PER_PAGE = 100
# The defaults that may be tried: their fields, as they are named in the preferences.
SWITCHES = {
    "push_enabled": _("Web push"),
    "high_priority_only": _("Only high priority"),
    "quiet_hours_enabled": _("Quiet hours"),
    "urgent_bypasses_quiet": _("High priority comes through quiet hours"),
}


class Who(TextChoices):
    """Which users are listed."""

    REACHED = "reached", _("Reached")
    HELD = "held", _("Held")
    SUPPRESSED = "suppressed", _("Kept back")
    CHANGED = "changed", _("Different from today")

    def wants(self, member: Member) -> bool:
        match self:
            case Who.REACHED:
                return member.tried.reached
            case Who.HELD:
                return member.tried.verdict is Verdict.HOLD
            case Who.SUPPRESSED:
                return member.tried.verdict is Verdict.SUPPRESS
            case Who.CHANGED:
                return member.tried != member.today


class UtcMomentField(forms.DateTimeField):
    """By no clock of the reader's own."""

    def to_python(self, value: Any) -> dt.datetime | None:
        with timezone.override(dt.UTC):
            return super().to_python(value)


class AudienceForm(forms.Form):
    """A GET form: what is asked stands in the address. All of the insight's fields, or a signal; they go before it."""

    signal = forms.ModelChoiceField(
        Signal.objects.select_related("validation"),
        label=_("Insight"),
        required=False,
        widget=AutocompleteSelect(InsightDispatch._meta.get_field("signal"), admin.site),
    )
    symbol = forms.CharField(label=_("Symbol"), max_length=20, required=False)
    strategy = forms.CharField(label=_("Strategy"), max_length=50, required=False)
    confidence = forms.DecimalField(
        label=_("AI confidence"), min_value=Decimal(0), max_value=Decimal(100), decimal_places=2, required=False
    )
    priority = forms.ChoiceField(label=_("Priority"), choices=[("", "–"), *Priority.choices], required=False)
    moment = UtcMomentField(
        label=_("Moment (UTC)"),
        required=False,
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M"),
        input_formats=["%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M"],
    )
    min_confidence = forms.DecimalField(
        label=_("Minimum AI confidence"),
        min_value=Decimal(0),
        max_value=Decimal(100),
        decimal_places=2,
        required=False,
    )
    who = forms.ChoiceField(choices=Who.choices, required=False, widget=forms.HiddenInput)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name, label in SWITCHES.items():
            present = _("on") if default_of(name) else _("off")
            self.fields[name] = forms.TypedChoiceField(
                label=label,
                choices=[("", _("as it is (%(now)s)") % {"now": present}), ("on", _("on")), ("off", _("off"))],
                coerce=lambda value: value == "on",
                empty_value=None,
                required=False,
            )
        self.fields["min_confidence"].widget.attrs["placeholder"] = str(default_of("min_confidence"))

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        if not cleaned.get("signal") and "signal" not in self.errors:
            for name in ("symbol", "strategy", "confidence", "priority"):
                if name not in self.errors and cleaned.get(name) in (None, ""):
                    self.add_error(name, _("Needed without an insight."))
        return cleaned

    def facts(self) -> Facts:
        """Those of the insight, save what is given."""
        given = self.cleaned_data
        known = facts_of(given["signal"]) if given["signal"] else None
        symbols, strategies = canonical_symbols([given["symbol"]]), canonical_strategies([given["strategy"]])
        return Facts(
            symbols[0] if symbols or known is None else known.symbol,
            strategies[0] if strategies or known is None else known.strategy,
            given["confidence"] if given["confidence"] is not None or known is None else known.ai_confidence,
            Priority(given["priority"]) if given["priority"] or known is None else known.priority,
        )

    def defaults(self) -> dict[str, Any]:
        """Those that are to be others than today's."""
        tried = {name: self.cleaned_data[name] for name in ("min_confidence", *SWITCHES)}
        return {name: value for name, value in tried.items() if value is not None and value != default_of(name)}


def audience_view(request: HttpRequest) -> HttpResponse:
    """For who may see both the preferences and what became of insights. Reads only."""
    if not request.user.has_perms(PERMISSIONS):
        raise PermissionDenied
    refuse_no_ids(request, "signal")
    asked = request.GET.keys() - {"who", "page"}
    form = AudienceForm(request.GET if asked else None)
    context = {
        **admin.site.each_context(request),
        "title": _("Who would get this?"),
        "form": form,
        "insight_fields": [form[name] for name in ("symbol", "strategy", "confidence", "priority", "moment")],
        "default_fields": [form[name] for name in ("min_confidence", *SWITCHES)],
        **(_found(request, form) if form.is_valid() else {}),
    }
    return TemplateResponse(request, "admin/notifications/audience.html", context)


def _found(request: HttpRequest, form: AudienceForm) -> dict[str, Any]:
    signal = form.cleaned_data["signal"] or Signal()
    facts, defaults = form.facts(), form.defaults()
    now = form.cleaned_data["moment"] or timezone.now()
    found = audience.look(signal, facts, now, defaults)
    who = Who(form.cleaned_data["who"] or (Who.CHANGED if defaults else Who.REACHED))
    lists = {each: found.chosen(each.wants) for each in Who if defaults or each is not Who.CHANGED}
    query = request.GET.copy()
    query.pop("page", None)
    query.pop("who", None)
    return {
        "found": found,
        "facts": facts,
        "now": now,
        "defaults": defaults,
        "house": signal.user_id is None,
        "chosen_signal": form.cleaned_data["signal"],
        "braked": brake.is_engaged(),
        "figures": _figures(found),
        "reasons": _reasons(found),
        "who": who,
        "lists": [(each, len(members)) for each, members in lists.items()],
        "page": _page(lists.get(who, []), request.GET.get("page", "1")),
        "query": query.urlencode(),
    }


def _figures(found: Audience) -> list[dict[str, Any]]:
    def row(label: Any, tried: int, today: int) -> dict[str, Any]:
        return {"label": label, "tried": tried, "today": today, "more": tried - today}

    def by_channel(figures: Figures, channel: str) -> int:
        return figures.channels[channel]

    channels = [Channel.WEBSOCKET.value, *CHANNELS]
    tried, today = found.tried, found.today
    return [
        *(row(_channel_label(name), by_channel(tried, name), by_channel(today, name)) for name in channels),
        row(_("at night, of those reached"), tried.at_night, today.at_night),
        row(_("held by quiet hours"), tried.held, today.held),
        row(_("kept back by their preferences"), tried.suppressed.total(), today.suppressed.total()),
    ]


def _channel_label(name: str) -> Any:
    return Channel(name).label if name in Channel.values else name


def _reasons(found: Audience) -> list[dict[str, Any]]:
    """What kept it back, most first; a bar is so many of a hundred of all users."""
    tried, today = found.tried.suppressed, found.today.suppressed
    everyone = found.tried.users or 1
    rows = [
        {
            "label": reason.label,
            "tried": tried[reason],
            "today": today[reason],
            "more": tried[reason] - today[reason],
            "tried_bar": round(100 * tried[reason] / everyone, 1),
            "today_bar": round(100 * today[reason] / everyone, 1),
        }
        for reason in Reason
        if tried[reason] or today[reason]
    ]
    return sorted(rows, key=lambda row: -max(row["tried"], row["today"]))


def _page(members: Sequence[Member], number: str) -> Page[Any]:
    """With the users' names, of one page only."""
    page: Page[Any] = Paginator(members, USERS_PER_PAGE).get_page(number)
    users = get_user_model()._default_manager.in_bulk([member.user_id for member in page])
    page.object_list = [
        {"user": users[member.user_id], "tried": _words(member.tried), "today": _words(member.today)}
        for member in page
        if member.user_id in users
    ]
    return page


def _words(fate: audience.Fate) -> str:
    if fate.verdict is not Verdict.SEND:
        return f"{fate.verdict.label}: {fate.reason.label}"
    over = ", ".join(str(_channel_label(name)) for name in sorted(fate.channels))
    return f"{fate.verdict.label}: {over}" if over else str(_("Stored only: no device or address"))
