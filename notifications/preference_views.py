"""A user's preferences: the page, complete without JavaScript, and the API beside it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypedDict

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db import transaction
from django.http import HttpResponse, HttpResponseBase, JsonResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from notifications import preview, preview_words, quieting, window_edits
from notifications.forms import PreferenceForm
from notifications.http import ApiError, ApiRequest, allow_a_minute, json_api, read_json_object
from notifications.json_preferences import WINDOWS, json_names, preferences_payload, type_errors
from notifications.models import NotificationPreference
from notifications.preference_words import changes
from notifications.preferences import UNTIL_TURNED_ON, MuteKind
from notifications.preview import Wishes
from notifications.quiet import Window, known_zones, zone_or_utc
from notifications.quiet_presets import Preset
from notifications.quiet_window_forms import form_set, posted_set, read_windows
from notifications.quieting import MAX_WINDOWS, PauseFor, mutes_in_force
from signals import track_record
from signals.models import Signal
from signals.vocabulary import KNOWN_STRATEGIES
from zenithedge import rates
from zenithedge.sign_in import too_many

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

USUAL_SYMBOLS = ("EURUSD", "GBPUSD", "USDJPY", "USDCHF", "AUDUSD", "USDCAD", "NZDUSD", "EURGBP", "EURJPY", "GBPJPY")
# Each takes up to 0.3 s. The page asks when its fields have come to rest, which is less often than every other second.
PREVIEWS_A_MINUTE = 30
# The page has a preview of what is saved in it.
PAGES_A_MINUTE = 30
NOTHING_SAVED = gettext_lazy("Nothing was saved: some fields are not valid.")
NO_PREVIEW = gettext_lazy("There is no preview: some fields are not valid.")
SHOWN_SUGGESTIONS = 24
SEEN_SIGNALS = 1000  # so many of the newest are looked at for suggestions: enough variety, one short query


class Names(TypedDict):
    """What to choose from: `picks` are boxes to tick, `more` comes up while one types."""

    picks: list[str]
    more: list[str]


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
@login_required
def preferences_page(request: ApiRequest) -> HttpResponse:
    """Shows and saves. A button that changes the windows in the form only has them shown, and saves nothing."""
    if request.method != "POST":
        if rates.add("preferences-page", str(request.user.pk), rates.MINUTE_S) > PAGES_A_MINUTE:
            return too_many(request, rates.next_window_s(rates.MINUTE_S), guessing=False)
        return _page(request, PreferenceForm(instance=NotificationPreference.of(request.user)))
    if window_edits.BUTTON in request.POST:
        return _edited_page(request)
    with transaction.atomic():
        preference = NotificationPreference.locked(request.user)
        before = preferences_payload(preference)
        form, windows = PreferenceForm(request.POST, instance=preference), posted_set(request.POST)
        saved = form.is_valid() and (windows is None or windows.is_valid())
        if saved:
            quieting.save(preference, windows.windows if windows else None, changed_by=request.user)
    if not saved:
        return _page(request, form, windows)
    changed = changes(form, before, preferences_payload(preference))
    said = [_("Saved."), *(changed or [_("Nothing was different from before.")])]
    messages.success(request, "\n".join(said))
    return redirect("preferences")


def _edited_page(request: ApiRequest) -> HttpResponse:
    """The form as it was posted, with what the button asked for done to its windows."""
    preference = NotificationPreference.of(request.user)
    posted = window_edits.edited(request.POST, _clock(preference).date())
    return _page(request, PreferenceForm(posted, instance=preference), posted_set(posted), edited=True)


@json_api("POST")
def api_update_preferences(request: ApiRequest) -> HttpResponseBase:
    """Change the given fields and leave the others; all of them or, when one is wrong, none.

    Two requests at once for different fields both hold; for the same field the later one does.
    """
    given = _given(request, NOTHING_SAVED)
    with transaction.atomic():
        preference = NotificationPreference.locked(request.user)
        windows = _apply(given, preference, NOTHING_SAVED)
        quieting.save(preference, windows, changed_by=request.user)
    return JsonResponse({"success": True, "preferences": preferences_payload(preference)})


@json_api("POST")
def api_preview_preferences(request: ApiRequest) -> HttpResponseBase:
    """What this draft would have done with the insights of the last days; fields not given are as they are saved."""
    given = _given(request, NO_PREVIEW)
    allow_a_minute(request, "preview", PREVIEWS_A_MINUTE)
    preference = NotificationPreference.of(request.user)
    saved = Wishes.of(preference)
    windows = _apply(given, preference, NO_PREVIEW)
    draft = saved.changed_to(preference, windows)
    return JsonResponse(preview_words.payload(preview.look(request.user, draft, saved, timezone.now())))


def _given(request: ApiRequest, refusal: StrOrPromise) -> dict[str, Any]:
    given = read_json_object(request, json_names(NotificationPreference(user=request.user)))
    _refuse(type_errors(given), refusal)
    return given


def _apply(given: dict[str, Any], preference: NotificationPreference, refusal: StrOrPromise) -> list[Window] | None:
    """Change the fields of a row, without saving it; return the further windows, None when none are given."""
    fields = {name: value for name, value in given.items() if name != WINDOWS}
    form = PreferenceForm(fields, instance=preference, only=fields)
    windows, errors = read_windows(given.get(WINDOWS, []))
    _refuse({name: [str(text) for text in texts] for name, texts in form.errors.items()} | errors, refusal)
    return windows if WINDOWS in given else None


def _refuse(errors: Mapping[str, list[str]], message: StrOrPromise) -> None:
    if errors:
        raise ApiError(400, "invalid_fields", str(message), dict(errors))


def _page(request: ApiRequest, form: PreferenceForm, windows: Any = None, *, edited: bool = False) -> HttpResponse:
    """`windows` is the set that was posted; without it the saved ones are shown."""
    form.focus_first_error()
    # A posted form has left what it could read on its instance.
    stored = NotificationPreference.of(request.user) if form.is_bound else form.instance
    saved = Wishes.of(stored)
    now = timezone.now()
    looked = preview.look(request.user, saved, saved, now)
    context = {
        "form": form,
        "windows": form_set(saved.rules.quiet_windows) if windows is None else windows,
        "window_presets": Preset.choices,
        "most_windows": MAX_WINDOWS,
        "edited": edited,
        "refused": form.is_bound and not edited,
        "preview": _shown_preview(looked),
        "reliability": track_record.read(request.user).telling,
        "mutes": [(mute, _local(mute.until, stored)) for mute in mutes_in_force(request.user, now)],
        "mute_kinds": MuteKind.choices,
        "pauses": PauseFor.choices,
        "zones": sorted(known_zones()),
        "clock": _clock(stored),
        "paused_until": _end_of_pause(stored),
        "paused_without_end": stored.paused_until == UNTIL_TURNED_ON,
        **_suggestions(form),
    }
    return render(request, "notifications/preferences.html", context)


def _shown_preview(looked: preview.Preview) -> dict[str, Any]:
    """What the API answers, with the columns of the drawing."""
    shown = preview_words.payload(looked)
    drawn = zip(shown["periods"], looked.periods, strict=True)
    return {"periods": [{**period, "columns": preview_words.columns(of)} for period, of in drawn]}


def _clock(preference: NotificationPreference) -> dt.datetime:
    return timezone.now().astimezone(zone_or_utc(preference.time_zone))


def _local(moment: dt.datetime | None, preference: NotificationPreference) -> dt.datetime | None:
    """By the user's own clock."""
    return moment.astimezone(zone_or_utc(preference.time_zone)) if moment else None


