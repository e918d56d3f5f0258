"""What slows a guesser of passwords down: django-axes with limits of ours, and a limit on asking for new passwords.

A user name is locked for the address that failed with it, not for everybody: else anyone could lock anyone out. An
address that fails with many names is locked whole. Failures are rows, so that every server process knows them.
"""

from __future__ import annotations

import datetime as dt
import math
from typing import Any

from axes.backends import AxesStandaloneBackend
from axes.handlers.database import AxesDatabaseHandler
from axes.helpers import get_cool_off
from django.contrib import admin
from django.contrib.auth import user_login_failed
from django.contrib.auth.forms import PasswordChangeForm, PasswordResetForm
from django.contrib.auth.views import PasswordChangeView, PasswordResetView
from django.db.models import Max, Sum
from django.dispatch import receiver
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.cache import add_never_cache_headers
from prometheus_client import Counter

from zenithedge import rates
from zenithedge.clients import limited_address
from zenithedge.shared_values import REGISTRY

# An office behind one address has more than one forgetful trader.
ADDRESS_PER_NAME = 6
RESETS_AN_HOUR_AN_ADDRESS = 20
RESETS_AN_HOUR_A_MAILBOX = 3
WRONG_OLD_PASSWORDS_AN_HOUR = 10


SIGN_INS_REFUSED = Counter(
    "zenithedge_sign_ins_refused",
    "Sign-ins with a wrong name or password, or while locked out.",
    registry=REGISTRY,
)


@receiver(user_login_failed, dispatch_uid="zenithedge.count_refused_sign_in")
def count_refused_sign_in(sender: object, **kwargs: Any) -> None:
    SIGN_INS_REFUSED.inc()


class SignInHandler(AxesDatabaseHandler):  # type: ignore[misc]  # the library has no types
    """AXES_FAILURE_LIMIT failures lock a name for an address, ADDRESS_PER_NAME times as many lock the address."""

    def get_failures(self, request: HttpRequest, credentials: dict[str, Any] | None = None) -> int:
        of_name_here, of_address = (
            attempts.aggregate(failures=Sum("failures_since_start"))["failures"] or 0
            for attempts in self.get_user_attempts(request, credentials)
        )
        return max(of_name_here, of_address // ADDRESS_PER_NAME)

    def reset_user_attempts(self, request: HttpRequest, credentials: dict[str, Any] | None = None) -> int:
        """A success ends the failures with that name only: signing in to one account buys no guesses at others."""
        of_name_here, _ = self.filter_user_attempts(request, credentials)
        deleted, _ = of_name_here.delete()
        return int(deleted)

    def locked_until(self, request: HttpRequest, credentials: dict[str, Any] | None = None) -> dt.datetime | None:
        """When the last of the failures that lock is forgotten."""
        latest = [
            attempts.aggregate(latest=Max("attempt_time"))["latest"]
            for attempts in self.get_user_attempts(request, credentials)
        ]
        cool_off = get_cool_off(request)
        times = [time for time in latest if time is not None]
        return max(times) + cool_off if times and cool_off else None


class SignInBackend(AxesStandaloneBackend):  # type: ignore[misc]  # the library has no types
    """Asked first: refuses who is locked out, before the password is looked at."""

    def authenticate(self, request: HttpRequest | None, *args: Any, **credentials: Any) -> None:
        if request is not None:  # a shell or a command is nobody to be slowed down
            super().authenticate(request, *args, **credentials)


def locked_out(request: HttpRequest, response: HttpResponse, credentials: dict[str, Any] | None) -> HttpResponse:
    """settings.AXES_LOCKOUT_CALLABLE: the page that takes the place of the answer."""
    until = SignInHandler().locked_until(request, credentials)
    wait_s = math.ceil((until - timezone.now()).total_seconds()) if until else rates.MINUTE_S
    return too_many(request, max(1, wait_s))


def too_many(request: HttpRequest, wait_s: int, *, guessing: bool = True) -> HttpResponse:
    """429 as a page that says how long to wait; `guessing`: a password, rather than loading a page too often."""
    minutes = math.ceil(wait_s / 60)
    response = render(request, "429.html", {"minutes": minutes, "guessing": guessing}, status=429)
    response["Retry-After"] = str(wait_s)
    add_never_cache_headers(response)
    return response


class ThrottledPasswordChangeView(PasswordChangeView):
    """Django's, but whoever has found a signed-in browser does not try old passwords there until one fits.

    Counted for the account, from wherever; signing in with the right one ends nothing of it.
    """

    def post(self, request: HttpRequest, *args: Any, **options: Any) -> HttpResponse:
        if _has_guessed_enough(request):
            return too_many(request, rates.next_window_s(rates.HOUR_S))
        return super().post(request, *args, **options)

    def form_invalid(self, form: PasswordChangeForm) -> HttpResponse:
        _count_guess(self.request, form)
        return super().form_invalid(form)


def admin_password_change(request: HttpRequest) -> HttpResponse:
    """The admin's own page for it, with the same count."""
    if request.method == "POST" and _has_guessed_enough(request):
        return too_many(request, rates.next_window_s(rates.HOUR_S))
    response = admin.site.password_change(request)
    form = getattr(response, "context_data", {}).get("form")
    if isinstance(form, PasswordChangeForm):
        _count_guess(request, form)
    return response


def _has_guessed_enough(request: HttpRequest) -> bool:
    return rates.count("old-password", str(request.user.pk), rates.HOUR_S) >= WRONG_OLD_PASSWORDS_AN_HOUR


def _count_guess(request: HttpRequest, form: PasswordChangeForm) -> None:
    if "old_password" in form.errors and form.data.get("old_password"):
        rates.add("old-password", str(request.user.pk), rates.HOUR_S)


class ThrottledPasswordResetView(PasswordResetView):
    """Django's, within limits: nobody's mailbox is filled, and nobody tries addresses by the thousand.

    The limit of a mailbox counts what was asked for, whether an account has it or not, so that it tells nothing.
    """

    def post(self, request: HttpRequest, *args: Any, **options: Any) -> HttpResponse:
        if rates.add("password-reset", limited_address(request), rates.HOUR_S) > RESETS_AN_HOUR_AN_ADDRESS:
            return too_many(request, rates.next_window_s(rates.HOUR_S))
        return super().post(request, *args, **options)

    def form_valid(self, form: PasswordResetForm) -> HttpResponse:
        mailbox = form.cleaned_data["email"].casefold()
        if rates.add("password-reset-to", mailbox, rates.HOUR_S) > RESETS_AN_HOUR_A_MAILBOX:
            return too_many(self.request, rates.next_window_s(rates.HOUR_S))
        return super().form_valid(form)
