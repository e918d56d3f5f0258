"""A pause and mutes, from a form on any page and over the API: the same checks, the same words."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import Http404, HttpResponse, JsonResponse
from django.utils import timezone
from django.utils.text import format_lazy
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from notifications import quieting
from notifications.forms import MomentField, NamesField, SymbolsField
from notifications.http import ApiError, ApiRequest, FieldErrors, json_api, read_json_object
from notifications.models import Mute, NotificationPreference
from notifications.payloads import iso
from notifications.preferences import UNTIL_TURNED_ON, MuteKind, canonical_strategies, canonical_symbols
from notifications.quiet import zone_or_utc
from notifications.quieting import Muted, PauseFor
from zenithedge.forms import posted_from, redirect_back

if TYPE_CHECKING:
    from django.contrib.auth.models import User

MAX_MUTE_H = 30 * 24
UNKNOWN_PAUSE = format_lazy(gettext_lazy("Give one of {choices}."), choices=", ".join(PauseFor.values))

_FIELDS: dict[MuteKind, NamesField] = {
    MuteKind.SYMBOL: SymbolsField(canonical=canonical_symbols, noun="symbols"),
    MuteKind.STRATEGY: NamesField(canonical=canonical_strategies, noun="strategies"),
}


class MuteForm(forms.Form):
    kind = forms.ChoiceField(
        choices=MuteKind.choices,
        error_messages={"invalid_choice": gettext_lazy("Give symbol or strategy.")},
    )
    name = forms.CharField(max_length=64)
    for_h = forms.IntegerField(min_value=1, max_value=MAX_MUTE_H, required=False)
    until = MomentField(required=False)  # over the API only, instead of `for_h`: what an undo gives back
    until_tomorrow = forms.BooleanField(required=False)  # of a page only

    def clean_until(self) -> dt.datetime | None:
        until: dt.datetime | None = self.cleaned_data["until"]
        if until is not None and until.tzinfo is None:
            raise ValidationError("Give its offset too, such as 2026-03-04T16:00:00Z.")
        return until

    def clean(self) -> dict[str, Any]:
        """Let the name be what a list of such names may hold, in canonical spelling."""
        kind, name = self.cleaned_data.get("kind"), self.cleaned_data.get("name")
        if kind and name:
            try:
                [self.cleaned_data["name"]] = _FIELDS[MuteKind(kind)].clean([name])
            except ValidationError as error:
                self.add_error("name", error)
        return self.cleaned_data

    def save(self, user: User, now: dt.datetime) -> Muted:
        """Raises TooManyError."""
        hours = self.cleaned_data["for_h"]
        until = now + dt.timedelta(hours=hours) if hours else self.cleaned_data["until"]
        if self.cleaned_data["until_tomorrow"]:
            until = quieting.tomorrow(now, zone_or_utc(NotificationPreference.of(user).time_zone))
        return quieting.mute(user, MuteKind(self.cleaned_data["kind"]), self.cleaned_data["name"], until)


# --- The API --------------------------------------------------------------------------------------------------------


@json_api("POST")
def api_pause(request: ApiRequest) -> HttpResponse:
    body = read_json_object(request, {"for"})
    wanted = _wanted_pause(body.get("for"))
    if wanted is None:
        raise _invalid({"for": [str(UNKNOWN_PAUSE)]})
    until = quieting.pause(request.user, wanted, timezone.now())
    return JsonResponse(
        {
            "success": True,
            "paused_until": iso(until) if until else None,
            "until_turned_on": until == UNTIL_TURNED_ON,
        }
    )


@json_api("POST")
def api_mutes(request: ApiRequest) -> HttpResponse:
    """The same name again gives its mute another end; `replaced` says what undoes that."""
    body = read_json_object(request, {"kind", "name", "for_h", "until"})
    _refuse(_type_errors(body))
    form = MuteForm(body)
    _refuse_form(form)
    now = timezone.now()
    try:
        mute, earlier = form.save(request.user, now)
    except quieting.TooManyError as error:
        raise _invalid({"name": [str(error)]}) from error
    content = {"id": mute.pk, "kind": str(mute.kind), "name": mute.name, "until": _iso(mute.until)}
    replaced = {"until": _iso(earlier.until)} if earlier and earlier.counts_at(now) else None
    return JsonResponse({"success": True, "mute": content, "replaced": replaced})


def _iso(until: dt.datetime | None) -> str | None:
    return iso(until) if until else None


@json_api("DELETE")
def api_mute(request: ApiRequest, mute_id: int) -> HttpResponse:
    """404 for what is not there and for what is another's: the two cannot be told apart."""
    read_json_object(request, (), empty_allowed=True)
    if quieting.unmute(request.user, mute_id) is None:
        raise ApiError(404, "not_found", "There is no such mute.")
    return JsonResponse({"success": True})


