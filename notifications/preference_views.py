"""A user's preferences: the page, complete without JavaScript, and the API beside it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from notifications.forms import PreferenceForm, field_names
from notifications.http import ApiError, ApiRequest, json_api, read_json_object
from notifications.json_preferences import preferences_payload, type_errors
from notifications.models import NotificationPreference
from notifications.quiet import known_zones, zone_or_utc
from signals.models import Signal
from signals.vocabulary import KNOWN_STRATEGIES

if TYPE_CHECKING:
    from django.contrib.auth.models import User

SEEN_SIGNALS = 1000  # so many of the newest are looked at for suggestions: enough variety, one short query


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
@login_required
def preferences_page(request: ApiRequest) -> HttpResponse:
    if request.method != "POST":
        return _page(request, PreferenceForm(instance=NotificationPreference.of(request.user)))
    with transaction.atomic():
        preference = _lock(request.user)
        before = preferences_payload(preference)
        form = PreferenceForm(request.POST, instance=preference)
        saved = form.is_valid()
        if saved:
            preference.save(changed_by=request.user)
    if not saved:
        return _page(request, form)
    messages.success(request, _what_was_saved(form, before))
    return redirect("preferences")


@json_api("POST")
def api_update_preferences(request: ApiRequest) -> HttpResponseBase:
    """Change the given fields and leave the others; all of them or, when one is wrong, none.

    Two requests at once for different fields both hold; for the same field the later one does.
    """
    given = read_json_object(request, field_names(NotificationPreference(user=request.user)))
    _refuse(type_errors(given))
    with transaction.atomic():
        preference = _lock(request.user)
        form = PreferenceForm(given, instance=preference, only=given)
        _refuse({name: [str(text) for text in texts] for name, texts in form.errors.items()})
        preference.save(changed_by=request.user)
    return JsonResponse({"success": True, "preferences": preferences_payload(preference)})


def _lock(user: User) -> NotificationPreference:
    """The user's row, locked until the end of the transaction; made with the defaults when there is none."""
    NotificationPreference.objects.get_or_create(user=user)
    return NotificationPreference.objects.select_for_update().get(user=user)


def _refuse(errors: Mapping[str, list[str]]) -> None:
    if errors:
        raise ApiError(400, "invalid_fields", "Nothing was saved: some fields are not valid.", dict(errors))


def _page(request: HttpRequest, form: PreferenceForm) -> HttpResponse:
    context = {"form": form, "zones": sorted(known_zones()), **_suggestions(form.instance.user)}
    return render(request, "notifications/preferences.html", context)


def _suggestions(user: User) -> dict[str, list[str]]:
    """Symbols and strategies that the user's newest signals, and the house's, have."""
    newest = Signal.objects.visible_to(user).order_by("-received_at", "-id")
    seen = list(newest.values_list("symbol", "strategy")[:SEEN_SIGNALS])
    return {
        "seen_symbols": sorted({symbol for symbol, _ in seen}),
        "seen_strategies": sorted({strategy for _, strategy in seen} | set(KNOWN_STRATEGIES)),
    }


def _what_was_saved(form: PreferenceForm, before: dict[str, Any]) -> str:
    after = preferences_payload(form.instance)
    changed = [name for name in form.fields if before[name] != after[name]]
    if not changed:
        return "Saved. Nothing was different from before."
    return "Saved: " + "; ".join(f"{form.fields[name].label}: {_shown(form, name, after[name])}" for name in changed)


def _shown(form: PreferenceForm, name: str, value: Any) -> str:
    """A value in words, as the page shows it."""
    preference = form.instance
    if name == "paused_until" and preference.paused_until:
        return f"{preference.paused_until.astimezone(zone_or_utc(preference.time_zone)):%Y-%m-%d %H:%M}"
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, list):
        return ", ".join(_labels(form, name, value)) or "none"
    if isinstance(value, float):
        return f"{value:g}"
    return _labels(form, name, [value])[0] if value is not None else "none"


def _labels(form: PreferenceForm, name: str, values: list[Any]) -> list[str]:
    labels = dict(getattr(form.fields[name], "choices", ()))
    return [str(labels.get(value, value)) for value in values]
