"""Leaving the daily e-mail from the mail itself, without signing in; and asking for one now."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods, require_POST

from notifications.digests import addresses, runs
from notifications.http import ApiRequest
from notifications.models import NotificationPreference
from zenithedge import rates

if TYPE_CHECKING:
    from django.contrib.auth.models import User

WEEK = dt.timedelta(days=7)
TRIALS_AN_HOUR = 5


@csrf_exempt
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def unsubscribe(request: HttpRequest, token: str) -> HttpResponse:
    """GET asks, for scanners open every link of a mail; POST does it: the page's buttons, and RFC 8058's one click.

    The token is the permission. There is no session behind it and none is begun, so there is nothing that a forged
    request could ride on. `pause` in the form pauses for a week; whatever else was sent, it means unsubscribe.
    """
    user = addresses.user_of(token)
    if user is None:
        raise Http404("No user has this token.")
    done = ""
    if request.method == "POST":
        done = "paused" if "pause" in request.POST else "unsubscribed"
        _stop_mails(user, for_a_week=done == "paused")
    context = {"done": done, "mailbox": _masked(user.email), "week": timezone.now() + WEEK}
    response = render(request, "notifications/unsubscribe.html", context)
    response["Referrer-Policy"] = "no-referrer"  # the address is the permission
    return response


@require_POST
@login_required
def send_one_now(request: ApiRequest) -> HttpResponse:
    """Has a digest of the last day sent to whoever asks, whatever is in it."""
    if not request.user.email:
        messages.error(request, _("Your account has no e-mail address. Ask whoever runs this site to add one."))
    elif rates.add("digest-trial", str(request.user.pk), rates.HOUR_S) > TRIALS_AN_HOUR:
        messages.error(request, _("That were enough for now. Try again in an hour."))
    elif runs.open_trial(request.user, timezone.now()) is None:
        messages.info(request, _("One is on its way already."))
    else:
        messages.success(request, _("It goes out within a minute, to the address of your account."))
    return redirect("preferences")


def _stop_mails(user: User, *, for_a_week: bool) -> None:
    with transaction.atomic():
        NotificationPreference.objects.get_or_create(user=user)
        preference = NotificationPreference.objects.select_for_update().get(user=user)
        if for_a_week:
            preference.digest_paused_until = timezone.now() + WEEK
        else:
            preference.email_digest_enabled = False
        preference.save(changed_by=user)


def _masked(address: str) -> str:
    """Enough for its owner to know it by."""
    name, _at, host = address.rpartition("@")
    return f"{name[:1]}…@{host}" if name else ""