def _wanted_pause(given: object) -> PauseFor | None:
    return PauseFor(str(given)) if given in PauseFor.values else None


def _type_errors(body: dict[str, Any]) -> FieldErrors:
    errors: FieldErrors = {
        name: ["Give a string."] for name in ("kind", "name") if not isinstance(body.get(name, ""), str)
    }
    until, hours = body.get("until"), body.get("for_h")
    if not (until is None or isinstance(until, str)) or ("until" in body and "for_h" in body):
        errors["until"] = ["Give a moment in ISO 8601 or null, and no for_h beside it."]
    # True is an int to Python, not an hour.
    if "until" not in body and ("for_h" not in body or not (hours is None or type(hours) is int)):
        errors["for_h"] = [f"Give a whole number of hours from 1 to {MAX_MUTE_H}, or null for no end."]
    return errors


def _refuse_form(form: forms.Form) -> None:
    _refuse({name: [str(text) for text in texts] for name, texts in form.errors.items()})


def _refuse(errors: FieldErrors) -> None:
    if errors:
        raise _invalid(errors)


def _invalid(errors: FieldErrors) -> ApiError:
    return ApiError(400, "invalid_fields", "The body has fields that cannot be used.", errors)


# --- Forms ----------------------------------------------------------------------------------------------------------


@posted_from("history")
def pause(request: ApiRequest) -> HttpResponse:
    wanted = _wanted_pause(request.POST.get("for"))
    if wanted is None:
        messages.error(request, str(UNKNOWN_PAUSE))
    else:
        until = quieting.pause(request.user, wanted, timezone.now())
        messages.success(request, _words_for_pause(request.user, until))
    return redirect_back(request)


@posted_from("history")
def mute(request: ApiRequest) -> HttpResponse:
    form = MuteForm(request.POST)
    if form.is_valid():
        try:
            muted, _earlier = form.save(request.user, timezone.now())
        except quieting.TooManyError as error:
            messages.error(request, str(error))
        else:
            messages.success(request, _words_for_mute(request.user, muted))
    else:
        _say_errors(request, form)
    return redirect_back(request)


@posted_from("history")
def unmute(request: ApiRequest, mute_id: int) -> HttpResponse:
    taken_back = quieting.unmute(request.user, mute_id)
    if taken_back is None:
        raise Http404("There is no such mute.")
    messages.success(request, _("%(name)s is no longer muted.") % {"name": taken_back.name})
    return redirect_back(request)


def _say_errors(request: ApiRequest, form: forms.Form) -> None:
    messages.error(request, " ".join(str(text) for texts in form.errors.values() for text in texts))


def _words_for_pause(user: User, until: dt.datetime | None) -> str:
    if until is None:
        return _("Notifications are on again.")
    if until == UNTIL_TURNED_ON:
        return _("Notifications are paused until you turn them on.")
    return _("Notifications are paused until %(time)s.") % {"time": _own_time(user, until)}


def _words_for_mute(user: User, muted: Mute) -> str:
    if muted.until is None:
        return _("%(name)s is muted until you take it back.") % {"name": muted.name}
    return _("%(name)s is muted until %(time)s.") % {"name": muted.name, "time": _own_time(user, muted.until)}


def _own_time(user: User, moment: dt.datetime) -> str:
    zone = zone_or_utc(user.notification_preference.time_zone)
    return f"{moment.astimezone(zone):%Y-%m-%d %H:%M}"