def _end_of_pause(preference: NotificationPreference) -> dt.datetime | None:
    """By the user's own clock; None when nothing is paused any more."""
    end = preference.paused_until
    return _local(end, preference) if end and end > timezone.now() else None


def _suggestions(form: PreferenceForm) -> dict[str, Names]:
    """Symbols and strategies to choose from: the usual ones and those of the newest signals that the user can see."""
    newest = Signal.objects.visible_to(form.instance.user).order_by("-received_at", "-id")
    seen = list(newest.values_list("symbol", "strategy")[:SEEN_SIGNALS])
    return {
        "symbols": _names(form["symbols_filter"].value(), USUAL_SYMBOLS, [symbol for symbol, _strategy in seen]),
        "strategies": _names(
            form["strategies_filter"].value(), KNOWN_STRATEGIES, [strategy for _symbol, strategy in seen]
        ),
    }


def _names(chosen: list[str] | None, usual: Sequence[str], seen: list[str]) -> Names:
    """The chosen ones first, so that they stand together; of the others as many as one can take in at a glance."""
    ticked = list(dict.fromkeys(name for name in chosen or [] if name.strip()))
    others = [name for name in dict.fromkeys([*usual, *seen]) if name not in ticked]
    return {"picks": ticked + others[:SHOWN_SUGGESTIONS], "more": others[SHOWN_SUGGESTIONS:]}
